"""What a conversion comes to."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Converted"]


@dataclass(frozen=True)
class Converted:
    """``text`` is Python with annotations, to paste or to save as a ``# %%`` script.

    ``notes`` say what could not be taken over, and what is left to do.
    """

    text: str
    notes: tuple[str, ...] = ()
