"""Finding ``# tune:`` comments: in comments as Python's tokenizer sees them, not in strings."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from hpmagic.errors import AnnotationError, Place
from hpmagic.language.source import Source
from hpmagic.language.vocabulary import DISTRIBUTIONS, ROLES

__all__ = ["Comment", "Misspelled", "find_comments"]

_TUNE: Final = re.compile(r"#[ \t]*tune[ \t]*:")
_WORDS = "|".join(map(re.escape, (*DISTRIBUTIONS, *ROLES)))
_ALMOST: Final = re.compile(
    rf"^#+[ \t]*(?P<word>@?[tT][uU][nN][eE][sSdD]?|tun|tuen|tnue|utne|hpmagic)\b[ \t]*[:=]?[ \t]*"
    rf"(?:(?:{_WORDS})[ \t]*(?:\(|$)|\[)"
)
_QUICK: Final = re.compile(r"#.*(?:tun|tuen|tnue|utne|hpmagic)", re.IGNORECASE)


@dataclass(frozen=True)
class Comment:
    """A ``# tune:`` comment.

    ``line`` is the outer number; ``column`` counts characters to its ``#``, ``begin`` to what
    follows the colon. ``alone`` says that nothing else stands on the line.
    """

    line: int
    column: int
    begin: int
    body: str
    alone: bool


@dataclass(frozen=True)
class Misspelled:
    """A comment that looks like an annotation but is none."""

    place: Place


def find_comments(source: Source) -> list[Comment | Misspelled]:
    """The annotations of a cell, in order.

    Raises:
        AnnotationError: one stands on a line of IPython's, which takes it for its own text.
    """
    # Most cells have none: then there is nothing to tokenize.
    if not any(_QUICK.search(line) for line in source.lines):
        return []
    found: list[Comment | Misspelled] = []
    for at, column, text in _tokens(source):
        shift = source.shifts[at]
        if shift is None:
            continue
        comment = _read(source, at, column + shift, text, not source.python[at][:column].strip())
        if comment is not None:
            found.append(comment)
    _refuse_on_ipython_lines(source)
    return found


def _tokens(source: Source) -> Iterator[tuple[int, int, str]]:
    """The comments of the Python text: index of the line, column in it, text."""
    readline = io.StringIO("\n".join(source.python) + "\n").readline
    try:
        for token in tokenize.generate_tokens(readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0] - 1, token.start[1], token.string
    except (tokenize.TokenError, SyntaxError):  # an oddity at the end of what the parser accepts
        return


def _read(
    source: Source, at: int, column: int, text: str, alone: bool
) -> Comment | Misspelled | None:
    line = source.first_line + at
    for match in _TUNE.finditer(text):
        # A line that has been commented out is no annotation, nor is one that is quoted in prose;
        # behind another comment, such as a noqa, it is one.
        before = text[: match.start()]
        if before and (alone or not before.strip("# \t") or before[-1] not in " \t"):
            continue
        begin = column + match.end()
        return Comment(line, column + match.start(), begin, text[match.end() :], alone)
    almost = _ALMOST.match(text)
    if almost is None:
        return None
    start = column + almost.start("word")
    return Misspelled(source.place(line, start, column + almost.end("word")))


def _refuse_on_ipython_lines(source: Source) -> None:
    for at, (raw, shift) in enumerate(zip(source.lines, source.shifts, strict=True)):
        match = _TUNE.search(raw) if shift is None else None
        if match is None or _quoted(raw[: match.start()]):
            continue
        raise AnnotationError(
            "this line is IPython's, which takes the comment for a part of it: "
            "put the annotation on a line of Python",
            source.place(source.first_line + at, match.start(), len(raw.rstrip())),
        )


def _quoted(before: str) -> bool:
    """Whether a quote is open at the end of ``before``."""
    plain = re.sub(r"\\.", "", before)
    return any(re.sub(r"(['\"]).*?\1", "", plain).count(mark) for mark in "'\"")
