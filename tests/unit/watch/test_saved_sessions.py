from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from mitmproxy.addons import save
from mitmproxy.test import taddons
from mitmproxy.test import tflow

from claude_route.sessions import book
from claude_route.sessions import index
from claude_route.watch import saved_sessions
from tests.unit.sessions.examples import turn


async def restarted(tctx: taddons.context, path: str) -> book.Book:
    """The sessions of a process that begins with this `save_stream_file`."""
    tctx.options.save_stream_file = path
    kept = book.Book()
    saved = saved_sessions.SavedSessions(kept)
    saved.running()
    if saved._task:
        await saved._task
    saved.done()
    return kept


async def test_sessions_outlive_a_restart(tmp_path: Path) -> None:
    with taddons.context(save.Save()) as tctx:
        path = f"+{tmp_path}/flows.mitm"
        tctx.options.save_stream_file = path
        saved = saved_sessions.SavedSessions(book.Book())
        for number in range(saved_sessions.BATCH + 5):
            saved.store(turn(f"f{number}", 1000.0 + number))
        assert len(await restarted(tctx, path)) == saved_sessions.BATCH + 5


async def test_a_file_that_is_written_again(tmp_path: Path) -> None:
    with taddons.context(save.Save()) as tctx:
        path = f"{tmp_path}/flows.mitm"
        tctx.options.save_stream_file = f"+{path}"
        saved_sessions.SavedSessions(book.Book()).store(turn("f1"))
        assert len(await restarted(tctx, path)) == 0
        saved_sessions.SavedSessions(book.Book()).store(turn("f2"))
        latest = index.Index(index.beside(path)).latest(9)
        assert [each.flow for each in latest] == ["f2"]


async def test_what_came_in_meanwhile_stays(tmp_path: Path) -> None:
    with taddons.context(save.Save()) as tctx:
        tctx.options.save_stream_file = f"+{tmp_path}/flows.mitm"
        saved_sessions.SavedSessions(book.Book()).store(turn("f1", prompt="saved"))
        kept = book.Book()
        saved = saved_sessions.SavedSessions(kept)
        saved.running()
        kept.add(turn("f1", prompt="new"))
        assert saved._task
        await saved._task
        assert [each.title for each in kept.sessions()] == ["new"]


def test_without_a_file_nothing_is_stored(tmp_path: Path) -> None:
    with taddons.context(save.Save()):
        saved = saved_sessions.SavedSessions(book.Book())
        saved.running()
        saved.store(turn())
        assert saved.flow("f1") is None


def test_the_name_may_have_a_date(tmp_path: Path) -> None:
    with taddons.context(save.Save()) as tctx:
        tctx.options.save_stream_file = f"+{tmp_path}/%Y.mitm"
        saved_sessions.SavedSessions(book.Book()).store(turn())
        assert len(list(tmp_path.glob("2*.mitm.sessions"))) == 1


def test_a_saved_flow_has_its_bodies(tmp_path: Path) -> None:
    writer = save.Save()
    with taddons.context(writer) as tctx:
        tctx.configure(writer, save_stream_file=f"+{tmp_path}/flows.mitm")
        flow = tflow.tflow(resp=True)
        flow.metadata["route_target"] = "zai/glm-5"
        writer.response(flow)
        # What mitmproxy still has in its buffer is there too.
        saved = saved_sessions.SavedSessions(book.Book())
        kept = saved.kept(flow.id)
        assert kept is not None
        assert (kept.flow.request.content, kept.target) == (flow.request.content, "zai/glm-5")
        assert saved.kept("f2") is None


def test_saved_flows_that_cannot_be_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "flows.mitm").mkdir()
    with taddons.context() as tctx:
        tctx.options.add_option("save_stream_file", str, f"+{tmp_path}/flows.mitm", "")
        assert saved_sessions.SavedSessions(book.Book()).kept("f1") is None
    assert "Cannot read the saved flows" in caplog.text


async def test_an_index_that_cannot_be_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with taddons.context(save.Save()) as tctx:
        index.beside(f"{tmp_path}/flows.mitm").write_bytes(b"something else" * 100)
        assert len(await restarted(tctx, f"+{tmp_path}/flows.mitm")) == 0
        saved_sessions.SavedSessions(book.Book()).store(turn())
    await asyncio.sleep(0)
    assert "Cannot read" in caplog.text
    assert "Cannot write the index of sessions" in caplog.text
