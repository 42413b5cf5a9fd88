"""What the sessions' pages show of requests and answers: where bodies are kept, where they aren't, after a restart,
and to whom."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

import simulator
from simulator import answers
from tests.wire import claude_code
from tests.wire import proxies
from tests.wire import test_clients as named

Start = Callable[..., proxies.Proxy]

JSON, HTML = {"accept": "application/json"}, {"accept": "text/html"}
SESSION = "session-1"
LONG = f"{'word ' * 200}THE END"
CALL = simulator.ToolUse("Read", {"file_path": "shop.py"})
SAYS = answers.Answer(content=(answers.Text(f"{'yes ' * 200}THE LAST WORD"), CALL))


def ask(client: httpx.Client, prompt: str = LONG) -> None:
    tool = {"name": "Read", "input_schema": {"type": "object"}}
    body = {**proxies.message("claude-opus-5-5", stream=True), "tools": [tool]}
    body["messages"] = [{"role": "user", "content": prompt}]
    headers = {"x-claude-code-session-id": SESSION}
    assert client.post("/v1/messages", json=body, headers=headers).status_code == 200


def turns(client: httpx.Client) -> list[dict[str, Any]]:
    answer = client.get(f"/sessions/{SESSION}", headers=JSON)
    found: list[dict[str, Any]] = answer.json()["turns"] if answer.status_code == 200 else []
    return found


def page(client: httpx.Client, path: str = "") -> str:
    answer = client.get(f"/sessions/{SESSION}{path}", headers=HTML)
    assert answer.status_code == 200, answer.text
    return answer.text


@pytest.mark.parametrize("how", ["keep_bodies=10", "-w"])
def test_whole_requests_and_answers(
    sim: simulator.Simulator, start: Start, tmp_path: Path, how: str
) -> None:
    sim.default(SAYS)
    saving = ["-w", f"+{tmp_path}/flows.mitm"] if how == "-w" else ["--set", how]
    proxy = start(proxies.profile(sim.url), arguments=saving)
    with proxy.client() as client:
        ask(client)
        proxies.wait_until(lambda: len(turns(client)) == 1)
        (turn,) = turns(client)
        assert [call["name"] for call in turn["calls"]] == ["Read"]
        shown = page(client, f"/{turn['flow']}")
    assert "THE END" in shown and "THE LAST WORD" in shown
    assert "aren’t kept" not in shown


def test_where_nothing_is_kept_the_page_says_what_to_do(
    sim: simulator.Simulator, start: Start
) -> None:
    sim.default(SAYS)
    proxy = start(proxies.profile(sim.url))
    with proxy.client() as client:
        ask(client)
        proxies.wait_until(lambda: len(turns(client)) == 1)
        (turn,) = turns(client)
        assert [call["name"] for call in turn["calls"]] == ["Read"], (
            "its summary has them all the same"
        )
        shown = page(client, f"/{turn['flow']}")
    assert (
        shown.count("<code>--set keep_bodies=50</code> (megabytes) or <code>-w +flows.mitm</code>")
        == 1
    )
    assert "THE END" not in shown and "THE LAST WORD" not in shown


def test_a_saved_turn_opens_after_a_restart(
    sim: simulator.Simulator, start: Start, tmp_path: Path
) -> None:
    sim.default(SAYS)
    saving = ["-w", f"+{tmp_path}/flows.mitm"]
    first = start(proxies.profile(sim.url), arguments=saving)
    with first.client() as client:
        ask(client, f"first {LONG}")
        ask(client, f"second {LONG}")
        proxies.wait_until(lambda: len(turns(client)) == 2)
    first.close()
    second = start(proxies.profile(sim.url), arguments=saving)
    with second.client() as client:
        proxies.wait_until(lambda: len(turns(client)) == 2)
        for turn in turns(client):
            shown = page(client, f"/{turn['flow']}?part=headers")
            assert "THE END" in shown and "THE LAST WORD" in shown
            assert "/v1/messages" in shown
            assert proxies.API_KEY not in shown
        assert page(client, ".html").count("THE LAST WORD") == 2
        ask(client, f"third {LONG}")
        proxies.wait_until(lambda: len(turns(client)) == 3)
        assert "THE LAST WORD" in page(client, f"/{turns(client)[2]['flow']}")


def test_a_client_sees_its_own_answer_grow(sim: simulator.Simulator, start: Start) -> None:
    profile = named.profile(sim.url, {"alice": {}, "bob": {}})
    keeping = ["--set", "keep_bodies=10"]
    proxy = start(profile, arguments=keeping, environ={"PROXY_STATIC_TOKEN": named.STATIC})
    alice, bob, admin = (
        named.client_of(proxy, key) for key in (named.ALICE, named.BOB, named.STATIC)
    )
    for client in (alice, bob):
        ask(client, "hello")
    proxies.wait_until(lambda: len(turns(admin)) == 2)
    words = answers.Text("growing " * 60)
    sim.default(answers.Answer(content=(words,), event_delay=0.1))
    body = proxies.message("claude-opus-5-5", stream=True)
    headers = {"x-claude-code-session-id": SESSION}
    with alice.stream("POST", "/v1/messages", json=body, headers=headers) as answer:
        lines = answer.iter_lines()
        next(lines)
        (running,) = re.findall(r'id="turn-([^"]+)"><a class="now"', page(alice))
        for client in (alice, admin):
            proxies.wait_until(lambda c=client: "growing growing" in page(c, f"/{running}"))
        assert "being answered" not in page(bob)
        assert bob.get(f"/sessions/{SESSION}/{running}", headers=HTML).status_code == 404
        listed = [c.get("/sessions", headers=JSON).json()["sessions"][0] for c in (alice, bob)]
        assert [session["running"] for session in listed] == [1, 0]
        for _ in lines:
            pass
    proxies.wait_until(lambda: len(turns(alice)) == 2)
    assert {turn["client"] for turn in turns(alice)} == {"alice"}
    assert {turn["client"] for turn in turns(bob)} == {"bob"}
    (session,) = admin.get("/sessions", headers=JSON).json()["sessions"]
    assert session["clients"] == ["alice", "bob"]


def test_an_answer_that_is_not_kept_is_being_written(
    sim: simulator.Simulator, start: Start
) -> None:
    proxy = start(proxies.profile(sim.url))
    with proxy.client() as client:
        sim.default(answers.Answer(content=(answers.Text("growing " * 60),), event_delay=0.1))
        body = proxies.message("claude-opus-5-5", stream=True)
        headers = {"x-claude-code-session-id": SESSION}
        with client.stream("POST", "/v1/messages", json=body, headers=headers) as answer:
            # The connection is closed with the iterator.
            lines = answer.iter_lines()
            next(lines)
            with proxy.client() as viewer:
                (running,) = re.findall(r'id="turn-([^"]+)"><a class="now"', page(viewer))
                shown = page(viewer, f"/{running}")
                assert "1 running" in viewer.get("/sessions", headers=HTML).text
                assert viewer.get("/sessions", headers=JSON).json()["sessions"] == []
    assert "It is being written." in shown
    assert "keep_bodies" in shown


@pytest.mark.client
@claude_code.needs_claude
def test_reminders_of_claude_code_are_no_words(
    sim: simulator.Simulator, start: Start, tmp_path: Path
) -> None:
    """Whether bodies are kept or not."""
    proxy = start(proxies.profile(sim.url))
    claude = claude_code.Claude(tmp_path / "home", claude_code.through_the_reverse_listener(proxy))
    (claude.folder / "CLAUDE.md").write_text("Prices are in euros.\n")
    assert "hello" in claude.ask("run: echo hello", "--allowedTools", "Bash")
    with proxy.client() as client:
        (session,) = client.get("/sessions", headers=JSON).json()["sessions"]
        assert session["title"] == "run: echo hello"
        paths = [f"/sessions/{session['id']}{end}" for end in ("", ".html", ".jsonl", ".har")]
        listed = client.get(paths[0], headers=JSON).json()["turns"]
        asked = next(turn for turn in listed if turn["prompt"] == "run: echo hello")
        paths.append(f"{paths[0]}/{asked['flow']}?part=conversation")
        shown = [client.get(path, headers=HTML).text for path in paths]
    assert not [text for text in shown if "system-reminder" in text]
    assert "<summary>CLAUDE.md" in shown[-1]
