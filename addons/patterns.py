"""Names with `*` in them: which one matches a model, and what `*` keeps."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping


def match(pattern: str, name: str) -> tuple[str, ...] | None:
    """What each `*` of the pattern stands for in a name, or None where the name doesn't match.

    A `*` stands for any text, also none; the earlier ones for as little as they can.
    """
    # Not a regular expression: names come from clients, and those backtrack.
    first, *others = pattern.split("*")
    if not others:
        return () if name == pattern else None
    *middle, last = others
    at, end = len(first), len(name) - len(last)
    if at > end or not name.startswith(first) or not name.endswith(last):
        return None
    kept = []
    for part in middle:
        found = name.find(part, at, end)
        if found < 0:
            return None
        kept.append(name[at:found])
        at = found + len(part)
    return (*kept, name[at:end])


def fill(template: str, kept: tuple[str, ...]) -> str:
    """The template with its stars replaced, in order, by what a match kept."""
    first, *others = template.split("*")
    return first + "".join(text + part for text, part in zip(kept, others, strict=False))


class Table[T]:
    """Values by name or pattern.

    A name is found by specificity, not by place: the same name first, then the pattern with the
    most literal characters, then the one that stands first.
    """

    def __init__(self, entries: Mapping[str, T]) -> None:
        self._names = {name: value for name, value in entries.items() if "*" not in name}
        self._patterns = sorted(
            ((name, value) for name, value in entries.items() if "*" in name),
            key=lambda entry: entry[0].count("*") - len(entry[0]),
        )
        self._keys = tuple(entries)

    def __iter__(self) -> Iterator[str]:
        """The names and patterns in the order they were given in."""
        return iter(self._keys)

    def __repr__(self) -> str:
        return f"Table({list(self._keys)})"

    def find(self, name: str) -> tuple[T, tuple[str, ...]] | None:
        """The value for a name, and what the stars of its pattern stand for."""
        if name in self._names:
            return self._names[name], ()
        for pattern, value in self._patterns:
            kept = match(pattern, name)
            if kept is not None:
                return value, kept
        return None
