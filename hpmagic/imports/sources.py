"""The tools whose files can be read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from hpmagic.imports.colab import convert_form
from hpmagic.imports.converted import Converted
from hpmagic.imports.wandb import convert_sweep

__all__ = ["SOURCES", "convert_file"]

SOURCES: Final[dict[str, Callable[[Path], Converted]]] = {
    "colab": convert_form,
    "wandb": convert_sweep,
}
"""What reads a file, by the name of its tool."""


def convert_file(source: str, path: Path) -> Converted:
    """A file of another tool's as annotated Python.

    Args:
        source: one of `SOURCES`.
        path: for "colab" a notebook or script with ``#@param`` lines, for "wandb" a sweep's YAML.

    Raises:
        ConversionError: something in it cannot be understood; the message points at it.
        OptionError: the file cannot be read, or holds nothing of the kind.
        SyntaxError: a cell with a form is not Python.
    """
    return SOURCES[source](path)
