"""The best trial's variables after a study, also when that trial ran in an earlier session."""

from __future__ import annotations

from typing import Final

from hpmagic.conversation import Planned, TrialConversation
from hpmagic.engines.base import Engine
from hpmagic.records import Report, Trial, TrialState
from hpmagic.space import SearchSpace
from hpmagic.study import StudyResult
from hpmagic.tuners.tree import ExecutionTree

__all__ = ["NOT_PUBLISHED", "publish_best"]

NOT_PUBLISHED: Final = (
    "the best trial ran before this session, so its variables are not here: `%tune apply` sets the "
    "best values, and the cell without its first line makes the rest"
)


def publish_best(engine: Engine, result: StudyResult, space: SearchSpace, *, again: bool) -> bool:
    """Put the best trial's variables into the person's namespace.

    Where the best trial is one of before, the cell runs once more with its values; that run is not
    recorded.

    Args:
        engine: it is open, and no trial runs.
        result: the study's.
        space: the study's.
        again: whether the cell may run once more, which a cell that logs to MLflow may not.

    Returns:
        False when there are variables to be had that could not be published.
    """
    finished = result.record.finished
    if finished is None or finished.best is None:
        return True
    if result.best is not None:
        engine.publish(finished.best, result.best)
        return True
    if finished.state != "complete" or not again:
        return False
    best = next(trial for trial in result.record.trials if trial.number == finished.best)
    return _run_again(engine, best, space)


class _Again(TrialConversation):
    """One run of a trial, that of its last repeat: the study would have published that one."""

    seed: int | None = None


def _run_again(engine: Engine, best: Trial, space: SearchSpace) -> bool:
    conversation = _Again(
        best.number,
        Planned(best.origin, dict(best.params)),
        space=space,
        walk=ExecutionTree().walk(),
        seed=(0,),
        hear=_nobody,
    )
    conversation.seed = len(best.repeats) - 1 if best.repeats else None
    engine.start(conversation)
    while (ended := engine.wait()) is None:
        pass
    number, outcome = ended
    if outcome.state is not TrialState.COMPLETE:
        return False
    engine.keep(number)
    engine.publish(number, outcome)
    return True


def _nobody(_: int, __: Report) -> None:
    """Reports of a run that is not recorded."""
