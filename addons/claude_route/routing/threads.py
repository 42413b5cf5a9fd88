"""Remembers which token began a thread: a conversation that Anthropic keeps, so that a request only has
what is new.

Claude Code asks for it with the beta `message-threads-2026-08-12`. A request continues the thread by the id
of its last answer. Another account doesn't have it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from claude_route import targets
from claude_route.routing import plan
from claude_route.routing import pool_tokens
from claude_route.routing import room

LIFETIME = 300.0
"""Seconds after an answer for which Anthropic keeps its thread."""

MAX_THREADS = 10_000
"""Of all clients, in the last five minutes. With MAX_ID this takes at most about 3 MB; a thread that is
forgotten costs its client one request, which is answered here."""

MAX_ID = 128
"""Characters. Anthropic's ids of messages have about 30."""


class _Keeper(NamedTuple):
    token: pool_tokens.Token
    until: float


def nobody(client: str, message_id: str, token: pool_tokens.Token) -> None:
    """Who is called about threads if nobody else is to know."""


class Threads:
    """Which token keeps each thread. Only the client who began a thread finds it again."""

    def __init__(self) -> None:
        self._keepers = room.Room[_Keeper](MAX_THREADS)
        """By client and message; of each client the ones that end first come first."""
        self.kept: Callable[[str, str, pool_tokens.Token], None] = nobody
        """Is called with what others are to know: the arguments of `keep`."""

    def __len__(self) -> int:
        return len(self._keepers)

    def keep(self, client: str, message_id: str, token: pool_tokens.Token, now: float) -> None:
        """Remember who gave the answer with this id. Once more after a while, it is kept for longer."""
        if not 0 < len(message_id) <= MAX_ID:
            return
        self.adopt(client, message_id, token, now + LIFETIME, now)
        self.kept(client, message_id, token)

    def adopt(
        self, client: str, message_id: str, token: pool_tokens.Token, until: float, now: float
    ) -> None:
        """Remember what another process knows."""
        while (oldest := self._keepers.oldest(client)) and oldest.until <= now:
            self._keepers.drop(client)
        self._keepers.put(client, message_id, _Keeper(token, until))

    def keeper(self, client: str, message_id: str, now: float) -> pool_tokens.Token | None:
        """The token that can continue after this answer; None if that isn't known, or no longer true."""
        keeper = self._keepers.get(client, message_id)
        return keeper.token if keeper and keeper.until > now else None

    def thread(self, kind: str | None, previous: str, client: str, now: float) -> Thread:
        """The part that a client's request has in a thread: `kind` and `previous` are the request's
        `thread.type` and `thread.previous_message_id`."""
        keeper = self.keeper(client, previous, now) if previous else None
        return Thread(self, kind, previous, client, keeper)


@dataclass(frozen=True)
class Thread:
    """The part that one request has in a thread, if it has any."""

    threads: Threads
    kind: str | None
    previous: str
    client: str
    keeper: pool_tokens.Token | None
    """The pool's token that keeps it."""

    def continues_at(self, step: plan.Step, asked: targets.Target) -> bool:
        """Whether a step has what the request leaves out. Anthropic keeps a thread for one account and one
        model, the one that was `asked` for.

        If the account is the client's own, only Anthropic knows. It also refuses a request without the id.
        """
        if self.kind != "continue":
            return True
        is_keepers = step.token == self.keeper or not self.previous
        return is_keepers and step.target == asked and asked.provider.is_anthropic

    def keep(self, message_id: str, token: pool_tokens.Token, now: float) -> None:
        """The request has an answer with this id, from this token."""
        self.threads.keep(self.client, message_id, token, now)
