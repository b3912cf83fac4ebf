"""The figures a trial leaves open: drawn, kept and closed."""

from __future__ import annotations

import io
import sys
from typing import Any

__all__ = ["MOST_FIGURES", "open_figures", "take_figures"]

MOST_FIGURES = 10
"""Figures kept of a trial."""


def open_figures() -> frozenset[int]:
    """The numbers of the open figures; none when pyplot has not been imported."""
    pyplot = _pyplot()
    return frozenset(pyplot.get_fignums()) if pyplot else frozenset()


def take_figures(before: frozenset[int], room: int = MOST_FIGURES) -> list[bytes]:
    """Close the figures that were not open ``before``, and give up to ``room`` of them as PNG."""
    pyplot = _pyplot()
    if pyplot is None:
        return []
    images: list[bytes] = []
    for number in sorted(set(pyplot.get_fignums()) - before):
        figure = pyplot.figure(number)
        try:
            if len(images) < room and figure.get_axes():
                buffer = io.BytesIO()
                figure.savefig(buffer, format="png", bbox_inches="tight")
                images.append(buffer.getvalue())
        except Exception as error:  # noqa: BLE001 - a figure may be broken in any way
            sys.stderr.write(f"figure {number} could not be drawn: {error}\n")
        finally:
            pyplot.close(figure)
    return images


def _pyplot() -> Any:
    pyplot = sys.modules.get("matplotlib.pyplot")
    return pyplot if hasattr(pyplot, "get_fignums") else None
