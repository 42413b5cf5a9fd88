"""Patterns with `*`: which one a model name matches, and what each `*` matched."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence

from claude_route import targets


def match(literals: Sequence[str], name: str) -> tuple[str, ...] | None:
    """What each `*` of a pattern matches in a name; None if the name doesn't match.

    `literals` are the texts around the stars. A star matches any text, including none. If there are
    several, the earlier ones match as little as possible.
    """
    # Not a regular expression: clients choose the names, and several stars would backtrack.
    first, *middle, last = literals
    at, end = len(first), len(name) - len(last)
    if at > end or not name.startswith(first) or not name.endswith(last):
        return None
    kept = []
    for literal in middle:
        start = name.find(literal, at, end)
        if start < 0:
            return None
        kept.append(name[at:start])
        at = start + len(literal)
    return (*kept, name[at:end])


def fill(template: str, kept: Sequence[str]) -> str:
    """The template with its stars replaced, in order, by what a match kept."""
    first, *others = template.split("*")
    return first + "".join(text + literal for text, literal in zip(kept, others, strict=False))


class _Names[T]:
    """Values by name or pattern, without any mark."""

    def __init__(self, entries: Mapping[str, T]) -> None:
        self._entries = entries
        self._patterns = sorted(
            (pattern.split("*") for pattern in entries if "*" in pattern),
            key=lambda literals: -sum(map(len, literals)),
        )

    def exact(self, name: str) -> tuple[T, tuple[str, ...]] | None:
        return (self._entries[name], ()) if name in self._entries and "*" not in name else None

    def find(self, name: str) -> tuple[T, tuple[str, ...]] | None:
        if named := self.exact(name):
            return named
        for literals in self._patterns:
            kept = match(literals, name)
            if kept is not None:
                return self._entries["*".join(literals)], kept
        return None


class Table[T]:
    """Values by name or pattern. The most specific match wins, whatever the order.

    An exact name wins, then the pattern with the most literal characters, then the first one. The mark
    `[1m]` is no part of a name. An entry that has it is preferred for a name that has it, and a pattern
    that has it matches no other. Nor is the prefix `claude-route/` a part of a name.
    """

    def __init__(self, entries: Mapping[str, T]) -> None:
        self._entries = dict(entries)
        names = {targets.unprefixed(name): value for name, value in entries.items()}
        names |= {name: value for name, value in entries.items() if name in names}
        bare = {name: targets.bare(name) for name in names}
        self._unmarked = _Names({name: names[name] for name in names if bare[name] == name})
        self._marked = _Names({bare[name]: names[name] for name in names if bare[name] != name})

    def __iter__(self) -> Iterator[str]:
        """The names and patterns in their original order."""
        return iter(self._entries)

    def items(self) -> Iterable[tuple[str, T]]:
        """The names and patterns with their values."""
        return self._entries.items()

    def __repr__(self) -> str:
        return f"Table({list(self._entries)})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Table) and self._entries == other._entries

    def find(self, name: str) -> tuple[T, tuple[str, ...]] | None:
        """The value for a name, and what the stars of its pattern match; None if nothing matches."""
        name = targets.unprefixed(name)
        bare = targets.bare(name)
        marked = self._marked.find(bare) if bare != name else None
        return marked or self._unmarked.find(bare) or self._marked.exact(bare)
