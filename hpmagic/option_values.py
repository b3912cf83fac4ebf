"""What may stand behind each option: one reader for each kind of value.

A reader takes the word and gives the value, or raises `ValueError` with the end of a sentence that
begins with the option's name.
"""

from __future__ import annotations

import keyword
import re
import unicodedata

from hpmagic.errors import nearest
from hpmagic.pruning import PRUNERS

__all__ = [
    "ENGINES",
    "ISOLATIONS",
    "PRUNERS",
    "read_amount",
    "read_count",
    "read_duration",
    "read_engine",
    "read_isolation",
    "read_memory",
    "read_name",
    "read_pruner",
    "read_resume",
    "read_seed",
    "read_text",
    "read_tolerance",
    "read_try",
]

_UNITS = {"": 1.0, "s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def read_duration(text: str) -> float:
    """Seconds from ``90``, ``60s``, ``10m``, ``1.5h`` or ``1h30m``.

    Only a number that stands alone may do without a unit.

    >>> read_duration("1h30m")
    5400.0
    """
    parts = re.findall(r"(\d+(?:\.\d*)?)\s*([a-z]*)", text.strip().lower())
    joined = "".join(number + unit for number, unit in parts)
    whole = joined == re.sub(r"\s+", "", text.strip().lower())
    if not parts or not whole or any(unit not in _UNITS for _, unit in parts):
        raise ValueError("takes a time such as 90s, 10m or 1h30m")
    if len(parts) > 1 and not all(unit for _, unit in parts):
        raise ValueError("takes a unit behind each number, as in 1h30m")
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if seconds <= 0:
        raise ValueError("must be longer than nothing")
    return seconds


def read_count(text: str) -> int:
    """A whole number from 1 up."""
    try:
        value = int(text.replace("_", ""))
    except ValueError:
        raise ValueError("takes a whole number") from None
    if value < 1:
        raise ValueError("must be at least 1")
    return value


def read_seed(text: str) -> int:
    """A whole number from 0 up to 2**32 - 1."""
    try:
        value = int(text)
    except ValueError:
        raise ValueError("takes a whole number") from None
    if not 0 <= value < 2**32:
        raise ValueError("must be from 0 to 4294967295")
    return value


def read_name(text: str) -> str:
    """A Python name that can be assigned, as Python reads it.

    >>> read_name("ﬁt")
    'fit'
    """
    if not text.isidentifier():
        raise ValueError("takes a Python name")
    name = unicodedata.normalize("NFKC", text)
    if keyword.iskeyword(name) or name == "__debug__":
        raise ValueError("takes a Python name that is no keyword")
    return name


def read_try(text: str) -> dict[str, str]:
    """``lr=0.1,units=(64, 32),kernel=rbf`` as texts by name; commas inside brackets do not split.

    >>> read_try("lr=0.1,units=(64, 32)")
    {'lr': '0.1', 'units': '(64, 32)'}
    """
    parts, depth, start, quote = [], 0, 0, ""
    for at, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
        elif char == "," and depth == 0:
            parts.append(text[start:at])
            start = at + 1
    parts.append(text[start:])
    values: dict[str, str] = {}
    for part in parts:
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not name or not value:
            raise ValueError("takes name=value pairs, such as lr=0.1,depth=3")
        if name in values:
            raise ValueError(f"gives {name} twice")
        values[name] = value
    return values


ENGINES = ("local", "ray", "dask")


def read_engine(text: str) -> str:
    """The name of an engine."""
    if text not in ENGINES:
        raise ValueError(f"takes one of {', '.join(ENGINES)}{nearest(text, ENGINES)}")
    return text


ISOLATIONS = ("kernel", "process")


def read_isolation(text: str) -> str:
    """Where trials are kept from each other."""
    if text not in ISOLATIONS:
        raise ValueError(f"takes one of {', '.join(ISOLATIONS)}{nearest(text, ISOLATIONS)}")
    return text


_BYTES = {"": 1, "b": 1, "k": 10, "kb": 10, "m": 20, "mb": 20, "g": 30, "gb": 30, "t": 40, "tb": 40}


def read_memory(text: str) -> int:
    """Bytes from ``500MB``, ``2G`` or ``1.5 GB``; 0 keeps nothing.

    >>> read_memory("1.5GB")
    1610612736
    """
    match = re.fullmatch(r"(\d+(?:\.\d*)?)\s*([kmgt]?i?b?)", text.strip().lower())
    unit = None if match is None else match[2].replace("i", "")
    if match is None or unit not in _BYTES:
        raise ValueError("takes a size such as 500MB or 2GB")
    power = _BYTES[unit]
    return int(float(match[1]) * (1 if power == 1 else 2**power))


def read_amount(text: str) -> float:
    """A number above 0."""
    try:
        value = float(text)
    except ValueError:
        raise ValueError("takes a number") from None
    if not 0 < value < float("inf"):
        raise ValueError("must be above 0")
    return value


def read_tolerance(text: str) -> float | str:
    """A number above 0, or ``noise``."""
    if text == "noise":
        return text
    try:
        return read_amount(text)
    except ValueError as error:
        raise ValueError(f"{error}, or `noise`") from None


def read_pruner(text: str) -> str:
    """The name of a pruner."""
    if text not in PRUNERS:
        raise ValueError(f"takes one of {', '.join(PRUNERS)}{nearest(text, PRUNERS)}")
    return text


def read_resume(text: str) -> str:
    """``yes``, or ``anyway``: even though the cell's logic has changed."""
    if text not in ("yes", "anyway"):
        raise ValueError("stands alone, or is followed by `anyway`")
    return text


def read_text(text: str) -> str:
    """Any text but the empty one."""
    if not text.strip():
        raise ValueError("must not be empty")
    return text
