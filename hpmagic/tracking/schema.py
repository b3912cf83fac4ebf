"""How a study is spelled in MLflow: every tag, the names MLflow refuses, its limits.

Parent run: one study. Child run: one trial; under it, where trials are repeated, one run a repeat.
What a person reads is in plain params, metrics and tags; `Tag.RECORD` of a child and `Tag.INFO` of
a parent hold in JSON what these cannot say exactly.
"""

from __future__ import annotations

import hashlib
import json
import math
import posixpath
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from hpmagic.records import Origin, Report, Trial, TrialState

__all__ = [
    "MOST_PARAM",
    "MOST_TAG",
    "RUNNING",
    "STATUS",
    "Artifact",
    "Kind",
    "MlflowTag",
    "Tag",
    "as_json",
    "cut",
    "from_store",
    "key",
    "latest",
    "milliseconds",
    "name_tags",
    "names_in",
    "run_name",
    "to_store",
]

MOST_PARAM: Final = 6000
"""Characters that MLflow keeps of a parameter's value."""
MOST_TAG: Final = 8000
"""Characters that MLflow keeps of a tag's value."""
MOST_NAME: Final = 200
"""Characters of a parameter's, metric's or tag's name; MLflow takes 250, and tags have prefixes."""


class Kind:
    """The values of `Tag.KIND`."""

    STUDY: Final = "study"
    TRIAL: Final = "trial"
    REPEAT: Final = "repeat"


class Tag:
    """hpmagic's own tags."""

    KIND: Final = "hpmagic.kind"
    VERSION: Final = "hpmagic.version"
    STUDY: Final = "hpmagic.study"
    """The study's identity, on the parent and on every child: 32 hexadecimal digits."""
    SESSION: Final = "hpmagic.session"
    """Which run of the study made this one; on the parent, which of them has it now. A study has
    one for each time that it was started or resumed."""
    ASKED: Final = "hpmagic.asked_number"
    """The number that a trial had where it ran, when another session has taken that meanwhile."""
    STATE: Final = "hpmagic.state"
    REASON: Final = "hpmagic.reason"

    FINGERPRINT: Final = "hpmagic.fingerprint"
    DIRECTION: Final = "hpmagic.direction"
    COMMAND: Final = "hpmagic.command"
    TRIALS: Final = "hpmagic.trials"
    """How many trials are in the store."""
    BEST_TRIAL: Final = "hpmagic.best_trial"
    BEST_VALUE: Final = "hpmagic.best_value"
    BEST_PARAMS: Final = "hpmagic.best_params"
    INFO: Final = "hpmagic.info"
    """The study's facts, without source and space."""
    SPACE: Final = "hpmagic.space"
    COLUMNS: Final = "hpmagic.columns"
    """Names of hyperparameters and metrics in the order in which they were first seen."""

    NUMBER: Final = "hpmagic.trial"
    ORIGIN: Final = "hpmagic.origin"
    SEED: Final = "hpmagic.seed"
    """Which repeat of a trial a run is."""
    RECORD: Final = "hpmagic.record"
    NOTE: Final = "hpmagic.note."
    """Prefix: a further fact of the trial."""
    NAME: Final = "hpmagic.name."
    """Prefix: the true name behind a key that stands for a name MLflow refuses."""


class MlflowTag:
    """Tags with a meaning to MLflow."""

    PARENT: Final = "mlflow.parentRunId"
    RUN_NAME: Final = "mlflow.runName"
    NOTE: Final = "mlflow.note.content"
    USER: Final = "mlflow.user"
    SOURCE_NAME: Final = "mlflow.source.name"
    SOURCE_TYPE: Final = "mlflow.source.type"
    COMMIT: Final = "mlflow.source.git.commit"


class Artifact:
    """Paths of artifacts."""

    SOURCE: Final = "cell.py"
    SPACE: Final = "space.json"
    INFO: Final = "study.json"
    TRIALS: Final = "trials.csv"
    CURVES: Final = "curves.json"
    LONG: Final = "long_values.json"
    """Values that are cut in the record, whole, by the key of their parameter or tag."""
    STDOUT: Final = "output/stdout.txt"
    STDERR: Final = "output/stderr.txt"
    TRACEBACK: Final = "output/traceback.txt"
    FIGURE: Final = "output/figure_{}.png"


RUNNING: Final = "running"
"""The state of a study or trial that has not ended."""

STATUS: Final[Mapping[str, str]] = {
    TrialState.COMPLETE: "FINISHED",
    TrialState.PRUNED: "KILLED",
    TrialState.FAILED: "FAILED",
    TrialState.INTERRUPTED: "KILLED",
}
"""MLflow's status for each state."""

_ACCEPTED: Final = re.compile(r"[/\w.\- ]+")
_REFUSED: Final = re.compile(r"[^\w.]+")


def key(name: str) -> str:
    """The key under which a name is logged: the name itself wherever MLflow takes it.

    >>> key("learning rate")
    'learning rate'
    >>> key('scores["auc"]')
    'scores_auc-97543318'
    """
    path = posixpath.normpath(name)
    unique = path == name and not path.startswith(("/", "..")) and path != "."
    if _ACCEPTED.fullmatch(name) and unique and len(name) <= MOST_NAME:
        return name
    readable = _REFUSED.sub("_", name).strip("_.")[:60]
    return f"{readable}-{_digest(name, 8)}".lstrip("-")


def name_tags(names: Iterable[str]) -> dict[str, str]:
    """The tags that tell the true names behind keys that differ from them."""
    return {Tag.NAME + key(name): cut(name, MOST_TAG) for name in names if key(name) != name}


def names_in(tags: Mapping[str, str]) -> dict[str, str]:
    """The true names by key, from the tags that `name_tags` gave."""
    return {
        tag.removeprefix(Tag.NAME): name for tag, name in tags.items() if tag.startswith(Tag.NAME)
    }


def cut(text: str, limit: int) -> str:
    """The text, or its beginning and a digest of the whole.

    >>> len(cut("x" * 10_000, MOST_PARAM))
    6000
    >>> cut("x" * 10_000, MOST_PARAM)[-30:]
    'xxx... sha256:e4ee97ec252749d2'
    """
    if len(text) <= limit:
        return text
    tail = f"... sha256:{_digest(text, 16)}"
    return text[: limit - len(tail)] + tail


def _digest(text: str, digits: int) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:digits]


def as_json(value: Any) -> str:
    """Compact JSON."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def to_store(value: float) -> float:
    """A metric's value as the store keeps it: infinities become the greatest numbers."""
    value = float(value)
    return value if not math.isinf(value) else math.copysign(sys.float_info.max, value)


def from_store(value: float) -> float:
    """The inverse of `to_store`."""
    return value if abs(value) != sys.float_info.max else math.copysign(math.inf, value)


def milliseconds(seconds: float) -> int:
    """A time as MLflow keeps it."""
    return round(seconds * 1000)


def latest(reports: Sequence[Report]) -> dict[str, float]:
    """What MLflow will show for each metric: its value at the highest step, the latest of those."""
    best: dict[str, tuple[int, int, float]] = {}
    for report in reports:
        stands = (report.step or 0, milliseconds(report.time), to_store(report.value))
        if report.name not in best or stands > best[report.name]:
            best[report.name] = stands
    return {name: from_store(value) for name, (_, _, value) in best.items()}


def run_name(trial: Trial, limit: int = 24) -> str:
    """A short name: the trial's number and what sets it apart.

    MLflow's table cuts names near twenty characters.
    """
    start = f"trial {trial.number}"
    if trial.state is not TrialState.COMPLETE:
        return f"{start} ({trial.state})"
    if trial.origin is not Origin.TUNER:
        return f"{start} ({trial.origin})"
    name, gap = start, ": "
    for param, distribution in trial.distributions.items():
        longer = f"{name}{gap}{_short(distribution.label(trial.params[param]))}"
        if len(longer) > limit:
            break
        name, gap = longer, " "
    return name


def _short(label: str) -> str:
    try:
        return f"{float(label):.3g}" if len(label) > 5 else label
    except ValueError:
        return label[:8]
