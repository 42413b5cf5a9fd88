"""What fills the context window, turn by turn, as the numbers that an SVG needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from claude_route.sessions import tree

WIDTH, HEIGHT = 1000.0, 100.0

COLOURS = 7
"""The last one is for all other sources."""

OTHERS = "others"

MAX_BARS = 120
"""Of a longer session, every second, third, … turn is shown, and the last."""


class Part(NamedTuple):
    source: str
    colour: int
    y: float
    height: float


class Bar(NamedTuple):
    entry: tree.Entry
    x: float
    width: float
    tokens: int
    parts: tuple[Part, ...]


class Share(NamedTuple):
    """A source in the latest turn."""

    source: str
    colour: int
    tokens: int
    part: float
    """Of the window, from 0 to 1."""
    x: float = 0.0
    width: float = 0.0


class Chart(NamedTuple):
    bars: tuple[Bar, ...]
    top: int
    """Tokens of the highest bar."""
    legend: tuple[Share, ...]
    """What the last turn has, the largest first."""


def chart(entries: Sequence[tree.Entry]) -> Chart:
    """Of the turns of one agent. Those without a count of tokens are left out."""
    asked = [entry for entry in entries if entry.conversation and entry.turn.kind != "count"]
    step = -(-len(asked) // MAX_BARS) or 1
    chosen = asked[::-1][::step][::-1]
    fills = [entry.window for entry in chosen]
    ranking: dict[str, int] = {}
    for fill in fills:
        for source, tokens in fill.items():
            ranking[source] = max(ranking.get(source, 0), tokens)
    colours = _colours(ranking)
    top = max((sum(fill.values()) for fill in fills), default=0)
    pitch = WIDTH / max(len(fills), 16)
    bars = []
    for number, (entry, fill) in enumerate(zip(chosen, fills, strict=True)):
        y, parts = HEIGHT, []
        for source, colour, tokens in _grouped(fill, colours):
            height = tokens / top * HEIGHT if top else 0
            y -= height
            parts.append(Part(source, colour, round(y, 2), round(height, 2)))
        place, width = number * pitch + pitch * 0.08, pitch * 0.84
        bars.append(Bar(entry, round(place, 2), round(width, 2), sum(fill.values()), tuple(parts)))
    return Chart(tuple(bars), top, shares(fills[-1], colours) if fills else ())


def of_turn(entry: tree.Entry) -> tuple[Share, ...]:
    fill = entry.window
    return shares(fill, _colours(fill))


def shares(fill: dict[str, int], colours: dict[str, int]) -> tuple[Share, ...]:
    whole = sum(fill.values()) or 1
    found, x = [], 0.0
    for source, tokens in fill.items():
        width = tokens / whole * WIDTH
        colour = colours.get(source, COLOURS - 1)
        found.append(Share(source, colour, tokens, tokens / whole, round(x, 2), round(width, 2)))
        x += width
    return tuple(found)


def _colours(ranking: dict[str, int]) -> dict[str, int]:
    ranked = sorted(ranking, key=lambda source: (-ranking[source], source))
    own = ranked if len(ranked) <= COLOURS else ranked[: COLOURS - 1]
    return {source: number for number, source in enumerate(own)}


def _grouped(fill: dict[str, int], colours: dict[str, int]) -> list[tuple[str, int, int]]:
    """Sources in the order of their colours, those without one together."""
    mine = sorted(
        ((colours[source], source, tokens) for source, tokens in fill.items() if source in colours)
    )
    rest = sum(tokens for source, tokens in fill.items() if source not in colours)
    parts = [(source, colour, tokens) for colour, source, tokens in mine]
    return [*parts, (OTHERS, COLOURS - 1, rest)] if rest else parts
