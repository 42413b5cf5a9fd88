from __future__ import annotations

from typing import Any

from claude_route.pages.sessions import json_tree


def test_tree() -> None:
    node = json_tree.tree({"a": [1, None, "x"], "b": {}})
    assert (node.kind, node.text) == ("object", "2 keys")
    first, second = node.children
    assert (first.key, first.kind, first.text) == ("a", "array", "3 items")
    assert [(n.kind, n.text) for n in first.children] == [
        ("number", "1"),
        ("literal", "null"),
        ("string", "x"),
    ]
    assert (second.text, second.children) == ("0 keys", ())


def test_it_is_bounded() -> None:
    deep: Any = []
    for _ in range(json_tree.MAX_DEPTH * 2):
        deep = [deep]
    wide = list(range(10 * json_tree.MAX_NODES))

    def count(node: json_tree.Node) -> int:
        return 1 + sum(map(count, node.children))

    assert count(json_tree.tree([wide, wide])) <= json_tree.MAX_NODES + 5
    assert count(json_tree.tree(deep)) <= json_tree.MAX_DEPTH + 3
    assert len(json_tree.tree("x" * 100_000).text) < json_tree.MAX_STRING + 5


def test_long_texts_take_lines_of_their_own() -> None:
    assert json_tree.tree("a\nb").is_long
    assert not json_tree.tree("a").is_long
