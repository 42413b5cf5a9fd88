"""Labels in a flow's metadata: people see them in mitmweb, search for them, and save them with flows.

They are for people: views and comments show them. Nothing is routed, counted or kept by them, as
anyone may edit the metadata of a saved flow.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from claude_route.access import clients
from claude_route.proxy import contract

PREFIX = "route_"
"""The prefix of the metadata keys: `route_model`, `route_target`."""


COMMENT, PROMPT, AGENT, CHECK, COMPARES, CLIENT = (
    f"{PREFIX}{name}" for name in ("comment", "prompt", "agent", "check", "compares", "client")
)
"""The keys that every row reads: reading all labels would cost more than writing it."""


@dataclass(frozen=True, kw_only=True)
class Labels:
    """A label is None if it is unknown."""

    model: str | None = None
    """As the client named it."""
    target: str | None = None
    """The target that answered, or failed to: `zai/glm-5`."""
    attempts: int | None = None
    """The number of attempts, including this one."""
    token: str | None = None
    """The label of the pool's token; empty for any other credential."""
    client: str | None = None
    """The client's name, if the profile has it among its `clients`."""
    session: str | None = None
    agent: str | None = None
    """The subagent that sent the request; unknown for the main one."""
    parent_agent: str | None = None
    request_id: str | None = None
    """The client's own."""
    trace: str | None = None
    """`traceparent`."""
    check: str | None = None
    """Who asks whether a tool call may run (auto mode): `client` or `proxy`. Other requests have none."""
    state: str | None = None
    """`complete` or `failed`, once the flow is over."""
    tokens_in: int | None = None
    """Including those from the prompt cache."""
    tokens_cached: int | None = None
    tokens_out: int | None = None
    cost: float | None = None
    """Dollars, at list prices."""
    compares: str | None = None
    """Only of a copy that `route.compare` has sent: the id of the flow that it was made of."""
    prompt: str | None = None
    """What it asks, in its first words."""
    passed_over: str | None = None
    """Why targets and tokens before this one were not tried."""
    attempt_of: str | None = None
    """Only of a failed attempt: the id of the client's flow."""
    why: str | None = None
    """Only of a failed attempt: why it failed, and what that means for the token."""
    then: str | None = None
    """Only of a failed attempt: the token or target that came next."""
    rewritten: bool | None = None
    """Whether the upstream body differed from the client's."""
    comment: str | None = None
    """The comment that we wrote and may replace. Any other comment is a user's."""

    def to_metadata(self) -> dict[str, str | int | float]:
        """The metadata for the known labels."""
        return {PREFIX + name: value for name, value in vars(self).items() if value is not None}


def read(metadata: Mapping[str, Any]) -> Labels:
    """The labels in a flow's metadata. The flow may come from a file, so a value of the wrong type counts
    as unknown."""
    known = {}
    for key, value in metadata.items():
        if (label := _LABELS.get(key)) and isinstance(value, label[1]):
            known[label[0]] = value
    return Labels(**known)


def _kind(name: str) -> Any:
    """The type of a label that is known."""
    return next(kind for kind in typing.get_args(_HINTS[name]) if kind is not type(None))


_HINTS = typing.get_type_hints(Labels)
_LABELS = {PREFIX + each.name: (each.name, _kind(each.name)) for each in dataclasses.fields(Labels)}
"""The names and the types of the labels, by their keys. Each row reads all labels several times."""


def prompt(metadata: Mapping[str, Any]) -> str:
    """The label alone, for rows; empty if it is unknown."""
    value = metadata.get(PROMPT)
    return value if isinstance(value, str) else ""


def of_attempt(request: contract.RoutedRequest, attempt: contract.Try) -> Labels:
    return Labels(
        model=request.model,
        target=attempt.target,
        attempts=attempt.number,
        token=attempt.token,
        client=clients.own_name(request.client) or None,
        session=request.session,
        agent=request.identity.agent or None,
        parent_agent=request.identity.parent_agent or None,
        request_id=request.identity.request or None,
        trace=request.identity.trace or None,
        check=request.check,
        passed_over=", ".join(attempt.passed_over) or None,
    )


def forget(metadata: dict[str, Any]) -> None:
    """Remove the labels of the previous answer, because the request is sent again."""
    for name in vars(Labels()).keys() - {"rewritten", "comment", "compares"}:
        metadata.pop(PREFIX + name, None)
