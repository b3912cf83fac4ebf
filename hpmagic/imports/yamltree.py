"""YAML as plain values that know where they stand. Constructs no objects."""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Final

import yaml

from hpmagic.errors import ConversionError, Place

__all__ = ["Item", "read_yaml"]

_PLAIN: Final = {
    f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "timestamp")
}
# YAML 1.1 takes `1e-3`, without a dot, for a text; nobody means one.
_NUMBER: Final = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)[eE][-+]?\d+")


@dataclass(frozen=True)
class Item:
    """A scalar, a list of items, or a mapping of texts to items.

    ``key`` is where its name stands when it is an item of a mapping.
    """

    value: Any
    place: Place
    key: Place | None = None

    @property
    def plain(self) -> Any:
        """The value with the items inside it made plain, too."""
        if isinstance(self.value, dict):
            return {name: item.plain for name, item in self.value.items()}
        if isinstance(self.value, list):
            return [item.plain for item in self.value]
        return self.value


def read_yaml(text: str, filename: str) -> Item:
    """The one document of a text.

    Raises:
        ConversionError: it is not YAML, has a tag of its own, names a thing twice, or is empty.
    """
    return _Reader(text, filename).document()


class _Reader:
    def __init__(self, text: str, filename: str) -> None:
        self._filename = filename
        self._lines = text.splitlines()
        self._text = text
        self._items: dict[int, Item] = {}
        self._open: set[int] = set()

    def document(self) -> Item:
        try:
            self._loader = yaml.SafeLoader(self._text)
            node = self._loader.get_single_node()
            if node is None:
                raise ConversionError("the file is empty", self._stretch(0, 0, 1))
            return self._item(node)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            place = self._stretch(mark.line, mark.column) if mark else self._stretch(0, 0)
            raise ConversionError(f"this is not YAML: {error.problem}", place) from None
        except yaml.YAMLError as error:
            reason = getattr(error, "reason", "it cannot be read")
            raise ConversionError(f"this is not YAML: {reason}", self._stretch(0, 0)) from None
        except RecursionError:
            raise ConversionError("too deeply nested to be read", self._stretch(0, 0)) from None

    def _item(self, node: yaml.Node) -> Item:
        """A node's item; what several aliases name is read once."""
        if id(node) in self._open:
            raise ConversionError("this contains itself", self._place(node))
        if id(node) not in self._items:
            self._open.add(id(node))
            self._items[id(node)] = Item(self._value(node), self._place(node))
            self._open.remove(id(node))
        return self._items[id(node)]

    def _value(self, node: yaml.Node) -> Any:
        if isinstance(node, yaml.SequenceNode):
            return [self._item(child) for child in node.value]
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node)
        if node.tag not in _PLAIN:
            raise ConversionError(f"the tag {node.tag} is nothing for a sweep", self._place(node))
        if node.style is None and _NUMBER.fullmatch(node.value):
            return float(node.value)
        try:
            return self._loader.construct_object(node)
        except ValueError:
            raise ConversionError(f"`{node.value}` cannot be read", self._place(node)) from None

    def _mapping(self, node: yaml.MappingNode) -> dict[str, Item]:
        seen: set[Hashable] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise ConversionError("a name must be a text", self._place(key))
            if key.value in seen and key.value != "<<":
                raise ConversionError(f"`{key.value}` is given twice", self._place(key))
            seen.add(key.value)
        self._loader.flatten_mapping(node)  # puts in what `<<` refers to, before the node's own
        items: dict[str, Item] = {}
        for key, child in node.value:
            item = self._item(child)
            items[str(key.value)] = Item(item.value, item.place, self._place(key))
        return items

    def _place(self, node: yaml.Node) -> Place:
        begin, end = node.start_mark, node.end_mark
        stop = end.column if end.line == begin.line else None
        return self._stretch(begin.line, begin.column, stop)

    def _stretch(self, line: int, column: int, stop: int | None = None) -> Place:
        line = min(line, max(len(self._lines) - 1, 0))
        text = self._lines[line] if self._lines else ""
        column = min(column, len(text))
        end = len(text.rstrip()) if stop is None else stop
        return Place(self._filename, line + 1, column, max(end, column + 1), text)
