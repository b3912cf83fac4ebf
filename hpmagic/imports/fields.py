"""What stands behind ``#@param``: a list of options, settings in braces, or both.

Colab takes JSON here, and more: keys without quotes, single quotes, Python's words.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from typing import Any, Final

from hpmagic.errors import ConversionError, Place

__all__ = ["Field", "Value", "read_field"]

_TOKEN: Final = re.compile(
    r"""
      (?P<space>\s+)
    | (?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
    | (?P<number>[-+]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)
    | (?P<word>[^\W\d][\w-]*)
    | (?P<sign>[\[\]{},:])
    | (?P<other>.)
    """,
    re.VERBOSE,
)
_WORDS: Final[dict[str, object]] = {
    "true": True,
    "True": True,
    "false": False,
    "False": False,
    "null": None,
    "None": None,
}


@dataclass(frozen=True)
class Value:
    """A text, number, truth value or None, and where it stands."""

    value: Any
    place: Place


@dataclass(frozen=True)
class Field:
    """A form field. ``options`` is None when it has no list; ``place`` is all of it."""

    place: Place
    options: tuple[Value, ...] | None = None
    settings: dict[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    place: Place


def read_field(place: Place) -> Field:
    """The field that a stretch of a line describes.

    Raises:
        ConversionError: it is neither a list nor settings.

    >>> line = 'x = 1  #@param {type:"slider", min:0, max:9}'
    >>> read_field(Place("<cell>", 1, 14, len(line), line)).settings["max"].value
    9
    """
    return _Reader(place).field()


class _Reader:
    """Reads one field, token by token."""

    def __init__(self, place: Place) -> None:
        self._whole = place
        self._at = 0
        self._tokens: list[_Token] = []
        for match in _TOKEN.finditer(place.text, place.column, place.end_column):
            kind = match.lastgroup or "other"
            if kind == "space":
                continue
            token = _Token(kind, match[0], self._stretch(match.start(), match.end()))
            if kind == "other":
                raise ConversionError(f"`{match[0]}` has no meaning here", token.place)
            self._tokens.append(token)

    def field(self) -> Field:
        options = self._options() if self._next_is("[") else None
        settings = self._settings() if self._next_is("{") else {}
        if self._at < len(self._tokens):
            raise ConversionError(
                'here stands a list of options `["a", "b"]`, settings `{type: "slider", min: 0, '
                "max: 1}` or both, in this order",
                self._tokens[self._at].place,
            )
        return Field(self._whole, options, settings)

    def _options(self) -> tuple[Value, ...]:
        self._take("[")
        options: list[Value] = []
        while not self._next_is("]"):
            if options:
                self._take(",", "]")
                if self._next_is("]"):
                    break
            options.append(self._value())
        self._take("]")
        return tuple(options)

    def _settings(self) -> dict[str, Value]:
        self._take("{")
        settings: dict[str, Value] = {}
        while not self._next_is("}"):
            if settings:
                self._take(",", "}")
                if self._next_is("}"):
                    break
            key = self._any("a name such as `min`")
            name = key.text if key.kind == "word" else str(self._plain(key))
            self._take(":")
            settings[name] = self._value()
        self._take("}")
        return settings

    def _value(self) -> Value:
        token = self._any("a value")
        return Value(self._plain(token), token.place)

    def _plain(self, token: _Token) -> object:
        if token.kind in ("text", "number"):
            try:
                return ast.literal_eval(token.text)
            except (SyntaxError, ValueError):
                raise ConversionError(f"{token.text} cannot be read", token.place) from None
        if token.text in _WORDS:
            return _WORDS[token.text]
        raise ConversionError(
            f"`{token.text}` is no value: a text needs quotes"
            if token.kind == "word"
            else f"a value is missing before `{token.text}`",
            token.place,
        )

    def _next_is(self, sign: str) -> bool:
        return self._at < len(self._tokens) and self._tokens[self._at].text == sign

    def _take(self, *signs: str) -> None:
        token = self._any(" or ".join(f"`{sign}`" for sign in signs))
        if token.text != signs[0]:
            wanted = " or ".join(f"`{sign}`" for sign in signs)
            raise ConversionError(f"{wanted} is missing before `{token.text}`", token.place)

    def _any(self, wanted: str) -> _Token:
        if self._at == len(self._tokens):
            end = self._tokens[-1].place.end_column
            raise ConversionError(f"{wanted} is missing at the end", self._stretch(end, end + 1))
        self._at += 1
        return self._tokens[self._at - 1]

    def _stretch(self, begin: int, end: int) -> Place:
        return Place(self._whole.filename, self._whole.line, begin, end, self._whole.text)
