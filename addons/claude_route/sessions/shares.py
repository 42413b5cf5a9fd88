"""Whose sessions are dropped where all together are too much: first those of the client that has the most.

So nobody can push others' sessions out by sending many requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from typing import NamedTuple


class Holding(NamedTuple):
    """A session."""

    session: str
    turns: Mapping[str, int]
    """How many each client has sent, by its name."""
    weight: int
    """Bytes."""


class Limits(NamedTuple):
    turns: int
    weight: int
    sessions: int


class Drop(NamedTuple):
    session: str
    client: str
    """Whose turns of the session go."""


def out(holdings: Sequence[Holding], limits: Limits) -> list[Drop]:
    """What is dropped, so that the rest is within the limits. `holdings` begin with the session that was quiet the
    longest; the last one stays. Takes time proportional to the number of sessions."""
    parts: dict[str, list[float]] = {}
    quiet: dict[str, list[tuple[Holding, float]]] = {}
    """The sessions of each client that may go, the quietest last, with the weight of its part."""
    for holding in reversed(holdings):
        whole = sum(holding.turns.values())
        for client, number in holding.turns.items():
            weight = holding.weight * (number / whole if whole else 1)
            part = parts.setdefault(client, [0.0, 0.0, 0.0])
            _add(part, (number, weight, 1))
            if holding is not holdings[-1]:
                quiet.setdefault(client, []).append((holding, weight))
    left = [sum(column) for column in zip(*parts.values(), strict=True)]
    dropped = []
    while exceeded := [n for n, has in enumerate(left) if has > limits[n]]:
        if not quiet:
            break
        most = max(
            quiet, key=lambda name: max(parts[name][n] / max(limits[n], 1) for n in exceeded)
        )
        holding, weight = quiet[most].pop()
        if not quiet[most]:
            del quiet[most]
        freed = (-holding.turns[most], -weight, -1)
        _add(parts[most], freed)
        _add(left, freed)
        dropped.append(Drop(holding.session, most))
    return dropped


def _add(sums: list[float], more: tuple[float, float, float]) -> None:
    for place, number in enumerate(more):
        sums[place] += number
