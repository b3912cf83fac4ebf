"""An annotation in its canonical form: what we print, and what parses back to the same."""

from __future__ import annotations

from hpmagic.distributions import literal_text
from hpmagic.space import Parameter

__all__ = ["annotation_text"]


def annotation_text(parameter: Parameter, *, named: bool = False) -> str:
    """What stands behind ``# tune:`` for a hyperparameter, with its name if ``named``.

    >>> from hpmagic.distributions import Int
    >>> annotation_text(Parameter("depth", Int(2, 8), grid_points=3, kind="model"), named=True)
    'int(2, 8), n=3, kind="model", name="depth"'
    """
    options = {"n": parameter.grid_points, "kind": parameter.kind}
    if named:
        options["name"] = parameter.name
    given = [f"{key}={literal_text(value)}" for key, value in options.items() if value is not None]
    return ", ".join([parameter.text, *given])
