"""A YAML text as plain values, with the line of each key.

This is YAML 1.2 (https://yaml.org/spec/1.2.2/), except that a plain `yes`, `no`, `on` or `off` is a
boolean as in YAML 1.1 if it is a value: LiteLLM reads its configs this way, and a request field set to
`no` must not become the text "no". As a key it is text, because a model may be called `on`.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

import ruamel.yaml
from ruamel.yaml import composer
from ruamel.yaml import constructor
from ruamel.yaml import error
from ruamel.yaml import nodes
from ruamel.yaml import reader
from ruamel.yaml import resolver
from ruamel.yaml import tag

from claude_route.profile import values

LEVELS = 100
"""The deepest nesting. A profile has six levels, a JSON schema in `set` a few more, and Python's stack
holds this many."""

EXPANDED = 30_000
"""The most values that all aliases together may expand to: one short line of nested aliases could
expand to billions.

Parsing this many takes about a quarter of a second, during which the proxy does nothing else. A LiteLLM
config of 2000 models that merge the same five defaults has 22,000.
"""

LONGEST = 1024 * 1024
"""Characters. A LiteLLM config of 2000 models has half as many."""

LARGEST = 2**64
"""The largest integer: JSON's readers take no larger one, and Python can't print one of 5000 digits."""

BOOLEAN_WORDS = re.compile(r"yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF")

NAMESPACE = "tag:yaml.org,2002:"
SCALARS = ("binary", "bool", "float", "int", "null", "str", "timestamp")

type Entries = dict[Hashable, tuple[nodes.Node, nodes.Node]]
"""The nodes of each key and its value, by key."""


class Document(NamedTuple):
    raw: Any
    """Mappings, lists and scalars. Each alias is replaced by a copy of the value at its anchor."""
    lines: Mapping[str, int]
    """By key path: the line of the key, or of the list item. An alias has the lines of its anchor."""


def load(text: str) -> Document:
    """The one document in a YAML text.

    Raises:
        ValueError: `line <number>: <what is wrong>`, on one line that quotes no value: the text is not
            YAML, a mapping has a duplicate key, the nesting is too deep, or aliases expand to too many
            values.
    """
    if len(text) > LONGEST:
        raise ValueError(f"expected at most {LONGEST:,} characters, got {len(text):,}")
    yaml = ruamel.yaml.YAML(typ="safe", pure=True)
    yaml.Resolver = _Resolver
    yaml.max_depth = LEVELS
    yaml.composer.warn_double_anchors = False  # the warning would quote the file
    try:
        node = yaml.compose(text)
    except composer.MaxDepthExceededError as e:
        raise _too_deep(e.problem_mark) from e
    except error.MarkedYAMLError as e:
        raise _invalid(e.problem, e.problem_mark) from e
    except AssertionError as e:  # ruamel.yaml's, for a directive such as `%YAML 1.3`
        raise ValueError("expected YAML 1.2, got another version") from e
    except reader.ReaderError as e:
        line = text.count("\n", 0, e.position) + 1
        column = e.position - text.rfind("\n", 0, e.position)
        raise ValueError(f"line {line}, column {column}: invalid YAML: {e.reason}") from e
    if node is None:
        return Document(None, {})
    builder = _Builder(yaml.constructor)
    return Document(builder.value(node, ""), builder.lines)


class _Resolver(resolver.VersionedResolver):
    """Decides which type a plain scalar has."""

    @property
    def processing_version(self) -> tuple[int, int]:
        return (1, 2)  # whatever the document's %YAML directive says

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        if kind is nodes.ScalarNode and implicit[0] and BOOLEAN_WORDS.fullmatch(value):
            return tag.Tag(suffix=f"{NAMESPACE}bool")
        return super().resolve(kind, value, implicit)


class _Builder:
    """Builds the value of a document from its nodes.

    We can't use ruamel.yaml's own constructor: its error for a duplicate key quotes both values, it
    misses duplicates beside a `<<`, and it expands aliases without a limit.
    """

    def __init__(self, scalars: constructor.SafeConstructor) -> None:
        self.lines: dict[str, int] = {}
        """Key path -> the line of its key, or of its item in a list."""
        self._scalars = scalars
        self._built: set[nodes.Node] = set()
        self._expanded = 0

    def value(self, node: nodes.Node, path: str, level: int = 1, is_alias: bool = False) -> Any:
        _check_level(node, level)
        # The first visit to a node is at its anchor; any later visit is through an alias.
        if is_alias := is_alias or node in self._built:
            self._expand(node, 1)
        self._built.add(node)
        if isinstance(node, nodes.MappingNode) and node.tag == f"{NAMESPACE}map":
            mapping = {}
            for key, (key_node, value_node) in self._entries(node, path, level).items():
                place = self._place(path, _text(key), key_node)
                mapping[key] = self.value(value_node, place, level + 1, is_alias)
            return mapping
        if isinstance(node, nodes.SequenceNode) and node.tag == f"{NAMESPACE}seq":
            return [
                self.value(item, self._place(path, index, item), level + 1, is_alias)
                for index, item in enumerate(node.value)
            ]
        return self._scalar(node)

    def _entries(self, node: nodes.MappingNode, path: str, level: int) -> Entries:
        """The mapping's own entries, after those that it merges with `<<`."""
        _check_level(node, level)
        lines: dict[Hashable, int] = {}
        own: Entries = {}
        merged: Entries = {}
        for key_node, value_node in node.value:
            is_merge = key_node.tag == f"{NAMESPACE}merge"
            key = "<<" if is_merge else self._key(key_node)
            if key in lines:
                place = values.join(path, _text(key))
                problem = f"{place}: duplicate key (the first is on line {lines[key]})"
                raise _error(problem, key_node.start_mark)
            lines[key] = _line(key_node)
            if not is_merge:
                own[key] = key_node, value_node
                continue
            for source in _merged(value_node):
                self._expand(source, 1 + len(source.value))
                merged |= self._entries(source, path, level + 1)
        return {**merged, **own}

    def _key(self, node: nodes.Node) -> Hashable:
        if not isinstance(node, nodes.ScalarNode):
            raise _invalid("a key that is a list or a mapping", node.start_mark)
        if node.tag == f"{NAMESPACE}bool" and BOOLEAN_WORDS.fullmatch(node.value):
            return str(node.value)
        key: Hashable = self._scalar(node)
        return key

    def _scalar(self, node: nodes.Node) -> Any:
        name = str(node.tag).removeprefix(NAMESPACE)
        if not isinstance(node, nodes.ScalarNode) or name not in SCALARS:
            raise _invalid("an unknown tag", node.start_mark)
        try:
            value = self._scalars.construct_object(node)
            if isinstance(value, int) and abs(value) > LARGEST:
                raise ValueError("too large")
            return value
        except (ArithmeticError, LookupError, ValueError, error.YAMLError) as e:
            # Such as 2020-13-45. Some of these errors quote the value.
            raise _invalid(f"not a valid {name}", node.start_mark) from e

    def _place(self, path: str, key: str | int, node: nodes.Node) -> str:
        place = values.join(path, key)
        self.lines[place] = _line(node)
        return place

    def _expand(self, node: nodes.Node, count: int) -> None:
        self._expanded += count
        if self._expanded > EXPANDED:
            expected = f"aliases that expand to at most {EXPANDED:,} values"
            raise _error(f"expected {expected}, got more", node.start_mark)


def _merged(node: nodes.Node) -> Iterator[nodes.MappingNode]:
    """The mappings that a `<<` refers to, with the one that takes precedence at the end."""
    for source in node.value[::-1] if isinstance(node, nodes.SequenceNode) else [node]:
        if not isinstance(source, nodes.MappingNode):
            raise _invalid("a `<<` that does not refer to mappings", source.start_mark)
        yield source


def _check_level(node: nodes.Node, level: int) -> None:
    if level > LEVELS:  # by way of aliases
        raise _too_deep(node.start_mark)


def _text(key: Hashable) -> str:
    return key if isinstance(key, str) else repr(key)


def _line(node: nodes.Node) -> int:
    return int(node.start_mark.line) + 1


def _error(what: str, mark: error.StreamMark) -> ValueError:
    return ValueError(f"line {mark.line + 1}: {what}")


def _too_deep(mark: error.StreamMark) -> ValueError:
    return _error(f"expected at most {LEVELS} levels of nesting, got more", mark)


def _invalid(what: str | None, mark: error.StreamMark | None) -> ValueError:
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return ValueError(f"{where}invalid YAML: {what}")
