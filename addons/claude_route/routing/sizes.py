"""How long conversations were that targets have taken.

Some providers refuse a conversation that is too long without saying how long it may be. Then Claude Code
guesses how much to drop, and sends almost all of it several times. What was taken before is known to fit.
"""

from __future__ import annotations

from claude_route.routing import room

MAX = 1000
"""Conversations that are remembered: the last ones that a target has answered."""

ROOM = 0.95
"""The part of what was taken that is left to the conversation: the request for its summary has a text of its
own."""


class Sizes:
    def __init__(self) -> None:
        self._sizes = room.Room[int](MAX)

    def took(self, target: str, session: str, size: int, client: str = "") -> None:
        """A target answers a request of a client's session with a body of so many bytes."""
        name = _name(target, session)
        # A session has short requests too: for titles, and of subagents.
        self._sizes.put(client, name, max(size, self._sizes.get(client, name) or 0))

    def limit(
        self, target: str, session: str, size: int, tokens: int, client: str = ""
    ) -> int | None:
        """How many tokens a target is known to take of a client's session, a request of which it has refused for
        its length; None if that isn't known. `size` and `tokens` are those of the refused request."""
        taken = self._sizes.get(client, _name(target, session))
        if taken is None or not session or taken >= size:
            return None
        return int(tokens * taken / size * ROOM) or None


def _name(target: str, session: str) -> str:
    return f"{target}\0{session}"
