"""JSON as a tree whose branches fold, of bounded size: it may be anyone's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from typing import Literal
from typing import NamedTuple

MAX_NODES = 600
MAX_DEPTH = 12
MAX_STRING = 6000
"""Characters. What is longer is cut; Copy has all of it."""

type Kind = Literal["string", "number", "literal", "object", "array", "rest"]


class Node(NamedTuple):
    key: str
    """Its name in an object; empty in an array."""
    kind: Kind
    text: str
    """The value, or how many a folded branch has: `3 keys`."""
    children: tuple[Node, ...] = ()

    @property
    def is_long(self) -> bool:
        """Whether its text takes lines of its own."""
        return self.kind == "string" and (len(self.text) > 100 or "\n" in self.text)


def tree(value: Any) -> Node:
    return _Budget().node("", value, 0)


class _Budget:
    def __init__(self) -> None:
        self.left = MAX_NODES

    def node(self, key: str, value: Any, depth: int) -> Node:
        self.left -= 1
        key = key[:200]
        match value:
            case dict():
                children = self._children(((str(k), v) for k, v in value.items()), depth)
                return Node(key, "object", _number(len(value), "key"), tuple(children))
            case list():
                children = self._children((("", item) for item in value), depth)
                return Node(key, "array", _number(len(value), "item"), tuple(children))
            case str():
                cut = f"{value[:MAX_STRING]} …" if len(value) > MAX_STRING else value
                return Node(key, "string", cut)
            case bool() | None:
                return Node(key, "literal", json.dumps(value))
            case _:
                return Node(key, "number", str(value)[:100])

    def _children(self, items: Iterator[tuple[str, Any]], depth: int) -> Iterator[Node]:
        for key, value in items:
            if self.left <= 0 or depth >= MAX_DEPTH:
                yield Node("", "rest", "…")
                return
            yield self.node(key, value, depth + 1)


def _number(count: int, thing: str) -> str:
    return f"{count} {thing}{'' if count == 1 else 's'}"
