"""Work that no changed value can influence is not repeated.

A trial begins at the furthest checkpoint that its values allow, provided that everything there is
as it was; otherwise it runs from the start. What is reused is decided by looking, not by trust.
"""
