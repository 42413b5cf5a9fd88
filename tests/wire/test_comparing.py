"""`route.compare` in a real mitmweb, and the page that has the answers side by side."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import simulator
from simulator import answers
from tests.wire import chromium
from tests.wire import mitmweb
from tests.wire import proxies

Start = Callable[..., proxies.Proxy]

JSON = {"accept": "application/json"}
SESSION = "session-1"
PATH = f"/sessions/{SESSION}"


def ask(web: mitmweb.Web) -> None:
    body = {**proxies.message("claude-opus-5-5", "Which tea is best?", stream=True)}
    body["tools"] = [{"name": "Read", "input_schema": {"type": "object"}}]
    with web.proxy.client(headers={"x-claude-code-session-id": SESSION}) as client:
        assert client.post("/v1/messages", json=body).status_code == 200


def session(web: mitmweb.Web) -> dict[str, Any]:
    found: dict[str, Any] = web.api.get(PATH, headers=JSON).json()
    return found


def test_side_by_side(page: chromium.Page, sim: simulator.Simulator, start: Start) -> None:
    web = mitmweb.Web(start, proxies.profile(sim.url, pool={"tokens": proxies.POOL[0]}))
    usage = {"input_tokens": 1200, "output_tokens": 300}
    sim.when(
        lambda r: "/zai/" in r.path,
        answers.Answer(content=(answers.Text("Green tea."),), usage=usage),
    )
    sim.when(
        lambda r: "/kimi/" in r.path,
        answers.Answer(content=(answers.Text("Black tea."),), usage=usage),
    )
    sim.default(answers.text("Any tea."))
    ask(web)
    proxies.wait_until(lambda: bool(web.api.get(PATH, headers=JSON).is_success))
    (turn,) = session(web)["turns"]
    cost = session(web)["cost"]
    page.open_mitmweb(f"{web.url}{PATH}/{turn['flow']}", mitmweb.PASSWORD)
    page.wait_for_text("Any tea.")
    # Nothing is sent because someone looks, or compares what there is.
    web.api.get(f"{PATH}/{turn['flow']}?with={turn['flow']}")
    assert len(sim.requests) == 1

    _, line = web.command("route.compare", f"@{turn['flow']}", "glm,kimi")
    proxies.wait_until(lambda: len(session(web)["copies"]) == 2)
    assert len(sim.requests) == 3
    assert sorted(copy["target"] for copy in session(web)["copies"]) == [
        "kimi/kimi-for-coding",
        "zai/glm-5",
    ]
    assert (session(web)["cost"], session(web)["compared"]["number"]) == (cost, 2)

    (address,) = re.findall(r"http\S+", line)
    at = urlsplit(address)
    page.goto(f"{web.url}{at.path}?{at.query}")
    page.wait_for_text("3 turns side by side")
    page.screenshot("compare")
    sides = page.texts(".sides > section")
    for side, words in zip(
        sides,
        (("opus-5-5", "Any tea."), ("zai/glm-5", "Green tea."), ("kimi", "Black tea.")),
        strict=True,
    ):
        assert all(each in side for each in (*words, "Tokens in", "Cost", "first byte after"))
    assert "1,200" in sides[1]
    assert "$" in sides[1].split("Cost")[1].split("Time")[0]
    assert re.search(
        r"2 of them are copies .* which cost money: <? ?\$0\.", page.text("header .costs")
    )
    assert len(sim.requests) == 3

    page.open_mitmweb(f"{web.url}{PATH}", mitmweb.PASSWORD)
    page.wait_for_text("compared with")
    assert "which cost money" in page.text(".copies summary")
