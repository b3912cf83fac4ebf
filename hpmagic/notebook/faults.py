"""What a person sees when something is wrong: a sentence, a caret, never our own frames."""

from __future__ import annotations

import contextlib
from typing import Any

from IPython.core.error import UsageError

from hpmagic.errors import AnnotationError, HpmagicError

__all__ = ["CellSyntaxError", "StudyInterrupted", "from_cell", "shown"]


class CellSyntaxError(Exception):
    """The text of a tune cell is wrong. Shows as Python shows a syntax error in any cell.

    ``error`` is the `SyntaxError` (an `AnnotationError`, for an annotation). IPython prints the
    whole stack for a `SyntaxError` that a magic raises, so this is none, but renders as one.
    """

    def __init__(self, error: SyntaxError, shell: Any) -> None:
        super().__init__(str(error))
        self.error = error
        self._shell = shell

    def _render_traceback_(self) -> list[str]:
        table = list(self._shell.SyntaxTB.structured_traceback(type(self.error), self.error, []))
        said = "".join(table)  # newer IPythons print the notes
        notes = [note + "\n" for note in getattr(self.error, "__notes__", ()) if note not in said]
        return [*table, *notes]


class StudyInterrupted(KeyboardInterrupt):
    """A study was stopped by hand. Its results are usable; 'Run All' stops here."""

    def _render_traceback_(self) -> list[str]:
        return [f"KeyboardInterrupt: {self}"]


def shown(error: BaseException, shell: Any) -> BaseException:
    """The error that shows what ``error``, which is ours, has to say, and no more."""
    if isinstance(error, SyntaxError):
        return CellSyntaxError(error, shell)
    if isinstance(error, HpmagicError):
        return UsageError("\n".join([str(error), *getattr(error, "__notes__", ())]))
    if isinstance(error, KeyboardInterrupt) and str(error):
        return StudyInterrupted(str(error))
    return error


def from_cell(error: BaseException, shell: Any, told: str = "") -> BaseException:
    """What ended a study: the cell's own error with the cell's frames only, ours as a sentence.

    An error that comes from another process has no frames: then ``told``, its traceback as text,
    is shown.
    """
    if isinstance(error, AnnotationError | HpmagicError | KeyboardInterrupt):
        return shown(error, shell)
    frames = error.__traceback__

    def render() -> list[str]:
        if frames is None:
            return [told.rstrip("\n"), *getattr(error, "__notes__", ())]
        table = shell.InteractiveTB.structured_traceback(type(error), error, frames, tb_offset=0)
        return list(table)

    if frames is not None or told:
        with contextlib.suppress(AttributeError, TypeError):  # a stranger's class may refuse
            error._render_traceback_ = render  # type: ignore[attr-defined]
    return error
