"""What a study found: trials as a DataFrame, the best, and studies loaded from MLflow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from hpmagic.errors import HpmagicError, OptionError
from hpmagic.ranking import best_trial, default_trial, gain, pareto_front
from hpmagic.records import Objective, StudyRecord, Trial
from hpmagic.repeats import indistinguishable, standard_error

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from hpmagic.display.findings import Findings

__all__ = ["Best", "Study", "load", "studies"]


@dataclass(frozen=True)
class Best:
    """The best trial.

    ``value`` is the objective's, ``gain`` how much better that is than the person's own default
    (0 when nothing beat it, None when the default did not run to its end). ``params`` are the
    values as they were used; options that are objects come back as labels from a loaded study.
    """

    number: int
    params: Mapping[str, Any]
    value: float
    objective: Objective
    default: float | None
    gain: float | None
    run_id: str | None

    def __repr__(self) -> str:
        params = ", ".join(f"{name}={value!r}" for name, value in self.params.items())
        text = f"{self.objective.name} = {self.value:.6g} in trial {self.number}"
        if self.gain is not None and self.default is not None:
            better = f"{self.gain:.4g}" if self.gain else "nothing"
            text += f", {better} better than your {self.default:.6g}"
        return f"<Best: {text}; {params}>"


class Study:
    """A study that has run, or that was loaded from MLflow.

    It is read-only. In a notebook its representation is the study's final picture.
    """

    def __init__(self, record: StudyRecord) -> None:
        self.record = record

    @property
    def name(self) -> str:
        """The study's name in MLflow."""
        return self.record.info.name

    @property
    def run_id(self) -> str | None:
        """The id of the study's parent run in MLflow."""
        return self.record.run_id

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """What was minimised or maximised."""
        return self.record.info.objectives

    def __len__(self) -> int:
        return len(self.record.trials)

    @property
    def trials(self) -> pd.DataFrame:
        """One row a trial: ``number``, ``state``, ``params.*``, ``metrics.*``, ``origin``,
        ``start`` (UTC), ``duration`` and ``from_scratch`` (seconds: what it took, and about what
        it would have taken if nothing had been reused), ``run_id``, ``reason``.

        Ints are ints and bools are bools; hyperparameters that a trial did not reach are NA.
        """
        import pandas as pd

        trials = self.record.trials
        params = dict.fromkeys([*self.record.info.space, *(n for t in trials for n in t.params)])
        metrics = dict.fromkeys(n for t in trials for n in t.metrics)
        columns: dict[str, Any] = {
            "number": pd.Series([t.number for t in trials], dtype="int64"),
            "state": pd.Series([t.state.value for t in trials], dtype="object"),
        }
        for name in params:
            if any(name in t.params for t in trials):
                columns[f"params.{name}"] = _column([_plain(t, name) for t in trials])
        for name in metrics:
            values = [t.metrics.get(name, float("nan")) for t in trials]
            columns[f"metrics.{name}"] = pd.Series(values, dtype="float64")
        columns["origin"] = pd.Series([t.origin.value for t in trials], dtype="object")
        columns["start"] = _instants([t.start for t in trials])
        columns["duration"] = pd.Series([t.duration for t in trials], dtype="float64")
        columns["from_scratch"] = pd.Series([t.from_scratch for t in trials], dtype="float64")
        columns["run_id"] = pd.Series([t.run_id for t in trials], dtype="object")
        columns["reason"] = pd.Series([t.reason for t in trials], dtype="object")
        return pd.DataFrame(columns)

    @property
    def best(self) -> Best:
        """The best trial (of the first objective; see `front` for several).

        Raises:
            HpmagicError: no trial ran to its end.
        """
        info = self.record.info
        trial = best_trial(self.record.trials, info.objectives)
        if trial is None or trial.value is None:
            raise HpmagicError(f"no trial of {self.name} ran to its end, so there is no best one")
        default = default_trial(self.record.trials)
        return Best(
            number=trial.number,
            params={n: trial.distributions[n].used(v) for n, v in trial.params.items()},
            value=trial.value,
            objective=info.objectives[0],
            default=default.value if default else None,
            gain=gain(self.record.trials, info.objectives),
            run_id=trial.run_id,
        )

    @property
    def best_params(self) -> dict[str, Any]:
        """The best trial's values by name."""
        return dict(self.best.params)

    @property
    def standard_error(self) -> float | None:
        """The standard error of the best trial's mean; None where it ran only once."""
        best = best_trial(self.record.trials, self.objectives)
        return None if best is None else standard_error(best, self.objectives[0])

    @property
    def indistinguishable(self) -> pd.DataFrame:
        """The rows of `trials` that repeats cannot tell apart from the best one.

        A one-sided t-test over the seeds is not 95% sure that they are worse. Empty without
        ``--repeats``.
        """
        close = indistinguishable(self.record.trials, self.objectives[0])
        table = self.trials
        return table[table["number"].isin([t.number for t in close])].reset_index(drop=True)

    def repeats(self) -> pd.DataFrame:
        """The runs of repeated trials, one row a run: ``number``, ``seed``, ``metrics.*``,
        ``start`` (UTC), ``duration`` (seconds).
        """
        import pandas as pd

        runs = [(trial.number, repeat) for trial in self.record.trials for repeat in trial.repeats]
        names = dict.fromkeys(name for _, repeat in runs for name in repeat.metrics)
        columns: dict[str, Any] = {
            "number": pd.Series([number for number, _ in runs], dtype="int64"),
            "seed": pd.Series([r.seed for _, r in runs], dtype="int64"),
        }
        for name in names:
            found = [r.metrics.get(name, float("nan")) for _, r in runs]
            columns[f"metrics.{name}"] = pd.Series(found, dtype="float64")
        columns["start"] = _instants([r.start for _, r in runs])
        columns["duration"] = pd.Series([r.duration for _, r in runs], dtype="float64")
        return pd.DataFrame(columns)

    @property
    def front(self) -> pd.DataFrame:
        """The rows of `trials` that no other beats in every objective."""
        numbers = [t.number for t in pareto_front(self.record.trials, self.objectives)]
        table = self.trials
        return table[table["number"].isin(numbers)].reset_index(drop=True)

    @property
    def roles(self) -> pd.DataFrame:
        """Hyperparameters and learned parameters of the best trial: who sets what.

        One row each: ``name``, ``role``, ``set_by``, ``adjustable_by``, ``value``, ``count``.
        """
        from hpmagic.roles import roles

        return roles(self.record)

    def history(self) -> pd.DataFrame:
        """Curves in long format, one row a report: ``number``, ``metric``, ``step``, ``value``."""
        import pandas as pd

        rows = [
            (trial.number, name, step, value)
            for trial in self.record.trials
            for name, points in trial.curves.items()
            for step, value in points
        ]
        table = pd.DataFrame(rows, columns=["number", "metric", "step", "value"])
        return table.astype({"number": "int64", "step": "int64", "value": "float64"})

    def output(self, number: int) -> str:
        """What a trial printed, and its traceback if it failed. Not kept in a loaded study's table:
        look at the run's artifacts there.

        Raises:
            HpmagicError: there is no trial of that number.
        """
        # By number: a resumed study may have left trials out.
        trial = next((t for t in self.record.trials if t.number == number), None)
        if trial is None:
            numbers = [t.number for t in self.record.trials]
            there = f"they are numbered {min(numbers)} to {max(numbers)}" if numbers else "none ran"
            raise OptionError(f"study {self.name} has no trial {number}; {there}")
        parts = (trial.output.stdout, trial.output.stderr, trial.output.traceback)
        return "\n".join(part.rstrip("\n") for part in parts if part)

    @property
    def findings(self) -> Findings:
        """What the trials tell, in sentences; ``importances`` and ``interactions`` as tables.

        Worked out when it is asked for, from a surrogate fitted to the trials.
        """
        from hpmagic.display.findings import findings

        return findings(self.record)

    def plot(self, kind: str = "history", **options: Any) -> Figure:
        """A figure: history, parallel, importance, slice, contour or curves."""
        from hpmagic.display.plots import plot

        return plot(self.record, kind, **options)

    def __repr__(self) -> str:
        from hpmagic.display.text import summary

        return summary(self.record)

    def _repr_html_(self) -> str:
        from hpmagic.display.html import final

        return final(self.record)


def load(name: str, *, experiment: str | None = None, tracking_uri: str | None = None) -> Study:
    """A study from MLflow alone, by its name.

    Args:
        name: the study's name, or its parent run's id.
        experiment: the experiment's name; every experiment is searched when None.
        tracking_uri: MLflow's; the one in use when None.

    Raises:
        StudyNotFound: there is none of that name; names the nearest.
    """
    from hpmagic.tracking.reader import read_study

    return Study(read_study(name, experiment=experiment, tracking_uri=tracking_uri))


def studies(*, experiment: str | None = None, tracking_uri: str | None = None) -> pd.DataFrame:
    """The studies in MLflow, newest first, one row each; an empty store gives no rows."""
    import pandas as pd

    from hpmagic.tracking.reader import ListedStudy, list_studies

    rows = list_studies(experiment=experiment, tracking_uri=tracking_uri)
    names = [field.name for field in fields(ListedStudy)]
    return pd.DataFrame([[getattr(row, name) for name in names] for row in rows], columns=names)


def _instants(seconds: list[float]) -> Any:
    """A column of times in UTC, to the millisecond that MLflow keeps."""
    import pandas as pd

    milliseconds = pd.Series([round(second * 1000) for second in seconds], dtype="int64")
    return pd.to_datetime(milliseconds, unit="ms", utc=True)


def _plain(trial: Trial, name: str) -> Any:
    if name not in trial.params:
        return _ABSENT
    return trial.distributions[name].in_table(trial.params[name])


_ABSENT = object()


def _column(values: list[Any]) -> Any:
    """A typed column: int64 or Int64, bool or boolean, float64, else objects; absent is NA."""
    import pandas as pd

    present = [value for value in values if value is not _ABSENT]
    kinds = {type(value) for value in present}
    whole = len(present) == len(values)
    filled = [pd.NA if value is _ABSENT else value for value in values]
    if kinds == {int} and all(-(2**63) <= value < 2**63 for value in present):
        return pd.Series(filled, dtype="int64" if whole else "Int64")
    if kinds == {bool}:
        return pd.Series(filled, dtype="bool" if whole else "boolean")
    if kinds and kinds <= {float, int}:
        floats = [float("nan") if value is _ABSENT else float(value) for value in values]
        return pd.Series(floats, dtype="float64")
    return pd.Series(filled, dtype="object")
