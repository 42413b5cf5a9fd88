from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from mitmproxy.test import tflow

from claude_route.access import live_secrets
from claude_route.pages import asking
from claude_route.sessions import book
from claude_route.store import peers
from claude_route.watch import siblings
from tests.unit.sessions import examples
from tests.unit.sessions.examples import turn


class Worker(siblings.Siblings):
    def __init__(self, folder: Path, number: int, total: int = 2, max_turns: int = 100) -> None:
        self.book = book.Book(max_turns)
        self.flows: dict[str, asking.Kept] = {}
        self.now = 0.0
        place = peers.Worker("one", number, total, str(folder))
        super().__init__(place, self.book, self.own, lambda: list(self.flows), lambda: self.now)

    def own(self, flow: str, in_mitmweb: bool) -> asking.Kept | None:
        return self.flows.get(flow)

    @property
    def titles(self) -> dict[str, list[str]]:
        """Flows by session."""
        return {s.id: [each.flow for each in s.turns] for s in self.book.sessions()}

    async def close(self) -> None:
        self.done()
        if self._server:
            await self._server.wait_closed()


@contextlib.asynccontextmanager
async def workers(folder: Path, total: int = 2) -> AsyncIterator[list[Worker]]:
    started = [Worker(folder, number, total) for number in range(1, total + 1)]
    for each in started:
        await each.open()
    try:
        yield started
    finally:
        for each in started:
            await each.close()


async def test_a_session_of_which_each_has_a_part(tmp_path: Path) -> None:
    async with workers(tmp_path, 3) as (one, two, three):
        one.book.add(turn("f1", 1000, blocks=examples.blocks_of("u:1")))
        two.book.add(turn("f2", 1001, blocks=examples.blocks_of("u:1 a:2 u:3")))
        three.book.add(turn("f3", 1002, session="s2", client="ann"))
        await asyncio.gather(*(each.catch_up() for each in (one, two, three)))
        expected = {"s2": ["f3"], "s1": ["f1", "f2"]}
        assert one.titles == two.titles == three.titles == expected
        session = three.book.session("s1")
        assert session is not None
        assert session.entries[1].diff.unchanged == 1
        assert [s.id for s in one.book.sessions("ann")] == ["s2"]


async def test_only_what_is_lacking_is_asked_for(tmp_path: Path) -> None:
    async with workers(tmp_path) as (one, two):
        for number in range(3):
            two.book.add(turn(f"f{number}", 1000 + number))
            await one.catch_up()
            version = one.book.version
            await one.catch_up()
            assert one.book.version == version
        assert one.book.journal.count == 3
        await two.catch_up()
        assert two.book.journal.count == 3, "its own don't come back"


async def test_many_turns_come_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(siblings, "CHUNK", 3)
    monkeypatch.setattr(siblings, "BATCH", 2)
    async with workers(tmp_path, 3) as (one, two, three):
        for number in range(10):
            (two, three)[number % 2].book.add(turn(f"f{number}", 1000 + number))
        one.book.max_turns = 8
        await one.catch_up()
        assert one.titles == {"s1": [f"f{number}" for number in range(2, 10)]}


async def test_what_was_dropped_does_not_come_again(tmp_path: Path) -> None:
    async with workers(tmp_path) as (one, two):
        one.book.max_turns = 2
        for number in range(4):
            two.book.add(turn(f"f{number}", 1000 + number, session=f"s{number}"))
            await one.catch_up()
        assert list(one.titles) == ["s3", "s2"]
        await two.close()
        again = Worker(tmp_path, 2)
        await again.open()
        for number in range(4):
            again.book.add(turn(f"f{number}", 1000 + number, session=f"s{number}"))
        await one.catch_up()
        assert list(one.titles) == ["s3", "s2"]
        await again.close()


async def test_no_turns_where_none_are_kept(tmp_path: Path) -> None:
    async with workers(tmp_path) as (one, two):
        two.book.add(turn("f1"))
        one.book.max_turns = 0
        await one.catch_up()
        assert len(one.book) == 0


async def test_what_is_running_elsewhere(tmp_path: Path) -> None:
    async with workers(tmp_path) as (one, two):
        two.book.add(turn("f1"))
        two.book.began("s1", "f2", 1001.0, "", "what is it?")
        one.book.began("s1", "f3", 1002.0)
        await one.catch_up()
        await two.catch_up()
        both = {"f2": book.Running(1001.0, "", "what is it?"), "f3": book.Running(1002.0)}
        assert one.book.running("s1") == two.book.running("s1") == both
        two.book.over("s1", "f2")
        await one.catch_up()
        await one.catch_up()
        assert one.book.running("s1") == {"f3": book.Running(1002.0)}
        one.book.add(turn("f3", 1002.0))
        await two.catch_up()
        assert two.book.running("s1") == {}
        assert two.titles == {"s1": ["f1", "f3"]}


async def test_one_that_is_gone(tmp_path: Path) -> None:
    async with workers(tmp_path) as (one, two):
        two.book.add(turn("f1"))
        two.book.began("s1", "f2", 1001.0)
        await one.catch_up()
        assert one.book.running("s1")
        await two.close()
        (tmp_path / "2").unlink(missing_ok=True)
        await one.catch_up()
        assert one.book.running("s1") == {}
        assert one.titles == {"s1": ["f1"]}
        # It has started again, with nothing.
        again = Worker(tmp_path, 2)
        await again.open()
        again.book.add(turn("f4", 1004))
        await one.catch_up()
        assert one.titles == {"s1": ["f1"]}, "it rests"
        one.now += siblings.REST
        await one.catch_up()
        assert one.titles == {"s1": ["f1", "f4"]}
        await again.catch_up()
        assert again.titles == {"s1": ["f1", "f4"]}
        await again.close()


@pytest.mark.parametrize("answer", [b"", b"\x00\x00\x00\x01\xc1", b"\x00\x00\x00\x09abc"])
async def test_one_that_answers_anything(tmp_path: Path, answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        writer.close()

    server = await asyncio.start_unix_server(serve, tmp_path / "2")
    one = Worker(tmp_path, 1)
    one.book.add(turn("f1"))
    await one.catch_up()
    assert one.titles == {"s1": ["f1"]}
    one.now += siblings.REST
    assert await asyncio.to_thread(one.find, "f2", False) is None
    server.close()


async def test_one_that_is_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(siblings, "PATIENCE", 0.05)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_unix_server(serve, tmp_path / "2")
    one = Worker(tmp_path, 1)
    await one.catch_up()
    assert one.others[0].rests_until == siblings.REST
    server.close()


async def test_bodies_that_another_keeps(tmp_path: Path) -> None:
    async with workers(tmp_path, 3) as (one, two, three):
        flow = tflow.tflow(resp=True)
        three.flows[flow.id] = asking.Kept(flow, None, "zai/glm-5")
        kept = await asyncio.to_thread(one.find, flow.id, False)
        assert kept is not None
        assert kept.flow.request.content == flow.request.content
        assert kept.target == "zai/glm-5"
        assert await asyncio.to_thread(two.find, "nothing", False) is None
        assert three.find(flow.id, False) is three.flows[flow.id]


async def test_only_this_user_may_ask(tmp_path: Path) -> None:
    async with workers(tmp_path) as (one, _):
        assert one.path.stat().st_mode & 0o077 == 0


async def test_a_path_where_no_socket_can_be(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one = Worker(tmp_path / "nothing", 1)
    await one.open()
    one.done()
    assert "lacks this one's turns" in caplog.text


async def test_bodies_without_the_secrets_that_only_another_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        live_secrets, "hide", lambda data: data.replace(b"sk-MARKED", b"[redacted]")
    )
    async with workers(tmp_path, 2) as (one, two):
        flow = tflow.tflow(resp=True)
        flow.request.text = "my key is sk-MARKED"
        two.flows[flow.id] = asking.Kept(flow, flow.request.copy(), "zai/glm-5")
        kept = await asyncio.to_thread(one.find, flow.id, False)
        assert kept is not None
        assert kept.upstream is not None
        assert kept.flow.request.text == kept.upstream.text == "my key is [redacted]"
        assert flow.request.text == "my key is sk-MARKED"
