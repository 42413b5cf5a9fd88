"""A real Claude Code run as people see it in mitmweb. Makes the pictures of README and docs."""

from __future__ import annotations

import time
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import pytest

import simulator
from simulator import answers
from simulator import limits
from tests.wire import chromium
from tests.wire import claude_code
from tests.wire import mitmweb
from tests.wire import proxies

pytestmark = [pytest.mark.client, claude_code.needs_claude]

Start = Callable[..., proxies.Proxy]

SIZE = (1280, 640)
SHOW = "document.querySelector('.contentview').scrollIntoView()"

STORY = (
    "Both listeners lead to the same place. The first is a proxy on the real connection: Claude Code "
    "keeps its own features, and what is not a message passes unread. The second is a base URL. "
) * 8


@pytest.fixture
def web(start: Start, sim: simulator.Simulator, tmp_path: Path) -> Iterator[mitmweb.Web]:
    with simulator.Simulator(tls=True) as anthropic:
        profile = proxies.profile(
            sim.url, pool={"tokens": list(proxies.POOL[:2])}, fallbacks={"claude-*": ["glm"]}
        )
        web = mitmweb.Web(
            start, profile, arguments=proxies.anthropic_here(anthropic.port, tmp_path)
        )
        yield web


@pytest.fixture
def client(web: mitmweb.Web, tmp_path: Path) -> claude_code.Claude:
    return claude_code.Claude(tmp_path / "home", claude_code.through_the_tunnel(web.proxy))


def test_a_session_with_a_failover(
    page: chromium.Page, web: mitmweb.Web, client: claude_code.Claude, sim: simulator.Simulator
) -> None:
    (client.folder / "notes.txt").write_text("Mitmproxy, the two listeners, and what is between.\n")
    sim.script(
        answers.failure(429, headers=limits.rejected("5h", now=time.time())),
        answers.failure(529),
    )
    client.ask("Say good morning")
    client.ask("run: cat notes.txt", "--continue", "--allowedTools", "Bash")
    page.open_mitmweb(web.url, mitmweb.PASSWORD, SIZE)
    page.wait_for_text("try 3")
    rows = page.texts(".flow-table tbody tr td.col-comment")
    rows = [row for row in rows if row]
    assert "opus-5-5 → zai/glm-5 · try 3" in rows[0]
    assert rows[1].startswith("✗ ")
    assert "429" in rows[1]
    assert rows[2].startswith("✗ ")
    assert "529" in rows[2]
    assert "opus-5-5 → anthropic" in rows[-1]
    assert not [row for row in rows if "event_logging" in row or "settings" in row]
    assert any(row.startswith("Say good morning · ") for row in rows)
    assert any(row.startswith("← Bash · ") for row in rows)
    page.screenshot("list")

    page.click(f"text={rows[-1]}")
    page.wait_for_text("claude-opus-5-5")
    page.wait_for_text("Bash")
    shown = page.text(".flow-detail")
    assert "notes.txt" in shown
    assert "{{client …" in shown
    page.evaluate(SHOW)
    page.screenshot("request")


def test_an_answer_grows_while_it_streams(
    page: chromium.Page, web: mitmweb.Web, sim: simulator.Simulator
) -> None:
    sim.script(answers.Answer(content=(simulator.Text(STORY),), event_delay=0.15, delta_size=12))
    with (
        web.proxy.client() as client,
        client.stream("POST", "/v1/messages", json=proxies.message(stream=True)) as response,
    ):
        received = response.iter_raw()
        next(received)
        page.open_mitmweb(web.url, mitmweb.PASSWORD, SIZE)
        page.wait_for_text("opus-5-5 →")
        page.click("text=opus-5-5 →")
        page.click("text=Response")
        page.wait_for_text("Both listeners lead")
        first = page.text(".flow-detail")
        proxies.wait_until(lambda: len(page.text(".flow-detail")) > len(first) + 30)
        assert "STREAMING" in page.text(".flow-detail")
        page.evaluate(SHOW)
        page.screenshot("stream")
        for _ in received:
            pass
    proxies.wait_until(lambda: "STREAMING" not in page.text(".flow-detail"))
    assert "end_turn" in page.text(".flow-detail")
