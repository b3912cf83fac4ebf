"""What was reused, in the words of the record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hpmagic.durations import duration_text
from hpmagic.execution.heap.facts import facts_of
from hpmagic.execution.parts import Part, lines_text
from hpmagic.execution.reuse.run import Run

__all__ = ["Account"]

LONG = 0.1
"""Seconds from which work is worth a word of advice."""


class Account:
    """Says what the trials of a study did not have to do, and once what kept them from more."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts
        self._advised = False

    def notes(self, run: Run, why_not: Mapping[int, str]) -> dict[str, str]:
        """A trial's notes: what it reused, and what it would have taken from the start."""
        notes: dict[str, str] = {}
        if run.before + run.spared:
            notes["reused"] = self._text(run)
            notes["from_scratch"] = f"{run.total:.3f} s"
        if not self._advised and run.begun is None and run.total >= LONG:
            self._advised = True
            advice = [*self._obstacles(run, why_not), *self._advice(run)]
            if advice:
                notes["reuse"] = "; ".join(advice)
        return notes

    def _text(self, run: Run) -> str:
        begun = run.begun
        if begun is None:
            return f"vouched-for lines ran once ({duration_text(run.spared)})"
        lines = lines_text(self._parts[0].first, self._parts[begun.part - 1].last)
        each = f" for each value of {', '.join(begun.reads)}" if begun.reads else ""
        return f"{lines} ran once{each} ({duration_text(begun.seconds)})"

    def _obstacles(self, run: Run, why_not: Mapping[int, str]) -> list[str]:
        """What kept a checkpoint from being made, where there was something to save."""
        if run.made:
            return []
        texts = []
        for number, why in sorted(why_not.items()):
            if number < 0:
                texts.append(f"nothing is reused: {why}")
            elif sum(run.seconds.get(n, 0.0) for n in range(number + 1)) >= LONG:
                texts.append(f"{self._parts[number].lines} {why}, so it runs in every trial")
        return texts[:1]

    def _advice(self, run: Run) -> list[str]:
        """Statements that need no tuned value, but come after one that does."""
        if not run.readers:
            return []
        first = min(run.readers)
        tainted: set[str] = set()
        texts = []
        for number in range(first, len(self._parts)):
            part = self._parts[number]
            names = {name for code in part.runs for name in facts_of(code).names}
            if number in run.readers or names & tainted or part.tuned is not None:
                tainted |= names
            elif run.seconds.get(number, 0.0) >= max(LONG, 0.1 * run.total):
                used = ", ".join(f"`{name}`" for name in run.readers[first])
                texts.append(
                    f"{part.lines} {'run' if part.last > part.first else 'runs'} in every trial "
                    f"because {self._parts[first].lines} above, which uses {used}, comes first"
                )
        return texts
