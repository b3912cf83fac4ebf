"""What is wrong with an annotation that Python cannot read, in words of ours.

Python's own messages and positions differ between its versions.
"""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from hpmagic.language.vocabulary import DISTRIBUTIONS

__all__ = ["Mistake", "diagnose"]

_TOKEN: Final = re.compile(
    r"""
      (?P<space>[ \t\f]+)
    | (?P<text>[rRbBuUfF]{0,2}(?:'''(?:\\.|[^\\])*?'''|\"\"\"(?:\\.|[^\\])*?\"\"\"
        |'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"))
    | (?P<open_text>[rRbBuUfF]{0,2}['"].*)
    | (?P<number>(?:0[xXoObB][\da-fA-F_]+|(?:\d[\d_]*)?\.?\d[\d_]*\.?(?:[eE][+-]?\d+)?)[jJ]?)
    | (?P<name>[^\W\d]\w*)
    | (?P<comment>\#.*)
    | (?P<open>[(\[{])
    | (?P<close>[)\]}])
    | (?P<comma>,)
    | (?P<operator>\*\*|//|<<|>>|[<>=!]=|:=|->|[-+*/%@&|^~<>=.:])
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_PAIRS: Final = {")": "(", "]": "[", "}": "{"}
_DASHES: Final = ("\N{MINUS SIGN}", "\N{EN DASH}", "\N{EM DASH}")
_VALUES: Final = ("text", "number", "name")
_JOINING: Final = frozenset(
    {"and", "or", "not", "in", "is", "if", "else", "for", "lambda", "async"}
)


@dataclass(frozen=True)
class Mistake:
    """What is wrong, and where in the body, in characters.

    ``second`` is where another annotation begins in the free text.
    """

    message: str
    begin: int
    end: int
    second: int | None = None


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    begin: int
    end: int


def diagnose(body: str) -> Mistake:
    """The first thing wrong with the text behind ``tune:``.

    >>> diagnose(" uniform(0, 1").message
    'this `(` is never closed: an annotation ends with its line'
    """
    tokens, second = [], None
    for match in _TOKEN.finditer(body):
        kind = match.lastgroup or "other"
        if kind == "comment":
            again = re.search(r"#[ \t]*tune[ \t]*:", match[0])
            second = match.start() + again.start() if again else None
            break
        if kind != "space":
            tokens.append(_Token(kind, match[0], match.start(), match.end()))
    message, token = _first(tokens)
    if token is None:
        stripped = body.strip()
        begin = body.find(stripped)
        end = tokens[-1].end if tokens else begin + 1
        return Mistake(message, begin, max(end, begin + 1), second)
    return Mistake(message, token.begin, token.end, second)


def _first(tokens: list[_Token]) -> tuple[str, _Token | None]:
    opened: list[_Token] = []
    named: list[bool] = [False]
    before: _Token | None = None
    for dash, number in pairwise(tokens):
        if dash.text in _DASHES and number.kind == "number" and dash.end == number.begin:
            return f"`{dash.text}` is not the minus of Python's: write `-`", dash
    for at, token in enumerate(tokens):
        if token.kind == "open_text":
            return "this text is never closed: a quote is missing at its end", token
        if token.kind == "other":
            return f"`{token.text}` has no meaning here", token
        if token.text == "{" and before is not None and _is_variable(before):
            return f'a name with braces is a text and needs quotes: "{before.text}{{...}}"', before
        if before is not None and _adjoins(before, token):
            return _missing(before, token, bool(opened))
        if token.kind == "open":
            opened.append(token)
            named.append(False)
        elif token.kind == "close":
            if not opened or opened[-1].text != _PAIRS[token.text]:
                return _unpaired(token, opened), token
            opened.pop()
            named.pop()
        elif token.kind == "comma" and (before is None or before.text in ("(", "[", "{", ",")):
            return "a value is missing before this comma", token
        after = tokens[at + 1] if at + 1 < len(tokens) else None
        if token.kind == "operator" and (after is None or after.kind in ("close", "comma")):
            return f"a value is missing after this `{token.text}`", token
        if token.text == "=":
            if before is not None and before.kind != "name":
                return "only a name can stand before this `=`", before
            named[-1] = True
        elif token.kind in _VALUES and named[-1] and _begins(tokens, at):
            return "a value by position cannot follow one by name", token
        before = token
    if opened:
        return (
            f"this `{opened[-1].text}` is never closed: an annotation ends with its line",
            opened[-1],
        )
    reserved = next((t for t in tokens if t.kind == "name" and _reserved(t.text)), None)
    if reserved is not None:
        return f"`{reserved.text}` is a word of Python's own and cannot stand here", reserved
    return "Python cannot read this as an expression", None


def _is_variable(token: _Token) -> bool:
    return token.kind == "name" and token.text not in _JOINING


def _adjoins(before: _Token, token: _Token) -> bool:
    """Two values side by side, where Python wants something between them."""
    if before.text in _JOINING or token.text in _JOINING:
        return False
    ended = before.kind in _VALUES or before.kind == "close"
    if token.kind == "text":
        return ended and before.kind != "text"  # texts side by side are one text
    return ended and token.kind in _VALUES


def _unpaired(token: _Token, opened: list[_Token]) -> str:
    if not opened:
        return f"this `{token.text}` closes nothing"
    return f"this `{token.text}` cannot close the `{opened[-1].text}` before it"


def _missing(before: _Token, token: _Token, inside: bool) -> tuple[str, _Token]:
    if before.text in DISTRIBUTIONS and not inside:
        return f"`{before.text}` needs parentheses: {DISTRIBUTIONS[before.text].usage}", before
    return f"a comma is missing before `{token.text}`", token


def _begins(tokens: list[_Token], at: int) -> bool:
    """Whether an element begins here that has no name."""
    if tokens[at - 1].kind != "comma":
        return False
    after = tokens[at + 1] if at + 1 < len(tokens) else None
    return after is None or after.text != "="


def _reserved(word: str) -> bool:
    return (
        keyword.iskeyword(word) and word not in ("None", "True", "False") and word not in _JOINING
    )
