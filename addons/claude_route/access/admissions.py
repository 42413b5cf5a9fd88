"""What is found out about a request when its headers come, and holds until it is answered."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field

from mitmproxy import http

from claude_route.access import clients
from claude_route.access import credentials

type Origin = tuple[str, str, int]
"""Scheme, host and port."""


@dataclass(frozen=True)
class Admission:
    """A request without one goes nowhere."""

    client: clients.Client | None
    """Who sends it; None where no key is set, where none is needed, and where a user replays it."""
    is_routed: bool
    """It goes to a provider of the profile's; every other is answered here, or passes through as
    it is."""
    is_reverse: bool
    """It came to the reverse listener: to us, not through us."""
    rotates: bool
    """Pool tokens may answer it, not only the client's own credential."""
    secrets: credentials.Secrets = field(repr=False)
    """The client's own credentials, by their placeholders."""
    origin: Origin
    """Where it was meant to go, and the only place where these credentials may go when it passes
    through."""


def origin(request: http.Request) -> Origin:
    return request.scheme, request.host, request.port
