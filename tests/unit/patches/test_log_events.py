from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

import pytest
from mitmproxy import log
from mitmproxy.test import taddons

from claude_route.patches import hooktable
from claude_route.patches import log_events


@pytest.fixture(autouse=True)
def installed() -> Iterator[None]:
    uninstall = log_events.install()
    yield
    uninstall()


class Listener:
    def __init__(self) -> None:
        self.heard: list[str] = []

    def add_log(self, entry: log.LogEntry) -> None:
        self.heard.append(entry.msg)


async def test_only_who_listens_gets_events() -> None:
    calls: list[object] = []
    listener = Listener()
    with taddons.context() as context:
        handler = log.LegacyLogEvents(context.master)
        record = logging.makeLogRecord({"msg": "hello", "levelno": logging.INFO})
        table = hooktable.HookTable(context.master.addons)
        loop = context.master.event_loop = asyncio.get_running_loop()
        stock = loop.call_soon_threadsafe
        loop.call_soon_threadsafe = lambda *what: calls.append(what) or stock(*what)  # type: ignore
        handler.emit(record)
        assert not calls
        context.master.addons.add(listener)
        handler.emit(record)
        await asyncio.sleep(0)
        assert [text.partition("] ")[2] for text in listener.heard] == ["hello"]
        table.remove()
        handler.emit(record)
        assert len(calls) == 2, "without a table nobody knows who listens"
