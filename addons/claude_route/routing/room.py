"""A memory of so many things in all, of which no client's push out those of the others."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import NamedTuple


class _Entry[V](NamedTuple):
    value: V
    weight: int


class Room[V]:
    """What was put in by each client, by names of the client's own. Beyond `most` in all, or `each` of one client,
    what was used the longest ago goes: of the client that has the most.

    So whoever puts in a thousand things loses their own.
    """

    def __init__(self, most: int, each: int | None = None) -> None:
        self.most = most
        self.each = most if each is None else each
        self._entries: dict[str, OrderedDict[str, _Entry[V]]] = {}
        """By client; nobody's is empty."""
        self._weights: dict[str, int] = {}
        self._whole = 0

    def __len__(self) -> int:
        return sum(map(len, self._entries.values()))

    def copy(self) -> Room[V]:
        copied = Room[V](self.most, self.each)
        copied._entries = {client: own.copy() for client, own in self._entries.items()}
        copied._weights, copied._whole = dict(self._weights), self._whole
        return copied

    def values(self) -> Iterator[V]:
        return (entry.value for own in self._entries.values() for entry in own.values())

    def items(self) -> Iterator[tuple[str, str, V]]:
        """The clients, the names and the values, of each client those first that were used the longest ago."""
        return (
            (client, name, entry.value)
            for client, own in self._entries.items()
            for name, entry in own.items()
        )

    def get(self, client: str, name: str) -> V | None:
        own = self._entries.get(client)
        entry = own.get(name) if own else None
        return entry.value if entry else None

    def use(self, client: str, name: str) -> None:
        """It goes after all that the client has used before."""
        self._entries[client].move_to_end(name)

    def put(self, client: str, name: str, value: V, weight: int = 1) -> list[V]:
        """Returns what goes."""
        self.pop(client, name)
        self._entries.setdefault(client, OrderedDict())[name] = _Entry(value, weight)
        self._weigh(client, weight)
        gone = []
        while self._weights.get(client, 0) > self.each:
            gone.append(self.drop(client))
        while self._whole > self.most:
            gone.append(self.drop(max(self._weights, key=self._weights.__getitem__)))
        return gone

    def pop(self, client: str, name: str) -> V | None:
        own = self._entries.get(client)
        entry = own.pop(name, None) if own else None
        if entry is None:
            return None
        self._weigh(client, -entry.weight)
        return entry.value

    def oldest(self, client: str) -> V | None:
        """What a client has used the longest ago."""
        own = self._entries.get(client)
        return next(iter(own.values())).value if own else None

    def drop(self, client: str) -> V:
        """Take out what a client has used the longest ago."""
        _, entry = self._entries[client].popitem(last=False)
        self._weigh(client, -entry.weight)
        return entry.value

    def _weigh(self, client: str, more: int) -> None:
        self._whole += more
        self._weights[client] = self._weights.get(client, 0) + more
        if not self._entries[client]:
            del self._entries[client], self._weights[client]
