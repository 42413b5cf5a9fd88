from __future__ import annotations

import asyncio
import dataclasses
import json
import threading
from typing import Any

import pytest

from claude_route.access import clients
from claude_route.access import live_secrets
from claude_route.pages import asking
from claude_route.pages import content
from claude_route.pages.sessions import answer
from claude_route.profile import profiles
from claude_route.sessions import book
from claude_route.sessions import search
from tests.unit import states
from tests.unit.pages import viewers
from tests.unit.pages.sessions import examples
from tests.unit.sessions.examples import turn
from tests.wire import proxies

STATE = states.state_of(profiles.parse(str(proxies.profile("http://127.0.0.1:1")), {}, "p.yaml"))


async def ask(path: str = "/sessions", viewer: clients.Client | None = None, **query: str) -> Any:
    kept = book.Book()
    kept.add(turn("f1", client="alice", prompt="alice's", words=search.pack(["lazy dog"])))
    kept.add(turn("f2", 1001, session="s2", client="bob", words=search.pack(["lazy cat"])))
    sources = dataclasses.replace(states.sources(), sessions=kept)
    question = asking.Question(query, "", viewer, path=path)
    media_type, body, _ = await answer.answer(question, STATE, sources)
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


@pytest.mark.parametrize("path", ["/sessions", "/sessions/s9", "/sessions/s9/f9"])
async def test_a_session_whose_first_request_is_being_answered(path: str) -> None:
    kept = book.Book()
    kept.began("s9", "f9", 1000, "alice")
    sources = dataclasses.replace(states.sources(), sessions=kept)

    async def got(viewer: clients.Client | None, accept: str = "text/html") -> str:
        question = asking.Question({}, accept, viewer, path=path)
        return (await answer.answer(question, STATE, sources)).body.decode()

    for viewer in (None, viewers.ALICE):
        assert "running" in await got(viewer)
    if path == "/sessions":
        assert "Session s9" not in await got(viewers.Named("bob", "header"))
        assert json.loads(await got(None, ""))["sessions"] == []
        return
    with pytest.raises(LookupError):
        await got(viewers.Named("bob", "header"))
    with pytest.raises(LookupError):
        await got(None, "")


@pytest.mark.parametrize(
    ("path", "is_ours"),
    [
        ("/sessions/s1", True),
        ("/sessions/s1/f1", True),
        ("/sessions/s1/f1/x", False),
        ("/sessions/", True),
    ],
)
def test_paths_below(path: str, is_ours: bool) -> None:
    profile = STATE.profile
    assert answer.has(path, profile) == is_ours


async def look(
    path: str,
    accept: str = "text/html",
    viewer: clients.Client | None = None,
    *,
    in_mitmweb: bool = True,
    **query: str,
) -> Any:
    kept = examples.session()
    kept.add("b1", 1020, [examples.ASKED], [examples.ANSWERED], client="bob")
    sources = dataclasses.replace(states.sources(), sessions=kept.book, kept=kept.find)
    question = asking.Question(query, accept, viewer, in_mitmweb, path)
    return await answer.answer(question, STATE, sources)


ID = examples.SESSION


@pytest.mark.parametrize(
    ("path", "query", "expected"),
    [
        ("/sessions", {}, "explain the shop"),
        ("/sessions", {"search": "costs"}, "<mark>costs</mark>"),
        ("/sessions", {"from": "0", "all": "1"}, "explain the shop"),
        (f"/sessions/{ID}", {}, "What happened"),
        (f"/sessions/{ID}/f2", {}, "New since the turn before"),
        (f"/sessions/{ID}/f2", {"part": "system"}, "You are Claude Code."),
        (f"/sessions/{ID}/f2", {"block": "a0", "as": "markdown"}, "<strong>Tea</strong>"),
        (f"/sessions/{ID}/f2", {"with": "f1,f3"}, "3 turns side by side"),
    ],
)
async def test_pages(path: str, query: dict[str, str], expected: str) -> None:
    page = await look(path, **query)  # type: ignore[arg-type]
    assert page.media_type == "text/html; charset=utf-8"
    assert expected in page.body.decode()


@pytest.mark.parametrize("accept", ["", "text/html"])
@pytest.mark.parametrize(
    ("path", "query", "message"),
    [
        ("/sessions", {"serach": "tea"}, "got 'serach': did you mean search?"),
        (f"/sessions/{ID}", {"al": "1"}, "got 'al': did you mean all?"),
        (f"/sessions/{ID}.html", {"q": "1"}, "part, block, as, version, got 'q'"),
    ],
)
async def test_a_misspelt_parameter(
    path: str, query: dict[str, str], message: str, accept: str
) -> None:
    with pytest.raises(ValueError, match="parameters: expected some of search, from") as raised:
        await look(path, accept, **query)  # type: ignore[arg-type]
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("path", "query", "message"),
    [
        ("/sessions", {"from": "x"}, "from: expected a number, got 'x'"),
        (f"/sessions/{ID}/f2", {"part": "header"}, "part: expected window or .*, got 'header'"),
        (f"/sessions/{ID}/f2", {"block": "a0", "as": "md"}, "as: expected markdown, got 'md'"),
        (f"/sessions/{ID}/f2", {"with": "a,b,c,d"}, "with: expected up to 3 turns, got 4"),
    ],
)
async def test_a_value_that_would_be_ignored(
    path: str, query: dict[str, str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        await look(path, **query)  # type: ignore[arg-type]


async def test_an_address_of_what_is_gone_opens_the_page() -> None:
    page = await look(f"/sessions/{ID}/f2", in_mitmweb=False, part="headers")
    assert "New since the turn before" in page.body.decode()


async def test_versions_change_with_what_is_shown() -> None:
    path = f"/sessions/{ID}"
    one = json.loads((await look(path, version="")).body)["version"]
    assert f'data-version="{one}"' in (await look(path)).body.decode()
    assert json.loads((await look("/sessions", version="")).body)["version"]


async def test_a_turn_as_json() -> None:
    shown = json.loads((await look(f"/sessions/{ID}/f2", "")).body)
    assert (shown["flow"], shown["target"]) == ("f2", "zai/glm-5")


@pytest.mark.parametrize("form", ["html", "jsonl", "har"])
async def test_exports(form: str) -> None:
    made = await look(f"/sessions/{ID}.{form}")
    assert made.headers["content-disposition"] == f'attachment; filename="session-5e55-10n.{form}"'
    assert b"costs 4" in made.body
    bare = await look(f"/sessions/{ID}.{form}", in_mitmweb=False)
    assert b"You are Claude Code" not in bare.body


@pytest.mark.parametrize("form", ["", ".html", ".jsonl", ".har"])
async def test_no_secret_leaves(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = live_secrets.LiveSecrets()
    secrets.keep(["explain-the-secret-0123456789"])
    monkeypatch.setattr(live_secrets, "hide", secrets.hide)
    kept = examples.Kept()
    reply = {"type": "text", "text": "It is explain-the-secret-0123456789."}
    kept.add("f1", 1, [{"role": "user", "content": reply["text"]}], [reply])
    sources = dataclasses.replace(states.sources(), sessions=kept.book, kept=kept.find)
    for accept in ("text/html", ""):
        question = asking.Question({}, accept, None, True, f"/sessions/{ID}{form}")
        made = await answer.answer(question, STATE, sources)
        assert b"It is" in made.body
        assert b"secret-0123456789" not in made.body


@pytest.mark.parametrize("path", [f"/sessions/{ID}/f1", f"/sessions/{ID}/b1?", "/sessions/x/f1"])
async def test_a_named_client_sees_its_own_turns_only(path: str) -> None:
    with pytest.raises(LookupError):
        await look(path, viewer=viewers.ALICE)


async def test_a_session_that_two_clients_name() -> None:
    bob = viewers.Named("bob", "header")
    page = (await look(f"/sessions/{ID}", viewer=bob)).body.decode()
    assert 'id="turn-b1"' in page
    assert "look around" not in page
    with pytest.raises(LookupError):
        await look(f"/sessions/{ID}/b1", viewer=bob, **{"with": "f2"})  # type: ignore[arg-type]


@pytest.mark.parametrize("path", [f"/sessions/{ID}/nothing", "/sessions/nothing.har"])
async def test_what_is_not_there(path: str) -> None:
    with pytest.raises(LookupError):
        await look(path)


async def test_no_page_waits_for_an_export() -> None:
    kept = examples.session()
    goes_on = threading.Event()

    def find(flow: str, in_mitmweb: bool) -> asking.Kept | None:
        assert goes_on.wait(10)
        return kept.find(flow)

    sources = dataclasses.replace(states.sources(), sessions=kept.book, kept=find)

    def opened(path: str) -> Any:
        question = asking.Question({}, "text/html", None, True, path)
        return asyncio.create_task(answer.answer(question, STATE, sources))

    exports = [opened(f"/sessions/{ID}.{form}") for form in ("html", "jsonl", "har")]
    for path in ("/sessions", f"/sessions/{ID}"):
        assert b"explain the shop" in (await opened(path)).body
    assert not any(export.done() for export in exports)
    goes_on.set()
    for export in exports:
        assert b"costs 4" in (await export).body


async def test_what_others_have_seen_comes_first() -> None:
    kept = book.Book()

    async def catch_up() -> None:
        kept.add(turn("f1"))

    sources = dataclasses.replace(states.sources(), sessions=kept, catch_up=catch_up)
    made = await answer.answer(asking.Question({}, "", None, path="/sessions/s1"), STATE, sources)
    assert b'"f1"' in made.body


@pytest.mark.parametrize("line", [b"", b"x" * 1000, b"x" * answer.PIECE * 2])
def test_a_secret_in_any_place_of_a_long_page(line: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = live_secrets.LiveSecrets()
    secrets.keep(["the-secret-0123456789"])
    monkeypatch.setattr(live_secrets, "hide", secrets.hide)
    lines = (line + b"the-secret-0123456789\n") * 200 + b"the-secret-0123456789"
    shown = answer.hidden(content.Content("text/plain", lines))
    assert shown.body == lines.replace(b"the-secret-0123456789", b"[redacted]")
