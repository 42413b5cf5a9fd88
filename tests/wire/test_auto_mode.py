"""Auto mode's checks of tool calls, over the wire and with the real client in a terminal."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

import simulator
from claude_route.wire import sse
from simulator import answers
from tests.wire import claude_code
from tests.wire import proxies
from tests.wire import terminal

Start = Callable[..., proxies.Proxy]

BETA = {"anthropic-beta": "dangerous-tool-use-2026-09-03"}
CONTEXT = {"v": 1, "home_dir": "/home/me", "rules": {"deny": []}}
SAFEGUARDS = [{"type": "dangerous_tool_use", "classifier_context": CONTEXT}]
BASH = {"name": "Bash", "description": "", "input_schema": {"type": "object"}}
LS = answers.tool("Bash", {"command": "ls"})
CLEARED = {"type": "evaluated", "outcome": "not_flagged"}
FLAGGED = {"type": "evaluated", "outcome": "flagged", "explanation": "It deletes."}
CHECKER = "claude-haiku-5-5"
VERDICT = {
    "<block>no": CLEARED,
    "<reason>It deletes.</reason><block>yes": FLAGGED,
    "I think that it is fine.": {"type": "unavailable", "reason": "error"},
}


def profile(url: str, **changes: Any) -> dict[str, Any]:
    made = proxies.profile(url, pool={"tokens": proxies.POOL[0]})
    made["providers"]["chat"] = {
        "base_url": f"{url}/provider/v1",
        "api": "openai",
        "auth": "bearer",
        "api_key": "chat-key-0123456789",
    }
    made["models"]["chat"] = "chat/gpt"
    return made | changes


def is_check(request: simulator.Recorded) -> bool:
    return bool(request.model == CHECKER)


def ask(proxy: proxies.Proxy, model: str, *, stream: bool = True) -> dict[str, Any]:
    """The status of the checks in an answer with calls."""
    request = proxies.message(model, "tidy up", stream=stream, tools=[BASH], safeguards=SAFEGUARDS)
    with proxy.client(headers=BETA) as client:
        answer = client.post("/v1/messages", json=request)
    assert answer.status_code == 200, answer.text
    if stream:
        ending, last = sse.Decoder().feed(answer.content)[-2:]
        assert (ending.name, last.name) == ("message_delta", "message_stop")
        (results,) = json.loads(ending.data)["delta"]["safeguard_results"]
    else:
        (results,) = answer.json()["safeguard_results"]
    assert answer.text.count("safeguard_results") == 1
    assert results["type"] == "dangerous_tool_use"
    return dict(results["status"])


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("model", ["glm", "chat"])
def test_another_model_checks_the_calls(
    sim: simulator.Simulator, start: Start, model: str, stream: bool
) -> None:
    proxy = start(profile(sim.url))
    for words, verdict in VERDICT.items():
        sim.clear()
        sim.when(lambda r: not is_check(r), LS)
        sim.when(is_check, answers.text(words))
        status = ask(proxy, model, stream=stream)
        assert status["type"] == "available"
        assert list(status["tool_uses"].values()) == [verdict]
        asked, check = sim.requests
        assert "/home/me" not in str(asked.json)
        assert check.bare_path == "/v1/messages"
        assert check.credential == proxies.POOL[0]
        assert (check.header("user-agent") or "").startswith("claude-route/")
        assert '"user":"tidy up"' in check.json["messages"][0]["content"]
        assert not sim.refusals
    report = httpx.get(f"{proxy.url}/status", trust_env=False).json()
    assert [(row["name"], row["requests"]) for row in report["models"]] == [(model, 3)]
    assert [(row["name"], row["requests"]) for row in report["checks"]] == [(CHECKER, 3)]
    log = proxy.close()
    assert f"Auto mode: {CHECKER} checks the tool calls of models other than Claude" in log
    assert "auto-mode check · haiku-5-5 → anthropic · " in log
    assert "Traceback" not in log


def test_anthropic_checks_its_own(sim: simulator.Simulator, start: Start) -> None:
    proxy = start(profile(sim.url))
    sim.script(answers.tool("Bash", {"command": "rm -rf /"}), LS)
    (flagged,) = ask(proxy, "claude-opus-5-5")["tool_uses"].values()
    (cleared,) = ask(proxy, "claude-opus-5-5", stream=False)["tool_uses"].values()
    assert flagged["outcome"] == "flagged"
    assert cleared == CLEARED
    assert [request.json["safeguards"] for request in sim.requests] == [SAFEGUARDS] * 2
    assert BETA["anthropic-beta"] in sim.requests[0].listed("anthropic-beta")


def test_a_failover_is_checked_too(sim: simulator.Simulator, start: Start) -> None:
    proxy = start(profile(sim.url, fallbacks={"claude-*": ["glm"]}))
    sim.when(lambda r: not is_check(r), LS)
    sim.when(lambda r: r.model == "claude-opus-5-5", answers.failure(529))
    sim.when(is_check, answers.text("<block>no"))
    assert list(ask(proxy, "claude-opus-5-5")["tool_uses"].values()) == [CLEARED]
    # Where the model that checks is down too, no fallback is asked about its own calls.
    sim.when(is_check, answers.failure(529))
    (verdict,) = ask(proxy, "claude-opus-5-5")["tool_uses"].values()
    assert verdict == {"type": "unavailable", "reason": "error"}
    glm = [request for request in sim.requests if request.model == "glm-5"]
    assert len(glm) == 2
    assert not any("security monitor" in str(request.json) for request in glm)


def test_a_client_that_leaves_ends_its_check(sim: simulator.Simulator, start: Start) -> None:
    proxy = start(profile(sim.url))
    sim.when(lambda r: not is_check(r), LS)
    sim.when(is_check, answers.Answer(before_head="silence"))
    request = proxies.message("glm", stream=True, tools=[BASH], safeguards=SAFEGUARDS)
    with (
        proxy.client(headers=BETA) as client,
        client.stream("POST", "/v1/messages", json=request) as response,
    ):
        pieces = response.iter_bytes()  # kept: without it, httpx closes the connection
        assert b"message_start" in next(pieces)
        proxies.wait_until(lambda: any(map(is_check, sim.requests)))
    (check,) = filter(is_check, sim.requests)
    proxies.wait_until(lambda: check.ended is not None)
    assert "haiku-5-5 · the client has gone" in proxy.close()


def test_without_a_model_that_checks(sim: simulator.Simulator, start: Start) -> None:
    proxy = start(profile(sim.url, safeguards={"classifier": "off"}))
    sim.when(lambda r: True, LS)
    assert ask(proxy, "glm") == {"type": "unsupported"}
    log = proxy.close()
    assert "Auto mode: no model here checks the tool calls of models other than Claude" in log
    assert "no model here may check the tool calls of zai/glm-5 for this client" in log


# The real client

OFF = {"safeguards": {"classifier": "off"}}
NO_TOKENS: dict[str, Any] = {"pool": {"tokens": []}}
BLOCKED, NOT_RUN = "Blocked by auto mode", "had no usable answer"
NO = "<block>no"
FLAGS = "<reason>It deletes.</reason><block>yes"
NOBODY = "This proxy has no model that could check the call"
SCREENS: list[tuple[str, dict[str, Any], str, str, str]] = [
    ("forward", {}, NO, "all done", BLOCKED),
    ("reverse", {}, NO, "all done", BLOCKED),
    ("forward", {}, FLAGS, "It deletes.", NOT_RUN),
    ("reverse", {}, FLAGS, "It deletes.", NOT_RUN),
    # Without a verdict, Claude Code asks by itself at the reverse listener only.
    ("forward", {}, "Fine.", NOT_RUN, BLOCKED),
    ("reverse", {}, "Fine.", "all done", NOT_RUN),
    ("forward", OFF, NO, "all done", BLOCKED),
    ("forward", NO_TOKENS, NO, NOBODY, NOT_RUN),
    ("reverse", NO_TOKENS, NO, NOBODY, NOT_RUN),
]


@pytest.mark.client
@claude_code.needs_claude
@terminal.needs_tmux
@pytest.mark.parametrize(("listener", "changes", "words", "shown", "not_shown"), SCREENS)
def test_what_the_terminal_shows(
    start: Start,
    sim: simulator.Simulator,
    tmp_path: Path,
    listener: str,
    changes: dict[str, Any],
    words: str,
    shown: str,
    not_shown: str,
) -> None:
    touched = tmp_path / "touched"
    with simulator.Simulator(tls=True) as anthropic:
        proxy = start(
            profile(sim.url, **changes),
            arguments=proxies.anthropic_here(anthropic.port, tmp_path),
        )
        touch = answers.tool("Bash", {"command": f"touch {touched}", "description": "x"})
        sim.when(lambda r: r.model == "glm-5" and "tools" in r.json, touch)
        sim.when(
            lambda r: r.model == "glm-5" and "tool_result" in str(r.json["messages"]),
            answers.text("all done"),
        )
        sim.when(is_check, answers.text(words))
        sim.when(
            lambda r: r.model == "claude-sonnet-5" and "stop_sequences" in r.json, answers.text(NO)
        )
        sim.when(lambda r: r.credential == "any", answers.failure(401))
        environ = claude_code.through_the_tunnel(proxy)
        if listener == "reverse":
            environ |= {**claude_code.through_the_reverse_listener(proxy), "NO_PROXY": "127.0.0.1"}
        if changes is NO_TOKENS:
            environ["ANTHROPIC_AUTH_TOKEN"] = "any"
        else:
            environ["CLAUDE_CODE_OAUTH_TOKEN"] = "sk-ant-oat01-client-000000000-cOat"
        with terminal.Terminal(
            tmp_path / "home", environ, "--permission-mode", "auto", "--model", "glm"
        ) as client:
            client.say("touch it")
            client.wait(shown)
            assert not_shown not in client.screen()
        assert touched.exists() is (shown == "all done")
        assert not any("safeguards" in r.json for r in sim.requests if r.model == "glm-5")
