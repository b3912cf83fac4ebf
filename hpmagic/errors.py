"""Everything hpmagic raises or warns about.

::

    HpmagicError
    ├── AnnotationError     (SyntaxError)  a ``# tune:`` comment cannot be understood; has a caret
    │   └── ConversionError                a form or sweep of another tool's; the same
    ├── SpaceError          (ValueError)   a distribution's values break its rule
    ├── OptionError         (ValueError)   a word or value after ``%%tune`` is wrong
    ├── TunerError          (ValueError)   this tuner cannot search this space
    ├── ObjectiveError      (ValueError)   the cell gave no usable objective
    ├── StoreError          (RuntimeError) MLflow's store cannot be used as it stands
    ├── EngineError         (RuntimeError) trials cannot run where they were asked to
    ├── StudyNotFound       (LookupError)  no study of that name in the store
    └── MissingExtra        (ImportError)  an optional part is not installed

    HpmagicWarning          (UserWarning)  given by `warn`, at the person's own line
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from types import FrameType
from typing import Final
from unicodedata import category, combining, east_asian_width

__all__ = [
    "AnnotationError",
    "ConversionError",
    "EngineError",
    "HpmagicError",
    "HpmagicWarning",
    "MissingExtra",
    "ObjectiveError",
    "OptionError",
    "Place",
    "SpaceError",
    "StoreError",
    "StudyNotFound",
    "TunerError",
    "nearest",
    "warn",
]

_NOT_THE_PERSONS: Final = frozenset({"hpmagic", "IPython", "threading"})
"""Packages between a warning and the code that led to it."""


@dataclass(frozen=True, slots=True)
class Place:
    """A stretch of one line of source: where a caret goes.

    ``line`` counts from 1; ``column`` and ``end_column`` count characters from 0, the end excluded.
    """

    filename: str
    line: int
    column: int
    end_column: int
    text: str

    def caret(self) -> str:
        """The source line with carets under the stretch.

        >>> print(Place("<cell>", 1, 5, 6, "lr = x").caret())
        lr = x
             ^
        """
        before, under = self.text[: self.column], self.text[self.column : self.end_column]
        pad = "".join("\t" if char == "\t" else " " * _cells(char) for char in before)
        return f"{self.text}\n{pad}{'^' * max(1, sum(map(_cells, under)))}"


def _cells(char: str) -> int:
    """How many cells of a terminal a character takes."""
    if combining(char) or category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if east_asian_width(char) in "WF" else 1


class HpmagicError(Exception):
    """The root of hpmagic's exceptions."""


class AnnotationError(HpmagicError, SyntaxError):
    """A ``# tune:`` comment that cannot be understood, with the place of the offending token.

    It is a `SyntaxError`, so that Python, IPython and editors show the line and the caret.
    """

    def __init__(self, message: str, place: Place) -> None:
        super().__init__(
            message,
            (
                place.filename,
                place.line,
                place.column + 1,
                place.text,
                place.line,
                max(place.end_column, place.column + 1) + 1,
            ),
        )
        self.place = place

    def pointed(self) -> str:
        """The whole message: place, source line, caret, rule."""
        where = f"{self.place.filename}, line {self.place.line}, column {self.place.column + 1}"
        return f"{where}\n{self.place.caret()}\n{type(self).__name__}: {self.msg}"

    def __reduce__(self) -> tuple[type[AnnotationError], tuple[str, Place]]:
        return type(self), (self.msg, self.place)


class ConversionError(AnnotationError):
    """A Colab form or a W&B sweep that cannot be understood, with the place of what is wrong."""


class SpaceError(HpmagicError, ValueError):
    """A distribution whose values break its rule, such as ``low <= high``.

    ``arguments`` are the names of the offending values, or their positions among the options.
    """

    def __init__(self, message: str, *arguments: str | int) -> None:
        super().__init__(message)
        self.arguments = arguments


class OptionError(HpmagicError, ValueError):
    """A word or value after ``%%tune`` (or its spelling elsewhere) that is wrong."""


class TunerError(HpmagicError, ValueError):
    """The chosen tuner cannot search this space."""


class ObjectiveError(HpmagicError, ValueError):
    """The cell ran but gave no usable value for the objective."""


class StoreError(HpmagicError, RuntimeError):
    """MLflow's store cannot be used as it stands; the message names the ways out."""


class EngineError(HpmagicError, RuntimeError):
    """Trials cannot run where they were asked to: no worker, or a variable that cannot be sent."""


class StudyNotFound(HpmagicError, LookupError):
    """No study of that name is in the store."""


class MissingExtra(HpmagicError, ImportError):
    """An optional part is not installed; the message names the extra that brings it."""


class HpmagicWarning(UserWarning):
    """Every warning of hpmagic's."""


def nearest(word: str, known: Iterable[str]) -> str:
    """A clause that suggests the nearest known word, or nothing.

    >>> nearest("loguniformm", ["uniform", "loguniform"])
    '; did you mean `loguniform`?'
    >>> nearest("zebra", ["uniform", "loguniform"])
    ''
    """
    names = list(known)
    # The first of several that differ in case or underscores only.
    folded = {name.lower().replace("_", "").replace("-", ""): name for name in reversed(names)}
    key = word.lower().replace("_", "").replace("-", "")
    close = get_close_matches(key, folded, n=1, cutoff=0.6)
    return f"; did you mean `{folded[close[0]]}`?" if close else ""


def warn(message: str) -> None:
    """Give an `HpmagicWarning` whose place is the person's cell or file, each time anew.

    Raises:
        HpmagicWarning: where the person's filters make warnings errors.

    >>> with warnings.catch_warnings(record=True) as told:
    ...     warnings.simplefilter("always")
    ...     warn("the store is far away")
    >>> str(told[0].message)
    'the store is far away'
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _package(frame) in _NOT_THE_PERSONS:
        frame = frame.f_back
    if frame is None:  # on a thread of hpmagic's
        name, line = "hpmagic", 1
    else:
        name, line = frame.f_code.co_filename, frame.f_lineno
    warnings.warn_explicit(message, HpmagicWarning, name, line)


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]
