"""The tune cell as a function that takes its values from somewhere and returns its objectives."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hpmagic.export.body import Body
from hpmagic.export.search import ExportError, Search
from hpmagic.language.cell import Draw, Mark
from hpmagic.records import Direction

__all__ = ["Function", "function_of"]

INDENT = "    "


@dataclass(frozen=True)
class Function:
    """The function's text, and the ``from __future__`` lines of the cell it was."""

    name: str
    text: str
    futures: tuple[str, ...]


def function_of(
    search: Search,
    argument: str,
    draw: Callable[[Draw], str],
    *,
    gives: Callable[[Sequence[str]], str],
    report: Callable[[str, str], list[str]] | None = None,
    remember: Callable[[str, str], str] | None = None,
) -> Function:
    """Write the cell as a function.

    Args:
        search: the study.
        argument: the function's parameter, from which values are drawn.
        draw: the expression that draws a value.
        gives: what is returned, from the expressions of the objectives.
        report: lines that report a value at a step, within a loop.
        remember: a line that keeps a metric which is no objective.

    Raises:
        ExportError: the cell cannot be a function.
    """
    cell = search.cell
    _refuse_what_no_function_holds(cell.tree)
    body = Body(cell)
    for drawn in cell.draws:
        body.replace(drawn.expression, draw(drawn))
    marks = _Marks(search, body)
    results = [marks.result(o.name, o.direction, report) for o in search.record.info.objectives]
    wanted = {o.name for o in search.record.info.objectives}
    for mark in cell.marks:
        if remember and mark.name not in wanted and mark.objective is None:
            marks.after(mark, [remember(mark.name, ast.unparse(mark.target))])
    name = search.free("objective")
    carried = [f"{n}={n}" for n in search.carried_in()]
    parameters = ", ".join([argument, *(["*"] if carried else []), *carried])
    opening = [f"def {name}({parameters}):"]
    if search.shared():
        opening.append(f"{INDENT}global {', '.join(search.shared())}")
    opening += [INDENT + line for line in marks.opening]
    text = body.indented(INDENT).strip("\n")
    closing = f"{INDENT}return {gives(results)}"
    return Function(name, "\n".join([*opening, text, closing]), tuple(body.futures))


class _Marks:
    """What the annotated objectives and metrics add to the body."""

    def __init__(self, search: Search, body: Body) -> None:
        self.search = search
        self.body = body
        self.opening: list[str] = []
        self._parents = {
            id(child): node
            for node in ast.walk(search.cell.tree)
            for child in ast.iter_child_nodes(node)
        }

    def after(self, mark: Mark, lines: list[str]) -> None:
        if not self.body.insert_after(mark.statement, lines, INDENT):
            raise ExportError(
                f"line {mark.statement.lineno} holds more than `{mark.name}`; give the statement a "
                "line of its own to export the study"
            )

    def result(
        self,
        name: str,
        direction: Direction,
        report: Callable[[str, str], list[str]] | None,
    ) -> str:
        """The expression that holds an objective in the end."""
        marks = [mark for mark in self.search.cell.marks if mark.name == name]
        if not marks:
            return name
        for mark in marks:
            self._in_loop(mark, direction, report)
        mark = marks[-1]
        if not mark.best and not self._in_function(mark) and len(marks) == 1:
            return ast.unparse(mark.target)
        kept = self.search.free("reported")
        if f"{kept} = {{}}" not in self.opening:
            self.opening.append(f"{kept} = {{}}")
        for each in marks:
            value = ast.unparse(each.target)
            new = f"{kept}[{name!r}] = {value}"
            if each.best:
                pick = "min" if direction is Direction.MINIMIZE else "max"
                new = f"{kept}[{name!r}] = {pick}({value}, {kept}.get({name!r}, {value}))"
            self.after(each, [new])
        return f"{kept}[{name!r}]"

    def _in_loop(
        self,
        mark: Mark,
        direction: Direction,
        report: Callable[[str, str], list[str]] | None,
    ) -> None:
        if mark.loop is None or (report is None and mark.patience is None):
            return
        value = ast.unparse(mark.target)
        plain = "".join(c if c.isalnum() else "_" for c in mark.name)
        lines: list[str] = []
        before: list[str] = []
        if report is not None and mark.step is not None:
            lines += report(value, ast.unparse(mark.step))
        elif report is not None:
            step = self.search.free(f"{plain}_step")
            before.append(f"{step} = 0")
            lines += [*report(value, step), f"{step} += 1"]
        leave: list[str] = []
        if mark.patience is not None:
            best, waited = self.search.free(f"{plain}_best"), self.search.free(f"{plain}_waited")
            worst = "inf" if direction is Direction.MINIMIZE else "-inf"
            sign, than = ("+", "<") if direction is Direction.MINIMIZE else ("-", ">")
            margin = f" {sign} {_code(mark.min_delta)}" if mark.min_delta else ""
            before.append(f'{best}, {waited} = float("{worst}"), 0')
            lines += [
                f"if {value}{margin} {than} {best}:",
                f"    {best}, {waited} = {value}, 0",
                "else:",
                f"    {waited} += 1",
            ]
            leave = [f"if {waited} >= {_code(mark.patience)}:", "    break"]
        self.after(mark, lines + leave)
        for loop in self._loops_between(mark) if leave else ():
            self.body.insert_after(loop, leave, INDENT)
        if before and not self.body.insert_before(mark.loop, before, INDENT):
            raise ExportError(
                f"line {mark.loop.lineno} holds more than its loop; give it a line of its own to "
                "export the study"
            )

    def _loops_between(self, mark: Mark) -> list[ast.stmt]:
        """The loops inside the mark's that hold its statement."""
        found: list[ast.stmt] = []
        node: ast.AST | None = self._parents.get(id(mark.statement))
        while node is not None and node is not mark.loop:
            if isinstance(node, ast.For | ast.AsyncFor | ast.While):
                found.append(node)
            node = self._parents.get(id(node))
        return found

    def _in_function(self, mark: Mark) -> bool:
        node: ast.AST | None = mark.statement
        while node is not None:
            node = self._parents.get(id(node))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                return True
        return False


def _code(value: float | ast.expr) -> str:
    return ast.unparse(value) if isinstance(value, ast.expr) else repr(value)


def _refuse_what_no_function_holds(tree: ast.Module) -> None:
    stack: list[ast.AST] = list(tree.body)
    while stack:
        node = stack.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            continue
        if isinstance(node, ast.Await | ast.AsyncFor | ast.AsyncWith):
            raise ExportError(f"line {node.lineno} awaits, which a plain program cannot")
        if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
            raise ExportError(
                f"line {node.lineno} imports *, which no function can; move it to an earlier cell"
            )
        stack.extend(ast.iter_child_nodes(node))
