"""What a flow's metadata says of it: people see it in mitmweb, search for it, and save it with flows.

For people only: nothing is counted or decided by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from claude_route.proxy import contract

PREFIX = "route_"
"""Of the keys: `route_model`, `route_target`."""


COMMENT = f"{PREFIX}comment"
"""The key that every row writes: reading all labels for it would cost more than writing it."""


@dataclass(frozen=True, kw_only=True)
class Labels:
    """None where nothing is known."""

    model: str | None = None
    """As the client named it."""
    target: str | None = None
    """Who answered, or failed to: `zai/glm-5`."""
    attempts: int | None = None
    """How many attempts were made, this one included."""
    token: str | None = None
    """The label of the pool's token; empty for any other credential."""
    session: str | None = None
    state: str | None = None
    """`complete` or `failed`, once it is over."""
    tokens_in: int | None = None
    """Those from the prompt cache included."""
    tokens_cached: int | None = None
    tokens_out: int | None = None
    rewritten: bool | None = None
    """What went upstream is not the client's body."""
    comment: str | None = None
    """The comment of ours, which may be replaced. Any other is a user's."""

    def to_metadata(self) -> dict[str, str | int]:
        """Without what is unknown."""
        return {PREFIX + name: value for name, value in vars(self).items() if value is not None}


def read(metadata: Mapping[str, Any]) -> Labels:
    """A value of a wrong type counts as unknown: the flow may come from a file."""

    def value[T](name: str, kind: type[T]) -> T | None:
        raw = metadata.get(PREFIX + name)
        return raw if isinstance(raw, kind) else None

    return Labels(
        model=value("model", str),
        target=value("target", str),
        attempts=value("attempts", int),
        token=value("token", str),
        session=value("session", str),
        state=value("state", str),
        tokens_in=value("tokens_in", int),
        tokens_cached=value("tokens_cached", int),
        tokens_out=value("tokens_out", int),
        rewritten=value("rewritten", bool),
        comment=value("comment", str),
    )


def of_attempt(request: contract.RoutedRequest, attempt: contract.Try) -> Labels:
    return Labels(
        model=request.model,
        target=attempt.target,
        attempts=attempt.number,
        token=attempt.token,
        session=request.session,
    )


def forget(metadata: dict[str, Any]) -> None:
    """Remove what the last answer to a request left there: the request is sent again."""
    for name in vars(Labels()).keys() - {"rewritten", "comment"}:
        metadata.pop(PREFIX + name, None)
