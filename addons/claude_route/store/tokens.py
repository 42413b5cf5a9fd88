"""Shares what is known about the pool's tokens: rests, disabled tokens, and how much of their limits is used.

A change goes out at once, and nobody waits for it. What others have changed is fetched every POLL seconds, which
is simpler than to be notified: there is nothing to subscribe to again, and nothing can be missed.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

from claude_route.routing import health
from claude_route.routing import quota
from claude_route.routing import rotation
from claude_route.store import link
from claude_route.store import names
from claude_route.store import records
from claude_route.store import resp
from claude_route.store import scripts

POLL = 0.2
"""Seconds. Others are to know of a rest within one."""

ALIVE = 15
"""Seconds for which an instance counts as running after its last poll."""


class Tokens(health.Listener):
    """The pool's listener."""

    def __init__(
        self, pool: Callable[[], rotation.Pool | None], restore: Callable[[], None]
    ) -> None:
        """`restore` is called when Redis has lost all, or had nothing yet."""
        self.instance = uuid.uuid4().hex[:12]
        self._pool = pool
        self._restore = restore
        self._link: link.Link
        self._moved: Callable[[str, str | None, str], None]
        self._known: rotation.Pool | None = None
        self._count = 0
        self._epoch = ""
        self._changes = 0
        """How often this instance has changed something."""
        self._used: dict[str, dict[str, quota.Window]] = {}
        """Windows that aren't sent yet, by secret."""

    def use(self, connection: link.Link, moved: Callable[[str, str | None, str], None]) -> None:
        """`moved` is called about sessions, as `health.Listener` has it."""
        self._link = connection
        self._moved = moved

    async def run(self) -> None:
        while True:
            await asyncio.sleep(POLL)
            self.send_windows()
            if self._known is not (pool := self._pool()):
                # It may have tokens that the one before hadn't.
                self._known, self._count = pool, 0
            try:
                changes = self._changes
                answer = await self._link.ask(*self._question())
            except (ConnectionError, ValueError):
                continue
            # What was changed here meanwhile isn't in the answer: the next one has both.
            if changes == self._changes:
                self._take(answer)

    async def greet(self, connection: link.Link) -> None:
        """The first thing on each connection."""
        (answer,) = await connection.now(self._question())
        self._take(answer, is_first=True)

    def _question(self) -> resp.Command:
        keys = (names.CHANGED, names.EPOCH, f"{names.INSTANCE}{self.instance}")
        return (
            *("EVAL", scripts.POLL, 3, *keys),
            *(self._count, uuid.uuid4().hex, self._epoch, ALIVE, names.token("")),
        )

    def _take(self, answer: Any, *, is_first: bool = False) -> None:
        epoch, count, changed = answer
        before, self._epoch = self._epoch, epoch.decode()
        if before != self._epoch:
            reports = self._reports()
            if not before:
                self._adopt(changed)
            self._tell(reports)
            self._restore()
            # With the next answer come others' changes and ours.
            self._count = 0
        elif not (is_first and self._link.waiting):
            self._count = count
            self._adopt(changed)

    def _adopt(self, changed: list[Any]) -> None:
        pool = self._pool()
        if pool is None or not changed:
            return
        own = {names.digest(token.secret): token for token in pool.tokens}
        for name, flat in changed:
            if token := own.get(name.decode()):
                texts = [each.decode() for each in flat]
                theirs = records.read(dict(zip(texts[::2], texts[1::2], strict=True)))
                newer = self._used.get(token.secret, {})
                pool.adopt(token, theirs._replace(windows={**theirs.windows, **newer}))

    def _reports(self) -> dict[str, health.Health]:
        pool = self._pool()
        return {token.secret: pool.report(token) for token in pool.tokens} if pool else {}

    def _tell(self, reports: Mapping[str, health.Health]) -> None:
        for secret, report in reports.items():
            for held in report.rests:
                self.rested(secret, held)
            if report.disabled is not None:
                self.disabled(secret, report.disabled)
            if report.windows:
                self.used(secret, report.windows)

    # What the pool reports

    def rested(self, secret: str, held: health.Held) -> None:
        self._change(scripts.REST, secret, records.field(held), records.value(held))

    def answered(self, secret: str, families: tuple[str | None, ...], asked: float) -> None:
        fields = [f"{records.REST}{family or ''}" for family in families]
        self._change(scripts.ANSWERED, secret, asked, *fields)

    def disabled(self, secret: str, reason: str) -> None:
        self._change(scripts.SET, secret, records.DISABLED, reason)

    def enabled(self, secret: str) -> None:
        self._change(scripts.REMOVE, secret, records.DISABLED)

    def woken(self, secret: str) -> None:
        self._change(scripts.REMOVE, secret, records.DISABLED, records.REST)

    def used(self, secret: str, windows: Mapping[str, quota.Window]) -> None:
        # Each answer has them: they go out together.
        self._used.setdefault(secret, {}).update(windows)

    def moved(self, session: str, before: str | None, after: str) -> None:
        self._moved(session, before, after)

    def send_windows(self) -> None:
        used, self._used = self._used, {}
        for secret, windows in used.items():
            fields = records.windows(windows)
            flat = [text for each in fields.items() for text in each]
            self._change(scripts.SET, secret, *flat, is_seen=False)

    def _change(
        self, script: str, secret: str, *arguments: resp.Argument, is_seen: bool = True
    ) -> None:
        self._changes += is_seen
        name = names.digest(secret)
        keys = (names.token(name), names.CHANGED)
        self._link.deliver("EVAL", script, 2, *keys, name, *arguments)
