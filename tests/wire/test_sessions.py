"""What `/sessions` says of a session of the real Claude Code client: its tree, and its numbers."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

import simulator
from simulator import answers
from simulator import limits
from tests.wire import claude_code
from tests.wire import mitmweb
from tests.wire import proxies
from tests.wire import terminal

Start = Callable[..., proxies.Proxy]

CHECKER = "claude-haiku-5-5"
"""What this proxy asks about the calls of models other than Claude."""
CLIENTS_CHECKER = "claude-sonnet-5"
"""What Claude Code itself asks when a subagent is done."""
SUMMARY = "<summary>\nThe user had things echoed.\n</summary>"
AGENTS = {"one": "general-purpose", "two": "Explore"}


def call(name: str, agent_type: str) -> str:
    given = {
        "description": f"look at {name}",
        "prompt": f"run: echo {name}",
        "subagent_type": agent_type,
    }
    return f"call: Agent {json.dumps(given)}"


def is_summary(request: simulator.Recorded) -> bool:
    return "create a detailed summary" in str(request.json["messages"][-1])


def get(proxy: proxies.Proxy, path: str) -> dict[str, Any]:
    value: dict[str, Any] = httpx.get(f"{proxy.url}{path}", trust_env=False).json()
    return value


def sessions(proxy: proxies.Proxy) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = get(proxy, "/sessions")["sessions"]
    return listed


def session(proxy: proxies.Proxy) -> dict[str, Any]:
    (only,) = sessions(proxy)
    return get(proxy, f"/sessions/{only['id']}")


@pytest.mark.client
@claude_code.needs_claude
@terminal.needs_tmux
def test_a_session_of_claude_code(start: Start, sim: simulator.Simulator, tmp_path: Path) -> None:
    """With a tool, a failover, checks of auto mode, two subagents at once and a compaction."""
    profile = proxies.profile(
        sim.url, pool={"tokens": proxies.POOL[0]}, fallbacks={"claude-opus-*": ["glm"]}
    )
    proxy = start(profile, arguments=["-w", str(tmp_path / "flows.mitm")])
    outages = [True]

    def fails(request: simulator.Recorded) -> bool:
        is_main = request.model == "claude-opus-5-5" and bool(request.json.get("tools"))
        return is_main and bool(outages and outages.pop())

    sim.when(is_summary, answers.text(SUMMARY))
    sim.when(lambda r: bool(r.model == CHECKER), answers.text("<block>no"))
    sim.when(lambda r: bool(r.model == CLIENTS_CHECKER), answers.text("<severity>0"))
    sim.when(fails, answers.failure(529))
    environ = {"ANTHROPIC_BASE_URL": proxy.url, "CLAUDE_CODE_OAUTH_TOKEN": proxies.POOL[1]}
    with terminal.Terminal(tmp_path / "home", environ, "--model", "claude-opus-5-5") as claude:
        claude.say("run: echo first")
        claude.wait("Result: first")
        claude.say("both: " + ", ".join(call(name, kind) for name, kind in AGENTS.items()))
        wait_for(proxy, "subagent", 4)
        wait_for(proxy, "main", 4)
        time.sleep(terminal.SETTLED)
        claude.say("/compact")
        wait_for(proxy, "compaction", 1)
        time.sleep(terminal.SETTLED)
        claude.say("third")
        proxies.wait_until(lambda: session(proxy)["turns"][-1]["prompt"] == "third")
        proxies.wait_until(lambda: session(proxy)["running"] == 0)
    whole = session(proxy)
    turns = whole["turns"]
    assert whole["title"] == "run: echo first"
    assert whole["agents"] == 2
    assert whole["failed_attempts"] == 1
    assert whole["turns"] == sorted(turns, key=lambda turn: turn["at"])

    first, second, third, fourth = of_kind(turns, "main")[:4]
    assert (first["prompt"], names(first)) == ("run: echo first", ["Bash"])
    assert first["target"] == "zai/glm-5"
    (failed,) = first["failed"]
    assert (failed["target"], failed["why"], failed["then"]) == (
        "anthropic/claude-opus-5-5",
        "529",
        "zai/glm-5",
    )
    assert (second["prompt"], second["results"]) == ("", ["Bash"])
    assert second["text"] == "Result: first"
    assert second["target"] == "anthropic/claude-opus-5-5"
    assert third["prompt"].startswith("both: call: Agent")
    assert [made["agent"] for made in third["calls"]] == ["look at one", "look at two"]
    assert fourth["results"] == ["Agent", "Agent"]
    # What is new: the answer (some with thinking), and what the user or the tools say next.
    assert [turn["new_blocks"] - has_thinking(turn) for turn in (second, third)] == [2, 2]
    for before, after in itertools.pairwise((first, second, third, fourth)):
        assert after["unchanged_blocks"] == before["new_blocks"] + before["unchanged_blocks"]

    started = {agent["name"]: agent for agent in whole["agents_started"]}
    calls = {made["agent"]: made["id"] for made in third["calls"]}
    for name, kind in AGENTS.items():
        agent = started[f"look at {name}"]
        assert (agent["type"], agent["parent"], agent["call"]) == (
            kind,
            "main",
            calls[agent["name"]],
        )
        mine = [turn for turn in turns if turn["agent"] == agent["id"]]
        assert {(turn["kind"], turn["parent"]) for turn in mine} == {("subagent", "main")}
        asked, answered = mine[:2]
        assert (asked["prompt"], names(asked)) == (f"run: echo {name}", ["Bash"])
        assert (answered["results"], answered["text"]) == (["Bash"], f"Result: {name}")
        assert answered["unchanged_blocks"] == asked["new_blocks"]

    checked_by = {turn["target"] for turn in of_kind(turns, "classifier")}
    assert f"anthropic/{CHECKER}" in checked_by, "this proxy has checked GLM's call"
    (compaction,) = of_kind(turns, "compaction")
    assert compaction["text"].startswith("<summary>")
    assert compaction["unchanged_blocks"] > fourth["unchanged_blocks"]
    last = turns[-1]
    assert (last["kind"], last["prompt"]) == ("main", "third")
    assert last["removed_blocks"] > 0
    assert of_kind(turns, "title")

    answered_turns = [turn for turn in turns if turn["tokens"]["output"]]
    for key in ("input", "output", "cache_read", "cache_write"):
        counted = sum(turn["tokens"][key] for turn in answered_turns if turn["kind"] != "count")
        assert whole["tokens"][key] == counted
    assert whole["cost"] == pytest.approx(sum(turn["cost"] or 0 for turn in turns))
    assert abs(sum(third["window"].values()) - third["tokens"]["input"]) < len(third["window"])
    assert {"tools", "system prompt", "prompts", "results of Bash", "calls"} <= set(third["window"])
    hits = get(proxy, "/sessions?search=echo+two")["hits"]
    assert {hit["session"] for hit in hits} == {whole["id"]}


def wait_for(proxy: proxies.Proxy, kind: str, number: int) -> None:
    proxies.wait_until(lambda: len(of_kind(session(proxy)["turns"], kind)) >= number)


def of_kind(turns: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [turn for turn in turns if turn["kind"] == kind]


def names(turn: dict[str, Any]) -> list[str]:
    return [made["name"] for made in turn["calls"]]


def has_thinking(turn: dict[str, Any]) -> int:
    """How many blocks of thinking are new in a turn: what GLM thought isn't sent to Anthropic's cache."""
    return int(turn["new_blocks"] > 2)


# Without Claude Code

READ = {"name": "Read", "description": "Reads a file.", "input_schema": {"type": "object"}}
GREP = {**READ, "name": "Grep"}
WROTE = {"input_tokens": 10, "cache_creation_input_tokens": 20_000}
CACHED = {"type": "ephemeral"}


def ask(
    proxy: proxies.Proxy,
    *messages: dict[str, Any],
    tools: list[dict[str, Any]],
    headers: dict[str, str] | None = None,
    model: str = "claude-opus-5-5",
) -> dict[str, Any]:
    """What the assistant says."""
    request = {"model": model, "max_tokens": 100, "tools": tools, "messages": list(messages)}
    with proxy.client(headers={"x-claude-code-session-id": "s1", **(headers or {})}) as client:
        answer = client.post("/v1/messages", json=request)
    assert answer.status_code == 200, answer.text
    return {"role": "assistant", "content": answer.json()["content"]}


def user(text: str) -> dict[str, Any]:
    return {
        "role": "user",
        "content": [{"type": "text", "text": text, "cache_control": CACHED}],
    }


def test_a_cache_miss_and_its_cause(start: Start, sim: simulator.Simulator) -> None:
    proxy = start(proxies.profile(sim.url))
    read = {"input_tokens": 500, "cache_read_input_tokens": 20_000}
    for number, usage in enumerate((WROTE, read, WROTE)):
        sim.script(answers.Answer(content=(simulator.Text(f"yes {number}"),), usage=usage))
    answer_one = ask(proxy, user("one"), tools=[READ])
    answer_two = ask(proxy, user("one"), answer_one, user("two"), tools=[READ])
    ask(proxy, user("one"), answer_one, user("two"), answer_two, user("three"), tools=[GREP, READ])
    turns = session(proxy)["turns"]
    assert [turn["prompt"] for turn in turns] == ["one", "two", "three"]
    assert [(t["new_blocks"], t["unchanged_blocks"]) for t in turns] == [(2, 0), (2, 2), (3, 4)]
    assert [turn["cache_miss"] for turn in turns[:2]] == [None, None]
    miss = turns[2]["cache_miss"]
    assert (miss["cause"], miss["at"], miss["tokens"]) == (
        "a tool was added: Grep",
        "tool 1 (Grep)",
        20_000,
    )
    assert miss["cost"] == pytest.approx(20_000 * (5 - 0.2) / 1_000_000)
    (about,) = sessions(proxy)
    assert about["tokens"]["cache_read"] == 20_000
    assert about["lost"] == pytest.approx(miss["cost"])


def test_another_token_after_a_limit(start: Start, sim: simulator.Simulator) -> None:
    proxy = start(proxies.profile(sim.url, pool={"tokens": ",".join(proxies.POOL[:2])}))
    limited = answers.failure(429, headers=limits.rejected("5h", now=time.time()))
    done = answers.Answer(content=(simulator.Text("yes"),), usage=WROTE)
    sim.script(done, limited, done, done)
    headers = {"x-api-key": proxies.API_KEY}
    first = ask(proxy, user("one"), tools=[READ], headers=headers)
    second = ask(proxy, user("one"), first, user("two"), tools=[READ], headers=headers)
    ask(proxy, user("one"), first, user("two"), second, user("three"), tools=[READ])
    turns = session(proxy)["turns"]
    assert [len(turn["failed"]) for turn in turns] == [0, 1, 0]
    assert turns[1]["failed"][0]["why"].startswith("429")
    assert turns[1]["cache_miss"]["cause"].startswith("another token: token 2")
    assert [passed["target"] for passed in turns[2]["passed_over"]] == []
    flows = {turn["flow"] for turn in turns}
    assert turns[1]["failed"][0]["flow"] not in flows


def test_a_thread_is_whole(start: Start, sim: simulator.Simulator) -> None:
    proxy = start(proxies.profile(sim.url, pool={"tokens": proxies.POOL[0]}))
    request: dict[str, Any] = {"model": "claude-opus-5-5", "max_tokens": 9, "tools": [READ]}
    headers = {
        "x-claude-code-session-id": "s1",
        "anthropic-beta": "message-threads-2026-08-12",
    }
    thread = {"type": "create"}
    with proxy.client(headers=headers) as client:
        for text in ("one", "two", "three"):
            wire = {**request, "messages": [user(text)], "thread": thread}
            answer = client.post("/v1/messages", json=wire)
            thread = {"type": "continue", "previous_message_id": answer.json()["id"]}
    turns = session(proxy)["turns"]
    blocks = [(turn["unchanged_blocks"], turn["new_blocks"]) for turn in turns]
    assert blocks == [(0, 2), (2, 2), (4, 2)]
    assert {"answers", "prompts", "tools"} == set(turns[2]["window"])


def test_sessions_outlive_a_restart(start: Start, sim: simulator.Simulator, tmp_path: Path) -> None:
    arguments = ["-w", f"+{tmp_path}/flows.mitm"]
    proxy = start(proxies.profile(sim.url), arguments=arguments)
    ask(proxy, user("one"), tools=[READ])
    proxies.wait_until(lambda: bool(sessions(proxy)))
    before = session(proxy)
    assert "Traceback" not in proxy.close()
    proxy = start(proxies.profile(sim.url), arguments=arguments)
    proxies.wait_until(lambda: bool(sessions(proxy)))
    assert session(proxy) | {"targets": None} == before | {"targets": None}
    ask(proxy, user("one"), user("two"), tools=[READ])
    proxies.wait_until(lambda: len(session(proxy)["turns"]) == 2)
    assert session(proxy)["turns"][1]["unchanged_blocks"] == 2


def test_mitmweb_shows_the_same(start: Start, sim: simulator.Simulator) -> None:
    web = mitmweb.Web(start, proxies.profile(sim.url), web_readonly="true")
    ask(web.proxy, user("one"), tools=[READ])
    proxies.wait_until(lambda: bool(sessions(web.proxy)))
    shown = web.api.get("/sessions/s1").json()
    assert shown == session(web.proxy)
    (flow,) = [each for each in web.flows() if each["request"]["path"] == "/v1/messages"]
    assert shown["turns"][0]["flow"] == flow["id"]
    assert web.api.get("/sessions/s2").status_code == 404
    with httpx.Client(base_url=web.url, trust_env=False) as stranger:
        assert stranger.get("/sessions").status_code == 403
        assert stranger.get("/sessions/s1").status_code == 403
    assert not [each for each in web.flows() if each["request"]["path"].startswith("/sessions")]


def test_sessions_need_the_key(start: Start, sim: simulator.Simulator) -> None:
    key = "team-key-0123456789"
    proxy = start(proxies.profile(sim.url), environ={"PROXY_STATIC_TOKEN": key})
    ask(proxy, user("one"), tools=[READ], headers={"x-litellm-api-key": key})
    assert httpx.get(f"{proxy.url}/sessions", trust_env=False).status_code == 401
    assert httpx.get(f"{proxy.url}/sessions/s1", trust_env=False).status_code == 401
    with_key = {"x-litellm-api-key": key}
    listed = httpx.get(f"{proxy.url}/sessions", headers=with_key, trust_env=False)
    assert [each["id"] for each in listed.json()["sessions"]] == ["s1"]


@pytest.mark.parametrize("options", [[], ["--set", "keep_bodies=5"]])
def test_a_streamed_answer_without_mitmweb(
    start: Start, sim: simulator.Simulator, options: list[str]
) -> None:
    """Nothing shows or saves the flow: its summary has what came of it all the same."""
    used = simulator.ToolUse("Bash", {"command": "echo 1"})
    long = f"{'word ' * 100}THE END"
    sim.default(answers.Answer(content=(simulator.Text(long), used)))
    proxy = start(proxies.profile(sim.url), arguments=options)
    request = {**proxies.message("claude-opus-5-5", stream=True), "tools": [READ]}
    with proxy.client(headers={"x-claude-code-session-id": "s1"}) as client:
        assert client.post("/v1/messages", json=request).status_code == 200
        proxies.wait_until(lambda: bool(sessions(proxy)))
        (turn,) = session(proxy)["turns"]
        page = client.get(f"/sessions/s1/{turn['flow']}", headers={"accept": "text/html"}).text
    assert (turn["text"][:9], names(turn)) == ("word word", ["Bash"])
    assert [hit["flow"] for hit in get(proxy, "/sessions?search=the+end")["hits"]] == [turn["flow"]]
    assert ("THE END" in page) == bool(options)
