"""Text that is safe to show, and numbers as people read them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from hpmagic.distributions import label_of
from hpmagic.records import StudyInfo, Trial

__all__ = [
    "abridged",
    "clean",
    "count",
    "decimals",
    "duration",
    "isolated",
    "number",
    "param_text",
    "range_text",
    "shown",
]

_ANSI = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x9b[0-?]*[ -/]*[@-~]"
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[@-Z\\-_]"
)
_BREAKS = re.compile(r"[\s\u2028\u2029]+")
# Controls, and the marks with which text can reorder its surroundings.
_UNSAFE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f]|[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]"
)
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff]")


def clean(text: object, limit: int = 60, *, lines: bool = False) -> str:
    r"""``text`` cut to ``limit`` characters, without control codes; one line unless ``lines``.

    >>> clean("\x1b[31mred\x1b[0m\nalert", 60)
    'red alert'
    >>> clean("x" * 1_000_000, 5)
    'xxxx…'
    """
    whole = text if isinstance(text, str) else str(text)
    raw = whole[: 4 * limit + 400]
    raw = _ANSI.sub("", raw.encode("utf-8", "replace").decode("utf-8"))
    raw = raw.replace("\r\n", "\n") if lines else _BREAKS.sub(" ", raw).strip()
    raw = _UNSAFE.sub("", raw)
    if len(raw) > limit or len(whole) > 4 * limit + 400:
        return raw[: max(limit - 1, 0)].rstrip() + "…"
    return raw


def isolated(text: str) -> str:
    """Right-to-left text wrapped so that it leaves the order of its surroundings alone."""
    return f"\u2068{text}\u2069" if _RIGHT_TO_LEFT.search(text) else text


def abridged(text: str, limit: int) -> str:
    """Long text with its middle left out: both ends of a name say something.

    >>> abridged("validation_balanced_accuracy", 15)
    'validat…ccuracy'
    """
    if len(text) <= limit:
        return text
    tail = (limit - 1) // 2
    return f"{text[: limit - 1 - tail]}…{text[-tail:]}"


def number(value: float, digits: int = 4) -> str:
    """A float in a few significant digits, never in twenty.

    >>> number(0.95224999), number(123456.0), number(3.0e-7), number(-0.5)
    ('0.9522', '123456', '3e-07', '−0.5')
    """
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("∞" if value > 0 else "−∞")
    whole = value == int(value) and abs(value) < 1e7 if abs(value) < 1e15 else False
    size = math.floor(math.log10(abs(value))) + 1 if value else 1
    text = f"{int(value)}" if whole else f"{value:.{max(digits, size if size < 7 else 0)}g}"
    return text.replace("-", "−", 1) if text.startswith("-") else text


def decimals(values: Iterable[float], keep: Iterable[float] = ()) -> int | None:
    """How many decimals tell ``values`` apart and leave those of ``keep`` three digits.

    None where no number of decimals would read well.

    >>> decimals([0.9522, 0.9733, 0.9711]), decimals([120.25, 250.5]), decimals([3e-9])
    (4, 1, None)
    >>> decimals([0.0005198, 0.6], [0.0005198]), decimals([3.5e-7, 10.7], [3.5e-7])
    (6, None)
    """
    finite = [v for v in values if math.isfinite(v)]
    kept = [abs(v) for v in keep if v and math.isfinite(v)]
    if not finite:
        return 4
    top = max(abs(v) for v in finite)
    largest = max([top, *kept])
    if largest >= 1e6 or (largest and largest < 1e-3):
        return None
    spread = max(finite) - min(finite)
    wanted = 3 - _size(top) if top else 1
    if spread > 1e-6 * top:
        wanted = max(wanted, 1 - _size(spread))
    wanted = min(max(wanted, 0), 6)
    needed = max((2 - _size(v) for v in kept), default=0)
    if needed <= wanted:
        return wanted
    # A column of numbers that are long before and behind the point is hard to read.
    return needed if needed <= 6 and needed + _size(largest) <= 5 else None


def _size(value: float) -> int:
    return math.floor(math.log10(value))


def shown(value: float, places: int | None) -> str:
    """``value`` with so many decimals, or in short scientific form."""
    if places is None or not math.isfinite(value):
        return number(value)
    text = f"{value:.{places}f}"
    return text.replace("-", "−", 1) if text.startswith("-") else text


def duration(seconds: float) -> str:
    """How long, in the two units that matter.

    >>> duration(0.0123), duration(4.26), duration(75), duration(7384), duration(200000)
    ('12 ms', '4.3 s', '1:15', '2:03:04', '2 d 7 h')
    """
    if seconds < 0.9995:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 48:
        return f"{hours // 24} d {hours % 24} h"
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def count(many: int, noun: str) -> str:
    """A count with its noun.

    >>> count(1, "trial"), count(2000, "trial")
    ('1 trial', '2,000 trials')
    """
    return f"{many:,} {noun}" if many == 1 else f"{many:,} {noun}s"


def param_text(trial: Trial, name: str, limit: int = 200) -> str:
    """The short text of one of a trial's values; a stranger's ``__repr__`` may raise."""
    value = trial.params[name]
    if type(value) is float:
        return number(value, 6)
    try:
        distribution = trial.distributions.get(name)
        text = distribution.label(value) if distribution is not None else label_of(value)
    except Exception:  # noqa: BLE001 - whatever the object does, the table stands
        text = f"<{type(value).__name__}>"
    return clean(text, limit)


def range_text(trial: Trial, name: str, info: StudyInfo | None) -> str:
    """What a value was drawn from, as the person wrote it where that is known."""
    distribution = trial.distributions[name]
    parameter = info.space.get(name) if info is not None else None
    if parameter is not None and parameter.distribution == distribution:
        return parameter.text
    return str(distribution)
