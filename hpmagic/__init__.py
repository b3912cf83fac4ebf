"""hpmagic: tune the numbers in a notebook cell."""
