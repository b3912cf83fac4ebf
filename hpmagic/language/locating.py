"""The statement that a comment belongs to."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from hpmagic.errors import AnnotationError, Place
from hpmagic.language.comments import Comment
from hpmagic.language.sites import DECORATED, Position, Site, end_of, find_site, start_of
from hpmagic.language.source import Source

__all__ = ["Located", "locate"]


@dataclass(frozen=True)
class Located:
    """A statement, and how a comment stands to it.

    ``position`` is that of the comment, ``line`` the line whose code it is about: its own, or the
    next one when it stands alone. ``inside`` says that the statement goes on behind the comment.
    """

    site: Site
    position: Position
    line: int
    inside: bool
    alone: bool

    def mates(self) -> list[ast.stmt]:
        """The statements that begin or end on the line, this one included."""
        return [s for s in self.site.block if self.line in (s.lineno, s.end_lineno)]

    def decorator(self) -> ast.expr | None:
        """The decorator that the comment stands behind."""
        statement = self.site.statement
        if isinstance(statement, DECORATED) and not self.alone:
            for decorator in statement.decorator_list:
                if decorator.end_lineno == self.line and end_of(decorator) <= self.position:
                    return decorator
        return None


def locate(comment: Comment, blamed: Place, tree: ast.Module, source: Source) -> Located:
    """Find the statement beside, around or below a comment.

    Raises:
        AnnotationError: there is none. The caret is under ``blamed``.
    """
    position = comment.line, source.bytes_before(comment.line, comment.column)
    site = find_site(tree, position)
    inside = site is not None and position < site.end()
    if comment.alone:
        below = _code_below(comment, source)
        if site is not None and inside:
            return Located(site, position, below, True, True)
        return Located(_site_at(below, comment, blamed, tree, source), position, below, False, True)
    if site is None or not (inside or _ends_before(site, comment, position, source)):
        raise AnnotationError("nothing on this line could be tuned or measured", blamed)
    return Located(site, position, comment.line, inside, False)


def _ends_before(site: Site, comment: Comment, position: Position, source: Source) -> bool:
    """Whether only closing brackets and a colon stand between a statement and the comment."""
    line, offset = site.end()
    if line == comment.line:
        return True
    if not site.compound:
        return False
    return not source.code_between(line, offset, comment.line, position[1]).strip(")]},:")


def _code_below(comment: Comment, source: Source) -> int:
    """The number of the next line with code; past the last line when there is none."""
    number, after = comment.line + 1, source.first_line + len(source.lines)
    while number < after:
        text = source.line(number).lstrip()
        if text and not text.startswith("#"):
            break
        number += 1
    return number


def _site_at(
    number: int, comment: Comment, blamed: Place, tree: ast.Module, source: Source
) -> Site:
    line = source.line(number)
    column = len(line) - len(line.lstrip())
    site = find_site(tree, (number, source.bytes_before(number, column)))
    if site is None or start_of(site.statement)[0] != number:
        raise AnnotationError(
            "alone on its line, an annotation belongs to the statement below, but none is there",
            blamed,
        )
    if line[:column] != source.line(comment.line)[: comment.column]:
        raise AnnotationError(
            "alone on its line, an annotation belongs to the statement below, but that is "
            "indented otherwise",
            blamed,
        )
    return site
