"""Which token a session has, and which one keeps a thread: asked for where this instance doesn't know.

A session's first request here waits for one round trip, and then one in FRESH seconds: others may have moved the
session meanwhile, because its token rested.
"""

from __future__ import annotations

import asyncio
import collections
from collections.abc import Callable

from claude_route.proxy import sharing
from claude_route.routing import pool_tokens
from claude_route.routing import rotation
from claude_route.routing import threads
from claude_route.store import link
from claude_route.store import names
from claude_route.store import scripts

FRESH = 10.0
"""Seconds."""

DAY = 24 * 3600
"""Seconds that a session which is not used keeps its token. No prompt cache lasts longer."""


class Seats:
    """Implements `sharing.Store`."""

    def __init__(self, connection: link.Link, clock: Callable[[], float]) -> None:
        """`clock` returns Unix seconds."""
        self._link = connection
        self._clock = clock
        self._asked: collections.OrderedDict[str, float] = collections.OrderedDict()

    def is_due(self, question: sharing.Question) -> bool:
        if not self._link.is_up or self._link.is_slow:
            return False
        return self._lacks_seat(question) or self._lacks_keeper(question)

    async def ask(self, question: sharing.Question) -> None:
        await asyncio.gather(self._ask_seat(question), self._ask_keeper(question))

    def _lacks_seat(self, question: sharing.Question) -> bool:
        if not question.session or question.pool.strategy != "session":
            return False
        if question.pool.seated(question.session, question.model) is None:
            return bool(question.pool.available(question.model))
        return self._asked.get(question.session, 0.0) + FRESH < self._clock()

    def _lacks_keeper(self, question: sharing.Question) -> bool:
        return bool(question.thread.previous) and question.thread.keeper is None

    async def _ask_seat(self, question: sharing.Question) -> None:
        if not self._lacks_seat(question):
            return
        pool, session = question.pool, question.session
        free = pool.available(question.model)
        own = pool.seated(session, question.model)
        by_name = {names.digest(token.secret): token for token in pool.tokens}
        flags = [part for name, token in by_name.items() for part in (name, int(token in free))]
        keys = (names.session(str(rotation.parsed(session))), names.TURN)
        before = names.digest(own.secret) if own else ""
        try:
            answer = await self._link.reply("EVAL", scripts.SEAT, 2, *keys, DAY, before, *flags)
        except (ConnectionError, ValueError):
            return
        if answer and (token := by_name.get(answer.decode())):
            pool.seat(session, token)
            self._asked.pop(session, None)
            self._asked[session] = self._clock()
            if len(self._asked) > rotation.MAX_SESSIONS:
                self._asked.popitem(last=False)

    async def _ask_keeper(self, question: sharing.Question) -> None:
        if not self._lacks_keeper(question):
            return
        thread = question.thread
        try:
            answer = await self._link.reply("GET", names.thread(thread.client, thread.previous))
        except (ConnectionError, ValueError):
            return
        for token in question.pool.tokens if answer else ():
            if names.digest(token.secret) == answer.decode():
                now = self._clock()
                until = now + threads.LIFETIME
                question.threads.adopt(thread.client, thread.previous, token, until, now)

    def moved(self, session: str, before: str | None, after: str) -> None:
        """As `health.Listener` has it."""
        parts = (names.digest(secret) if secret else "" for secret in (before, after))
        self._link.deliver("EVAL", scripts.MOVE, 1, names.session(session), DAY, *parts)

    def kept(self, client: str, message_id: str, token: pool_tokens.Token) -> None:
        """A token has a thread."""
        name = names.digest(token.secret)
        life = int(threads.LIFETIME)
        self._link.deliver("SET", names.thread(client, message_id), name, "EX", life)
