"""What we learn about a request from its headers, and keep until it is answered."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field
from typing import Literal

from mitmproxy import http

from claude_route.access import clients
from claude_route.access import credentials

type Login = Literal["own", "text", "none"]
"""`text` only stands in a credential's place, because Claude Code requires some."""

type Origin = tuple[str, str, int]
"""Scheme, host and port."""


@dataclass(frozen=True)
class Admission:
    """The result of admitting a request. A request without an Admission is never sent."""

    client: clients.Client | None
    """Who sends it; None if no key is set, if the request needs none, or if a user replays it."""
    is_routed: bool
    """Whether it goes to a provider of the profile. All others pass through unchanged, or are
    answered by us."""
    is_reverse: bool
    """Whether it arrived on the reverse listener."""
    rotates: bool
    """Whether pool tokens may be used, rather than only the client's own credential."""
    secrets: credentials.Secrets = field(repr=False)
    """The client's own credentials, by their placeholders."""
    origin: Origin
    """The request's destination. If it passes through, `secrets` may go only there."""
    login: Login = "own"
    """What it has of a credential of its own."""


def origin(request: http.Request) -> Origin:
    return request.scheme, request.host, request.port
