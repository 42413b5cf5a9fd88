"""Who sends a request, and what of all that is sent belongs together because of that."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from claude_route import targets
from claude_route.access import clients
from claude_route.access import identity


class Sender:
    def __init__(self, client: clients.Client | None, peername: Sequence[Any] | None) -> None:
        """`peername` is the address that it comes from, if it is known."""
        self.client = client
        self.name = client.name if client else ""
        self.entry = clients.entry(client)
        """What the profile says about a client that it names."""
        self._peername = peername

    @functools.cached_property
    def party(self) -> str:
        """Whose failures count together: what one client sends may fail again and again."""
        return clients.whose(self.client, self._peername)

    def seat(self, who: identity.Identity, spread: targets.Spread) -> str:
        """What keeps one token of the pool: the session, or each of its agents. Empty if it names no session."""
        if not who.session:
            return ""
        # Anyone may send the id of another client's session, and no name has a slash.
        owner = f"{self.name}/" if self.entry else "/"
        if spread == "agent" and who.agent:
            return f"{owner}{who.agent}/{who.session}"
        return owner + who.session
