"""A tune cell's text, edited into plain Python: annotations out, draws and reports in."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from dataclasses import dataclass, field

from hpmagic.language.cell import TunableCell
from hpmagic.language.comments import Comment, find_comments
from hpmagic.language.source import Source
from hpmagic.rewrite import span_of

__all__ = ["Body"]

_TIMED = re.compile(r"^(\s*)%time\s+(?=\S)")


@dataclass
class Body:
    """Edits of a cell's text; the cell was read with ``first_line=1``."""

    cell: TunableCell
    _edits: list[tuple[int, int, int, str]] = field(default_factory=list)
    futures: list[str] = field(default_factory=list)
    """The cell's ``from __future__`` lines, which belong at the head of a file."""

    def __post_init__(self) -> None:
        self.text = self.cell.text if self.cell.text.endswith("\n") else self.cell.text + "\n"
        self._starts = [0]
        for line in self.text.split("\n"):
            self._starts.append(self._starts[-1] + len(line) + 1)
        self._drop_annotations()
        self._drop_ipython()
        self._lift_futures()

    def plain(self) -> str:
        """The text after the edits so far."""
        return self._applied(self._edits)

    def indented(self, by: str) -> str:
        """The same as the body of something: every line but those inside texts moved in."""
        inside = _lines_inside_texts(self.cell.python)
        moves = [
            (start, start, 2, by)
            for number, start in enumerate(self._starts, start=1)
            if start < len(self.text) and number not in inside and self._line(number).strip()
        ]
        return self._applied([*self._edits, *moves])

    def replace(self, node: ast.expr, code: str) -> None:
        """Put ``code`` in the place of an expression."""
        start, end = span_of(node, self.text)
        self._edits.append((start, end, 0, code))

    def insert_after(self, statement: ast.stmt, lines: list[str], indent: str) -> bool:
        """Put lines after a statement, at its depth; False where it shares its line with others."""
        assert statement.end_lineno is not None
        _, end = span_of(statement, self.text)
        rest = self.text[end : self._starts[statement.end_lineno]].strip()
        if (rest and not rest.startswith("#")) or not self._begins_line(statement):
            return False
        self._insert(self._starts[statement.end_lineno], statement, lines, indent)
        return True

    def insert_before(self, statement: ast.stmt, lines: list[str], indent: str) -> bool:
        """Put lines before a statement, at its depth; False where it does not begin its line."""
        if not self._begins_line(statement):
            return False
        self._insert(self._starts[statement.lineno - 1], statement, lines, indent)
        return True

    def _insert(self, at: int, statement: ast.stmt, lines: list[str], indent: str) -> None:
        depth = self._line(statement.lineno)[: statement.col_offset]
        code = "".join(f"{indent}{depth}{line}\n" for line in lines)
        self._edits.append((at, at, 1, code))

    def _begins_line(self, statement: ast.stmt) -> bool:
        return not self._line(statement.lineno)[: statement.col_offset].strip()

    def _line(self, number: int) -> str:
        return self.text[self._starts[number - 1] : self._starts[number]]

    def _applied(self, edits: list[tuple[int, int, int, str]]) -> str:
        pieces: list[str] = []
        at = 0
        for start, end, _, code in sorted(edits, key=lambda e: (e[0], e[2], e[1])):
            if start < at:  # inside something that has been replaced
                continue
            pieces += [self.text[at:start], code]
            at = end
        return "".join([*pieces, self.text[at:]])

    def _drop_annotations(self) -> None:
        source = Source.read(self.cell.text, self.cell.python, self.cell.filename, 1)
        for comment in find_comments(source):
            if not isinstance(comment, Comment):
                continue
            begin = self._starts[comment.line - 1]
            start, end = begin + comment.column, self._starts[comment.line] - 1
            free = _free_text(comment.body)
            if comment.alone and not free:
                self._edits.append((begin, end + 1, 0, ""))
            elif comment.alone:
                self._edits.append((start, end, 0, free))
            else:
                code = self.text[begin:start].rstrip()
                kept = f"  {free}" if free else ""
                self._edits.append((begin + len(code), end, 0, kept))

    def _drop_ipython(self) -> None:
        python = self.cell.python.split("\n")
        for number, raw in enumerate(self.cell.text.split("\n"), start=1):
            mine = python[number - 1] if number <= len(python) else ""
            if raw.endswith(mine) and (mine.strip() or not raw.strip()):
                continue
            start, end = self._starts[number - 1], self._starts[number - 1] + len(raw)
            timed = _TIMED.match(raw)
            depth = raw[: len(raw) - len(raw.lstrip())]
            if timed:
                code = timed[1] + raw[timed.end() :]
            elif re.match(r"\s*%(?:load_ext|reload_ext)\s+hpmagic\b", raw):
                code = f"{depth}pass" if depth else ""
            else:
                code = f"{depth}{'pass  ' if depth and mine.strip() else ''}# {raw.strip()}"
            self._edits.append((start, end, 0, code))

    def _lift_futures(self) -> None:
        for statement in self.cell.tree.body:
            if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
                start, end = span_of(statement, self.text)
                self.futures.append(ast.unparse(statement))
                self._edits.append((start, end, 0, ""))


def _free_text(body: str) -> str:
    """What follows the second hash of an annotation, hash included."""
    quote = ""
    for at, char in enumerate(body):
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char == "#":
            return body[at:].rstrip()
    return ""


def _lines_inside_texts(python: str) -> set[int]:
    """The lines that begin inside a text that goes on from the line above."""
    inside: set[int] = set()
    openings: list[int] = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(python).readline):
            kind = tokenize.tok_name[token.type]
            if kind == "STRING":
                inside.update(range(token.start[0] + 1, token.end[0] + 1))
            elif kind == "FSTRING_START":
                openings.append(token.start[0])
            elif kind == "FSTRING_END" and openings:
                inside.update(range(openings.pop() + 1, token.end[0] + 1))
    except (tokenize.TokenError, SyntaxError):
        return inside
    return inside
