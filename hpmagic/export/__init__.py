"""A study as a program without hpmagic: for Optuna, for Ray Tune, or as a plain script."""

from __future__ import annotations

from hpmagic.errors import OptionError, nearest
from hpmagic.export.search import Search

__all__ = ["FORMS", "Search", "export"]

FORMS = ("optuna", "ray", "script")
"""What a study can be exported as."""


def export(form: str, search: Search) -> str:
    """The text of a Python program.

    Args:
        form: one of `FORMS`.
        search: what is searched.

    Raises:
        OptionError: an unknown form.
        ExportError: the cell holds something that this form has no words for.
    """
    if form == "optuna":
        from hpmagic.export.optuna import program
    elif form == "ray":
        from hpmagic.export.ray import program
    elif form == "script":
        from hpmagic.export.script import program
    else:
        raise OptionError(f"export takes one of {', '.join(FORMS)}{nearest(form, FORMS)}")
    return program(search)
