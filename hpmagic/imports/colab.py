"""Colab's forms: ``x = 0.1  #@param {type:"slider", min:0, max:1, step:0.1}``.

The line stays as it is, so that the form goes on working, and its annotation stands alone on the
line above.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hpmagic.cells import FileCell, read_cells
from hpmagic.distributions import Distribution, Int, Uniform, literal_text
from hpmagic.errors import ConversionError, OptionError, Place, SpaceError, nearest
from hpmagic.imports.converted import Converted
from hpmagic.imports.fields import Field, Value, read_field

__all__ = ["convert_form"]

_PARAM: Final = re.compile(r"#[ \t]*@param\b(.*)")
_TYPES: Final = ("slider", "number", "integer", "boolean", "string", "raw", "date")
_BOUNDS: Final[tuple[str, ...]] = ("min", "max", "step")
_LEFT_TO_DO: Final = (
    "a trial is one run of one cell: put the lines that train into it, `# @tune` on its first line "
    "and `# tune: minimize` or `# tune: maximize` behind the line that assigns the objective"
)


@dataclass(frozen=True)
class _Line:
    """An assignment with a form field: its name, its written value, and the line it begins on."""

    field: Field
    name: str
    value: ast.expr
    line: int


def convert_form(path: Path) -> Converted:
    """The cells of a notebook or script that have form fields, annotated.

    Raises:
        ConversionError: a field cannot be understood.
        OptionError: the file cannot be read, or has no field.
        SyntaxError: a cell with a field is not Python.
    """
    cells = [cell for cell in read_cells(path) if _PARAM.search(cell.text)]
    read = [(cell, list(_lines(cell, path))) for cell in cells]
    read = [(cell, lines) for cell, lines in read if lines]
    if not read:
        raise OptionError(f"{path} has no assignment with a form field (`x = 1  #@param ...`)")
    texts: list[str] = []
    notes: list[str] = []
    for cell, lines in read:
        text, said = _annotated(cell, lines, path)
        where = f"cell {cell.number}" if path.suffix == ".ipynb" else f"line {cell.line}"
        texts.append(text if len(read) == 1 else f"# %% {where}\n{text}")
        notes += said
    return Converted("\n".join(texts), (*notes, _LEFT_TO_DO))


def _lines(cell: FileCell, path: Path) -> Iterator[_Line]:
    """The fields of a cell that stand behind an assignment."""
    tunable = cell.read(path)
    tuned = {draw.expression.lineno for draw in tunable.draws}
    first, raw = cell.body_line, cell.body.splitlines()
    ending = {
        node.end_lineno: node
        for node in ast.walk(ast.parse("\n" * (first - 1) + cell.python))
        if isinstance(node, ast.Assign | ast.AnnAssign)
    }
    for token in tokenize.generate_tokens(io.StringIO(cell.python).readline):
        match = _PARAM.search(token.string) if token.type == tokenize.COMMENT else None
        number = token.start[0] + first - 1
        statement = ending.get(number)
        if match is None or statement is None or statement.value is None or number in tuned:
            continue
        line = raw[token.start[0] - 1]
        begin = line.rindex(token.string) + match.start(1)
        end = begin + len(match[1].rstrip())
        begin += len(match[1]) - len(match[1].lstrip()) if match[1].strip() else 0
        target = statement.target if isinstance(statement, ast.AnnAssign) else statement.targets[0]
        field = read_field(Place(cell.named(path), number, begin, max(end, begin), line))
        yield _Line(field, ast.unparse(target), statement.value, statement.lineno)


def _annotated(cell: FileCell, lines: Sequence[_Line], path: Path) -> tuple[str, list[str]]:
    """A cell's text with the annotations put in, and what is to be said about it."""
    text, notes, left = cell.text.splitlines(), [], []
    for line in reversed(lines):
        annotation = _annotation(line)
        if annotation is None:
            left.append(f"`{line.name}`")
            continue
        at = line.line - cell.line
        indent = text[at][: len(text[at]) - len(text[at].lstrip())]
        text.insert(at, f"{indent}# tune: {annotation}")
        allowed = line.field.settings.get("allow-input")
        if allowed is not None and allowed.value is True:
            notes.append(f"`{line.name}` is tuned among the listed values only")
    if left:
        names = f"{', '.join(left[::-1])} {'is' if len(left) == 1 else 'are'}"
        notes.append(f"{names} not tuned: a field that takes any value says no range")
    where = f"{path}, cell {cell.number}" if path.suffix == ".ipynb" else str(path)
    return "\n".join(text) + "\n", [f"{where}: {note}" for note in reversed(notes)]


def _annotation(line: _Line) -> str | None:
    """What stands behind ``# tune:``; None for a field that takes any value."""
    field = line.field
    kind = _type(field)
    if field.options is not None:
        return _choice(field, field.options, kind)
    if kind == "boolean":
        return "bool()"
    if kind == "slider" or (
        kind in ("number", "integer") and {"min", "max"} <= set(field.settings)
    ):
        return str(_range(field, kind, line.value))
    return None


def _type(field: Field) -> str | None:
    given = field.settings.get("type")
    if given is None:
        return None
    if given.value not in _TYPES:
        hint = nearest(str(given.value), _TYPES) or f"; there are {', '.join(_TYPES)}"
        raise ConversionError(f"unknown type `{given.value}`{hint}", given.place)
    return str(given.value)


def _choice(field: Field, options: Sequence[Value], kind: str | None) -> str:
    if not options:
        raise ConversionError("a dropdown needs at least one option", field.place)
    as_code = kind in ("raw", "number", "integer", "boolean")
    texts = dict.fromkeys(_option(option, as_code) for option in options)
    inside = ", ".join(texts)
    # `choice([8])` would be the choice of 8.
    alone = len(texts) == 1 and inside[:1] in ("[", "(")
    return f"choice([{inside}])" if alone else f"choice({inside})"


def _option(option: Value, as_code: bool) -> str:
    """An option as Python; the text of a raw one is code, such as ``"None"`` or ``"[1, 2]"``."""
    value = option.value
    if not (as_code and isinstance(value, str)):
        return literal_text(value)
    try:
        node = ast.parse("" if "\n" in value else value.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ConversionError(f"this type wants Python, but got {value!r}", option.place) from None
    try:
        return literal_text(ast.literal_eval(node))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return value.strip()


def _range(field: Field, kind: str, written: ast.expr) -> Distribution:
    for name in ("min", "max"):
        if name not in field.settings:
            raise ConversionError(f"slider: {name} is missing", field.place)
    given: dict[str, Value] = {
        name: field.settings[name] for name in _BOUNDS if name in field.settings
    }
    numbers: dict[str, Any] = {name: value.value for name, value in given.items()}
    spelled = {"min": "low", "max": "high", "step": "step"}
    options = {spelled[name]: value for name, value in numbers.items()}
    try:
        default = ast.literal_eval(written)
    except ValueError:
        default = None
    # Colab's own step is 1: a slider moves in whole numbers unless something says otherwise.
    whole = all(type(value) is int for value in numbers.values()) and type(default) is not float
    try:
        return Int(**options) if whole or kind == "integer" else Uniform(**options)
    except SpaceError as error:
        blamed = [name for name, ours in spelled.items() if ours in error.arguments]
        place = given[blamed[0]].place if len(blamed) == 1 else field.place
        raise ConversionError(str(error), place) from None
