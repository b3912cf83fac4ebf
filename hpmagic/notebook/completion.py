"""Completion after ``%%tune`` and ``%tune``, and inside ``# tune:`` comments.

Plain: text and cursor in, suggestions out. `matching` hands them to IPython.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from hpmagic.language.vocabulary import DISTRIBUTIONS, ROLES, SPELLINGS, Word
from hpmagic.language.vocabulary import OPTIONS as ITEM_OPTIONS
from hpmagic.notebook.header import find_header
from hpmagic.options import OPTIONS, Option

__all__ = ["Found", "Suggestion", "complete"]

_LINE_MAGIC: Final = re.compile(r"^\s*(?:\w+\s*=\s*)?%tune\s+(?P<words>.*)$")
_HEADER_WORD: Final = re.compile(r"^(?:%%tune|#!?\s*(?:@|%%)tune)\s+(?P<words>.*)$")
_COMMENT: Final = re.compile(r"#[ \t]*tune[ \t]*:(?P<body>.*)$")
_ASSIGNED: Final = re.compile(r"^\s*([A-Za-z_]\w*)\s*(?::[^=#]+)?(?:[+*/-]|//|\*\*)?=(?!=)")
_LAST: Final = re.compile(r"[\w.-]*$")
_VALUES: Final = {"log": ("True", "False"), "kind": ('"model"', '"training"')}


@dataclass(frozen=True)
class Suggestion:
    """A word to insert, and what it means."""

    text: str
    meaning: str


@dataclass(frozen=True)
class Found:
    """Suggestions in the order in which to show them; ``fragment`` is what they replace."""

    fragment: str
    suggestions: tuple[Suggestion, ...]


def complete(text: str, line: int, column: int) -> Found | None:
    """What may stand at the cursor; None where nothing of ours does.

    Args:
        text: the whole cell.
        line: the cursor's line, from 0.
        column: the characters before the cursor on its line.

    >>> complete("%%tune ba", 0, 9).suggestions[0].text
    'bayes'
    >>> complete("lr = 0.1  # tune: logu", 0, 22).suggestions[0].text
    'loguniform('
    """
    before = text.split("\n")[line][:column]
    magic = _LINE_MAGIC.match(before)
    if magic:
        return _chosen(before, _verbs(magic["words"]))
    header = _HEADER_WORD.match(before)
    if header:
        found = find_header(text)
        if found is not None and found.line == line + 1:
            return _chosen(before, _after_header(header["words"], text))
    comment = _COMMENT.search(before)
    if comment and _unquoted(before[: comment.start()]):
        return _chosen(before, _in_comment(comment["body"]))
    return None


def _chosen(before: str, offered: Iterable[Suggestion]) -> Found:
    """Those of the offered that go on from the word at the cursor."""
    match = _LAST.search(before)
    fragment = match[0] if match else ""
    fits = [s for s in offered if s.text.lower().lstrip('"').startswith(fragment.lower())]
    return Found(fragment, tuple(fits))


def _verbs(words: str) -> Iterator[Suggestion]:
    from hpmagic.notebook.verbs import VERBS

    given = words.split(" ")
    if len(given) == 1:
        yield from (Suggestion(verb.name, verb.meaning) for verb in VERBS.values())
    elif len(given) == 2 and given[0] in VERBS:
        yield from (Suggestion(word, f"%tune {given[0]}") for word in VERBS[given[0]].words)


def _after_header(words: str, cell: str) -> Iterator[Suggestion]:
    from hpmagic.tuners.registry import summaries

    *given, current = words.split(" ")
    option = _option(current.partition("=")[0]) if "=" in current else None
    if option is None and given:
        option = _option(given[-1])
    if option is not None and option.read is not None and option.alone is None:
        yield from _values_of(option, cell)
        return
    tuners = summaries()
    if not current.startswith("-") and not any(word in tuners for word in given):
        yield from (Suggestion(name, summary) for name, summary in tuners.items())
    for each in OPTIONS:
        if each.many or each.flag not in given:
            yield Suggestion(each.flag, each.meaning)


def _option(word: str) -> Option | None:
    return next(
        (o for o in OPTIONS if word in (o.flag, f"-{o.short}")),
        None,
    )


def _values_of(option: Option, cell: str) -> Iterator[Suggestion]:
    if option.name in ("minimize", "maximize"):
        yield from (Suggestion(name, "assigned in this cell") for name in _metrics(cell))
    elif option.name == "try":
        yield from (Suggestion(f"{name}=", "tuned in this cell") for name in _tuned(cell))
    else:
        yield from (Suggestion(value, option.meaning) for value in option.values)


def _metrics(cell: str) -> list[str]:
    """Names that the cell assigns and does not tune, those assigned last first."""
    tuned = set(_tuned(cell))
    names = [m[1] for m in map(_ASSIGNED.match, cell.split("\n")) if m]
    return [name for name in dict.fromkeys(reversed(names)) if name not in tuned]


def _tuned(cell: str) -> list[str]:
    roles = tuple(ROLES)
    names = []
    for line in cell.split("\n"):
        comment, assigned = _COMMENT.search(line), _ASSIGNED.match(line)
        if comment and assigned and not comment["body"].strip().startswith(roles):
            names.append(assigned[1])
    return list(dict.fromkeys(names))


def _in_comment(body: str) -> Iterator[Suggestion]:
    """What may follow ``body``, which is the annotation up to the cursor."""
    state = _scan(body)
    if state is None:
        return
    word, parts = state
    current = parts[-1].strip()
    name, equals, _ = current.partition("=")
    if equals:
        yield from (Suggestion(value, name.strip()) for value in _VALUES.get(name.strip(), ()))
    elif word:
        yield from _arguments(word, parts[:-1])
    elif len(parts) == 1:
        yield from _items(bool(current))
    else:
        role = parts[0].partition("(")[0].strip() in ROLES
        given = {part.partition("=")[0].strip() for part in parts[1:-1]}
        for option in ITEM_OPTIONS.values():
            if option.name not in given and (option.of_roles or not role):
                yield Suggestion(f"{option.name}=", option.meaning)


def _scan(body: str) -> tuple[str, list[str]] | None:
    """The word whose parentheses are open (empty when none are), and the parts at that level.

    None in free text, in a quoted text or deeper inside.
    """
    levels: list[tuple[str, list[str]]] = [("", [""])]
    quote = ""
    for char in body:
        parts = levels[-1][1]
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char == "#":
            return None
        elif char in "([{":
            levels.append((parts[-1].strip() if char == "(" else "[", [""]))
            continue
        elif char in ")]}" and len(levels) > 1:
            _, inner = levels.pop()
            levels[-1][1][-1] += f"({','.join(inner)})"
            continue
        elif char == ",":
            parts.append("")
            continue
        parts[-1] += char
    return None if quote or len(levels) > 2 or levels[-1][0] == "[" else levels[-1]


def _items(begun: bool) -> Iterator[Suggestion]:
    """Distributions and roles; aliases only once a letter has been typed."""
    words: Sequence[Word] = list(DISTRIBUTIONS.values())
    canonical = [word for word in words if word.name == word.kind]
    for word in canonical:
        yield Suggestion(f"{word.name}(", f"{word.usage}: {word.meaning}")
    for role in ROLES.values():
        yield Suggestion(role.name, role.meaning)
    if begun:
        for word in words:
            if word not in canonical:
                yield Suggestion(f"{word.name}(", f"{word.usage}: the same as {word.kind}")


def _arguments(word: str, before: Sequence[str]) -> Iterator[Suggestion]:
    distribution, role = DISTRIBUTIONS.get(word), ROLES.get(word)
    named: tuple[str, ...] = ()
    if distribution is not None:
        positional = sum("=" not in part for part in before)
        named = (*distribution.order[positional:], *distribution.named)
    elif role is not None:
        named = role.named
    given = {part.partition("=")[0].strip() for part in before}
    for name in named:
        if not given & set(SPELLINGS.get(name, (name,))):
            yield Suggestion(name if name == "best" else f"{name}=", f"argument of {word}")


def _unquoted(before: str) -> bool:
    """Whether no quote is open before the comment."""
    plain = re.sub(r"\\.", "", before)
    rest = re.sub(r"(['\"]).*?\1", "", plain)
    return "'" not in rest and '"' not in rest
