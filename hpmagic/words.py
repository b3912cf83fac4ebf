"""The words of a line, quoted as in a shell."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable

from hpmagic.errors import OptionError

__all__ = ["expanded", "words_before_comment", "words_of"]

_BEFORE_COMMENT = re.compile(
    r"""(?: [ \t\r\n]+ | (?!\#) (?: \\. | '[^']*' | "(?:\\.|[^"\\])*" | [^ \t\r\n\\'"] )+ )*""",
    re.DOTALL | re.VERBOSE,
)
"""White space and words, as `shlex` has them; a ``#`` inside a word is a part of it."""


def words_before_comment(line: str) -> list[str]:
    """The words of a header; a comment may follow them.

    >>> words_before_comment("bayes -n 20  # overnight")
    ['bayes', '-n', '20']
    """
    words = _BEFORE_COMMENT.match(line)
    assert words is not None
    return words_of(words[0] if line.startswith("#", words.end()) else line)


def words_of(line: str, escape: str = "\\") -> list[str]:
    """The words of a line, quoted as in a shell; without ``escape`` a backslash is no sign.

    Raises:
        OptionError: a quote is not closed.

    >>> words_of("load 'two  words'")
    ['load', 'two  words']
    """
    lexer = shlex.shlex(line, posix=True)
    lexer.whitespace_split, lexer.commenters, lexer.escape = True, "", escape
    try:
        return list(lexer)
    except ValueError as error:
        raise OptionError(f"the line cannot be read: {str(error).lower()}") from None


def expanded(word: str, evaluate: Callable[[str], object]) -> str:
    """``$name`` or ``{expression}`` by its value, any other word as it is.

    >>> expanded("$n", {"n": 20}.__getitem__), expanded("20", {}.__getitem__)
    ('20', '20')
    """
    if re.fullmatch(r"\$[A-Za-z_]\w*", word):
        return str(evaluate(word[1:]))
    if re.fullmatch(r"\{[^{}]+\}", word):
        return str(evaluate(word[1:-1]))
    return word
