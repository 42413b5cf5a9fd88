"""Keeps an index of sessions beside the file of flows that `-w` or `save_stream_file` names, and reads it
after a restart."""

from __future__ import annotations

import asyncio
import datetime
import itertools
import logging
import sqlite3
import threading
from pathlib import Path

from mitmproxy import ctx
from mitmproxy import http

from claude_route import background
from claude_route.pages import asking
from claude_route.patches import saved_files
from claude_route.proxy import work
from claude_route.sessions import book
from claude_route.sessions import index
from claude_route.sessions import turns
from claude_route.watch import labels
from claude_route.watch import saved_flows

logger = logging.getLogger(__name__)

BATCH = 20
"""Turns that are added at once to the sessions in memory; between two batches the event loop does its work."""


class SavedSessions:
    def __init__(self, sessions: book.Book) -> None:
        self.sessions = sessions
        self._index: index.Index | None = None
        self._flows: Path | None = None
        self._reading = threading.Lock()
        """Pages and exports have a thread each."""
        self._task: asyncio.Task[None] | None = None
        self._places: saved_flows.Places | None = None

    def running(self) -> None:
        if is_appended() and self.sessions.max_turns:
            self._task = background.start(self._read(), "the reading of stored turns")

    async def _read(self) -> None:
        """Read what an earlier process has stored."""
        path = flows_path()
        if path is None or not index.beside(str(path)).exists():
            return
        try:
            saved = iter(await asyncio.wrap_future(work.behind(self._stored)))
        except (OSError, sqlite3.Error) as e:
            logger.warning(f"Cannot read {index.beside(str(path))}: {e}")
            return
        while batch := list(itertools.islice(saved, BATCH)):
            for turn in batch:
                if not self.sessions.has(turn.flow):
                    self.sessions.add(turn)
            await asyncio.sleep(0)

    def _stored(self) -> list[turns.Turn]:
        opened = self._open()
        return list(opened.latest(self.sessions.max_turns)) if opened else []

    @staticmethod
    def is_on() -> bool:
        """Whether flows are saved, and so turns are stored."""
        return bool(ctx.options.save_stream_file)

    def store(self, turn: turns.Turn) -> None:
        """Called in the thread that makes the summaries."""
        try:
            if opened := self._open():
                opened.store(turn)
        except (OSError, sqlite3.Error) as e:
            logger.warning(f"Cannot write the index of sessions: {e}")

    def kept(self, flow_id: str) -> asking.Kept | None:
        """A saved flow, for a page; None if it wasn't saved, or the file can't be read. To be called in a
        thread that makes pages: the first time it looks where the flows of the file are."""
        try:
            with self._reading:
                found = self.flow(flow_id)
        except OSError as e:
            logger.warning(f"Cannot read the saved flows: {e}")
            return None
        if found is None:
            return None
        return asking.Kept(found, None, labels.read(found.metadata).target or "")

    def flow(self, flow_id: str) -> http.HTTPFlow | None:
        """A saved flow with its bodies; None if it wasn't saved.

        Raises:
            OSError: the file can't be read.
        """
        path = flows_path()
        if path is None or not path.exists():
            return None
        flush()
        if self._places is None or self._places.path != path:
            self._places = saved_flows.Places(path)
        return self._places.find(flow_id)

    def _open(self) -> index.Index | None:
        """The index of the file that flows are written to now: its name may have a date in it."""
        path = flows_path()
        if path != self._flows:
            if self._index:
                self._index.close()
                self._index = None
            is_fresh = not is_appended()
            self._flows = path
            if path:
                self._index = index.Index(index.beside(str(path)), fresh=is_fresh)
        return self._index

    def done(self) -> None:
        if self._task:
            self._task.cancel()


def flush() -> None:
    """Have mitmproxy write what it has buffered of the flows that it saves. Waits for a thread."""
    saved_files.SAVING.drain()
    saving = ctx.master.addons.get("save")
    stream = getattr(saving, "stream", None)
    if stream and not stream.fo.closed:
        stream.fo.flush()


def is_appended() -> bool:
    """Whether mitmproxy adds to the file instead of writing it again."""
    return bool(ctx.options.save_stream_file) and ctx.options.save_stream_file.startswith("+")


def flows_path() -> Path | None:
    """The file that mitmproxy writes flows to now, as `mitmproxy.addons.save` names it."""
    if not ctx.options.save_stream_file:
        return None
    name = ctx.options.save_stream_file.removeprefix("+")
    return Path(datetime.datetime.today().strftime(str(Path(name).expanduser())))
