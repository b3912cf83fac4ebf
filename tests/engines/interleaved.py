"""An engine whose trials take turns in an order given by a seed: concurrency without processes."""

from __future__ import annotations

import random
from collections.abc import Callable, Generator
from typing import Any

from hpmagic.distributions import Distribution
from hpmagic.execution.outcome import TrialOutcome
from hpmagic.records import Report, TrialState
from hpmagic.space import Parameter

Cell = Callable[[], Generator[Parameter, Any, float]]
"""A cell as a generator: it yields what it draws, is sent the value, and returns its loss."""


class InterleavedEngine:
    """Runs ``cell`` in ``capacity`` workers; who goes on is decided by ``seed``, step by step."""

    def __init__(self, cell: Cell, capacity: int, seed: int = 0) -> None:
        self.capacity = capacity
        self.kept: list[int] = []
        self.most = 0
        self._cell = cell
        self._rng = random.Random(seed)
        self._running: dict[int, list[Any]] = {}

    def start(self, conversation):
        self._running[conversation.number] = [conversation, self._cell(), None, {}]
        self.most = max(self.most, len(self._running))

    def wait(self):
        while True:
            number = self._rng.choice(sorted(self._running))
            conversation, steps, answer, drawn = run = self._running[number]
            try:
                parameter = steps.send(answer)
            except StopIteration as end:
                del self._running[number]
                return number, _outcome(drawn, end.value)
            run[2] = conversation.draw(parameter)
            drawn[parameter.name] = parameter.distribution, run[2]
            if len(self._running) < self.capacity:
                return None

    def keep(self, number):
        self.kept.append(number)

    def publish(self, number, outcome):
        pass

    def close(self):
        pass


def _outcome(drawn: dict[str, tuple[Distribution, Any]], loss: float) -> TrialOutcome:
    return TrialOutcome(
        state=TrialState.COMPLETE,
        params={name: value for name, (_, value) in drawn.items()},
        distributions={name: distribution for name, (distribution, _) in drawn.items()},
        reports=(Report("loss", loss, None, 0.0),),
        start=0.0,
        duration=0.0,
    )
