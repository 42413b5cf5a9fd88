from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from claude_route.access import clients
from claude_route.pages import asking
from claude_route.pages.sessions import answer
from claude_route.profile import profiles
from claude_route.sessions import book
from claude_route.sessions import search
from tests.unit import states
from tests.unit.pages import viewers
from tests.unit.sessions.examples import turn
from tests.wire import proxies

STATE = states.state_of(profiles.parse(str(proxies.profile("http://127.0.0.1:1")), {}, "p.yaml"))


async def ask(path: str = "/sessions", viewer: clients.Client | None = None, **query: str) -> Any:
    kept = book.Book()
    kept.add(turn("f1", client="alice", prompt="alice's", words=search.pack(["lazy dog"])))
    kept.add(turn("f2", 1001, session="s2", client="bob", words=search.pack(["lazy cat"])))
    sources = dataclasses.replace(states.sources(), sessions=kept)
    question = asking.Question(query, "", viewer, path=path)
    media_type, body = await answer.answer(question, STATE, sources)
    assert media_type == "application/json"
    return json.loads(body)


@pytest.mark.parametrize("viewer", [None, viewers.SHARED])
async def test_all_sessions(viewer: clients.Client | None) -> None:
    listed = (await ask(viewer=viewer))["sessions"]
    assert [session["id"] for session in listed] == ["s2", "s1"]


async def test_a_named_client_sees_its_own() -> None:
    (session,) = (await ask(viewer=viewers.ALICE))["sessions"]
    assert session["title"] == "alice's"
    assert (await ask("/sessions/s1", viewers.ALICE))["id"] == "s1"
    with pytest.raises(LookupError, match="no such session"):
        await ask("/sessions/s2", viewers.ALICE)


async def test_one_session() -> None:
    whole = await ask("/sessions/s1")
    assert [each["flow"] for each in whole["turns"]] == ["f1"]
    with pytest.raises(LookupError, match="no such session"):
        await ask("/sessions/s3")


async def test_a_search() -> None:
    assert [hit["flow"] for hit in (await ask(search="LAZY"))["hits"]] == ["f2", "f1"]
    assert [hit["flow"] for hit in (await ask(search="lazy dog"))["hits"]] == ["f1"]
    assert (await ask(viewer=viewers.ALICE, search="cat"))["hits"] == []


@pytest.mark.parametrize(
    ("path", "is_ours"), [("/sessions/s1", True), ("/sessions/s1/x", False), ("/sessions/", True)]
)
def test_paths_below(path: str, is_ours: bool) -> None:
    profile = STATE.profile
    assert answer.has(path, profile) == is_ours
