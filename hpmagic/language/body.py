"""The body of one annotation as Python, with the places of its parts in the cell."""

from __future__ import annotations

import ast
import warnings
from typing import Final

from hpmagic.distributions import MISSING
from hpmagic.errors import AnnotationError, Place
from hpmagic.language.comments import Comment
from hpmagic.language.literals import NotLiteral, TooLarge, literal_value
from hpmagic.language.mistakes import diagnose
from hpmagic.language.recipe import Argument
from hpmagic.language.source import Source

__all__ = ["Body"]

_OPEN: Final = "_("
_UNFIT: Final = (ast.NamedExpr, ast.Await, ast.Yield, ast.YieldFrom)


class Body:
    """What stands behind ``tune:``, read as the arguments of a call of nothing.

    Python's own tokenizer then knows where texts end and where the free text begins.
    """

    def __init__(self, comment: Comment, source: Source) -> None:
        self.comment = comment
        self._source = source
        self._offset = source.bytes_before(comment.line, comment.begin) - len(_OPEN)

    def parse(self) -> ast.Call:
        """The call whose positional argument is the item, and whose keywords are the options.

        Raises:
            AnnotationError: Python cannot read it, or another annotation follows in the free text.
        """
        body = self.comment.body
        second = diagnose(body).second if "#" in body else None
        if second is not None:
            raise self.error(
                "one comment holds one annotation: this second one would not be read",
                self.stretch(second, len(body.rstrip())),
            )
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                node = ast.parse(f"{_OPEN}{body}\n)", mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            node = None
        # The body may have closed our parenthesis and opened another.
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_":
            return node
        mistake = diagnose(body)
        raise self.error(mistake.message, self.stretch(mistake.begin, mistake.end))

    def place(self, node: ast.expr | ast.keyword) -> Place:
        """Where a node stands in the cell."""
        line, source = self.comment.line, self._source
        begin = source.characters_before(line, node.col_offset + self._offset)
        end = source.characters_before(line, (node.end_col_offset or 0) + self._offset)
        if node.end_lineno != 1:
            # A generator without parentheses of its own has those of our call.
            begin = self.comment.begin + len(self.comment.body) - len(self.comment.body.lstrip())
            end = self.comment.begin + len(self.comment.body.rstrip())
        return source.place(line, begin, end)

    def stretch(self, begin: int, end: int) -> Place:
        """A stretch of the body, in characters."""
        begin += self.comment.begin
        return self._source.place(
            self.comment.line, begin, max(end + self.comment.begin, begin + 1)
        )

    def text(self, node: ast.expr | ast.keyword) -> str:
        """A node as it is written."""
        place = self.place(node)
        return place.text[place.column : place.end_column]

    def error(self, message: str, at: ast.expr | ast.keyword | Place) -> AnnotationError:
        """An error with its caret under a part of the body."""
        return AnnotationError(message, at if isinstance(at, Place) else self.place(at))

    def literal(self, node: ast.expr) -> object:
        """The value of a literal, MISSING when the node is none."""
        try:
            value: object = literal_value(node)
        except (NotLiteral, TooLarge):
            return MISSING
        return value

    def argument(self, key: str | None, node: ast.expr) -> Argument:
        """An argument of a distribution: a literal, or an expression for the kernel.

        Raises:
            AnnotationError: arithmetic that overflows, or an expression that does more than read.
        """
        place, text = self.place(node), self.text(node)
        try:
            return Argument(key, literal_value(node), None, text, place)
        except TooLarge:
            raise self.error(f"`{text}` has no value that could be used", place) from None
        except NotLiteral:
            return Argument(key, None, self._for_kernel(node, text, place), text, place)

    def _for_kernel(self, node: ast.expr, text: str, place: Place) -> ast.expr:
        """The node with the line and columns of the cell."""
        inside = list(ast.walk(node))
        for inner in inside:
            if isinstance(inner, _UNFIT):
                raise self.error(
                    "an expression here can read names, but not assign, await or yield", place
                )
        line = self.comment.line
        width = self._source.bytes_before(line, len(self._source.line(line)))
        for inner in inside:
            if isinstance(inner, ast.expr | ast.keyword | ast.arg):
                # Python 3.11 misplaces what stands in f-strings.
                begin = min(max(inner.col_offset + self._offset, 0), width)
                end = min(max((inner.end_col_offset or 0) + self._offset, begin), width)
                inner.lineno = inner.end_lineno = line
                inner.col_offset, inner.end_col_offset = begin, end
        try:
            with warnings.catch_warnings():
                # Such as: 'int' object is not callable; perhaps you missed a comma?
                warnings.simplefilter("error")
                compile(ast.Expression(node), place.filename, "eval")
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise self.error(
                f"`{text}` is nothing that Python could evaluate: is a comma missing?", place
            ) from None
        return node
