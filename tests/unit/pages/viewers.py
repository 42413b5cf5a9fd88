"""Clients who look at pages."""

from __future__ import annotations

from claude_route.access import clients


class Named(clients.Client):
    """One that sees its own usage only."""

    @property
    def is_admin(self) -> bool:
        return False


ALICE = Named("alice", "header")
SHARED = clients.Client("shared", "header")
