"""The text of a cell, and where things stand in it."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Protocol

from hpmagic.errors import Place

__all__ = ["Source", "Spanning"]


class Spanning(Protocol):
    """A node of the tree that has a place: an expression, a statement, a keyword, ..."""

    lineno: int
    col_offset: int
    end_lineno: int | None
    end_col_offset: int | None


@dataclass(frozen=True)
class Source:
    """The lines of a cell as its author numbers them.

    ``lines`` are those of the raw text. ``python`` holds the same lines as Python: most of them the
    same, some less what stands before the code (an indentation or a prompt that IPython drops), and
    IPython's own lines replaced. ``shifts`` is how many characters each line has lost at its
    beginning, or None for a replaced line.
    """

    filename: str
    lines: tuple[str, ...]
    python: tuple[str, ...]
    shifts: tuple[int | None, ...]
    first_line: int

    @classmethod
    def read(cls, text: str, python: str | None, filename: str, first_line: int) -> Source:
        """The cell; ``python`` is taken to be the text itself when None."""
        lines = _lines(text)
        # Python takes a byte order mark at the beginning of a file for nothing.
        ours = _lines((text if python is None else python).removeprefix("\ufeff"))
        lines += ("",) * (len(ours) - len(lines))
        ours += ("",) * (len(lines) - len(ours))
        shifts = tuple(
            len(raw) - len(mine) if raw.endswith(mine) else None
            for raw, mine in zip(lines, ours, strict=True)
        )
        return cls(filename, lines, ours, shifts, first_line)

    def parse(self) -> ast.Module:
        """The tree, with line numbers and columns as the author sees them.

        Raises:
            SyntaxError: the cell is not Python.
        """
        text = "\n" * (self.first_line - 1) + "\n".join(self.python) + "\n"
        beginning = self.filename, self.first_line, 1, None
        try:
            tree = ast.parse(text, self.filename)
        except SyntaxError as error:
            if error.filename is None:  # null characters
                raise SyntaxError(error.msg, beginning) from None
            raise
        except ValueError as error:  # the same, in some versions of Python
            raise SyntaxError(str(error), beginning) from None
        except (RecursionError, MemoryError):
            raise SyntaxError("too deeply nested for Python to read", beginning) from None
        if any(self.shifts):
            self._shift(tree)
        return tree

    def line(self, number: int) -> str:
        """The raw line of this number, without its end; empty outside the cell."""
        at = number - self.first_line
        return self.lines[at] if 0 <= at < len(self.lines) else ""

    def bytes_before(self, number: int, column: int) -> int:
        """The tree's column, in UTF-8 bytes, of a column in characters."""
        return len(self.line(number)[:column].encode("utf-8", "surrogatepass"))

    def characters_before(self, number: int, offset: int) -> int:
        """The column in characters of the tree's column."""
        line = self.line(number)
        if line.isascii():
            return min(offset, len(line))
        encoded = line.encode("utf-8", "surrogatepass")[:offset]
        return len(encoded.decode("utf-8", "replace"))

    def code_between(self, line: int, offset: int, to_line: int, to_offset: int) -> str:
        """What stands between two of the tree's places, less comments and blanks.

        There must be no text with a hash between them.
        """
        lines = [self.line(number) for number in range(line, to_line + 1)]
        lines[-1] = lines[-1][: self.characters_before(to_line, to_offset)]
        lines[0] = lines[0][self.characters_before(line, offset) :]
        return "".join(text.partition("#")[0].strip() for text in lines)

    def is_written(self, node: Spanning) -> bool:
        """Whether the node is the author's own Python, not what a line of IPython's stands for."""
        return self.shifts[node.lineno - self.first_line] is not None

    def place(self, number: int, column: int, end_column: int) -> Place:
        """A stretch of a line, in characters."""
        return Place(self.filename, number, column, end_column, self.line(number))

    def place_of(self, node: Spanning) -> Place:
        """Where a node stands, as far as it stands on its first line."""
        column = self.characters_before(node.lineno, node.col_offset)
        if node.end_lineno == node.lineno and node.end_col_offset is not None:
            end = self.characters_before(node.lineno, node.end_col_offset)
        else:
            end = len(self.line(node.lineno).rstrip())
        return self.place(node.lineno, column, end)

    def _shift(self, tree: ast.Module) -> None:
        """Give the nodes the columns of the raw lines."""
        for node in ast.walk(tree):
            if isinstance(node, ast.expr | ast.stmt | ast.keyword | ast.arg | ast.alias):
                node.col_offset += self._lost(node.lineno)
                if node.end_lineno is not None and node.end_col_offset is not None:
                    node.end_col_offset += self._lost(node.end_lineno)

    def _lost(self, number: int) -> int:
        at = number - self.first_line
        shift = self.shifts[at] if 0 <= at < len(self.shifts) else None
        return self.bytes_before(number, shift) if shift else 0


def _lines(text: str) -> tuple[str, ...]:
    """The lines as Python counts them: form feeds and the like do not end one."""
    return tuple(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"))
