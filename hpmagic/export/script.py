"""The best trial of a study as plain Python: nothing is searched."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping

from hpmagic.distributions import literal_text
from hpmagic.export.body import Body
from hpmagic.export.search import ExportError, Search
from hpmagic.language.cell import Draw
from hpmagic.ranking import best_trial
from hpmagic.rewrite import has_code, span_of, spelled, values_of

__all__ = ["program"]


def program(search: Search) -> str:
    """The text of the program.

    Raises:
        ExportError: no trial ran to its end, or a value is an object that nothing names.
    """
    info = search.record.info
    best = best_trial(search.record.trials, info.objectives)
    if best is None or best.value is None:
        raise ExportError(f"no trial of {info.name} ran to its end, so there is no best one")
    values = values_of(best)
    body = Body(search.cell)
    for draw in search.cell.draws:
        code = _written(draw, values, body.text)
        if code:
            body.replace(draw.expression, code)
    name = info.objectives[0].name
    setup = [search.setup_text, "", ""] if search.setup_text else []
    return "\n".join(
        [
            f'"""{search.title}: its best trial, {best.number}, had {name} = {best.value:.6g}."""',
            "",
            *search.head(body.futures),
            *setup,
            body.plain().strip("\n"),
            *_shown(search, name),
            "",
        ]
    )


def _written(draw: Draw, values: Mapping[str, object], text: str) -> str:
    """The code of a draw's value; a name made in a loop is looked up by it. Empty if unknown."""
    start, end = span_of(draw.expression, text)
    old = text[start:end]
    if draw.name is None:
        name = draw.parameter.name
        return _code(values[name], draw, old) if name in values else ""
    pattern = re.compile("".join(_pattern(part) for part in draw.name.values), re.DOTALL)
    made = {name: value for name, value in values.items() if pattern.fullmatch(name)}
    if not made:
        return ""
    items = ", ".join(f"{literal_text(n)}: {_code(v, draw, old)}" for n, v in made.items())
    return f"{{{items}}}[{ast.unparse(draw.name)}]"


def _code(value: object, draw: Draw, old: str) -> str:
    if not has_code(value, draw):
        raise ExportError(
            f"{draw.parameter.name}: its best value, {value}, is an object without a name; write "
            "the options out in the annotation to export the study"
        )
    return spelled(value, draw, old)


def _pattern(part: ast.expr) -> str:
    return re.escape(str(part.value)) if isinstance(part, ast.Constant) else ".*"


def _shown(search: Search, name: str) -> list[str]:
    """A line that prints the objective, where it is a name of the script's own."""
    marks = [mark for mark in search.cell.marks if mark.name == name]
    value = ast.unparse(marks[-1].target) if marks else name
    reachable = not marks or any(marks[-1].statement is s for s in _outside_functions(search))
    if not reachable or not value.isidentifier():
        return []
    return ["", f'print(f"{name} = {{{value}:.6g}}")']


def _outside_functions(search: Search) -> list[ast.AST]:
    found: list[ast.AST] = []
    stack: list[ast.AST] = [search.cell.tree]
    while stack:
        node = stack.pop()
        found.append(node)
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            stack.extend(ast.iter_child_nodes(node))
    return found
