"""What is kept of a request once it is over: who asked, who answered, and what it cost. No content."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from typing import NamedTuple

from claude_route.dialects import usage
from claude_route.pricing import price
from claude_route.pricing import prices

type Kind = Literal["message", "count", "check"]
"""An answer of a model, a count of tokens, or a check whether a tool call may run (auto mode)."""

FREE = prices.Cost(0.0, 0.0, "list")
"""Of a request that no model has answered."""

LONGEST = 200
"""Characters of a name or an id that we keep."""


class Failure(NamedTuple):
    """An attempt that failed."""

    target: str
    reason: str
    """A fixed word, such as `connect` or `timeout`, or the status: `429`."""
    then: str
    """The next attempt's target; empty if there was none."""


@dataclass(frozen=True)
class Record:
    id: str
    """Its own: a record that is written twice counts once. Ids are in order of time."""
    at: float
    """When the request arrived, in Unix seconds."""
    client: str
    """Empty if no key is set."""
    session: str
    agent: str
    kind: Kind
    model: str
    """As the client named it; empty if the request was refused before it was read."""
    target: str
    """Who answered, or failed last: `zai/glm-5`; empty if nobody was asked."""
    token: int | None
    """The place in the pool of the token that was used; None for any other credential."""
    usage: usage.Usage
    is_estimated: bool
    """Whether some of `usage` is counted from the bytes that went by, because the provider didn't say: it
    never does, or the client or the connection was gone before it could."""
    cost: prices.Cost
    status: int
    """What the client got; 0 if it left before there was anything."""
    first_byte: float | None
    """Seconds until the answer began; None if none did."""
    duration: float
    """Seconds."""
    attempts: int
    error: str
    """The error that the client got, by Anthropic's type, or why the answer ended early; empty if all was
    well."""
    failures: tuple[Failure, ...] = ()
    trace: str = ""
    """The client's `traceparent`."""
    price: price.Price | None = None
    """What `cost` was reckoned at; None if that isn't known, or nothing was used."""


def plain(text: str) -> str:
    """Text that any database and any page can hold."""
    text = text[:LONGEST]
    if text.isascii() and text.isprintable():
        return text
    text = text.encode("utf-8", "replace").decode()
    return "".join(letter if letter.isprintable() else "�" for letter in text)
