"""Clients who look at pages."""

from __future__ import annotations

from claude_route.access import clients
from claude_route.profile import clients as profile_clients
from claude_route.profile import patterns


class Named(clients.Client):
    """One that sees its own usage only."""

    @property
    def is_admin(self) -> bool:
        return False


ALICE = Named("alice", "header")
LIMITED = clients.Client(
    "bob", "header", profile_clients.Client("bob", (), models=patterns.Table({"glm": None}))
)
"""One that may ask for `glm` only."""
SHARED = clients.Client("shared", "header")
