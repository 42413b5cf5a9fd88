from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from mitmproxy.tools.web import app

from claude_route.patches import slow_viewers


class Viewer(app.ClientConnection):
    """Whose connection takes no message until it is told to."""

    def __init__(self) -> None:
        self.filters = {}
        self.is_closed = False
        self.reads = asyncio.Event()
        self.got: list[bytes] = []

    async def write_message(self, message: Any, binary: bool = False) -> None:  # type: ignore[override]
        await self.reads.wait()
        self.got.append(message)

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        self.is_closed = True

    @property
    def waiting(self) -> list[bytes]:
        queue: Any = self._send_queue
        return [*queue._queue]


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(slow_viewers, "MOST", 1000)
    every = app.WebSocketEventBroadcaster
    stock = every.open, every.send
    undo = slow_viewers.install()
    yield
    undo()
    app.ClientConnection.connections.clear()
    assert (every.open, every.send) == stock


def message(kind: str, length: int = 100) -> bytes:
    return json.dumps({"type": kind, "payload": "x" * length}).encode()


async def opened() -> Viewer:
    asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)  # as mitmweb does
    viewer = Viewer()
    viewer.open()  # type: ignore[no-untyped-call]
    await asyncio.sleep(0)
    return viewer


async def test_what_waits_is_dropped_and_asked_for_again() -> None:
    viewer = await opened()
    viewer.send(message("state/update"))
    await asyncio.sleep(0)
    viewer.send(message("options/update"))
    for _ in range(100):
        for kind in ("flows/add", "flows/update", "events/add", "flows/filterUpdate"):
            viewer.send(message(kind))
            assert sum(map(len, viewer.waiting)) <= 1000
    assert viewer.waiting[:3] == [message("options/update"), *slow_viewers.RESETS]
    assert not viewer.is_closed
    viewer.reads.set()
    await asyncio.sleep(0.01)
    assert viewer.waiting == []
    assert viewer.got[:2] == [message("state/update"), message("options/update")]


async def test_who_reads_gets_all() -> None:
    viewer = await opened()
    viewer.reads.set()
    sent = [message("flows/update", number) for number in range(100)]
    for each in sent:
        viewer.send(each)
        await asyncio.sleep(0)
    assert viewer.got == sent


async def test_what_cannot_be_asked_for_again_ends_the_connection() -> None:
    viewer = await opened()
    for _ in range(20):
        viewer.send(message("options/update"))
    assert viewer.is_closed
