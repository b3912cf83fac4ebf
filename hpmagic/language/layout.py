"""What a formatter may do to the lines of an annotation.

Black joins lines that fit on one, and a comment among them moves to its end; where a comma stands
behind the last value it leaves them alone. Ruff joins no lines with comments between them.
"""

from __future__ import annotations

import io
import keyword
import tokenize
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from hpmagic.errors import Place
from hpmagic.language.comments import Comment
from hpmagic.language.source import Source

__all__ = ["joinable"]

_WIDEST: Final = 120
"""The longest lines that people let a formatter make, in characters."""
_BLANK: Final = frozenset(
    {tokenize.NL, tokenize.NEWLINE, tokenize.COMMENT, tokenize.INDENT, tokenize.DEDENT}
)


@dataclass
class _Bracket:
    """An open bracket: its place, what stood before, and the comments right inside."""

    begin: tuple[int, int]
    grouping: bool
    commas: bool = False
    comments: list[tuple[int, int]] = field(default_factory=list)


def joinable(comments: Sequence[Comment], source: Source) -> dict[int, Place]:
    """The lines of comments that would move if their lines were joined.

    Each with the place of the last value in its brackets, which lacks a comma.
    """
    behind = {comment.line for comment in comments if not comment.alone}
    found: dict[int, Place] = {}
    if not behind:
        return found
    opened: list[_Bracket] = []
    before: tokenize.TokenInfo | None = None
    readline = io.StringIO("\n".join(source.python) + "\n").readline
    try:
        for token in tokenize.generate_tokens(readline):
            if token.type == tokenize.COMMENT and opened:
                opened[-1].comments.append(token.start)
            elif token.type == tokenize.OP and token.string in "([{":
                opened.append(_Bracket(token.end, _groups(token, before)))
            elif token.type == tokenize.OP and token.string in ")]}" and opened and before:
                _close(opened, token, before, source, found)
            elif token.string == "," and opened:
                opened[-1].commas = True
            if token.type not in _BLANK:
                before = token
    except (tokenize.TokenError, SyntaxError):  # an oddity at the end of what the parser accepts
        return found
    return {line: place for line, place in found.items() if line in behind}


def _groups(token: tokenize.TokenInfo, before: tokenize.TokenInfo | None) -> bool:
    """Whether a parenthesis only holds an expression together, as far as one can see here."""
    if token.string != "(" or before is None:
        return token.string == "("
    named = before.type == tokenize.NAME and not keyword.iskeyword(before.string)
    return not (named or before.string in (")", "]", "}"))


def _close(
    opened: list[_Bracket],
    token: tokenize.TokenInfo,
    before: tokenize.TokenInfo,
    source: Source,
    found: dict[int, Place],
) -> None:
    bracket = opened.pop()
    if before.string == "," or not bracket.comments:
        return
    if bracket.grouping and not bracket.commas:
        if opened:
            opened[-1].comments += bracket.comments
        return
    if _width(bracket.begin, token.start, source) > _WIDEST:
        return
    line = before.end[0] + source.first_line - 1
    shift = source.shifts[before.end[0] - 1] or 0
    begin = before.start[1] if before.start[0] == before.end[0] else 0
    place = source.place(line, begin + shift, before.end[1] + shift)
    for number, _ in bracket.comments:
        found[number + source.first_line - 1] = place


def _width(begin: tuple[int, int], end: tuple[int, int], source: Source) -> int:
    """The length of what stands in brackets, on one line."""
    lines = list(source.python[begin[0] - 1 : end[0]])
    lines[-1] = lines[-1][: end[1]]
    lines[0] = lines[0][begin[1] :]
    return len(" ".join(line.strip() for line in lines).strip())
