"""Requests as people see them in a real mitmweb: the list, the pages, a growing answer."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import threading
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import simulator
from simulator import answers
from simulator import limits
from tests.wire import chromium
from tests.wire import mitmweb
from tests.wire import proxies

Start = Callable[..., proxies.Proxy]

SLOW = simulator.Answer(content=(answers.Text("All work and no play. " * 60),), event_delay=0.1)
"""Some eleven seconds, if nobody hangs up."""


def profile(sim: simulator.Simulator) -> dict[str, Any]:
    return proxies.profile(
        sim.url, fallbacks={"claude-*": ["glm"]}, pool={"tokens": list(proxies.POOL[:2])}
    )


@pytest.fixture
def web(sim: simulator.Simulator, start: Start) -> mitmweb.Web:
    return mitmweb.Web(functools.partial(start, behind=sim.url), profile(sim))


def session(sim: simulator.Simulator, web: mitmweb.Web) -> None:
    """The requests of a Claude Code session in which providers fail."""
    rejected = answers.failure(429, headers=limits.rejected("5h", now=1_800_000_000))
    with web.proxy.client() as client:
        client.get("/api/claude_code/settings")
        client.post("/v1/messages", json=conversation())
        sim.script(rejected, answers.failure(529), answers.text("Done.", thinking="Let me see."))
        client.post("/v1/messages", json=conversation())
        sim.script(answers.failure(500))
        client.post("/v1/messages", json=conversation("kimi"))
        client.post("/api/event_logging/v2/batch", json={"events": []})
        client.get("/health")


def conversation(model: str = "claude-opus-5-5") -> dict[str, Any]:
    call = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"command": "ls -la"}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "parser.py"}
    tool = {"name": "Bash", "description": "Runs a command", "input_schema": {"type": "object"}}
    billing = "x-anthropic-billing-header: cc_version=2.1.330; cc_entrypoint=cli"
    return {
        **proxies.message(model),
        "stream": True,
        "system": [{"type": "text", "text": billing}, {"type": "text", "text": "You code."}],
        "tools": [tool],
        "messages": [
            {"role": "user", "content": "Fix the parser, please."},
            {"role": "assistant", "content": [call]},
            {"role": "user", "content": [result]},
        ],
    }


@pytest.fixture
def slow_answer(sim: simulator.Simulator, web: mitmweb.Web) -> Iterator[None]:
    """One that streams while the test looks."""
    sim.script(SLOW)
    client = web.proxy.client()
    thread = threading.Thread(target=read_until_closed, args=(client,))
    thread.start()
    proxies.wait_until(lambda: any(flow.get("response") for flow in web.flows()))
    yield
    web.proxy.close()
    thread.join()
    client.close()


def read_until_closed(client: httpx.Client) -> None:
    with contextlib.suppress(httpx.TransportError):
        client.post("/v1/messages", json=conversation())


def view(web: mitmweb.Web, flow: dict[str, Any], message: str, name: str = "auto") -> str:
    shown = web.api.get(f"/flows/{flow['id']}/{message}/content/{name}.json").json()
    assert shown["view_name"] == ("claude" if name == "auto" else name)
    text: str = shown["text"]
    return text


def test_a_session_is_a_clean_list(sim: simulator.Simulator, web: mitmweb.Web) -> None:
    session(sim, web)
    comments = [flow["comment"] for flow in web.flows()]
    patterns = [
        r"← Bash · opus-5-5 → anthropic · \d+ in / \d+ out · \d+ ms · <?\$[\d.]+",
        r"← Bash · opus-5-5 → zai/glm-5 · try 3 · \d+ in / \d+ out · \d+ ms · <?\$[\d.]+",
        r"✗ opus-5-5 · token \d …pol\d 429.* · ← Bash",
        r"✗ opus-5-5 · token \d …pol\d 529 → zai/glm-5 · ← Bash",
        r"✗ ← Bash · kimi → kimi/kimi-for-coding · 500 api_error",
    ]
    assert len(comments) == len(patterns)
    for comment, pattern in zip(comments, patterns, strict=True):
        assert re.fullmatch(pattern, comment), comment
    web.api.put("/options", json={"show_all": True})
    comments = [flow["comment"] for flow in web.flows()]
    assert "GET /api/claude_code/settings" in comments
    assert "POST /api/event_logging/v2/batch" in comments


def test_requests_are_found_by_metadata_and_comment(
    sim: simulator.Simulator, web: mitmweb.Web
) -> None:
    session(sim, web)
    for expression, count in (
        ("~meta 'route_target: zai/glm-5'", 1),
        ("~meta 'route_state: failed'", 1),
        ("~comment zai", 2),
        ("~marked", 2),
    ):
        web.api.put("/options", json={"view_filter": expression})
        assert len(web.flows()) == count, expression


def test_one_request_for_several_models(sim: simulator.Simulator, web: mitmweb.Web) -> None:
    with web.proxy.client() as client:
        client.post("/v1/messages", json=conversation())
    proxies.wait_until(lambda: web.flows() and " in / " in web.flows()[0]["comment"])
    asked = web.flows()[0]
    sim.script(answers.text("From zai."), answers.failure(500))
    summary, side_by_side = web.command("route.compare", f"@{asked['id']}", "glm,kimi")
    assert summary.startswith(
        "Asks zai/glm-5, kimi/kimi-for-coding the same, at what each answer costs"
    )
    proxies.wait_until(lambda: "500 api_error" in web.flows()[-1]["comment"])
    _, glm, kimi = web.flows()
    assert re.fullmatch(
        r"compare · ← Bash · glm → zai/glm-5 · \d+ in / \d+ out · .*", glm["comment"]
    )
    assert kimi["comment"] == "✗ compare · ← Bash · kimi → kimi/kimi-for-coding · 500 api_error"
    assert side_by_side.endswith(f"/sessions/none/{asked['id']}?with={glm['id']},{kimi['id']}")
    assert "From zai." in view(web, glm, "response")
    to_zai, to_kimi = sim.requests[-2:]
    assert to_zai.bearer == "zai-key-0123456789"
    assert to_kimi.header("x-api-key") == "kimi-key-98765432"
    assert to_zai.json["messages"][-1] == to_kimi.json["messages"][-1]
    web.api.put("/options", json={"view_filter": f"~meta 'route_compares: {asked['id']}'"})
    assert [flow["id"] for flow in web.flows()] == [glm["id"], kimi["id"]]


def test_an_answer_grows(web: mitmweb.Web, slow_answer: None) -> None:
    flow = web.flows()[0]

    def words() -> int:
        shown = web.api.get(f"/flows/{flow['id']}/response/content/auto.json").json()["text"]
        return int(shown.count("work")) if "◌ STREAMING" in shown else 0

    proxies.wait_until(lambda: words() > 0)
    first = words()
    proxies.wait_until(lambda: words() > first)
    assert re.fullmatch(
        r"← Bash · opus-5-5 → anthropic · \d+ in / ~\d+ out · [\d.]+ m?s…",
        web.flows()[0]["comment"],
    )


def test_what_went_upstream_and_what_came_of_it(sim: simulator.Simulator, web: mitmweb.Web) -> None:
    session(sim, web)
    answered = web.flows()[1]
    request = view(web, answered, "request")
    assert request.startswith("claude-opus-5-5 → zai/glm-5 · try 3\n")
    assert "  ← Bash  toolu_1" in request
    upstream = view(web, answered, "request", "claude-upstream")
    assert upstream.startswith(f"POST {sim.url}/provider/zai/v1/messages\n")
    assert "authorization: Bearer {{zai}}" in upstream
    assert "changed: model, system" in upstream
    assert "billing" in request
    assert "billing" not in upstream
    answer = view(web, answered, "response")
    assert "complete · stop reason end_turn" in answer
    assert "~ thinking (zai)\n    Let me see." in answer
    assert "✗ overloaded_error" in view(web, web.flows()[3], "response")


def test_mitmweb_in_a_browser(
    sim: simulator.Simulator, web: mitmweb.Web, page: chromium.Page
) -> None:
    session(sim, web)
    page.open_mitmweb(web.url, mitmweb.PASSWORD)
    page.wait_for_text("✗ ← Bash · kimi → kimi/kimi-for-coding · 500 api_error")
    assert "event_logging" not in page.text()
    page.screenshot("watching-list")
    comment = "document.querySelector('td.col-comment:not(:empty)')"
    assert page.evaluate(f"getComputedStyle({comment}).textAlign") == "left"
    assert "Status" in page.texts("#claude-route a")
    page.click("td.col-comment:has-text('→ zai/glm-5 · try 3')")
    page.wait_for_text("claude-opus-5-5 → zai/glm-5 · try 3")
    page.wait_for_text("→ Bash  toolu_1")
    page.screenshot("watching-request")
    below = "document.querySelector('.headers').getBoundingClientRect().top"
    assert page.evaluate(f"document.querySelector('pre').getBoundingClientRect().top < {below}")
    assert [text for text in page.complaints() if "Security Policy" in text] == []


def test_mitmweb_in_the_dark(
    sim: simulator.Simulator, web: mitmweb.Web, page: chromium.Page
) -> None:
    session(sim, web)
    page.open_mitmweb(web.url, mitmweb.PASSWORD, dark=True)
    page.wait_for_text("500 api_error")
    page.screenshot("watching-list-dark")
    assert "invert" in page.evaluate("getComputedStyle(document.documentElement).filter")
    page.click("td.col-comment:has-text('try 3')")
    page.wait_for_text("→ Bash  toolu_1")
    page.screenshot("watching-request-dark")


def test_mitmweb_on_a_phone(
    sim: simulator.Simulator, web: mitmweb.Web, page: chromium.Page
) -> None:
    session(sim, web)
    page.open_mitmweb(web.url, mitmweb.PASSWORD, chromium.PHONE)
    page.wait_for_text("500 api_error")
    page.screenshot("watching-list-phone")
    page.click("td.col-comment:has-text('try 3')")
    page.wait_for_text("→ Bash  toolu_1")
    assert page.evaluate("document.querySelector('pre').getBoundingClientRect().width") > 300
    page.screenshot("watching-request-phone")


def test_the_style_is_behind_the_login(web: mitmweb.Web) -> None:
    assert web.api.get("/list.css").headers["content-type"].startswith("text/css")
    assert httpx.get(f"{web.url}/list.css", trust_env=False).status_code == 403


def test_an_answer_grows_in_a_browser(
    web: mitmweb.Web, slow_answer: None, page: chromium.Page
) -> None:
    page.open_mitmweb(web.url, mitmweb.PASSWORD)
    page.click("td.col-comment")
    page.click("nav a:has-text('Response')")
    page.wait_for_text("◌ STREAMING")
    page.wait_for_text("All work")
    page.evaluate("document.querySelector('pre').scrollIntoView()")
    page.screenshot("streaming-1")
    first = page.text().count("play")
    proxies.wait_until(lambda: page.text().count("play") > first)
    page.screenshot("streaming-2")


def test_a_browser_opens_at_the_sessions(
    sim: simulator.Simulator, start: Start, tmp_path: Path
) -> None:
    opened = tmp_path / "opened"
    browser = tmp_path / "wslview"
    browser.write_text(f'#!/bin/sh\necho "$1" >> "{opened}"\n')
    browser.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    web = mitmweb.Web(start, profile(sim), web_open_browser="true", environ={"PATH": path})
    proxies.wait_until(opened.exists)
    assert opened.read_text() == f"{web.url}/sessions\n"
    web.proxy.wait_for_log(re.escape(f"Sessions: {web.url}/sessions"))
