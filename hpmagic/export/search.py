"""What an exported program searches, and the cells that must come before it."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from hpmagic.errors import HpmagicError
from hpmagic.export.body import Body
from hpmagic.language import parse_cell
from hpmagic.language.cell import TunableCell
from hpmagic.records import Origin, StudyRecord, Trial, TrialState

__all__ = ["EarlierCell", "ExportError", "Search", "bound_names", "loaded_names"]

_QUIET = frozenset({"print", "display", "len", "type", "repr", "help"})


class ExportError(HpmagicError, ValueError):
    """The cell holds something that the asked-for form has no words for."""


@dataclass(frozen=True)
class EarlierCell:
    """A cell that was entered before the study: as written, and as Python line for line."""

    text: str
    python: str


@dataclass(frozen=True)
class Search:
    """A study to be exported.

    ``text`` and ``python`` are the tune cell without its header. ``earlier`` are all cells entered
    before it, in order; `setup` chooses among them.
    """

    record: StudyRecord
    text: str
    python: str
    earlier: tuple[EarlierCell, ...] = ()

    @cached_property
    def cell(self) -> TunableCell:
        """The tune cell, read."""
        return parse_cell(self.text, python=self.python)

    @cached_property
    def setup(self) -> tuple[Body, ...]:
        """The earlier cells that bind or may change a name on which the tune cell depends."""
        needed = loaded_names(self.cell.tree)
        for draw in self.cell.draws:
            for argument in draw.recipe.deferred:
                assert argument.expression is not None
                needed |= loaded_names(argument.expression)
        kept: list[Body] = []
        for earlier in reversed(self.earlier):
            body = _read(earlier)
            tree = None if body is None else _parsed(body.plain())
            if body is not None and tree is not None and _matters(tree, needed):
                needed |= loaded_names(tree)
                kept.insert(0, body)
        return tuple(kept)

    @cached_property
    def setup_text(self) -> str:
        """The setup as one text of plain Python."""
        text = "\n\n".join(body.plain().strip("\n") for body in self.setup)
        names = loaded_names(ast.parse(text)) | loaded_names(self.cell.tree)
        if "display" in names:  # IPython's, which a notebook has without import
            text = f"from IPython.display import display\n\n{text}"
        return text

    def head(self, futures: Sequence[str]) -> list[str]:
        """The ``from __future__`` lines, which must open the file, with a blank line behind."""
        lines = dict.fromkeys([*(f for body in self.setup for f in body.futures), *futures])
        return [*lines, *([""] if lines else [])]

    @cached_property
    def names(self) -> set[str]:
        """Every name that occurs anywhere, for new names to keep away from."""
        names: set[str] = set()
        for tree in (self.cell.tree, ast.parse(self.setup_text)):
            names |= bound_names(tree)
            for node in ast.walk(tree):
                if isinstance(node, ast.Name):
                    names.add(node.id)
                elif isinstance(node, ast.arg):
                    names.add(node.arg)
        return names

    @property
    def title(self) -> str:
        """The study in a few words that can stand in a docstring."""
        name = " ".join(self.record.info.name.split()).replace("\\", "/").replace('"', "'")
        return f"{name}, by {self.record.info.tuner}"

    def free(self, name: str) -> str:
        """``name``, or one like it that nobody uses."""
        while name in self.names:
            name += "_"
        return name

    @property
    def by_hand(self) -> list[Trial]:
        """The trials whose values a person chose, in order."""
        chosen = (Origin.DEFAULT, Origin.TRY)
        ended = [t for t in self.record.trials if t.state is not TrialState.INTERRUPTED]
        return [t for t in ended if t.origin in chosen or self.record.info.tuner == "manual"]

    def carried_in(self) -> list[str]:
        """Names that the cell binds, that exist before it, and that it may read first."""
        bound = bound_names(self.cell.tree) & bound_names(ast.parse(self.setup_text))
        return sorted(bound & loaded_names(self.cell.tree) - set(self.shared()))

    def shared(self) -> list[str]:
        """Names that the cell binds and that functions read as globals."""
        bound = bound_names(self.cell.tree)
        elsewhere = _globals_of_functions(ast.parse(self.setup_text))
        declared = {
            name
            for node in ast.walk(self.cell.tree)
            if isinstance(node, ast.Global)
            for name in node.names
        }
        return sorted(bound & (elsewhere | declared))


def bound_names(tree: ast.AST) -> set[str]:
    """The names that running the module's own statements binds."""
    names: set[str] = set()
    stack: list[ast.AST] = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
            continue
        if isinstance(node, ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp):
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
            names.add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(a.asname or a.name).partition(".")[0] for a in node.names}
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            names.add(node.name)
        stack.extend(ast.iter_child_nodes(node))
    return names


def loaded_names(tree: ast.AST) -> set[str]:
    """The names that are read anywhere, also inside functions; what ``+=`` changes is read too."""
    read = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    changed = {
        n.target.id
        for n in ast.walk(tree)
        if isinstance(n, ast.AugAssign) and isinstance(n.target, ast.Name)
    }
    return read | changed


def _globals_of_functions(tree: ast.AST) -> set[str]:
    """The names that functions and classes read and do not bind themselves, near enough."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            inner = [*ast.walk(node)]
            own = {n.arg for n in inner if isinstance(n, ast.arg)}
            own |= {n.id for n in inner if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
            own -= {name for n in inner if isinstance(n, ast.Global) for name in n.names}
            found |= loaded_names(node) - own
    return found


def _read(earlier: EarlierCell) -> Body | None:
    try:
        return Body(parse_cell(earlier.text, python=earlier.python))
    except SyntaxError:
        return None


def _parsed(python: str) -> ast.Module | None:
    try:
        return ast.parse(python)
    except (SyntaxError, ValueError):
        return None


def _matters(tree: ast.Module, needed: set[str]) -> bool:
    stars = any(isinstance(n, ast.ImportFrom) and n.names[0].name == "*" for n in ast.walk(tree))
    if stars or bound_names(tree) & needed:
        return True
    changing = [s for s in tree.body if not _only_shows(s)]
    return any(loaded_names(statement) & needed for statement in changing)


def _only_shows(statement: ast.stmt) -> bool:
    """Whether it is an expression that changes nothing: a value to be displayed."""
    if not isinstance(statement, ast.Expr):
        return False
    calls = [n for n in ast.walk(statement) if isinstance(n, ast.Call | ast.Await)]
    return all(
        isinstance(c, ast.Call) and isinstance(c.func, ast.Name) and c.func.id in _QUIET
        for c in calls
    )
