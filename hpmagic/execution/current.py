"""The trial that runs now, for code that the cell calls but that is not the cell's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hpmagic.execution.hooks import TrialHooks

__all__ = ["current_trial", "running"]

# Not a context variable: a framework may call back from a thread of its own.
_current: TrialHooks | None = None


def current_trial() -> TrialHooks | None:
    """The hooks of the trial that runs in this process; None outside trials."""
    return _current


@contextmanager
def running(hooks: TrialHooks) -> Iterator[None]:
    """Within, ``hooks`` are those of the current trial."""
    global _current  # noqa: PLW0603 - one trial at a time runs in a process
    before, _current = _current, hooks
    try:
        yield
    finally:
        _current = before
