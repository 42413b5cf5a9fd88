"""Opens what the profile in force shares, and goes over to another when it changes."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

from mitmproxy import ctx

from claude_route import background
from claude_route.ledger import location
from claude_route.profile import plain_file
from claude_route.proxy import state
from claude_route.routing import rotation
from claude_route.store import file
from claude_route.store import instance
from claude_route.store import memory
from claude_route.store import peers
from claude_route.text import urls

logger = logging.getLogger(__name__)

INTERVAL = 0.5
"""Seconds between two looks at the profile."""

VARIABLE = "CLAUDE_ROUTE_STORE"
"""The environment variable with the URL of the store that workers share if their profile names none."""


class Store:
    """An addon. One of `instance` and `memory` is open, or neither."""

    def __init__(
        self,
        state_in_force: Callable[[], state.State | None],
        workers: peers.Peers | None = None,
    ) -> None:
        self.state_in_force = state_in_force
        self._peers = workers
        self.instance: instance.Instance | None = None
        self.memory: memory.Memory | None = None
        self._setting: str | None = None
        self._watching: asyncio.Task[None] | None = None
        self._writing: asyncio.Task[None] | None = None

    def running(self) -> None:
        in_force = self.state_in_force()
        if in_force is None or not ctx.options.server:
            return
        self._open(in_force)
        self._watching = background.start(self._watch(), "the look for another store")

    def done(self) -> asyncio.Task[None] | None:
        # Not async: where a script is loaded again, mitmproxy can't wait, and an addon that wants it to keeps
        # the script from being loaded. At the end of the process it waits for what is returned.
        for task in (self._watching, self._writing):
            if task:
                task.cancel()
        if self.memory:
            self.memory.write()
        if self.instance is None:
            return None
        return background.start(self.instance.stop(), "the end of the store")

    def describe(self) -> str:
        if self.instance:
            return f"Store: {urls.shown(self.instance.url)}, shared with all instances that use it"
        return f"Store: {self.memory.path}" if self.memory else "Store: off"

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL)
            in_force = self.state_in_force()
            if in_force and in_force.profile.store != self._setting:
                await self._close(in_force)
                self._open(in_force)
                logger.info(self.describe())

    def _open(self, in_force: state.State) -> None:
        self._setting = in_force.profile.store
        url = self._setting if self._setting is not None else os.environ.get(VARIABLE)
        if url:
            self.instance = instance.Instance(url, self.state_in_force)
            self.instance.start(in_force, self._peers)
        elif url is None:
            self._remember(in_force)

    def _remember(self, in_force: state.State) -> None:
        try:
            path = location.folder(os.environ) / file.NAME
        except RuntimeError as e:
            logger.warning(f"A restart will forget which tokens rest: {e}")
            return
        self.memory = memory.Memory(path, self._pool, self._source, time.time)
        self.memory.recall()
        in_force.pool.listener = self.memory
        self._writing = background.start(self.memory.run(), "the writing of what rests")

    def _pool(self) -> rotation.Pool | None:
        in_force = self.state_in_force()
        return in_force.pool if in_force else None

    def _source(self) -> str:
        """Changes with the profile and `.env`."""
        in_force = self.state_in_force()
        digest = hashlib.sha256()
        for path in (in_force.profile.path if in_force else Path(), Path(".env")):
            with contextlib.suppress(OSError):
                digest.update(plain_file.read(path))
        return digest.hexdigest()

    async def _close(self, in_force: state.State) -> None:
        instance.alone(in_force)
        if self._writing:
            self._writing.cancel()
            self._writing = None
        if self.memory:
            self.memory.write()
        if self.instance:
            await self.instance.stop()
        self.memory = self.instance = None
