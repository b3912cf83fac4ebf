"""The text behind ``# tune:`` to an annotation: an item and its options."""

from __future__ import annotations

import ast
import warnings
from dataclasses import dataclass
from typing import Final, NoReturn

from hpmagic.errors import AnnotationError, Place, nearest
from hpmagic.language.comments import Comment
from hpmagic.language.literals import NotLiteral, TooLarge, literal_value
from hpmagic.language.mistakes import diagnose
from hpmagic.language.naming import Name, read_name
from hpmagic.language.recipe import Argument, Recipe
from hpmagic.language.source import Source
from hpmagic.language.vocabulary import (
    DISTRIBUTIONS,
    OPTIONS,
    REFUSED,
    ROLES,
    Role,
    Word,
    canonical_argument,
)

__all__ = ["Annotation", "Purpose", "read_annotation"]

_OPEN: Final = "_("
_KINDS: Final = ("model", "training")
_LISTED: Final = (
    "a distribution such as `uniform(0, 1)`, a list `[a, b]` or a role such as `minimize`"
)


@dataclass(frozen=True)
class Purpose:
    """A role as written. ``patience_place`` is where patience was asked for."""

    role: str
    place: Place
    patience: int | None = None
    min_delta: float = 0.0
    best: bool = False
    patience_place: Place | None = None


@dataclass(frozen=True)
class Annotation:
    """What one comment says. ``name`` is None when the target is to give the name."""

    comment: Comment
    item: Recipe | Purpose
    name: Name | None = None
    grid_points: int | None = None
    kind: str | None = None


def read_annotation(comment: Comment, source: Source) -> Annotation:
    """Read one comment.

    Raises:
        AnnotationError: it is not understood; the caret is under the offending token.
    """
    return _Reader(comment, source).read()


class _Reader:
    """Reads one comment. The body is Python: the arguments of a call of nothing."""

    def __init__(self, comment: Comment, source: Source) -> None:
        self.comment = comment
        self.source = source
        self.offset = source.bytes_before(comment.line, comment.begin) - len(_OPEN)

    def read(self) -> Annotation:
        call = self._parse()
        if not call.args:
            self._nothing(call)
        item_node, *others = call.args
        if others:
            self._several(item_node, others[0])
        item = self._item(item_node)
        name: Name | None = None
        grid_points: int | None = None
        kind: str | None = None
        seen: set[str] = set()
        for option in call.keywords:
            word = self._option_word(option, item)
            if word in seen:
                self._fail(f"`{word}` is given twice", self._place(option))
            seen.add(word)
            if word == "name":
                name = read_name(option.value, self._place(option.value), self._text(option.value))
                if name.template is not None and isinstance(item, Purpose):
                    self._fail(
                        "the name of a metric is fixed: braces are for hyperparameters",
                        self._place(option.value),
                    )
            elif word == "n":
                grid_points = self._grid_points(option.value, item)
            else:
                kind = self._kind(option.value)
        return Annotation(self.comment, item, name, grid_points, kind)

    def _parse(self) -> ast.Call:
        code = f"{_OPEN}{self.comment.body}\n)"
        self._check_tail()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                node = ast.parse(code, mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            node = None
        # The body may have closed our parenthesis and opened another.
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_":
            return node
        mistake = diagnose(self.comment.body)
        raise AnnotationError(mistake.message, self._stretch(mistake.begin, mistake.end))

    def _check_tail(self) -> None:
        """Free text is free, but a second annotation there would go unread."""
        mistake = diagnose(self.comment.body)
        if mistake.second is not None:
            self._fail(
                "one comment holds one annotation; this second one would not be read",
                self._stretch(mistake.second, len(self.comment.body.rstrip())),
            )

    # ---- items

    def _item(self, node: ast.expr) -> Recipe | Purpose:
        if isinstance(node, ast.List):
            return self._choice(DISTRIBUTIONS["choice"], node, [node])
        if isinstance(node, ast.Name):
            return self._named(node, node, [], [])
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            return self._named(node.func, node, node.args, node.keywords)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            word = node.func.attr
            hint = f": write `{word}(...)`" if word in DISTRIBUTIONS else nearest(word, _words())
            self._fail(
                f"`{self._text(node.func)}` is not a word of annotations{hint}",
                self._place(node.func),
            )
        if isinstance(node, ast.Tuple | ast.Set | ast.Dict):
            self._fail(
                f"`{self._text(node)}` is not an item: a choice is written `[a, b]`",
                self._place(node),
            )
        self._fail(f"`{self._text(node)}` is not an item: write {_LISTED}", self._place(node))

    def _named(
        self, word: ast.Name, node: ast.expr, args: list[ast.expr], keywords: list[ast.keyword]
    ) -> Recipe | Purpose:
        if word.id in ROLES:
            return self._role(ROLES[word.id], node, args, keywords)
        if word.id in REFUSED:
            self._refuse(word, args)
        if word.id not in DISTRIBUTIONS:
            hint = nearest(word.id.removeprefix("suggest_"), _words())
            self._fail(f"unknown word `{word.id}`{hint or f': write {_LISTED}'}", self._place(word))
        known = DISTRIBUTIONS[word.id]
        if known.name == "bool":
            return self._bool(node, args, keywords)
        if known.many:
            for keyword in keywords:
                self._stray(keyword, known)
            return self._choice(known, node, args)
        return self._range(known, word, node, args, keywords)

    def _bool(self, node: ast.expr, args: list[ast.expr], keywords: list[ast.keyword]) -> Recipe:
        for keyword in keywords:
            self._stray(keyword, DISTRIBUTIONS["bool"])
        if args:
            self._fail("bool: no values are taken: it is False or True", self._place(args[0]))
        place = self._place(node)
        options = (Argument(None, v, None, str(v), place) for v in (False, True))
        return Recipe("choice", tuple(options), place)

    def _choice(self, word: Word, node: ast.expr, args: list[ast.expr]) -> Recipe:
        place = self._place(node)
        only = args[0] if len(args) == 1 else None
        if isinstance(only, ast.List | ast.Tuple):
            args, only = only.elts, None
        if isinstance(only, ast.Starred):
            only = ast.copy_location(ast.List([only], ast.Load()), only)
        if only is not None:
            argument = self._argument(None, only)
            return Recipe(word.kind, (argument,), place, argument.expression is not None)
        for arg in args:
            if isinstance(arg, ast.Starred):
                # How many it gives is known in the kernel only: all of them are one list there.
                whole = ast.copy_location(ast.List(args, ast.Load()), args[0])
                whole.end_col_offset = args[-1].end_col_offset
                argument = self._argument(None, whole)
                return Recipe(word.kind, (argument,), place, True)
        recipe = Recipe(word.kind, tuple(self._argument(None, arg) for arg in args), place)
        if not args:
            self._fail(f"{word.name}: at least one value is needed: {word.usage}", place)
        return recipe if recipe.deferred else self._checked(recipe)

    def _range(
        self,
        word: Word,
        name: ast.Name,
        node: ast.expr,
        args: list[ast.expr],
        keywords: list[ast.keyword],
    ) -> Recipe:
        arguments: dict[str, Argument] = {}
        for arg in args[len(word.order) :]:
            names = ", ".join(word.order)
            more = "; step goes by name: `step=`" if "step" in word.named else ""
            self._fail(
                f"{word.name}: {len(word.order)} values are taken by position ({names}), "
                f"but got {len(args)}{more}",
                self._place(arg),
            )
        for arg in args:
            if isinstance(arg, ast.Starred):
                self._fail(
                    f"{word.name}: write the values one by one: {word.usage}", self._place(arg)
                )
        for key, arg in zip(word.order, args, strict=False):
            arguments[key] = self._argument(key, arg)
        for keyword in keywords:
            key = self._argument_word(keyword, word)
            if key in arguments:
                spelled = (
                    keyword.arg if keyword.arg == key else f"{keyword.arg}, another word for {key},"
                )
                self._fail(f"{word.name}: {spelled} is given twice", self._place(keyword))
            arguments[key] = self._argument(key, keyword.value)
        missing = [key for key in word.order if key not in arguments]
        if missing:
            got = ", ".join(arguments) or "nothing"
            self._fail(
                f"{word.name}: {' and '.join(missing)} must be given, but got {got}: {word.usage}",
                self._place(name if node is name else node),
            )
        place = self._place(node)
        for key, value in word.fixed.items():
            arguments[key] = Argument(key, value, None, str(value), self._place(name))
        kind = word.kind
        log = arguments.get("log")
        if log is not None and not isinstance(log.value, bool):
            self._fail(
                f"{word.name}: log must be True or False, written out, but got log={log.text}",
                log.place,
            )
        if kind == "uniform" and log is not None:
            del arguments["log"]
            if log.value and "step" in arguments:
                self._fail(
                    f"{word.name}: log=True and step cannot be combined, but got "
                    f"step={arguments['step'].text}; drop one of them",
                    arguments["step"].place,
                )
            kind = "loguniform" if log.value else kind
        return self._checked(Recipe(kind, tuple(arguments.values()), place))

    def _checked(self, recipe: Recipe) -> Recipe:
        if not recipe.deferred:
            recipe.build()
        return recipe

    def _argument(self, key: str | None, node: ast.expr) -> Argument:
        place, text = self._place(node), self._text(node)
        try:
            return Argument(key, literal_value(node), None, text, place)
        except TooLarge:
            self._fail(f"`{text}` has no value that could be used: it is too large", place)
        except NotLiteral:
            return Argument(key, None, self._expression(node), text, place)

    def _expression(self, node: ast.expr) -> ast.expr:
        """A node for the kernel, placed where it stands in the cell."""
        for inner in ast.walk(node):
            if isinstance(inner, ast.NamedExpr | ast.Await | ast.Yield | ast.YieldFrom):
                self._fail(
                    "an expression of a range can read names, but not assign, await or yield",
                    self._place(inner),
                )
        line, width = self.comment.line, len(self.source.line(self.comment.line).encode()) + 1
        for inner in ast.walk(node):
            if isinstance(inner, ast.expr | ast.keyword | ast.arg):
                begin = max(inner.col_offset + self.offset, 0)
                end = max((inner.end_col_offset or 0) + self.offset, begin)
                inner.lineno = inner.end_lineno = line
                inner.col_offset, inner.end_col_offset = min(begin, width), min(end, width)
        return node

    # ---- roles

    def _role(
        self, role: Role, node: ast.expr, args: list[ast.expr], keywords: list[ast.keyword]
    ) -> Purpose:
        patience, min_delta, best = None, 0.0, False
        places: dict[str, Place] = {}
        for arg in args:
            if not (isinstance(arg, ast.Name) and arg.id == "best" and "best" in role.named):
                word = self._text(arg)
                hint = nearest(word, role.named) or f": {role.usage}"
                self._fail(f"{role.name}: `{word}` is not understood{hint}", self._place(arg))
            best = True
        for keyword in keywords:
            word = keyword.arg or "**"
            if word not in role.named:
                if word in OPTIONS:
                    self._outside(keyword, word)
                takes = nearest(word, role.named) or (
                    f": {role.usage}" if role.named else ": it takes none"
                )
                self._fail(f"{role.name}: unknown option `{word}`{takes}", self._place(keyword))
            if word in places or (word == "best" and best):
                self._fail(f"{role.name}: {word} is given twice", self._place(keyword))
            places[word] = self._place(keyword.value)
            value = self._literal_or_none(keyword.value)
            if word == "best":
                if not isinstance(value, bool):
                    self._bad_value(role.name, "best must be True or False", keyword)
                best = value
            elif word == "patience":
                if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                    self._bad_value(
                        role.name,
                        "patience must be a whole number, 1 or more, written out",
                        keyword,
                    )
                patience = value
            else:
                number = isinstance(value, int | float) and not isinstance(value, bool)
                if not number or not 0 <= value < float("inf"):
                    self._bad_value(
                        role.name, "min_delta must be a number, 0 or more, written out", keyword
                    )
                min_delta = float(value)
        if "min_delta" in places and patience is None:
            self._fail(
                f"{role.name}: min_delta needs patience: it is the least gain that resets it",
                places["min_delta"],
            )
        return Purpose(
            role.name, self._place(node), patience, min_delta, best, places.get("patience")
        )

    def _bad_value(self, role: str, rule: str, keyword: ast.keyword) -> NoReturn:
        text = self._text(keyword.value)
        self._fail(f"{role}: {rule}, but got {keyword.arg}={text}", self._place(keyword.value))

    # ---- options

    def _option_word(self, option: ast.keyword, item: Recipe | Purpose) -> str:
        word = option.arg
        place = self._place(option)
        if word is None:
            self._fail("options are written out as `option=value`", place)
        if isinstance(item, Purpose):
            if word in ROLES[item.role].named:
                self._fail(
                    f"{word} belongs into the parentheses: `{item.role}({word}="
                    f"{self._text(option.value)})`",
                    place,
                )
            if word in OPTIONS and (not OPTIONS[word].of_roles or item.role == "once"):
                self._fail(f"{item.role} has no option {word}", place)
        elif canonical_argument(word) is not None:
            self._fail(
                f"{word} belongs into the parentheses: "
                f"`{item.kind}(..., {word}={self._text(option.value)})`",
                place,
            )
        if word not in OPTIONS:
            known = [name for name, o in OPTIONS.items() if o.of_roles or isinstance(item, Recipe)]
            hint = nearest(word, known) or f": the options are {', '.join(known)}"
            self._fail(f"unknown option `{word}`{hint}", place)
        return word

    def _grid_points(self, node: ast.expr, item: Recipe | Purpose) -> int:
        value = self._literal_or_none(node)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            self._fail(
                f"n must be a whole number, 1 or more, written out, but got n={self._text(node)}",
                self._place(node),
            )
        if isinstance(item, Recipe) and item.kind == "choice":
            self._fail("a grid takes every value of a choice: drop n=", self._place(node))
        return value

    def _kind(self, node: ast.expr) -> str:
        value = self._literal_or_none(node)
        if value not in _KINDS:
            text = self._text(node)
            hint = nearest(str(value), _KINDS)
            self._fail(
                f'kind must be "model" or "training", but got {text}{hint}', self._place(node)
            )
        return str(value)

    # ---- what is wrong

    def _nothing(self, call: ast.Call) -> NoReturn:
        if call.keywords:
            self._fail(
                f"an item must come before the options: write {_LISTED}",
                self._place(call.keywords[0]),
            )
        body = self.comment.body
        at = len(body) - len(body.lstrip())
        self._fail(f"nothing follows `tune:`: write {_LISTED}", self._stretch(at, at + 1))

    def _several(self, first: ast.expr, second: ast.expr) -> NoReturn:
        if isinstance(first, ast.Constant):
            self._fail("a list of values needs brackets: `[a, b]`", self._place(first))
        self._fail(
            'one item is enough: what follows it are options, such as `name="x"`',
            self._place(second),
        )

    def _refuse(self, word: ast.Name, args: list[ast.expr]) -> NoReturn:
        values = [self._literal_or_none(arg) for arg in args]
        if len(values) == 2 and all(type(value) is int for value in values):
            low, high = values
            advice = (
                f"write `int({low}, {high})`, which includes {high}, or `int({low}, {high - 1})`"
            )
        else:
            advice = "write `int(low, high)`, which includes both ends"
        self._fail(f"`{word.id}` is not taken: {REFUSED[word.id]}; {advice}", self._place(word))

    def _stray(self, keyword: ast.keyword, word: Word) -> NoReturn:
        if keyword.arg in OPTIONS:
            self._outside(keyword, keyword.arg)
        self._fail(
            f"{word.name}: values go by position, but got `{self._text(keyword)}`: {word.usage}",
            self._place(keyword),
        )

    def _argument_word(self, keyword: ast.keyword, word: Word) -> str:
        if keyword.arg is None:
            self._fail(
                f"{word.name}: write the values one by one: {word.usage}", self._place(keyword)
            )
        key = canonical_argument(keyword.arg)
        if key is not None and key in word.arguments:
            return key
        if keyword.arg in OPTIONS:
            self._outside(keyword, keyword.arg)
        hint = nearest(keyword.arg, word.arguments) or f": {word.usage}"
        self._fail(f"{word.name}: unknown argument `{keyword.arg}`{hint}", self._place(keyword))

    def _outside(self, keyword: ast.keyword, word: str) -> NoReturn:
        self._fail(
            f"{word} is an option of the annotation: write `, {self._text(keyword)}` "
            "behind the parentheses",
            self._place(keyword),
        )

    # ---- places

    def _literal_or_none(self, node: ast.expr) -> object:
        try:
            value: object = literal_value(node)
        except (NotLiteral, TooLarge):
            return None
        return value

    def _text(self, node: ast.expr | ast.keyword) -> str:
        place = self._place(node)
        return place.text[place.column : place.end_column]

    def _place(self, node: ast.AST) -> Place:
        column, end = getattr(node, "col_offset", len(_OPEN)), getattr(node, "end_col_offset", None)
        line = self.comment.line
        begin = self.source.characters_before(line, column + self.offset)
        return self.source.place(
            line, begin, self.source.characters_before(line, (end or column + 1) + self.offset)
        )

    def _stretch(self, begin: int, end: int) -> Place:
        base = self.comment.begin
        return self.source.place(self.comment.line, base + begin, base + max(end, begin + 1))

    def _fail(self, message: str, place: Place) -> NoReturn:
        raise AnnotationError(message, place)


def _words() -> list[str]:
    return [*DISTRIBUTIONS, *ROLES]
