"""Hyperparameters and parameters of a study: who sets what, and to which values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpmagic.kinds import kind_of
from hpmagic.ranking import best_trial
from hpmagic.records import Origin, StudyRecord, Trial

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["roles"]

_COLUMNS = ("name", "role", "set_by", "adjustable_by", "value", "count")


def roles(record: StudyRecord) -> pd.DataFrame:
    """One row for each hyperparameter and each learned parameter of the best trial.

    Columns: ``name``; ``role``: "hyperparameter of the model", "hyperparameter of training",
    "hyperparameter" or "parameter"; ``set_by``: "you", a tuner's name or "training";
    ``adjustable_by``; ``value`` of a hyperparameter; ``count`` of the numbers of a parameter.
    Without a trial that ran to its end there are only the constants.
    """
    import pandas as pd

    info = record.info
    best = best_trial(record.trials, info.objectives)
    rows: list[tuple[object, ...]] = []
    if best is not None:
        by = "you" if best.origin is not Origin.TUNER else info.tuner
        for name, value in best.params.items():
            known = info.space.get(name)
            kind = known.of if known is not None else kind_of(name)
            shown = best.distributions[name].in_table(value)
            rows.append((name, _role(kind), by, "you and the tuner", shown, None))
    for name, value in info.constants.items():
        rows.append((name, _role(kind_of(name)), "you", "you", value, None))
    if best is not None:
        rows += [
            (name, "parameter", "training", "training", None, many)
            for name, many in _learned(best).items()
        ]
    table = pd.DataFrame(rows, columns=list(_COLUMNS), dtype="object")
    return table.astype({"count": "Int64"})


def _role(kind: str | None) -> str:
    of = {"model": " of the model", "training": " of training"}
    return f"hyperparameter{of.get(kind or '', '')}"


def _learned(trial: Trial) -> dict[str, int]:
    """The counts in a trial's notes."""
    found: dict[str, int] = {}
    for item in trial.notes.get("learned", "").split("; "):
        name, _, many = item.rpartition(" ")
        if name and many.isdecimal():
            found[name] = int(many)
    return found
