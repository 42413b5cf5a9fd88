"""The sessions' pages in a real browser, of a session of the real Claude Code client and of hostile ones.

Makes the pictures of the README and the docs.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

import simulator
from simulator import answers
from tests.wire import accessible
from tests.wire import chromium
from tests.wire import claude_code
from tests.wire import mitmweb
from tests.wire import proxies
from tests.wire import stories
from tests.wire import terminal

Start = Callable[..., proxies.Proxy]

JSON = {"accept": "application/json"}
HTML = {"accept": "text/html"}
KEY = "static-key-0123456789"
SCRIPT = "<script>document.title='got in'</script>"
HOSTILE = f'"><img src=x onerror="document.title=\'got in\'">{SCRIPT}\u202egnp.\u202d{{{{7*7}}}}'
SESSION = "session-1"
SIZE = (1280, 800)


def sessions(client: httpx.Client) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = client.get("/sessions", headers=JSON).json()["sessions"]
    return listed


def turns(client: httpx.Client) -> list[dict[str, Any]]:
    """Of the newest session."""
    for session in sessions(client):
        found: list[dict[str, Any]] = client.get(f"/sessions/{session['id']}", headers=JSON).json()[
            "turns"
        ]
        return found
    return []


def ask(proxy: proxies.Proxy, prompt: str, *, session: str = SESSION, **more: Any) -> None:
    body = proxies.message("claude-opus-5-5", stream=True)
    # A conversation has tools; what has none is a probe or a title.
    tool = {"name": "Read", "input_schema": {"type": "object"}}
    body |= {"messages": [{"role": "user", "content": prompt}], "tools": [tool], **more}
    with proxy.client(headers={"x-claude-code-session-id": session}) as client:
        assert client.post("/v1/messages", json=body).status_code == 200


def recorded(client: httpx.Client, number: int) -> list[dict[str, Any]]:
    proxies.wait_until(lambda: len(turns(client)) == number)
    return turns(client)


@pytest.fixture
def web(start: Start, sim: simulator.Simulator) -> Iterator[mitmweb.Web]:
    yield mitmweb.Web(start, stories.profile(sim))


def open_page(page: chromium.Page, web: mitmweb.Web, path: str, **how: Any) -> None:
    page.open_mitmweb(f"{web.url}{path}", mitmweb.PASSWORD, how.pop("size", SIZE), **how)
    page.wait("main h1")
    proxies.wait_until(lambda: page.evaluate("document.readyState") == "complete")


def policy_complaints(page: chromium.Page) -> list[str]:
    return [text for text in page.complaints() if "Security Policy" in text]


@pytest.mark.client
@claude_code.needs_claude
@terminal.needs_tmux
def test_a_session_of_claude_code(
    page: chromium.Page, web: mitmweb.Web, sim: simulator.Simulator, tmp_path: Path
) -> None:
    stories.play(sim, web.proxy.url, tmp_path / "home", lambda: turns(web.api))
    found = turns(web.api)
    session = f"/sessions/{sessions(web.api)[0]['id']}"
    explained = next(
        turn for turn in found if turn["kind"] == "main" and turn["prompt"].startswith("explain")
    )
    open_page(page, web, session)
    page.screenshot("session")
    story = page.text(".story")
    for words in ("find the tests", "check the prices", "compaction", "529 → zai/glm-5", "→ Read"):
        assert words in story
    assert re.search(r"\d+ checks?", page.text(".folded summary"))
    page.click(f"#turn-{explained['flow']} summary")
    page.wait_for_text("The shop keeps its prices in one table")
    page.evaluate(f"document.getElementById('turn-{explained['flow']}').scrollIntoView()")
    page.screenshot("session-turn")
    open_page(page, web, session, size=(1280, 720), dark=True)
    page.evaluate("document.querySelector('.notes .failed').scrollIntoView({block: 'end'})")
    page.evaluate("scrollBy(0, 120)")
    page.screenshot("session-dark")
    open_page(page, web, session, size=chromium.PHONE)
    page.evaluate("document.getElementById('turns').scrollIntoView()")
    page.screenshot("session-phone")
    assert page.evaluate("document.documentElement.scrollWidth") == chromium.PHONE[0]
    open_page(page, web, f"{session}/{explained['flow']}?part=tools")
    assert "Bash" in page.text("#tools")
    page.screenshot("session-tools", whole=True)
    open_page(page, web, "/sessions")
    page.screenshot("sessions")
    assert policy_complaints(page) == []
    assert all(url.startswith((web.url, "data:")) for url in page.requests())


def test_hostile_text_is_only_text(
    page: chromium.Page, web: mitmweb.Web, sim: simulator.Simulator
) -> None:
    call = simulator.ToolUse(HOSTILE, {HOSTILE: HOSTILE})
    sim.when(lambda r: True, answers.Answer(content=(answers.Text(HOSTILE), call)))
    tool = {
        "name": "Read",
        "description": HOSTILE,
        "input_schema": {"type": "object", "properties": {HOSTILE: {"description": HOSTILE}}},
    }
    for session in ('"><img src=x onerror=1>{{7*7}}', SESSION):
        ask(web.proxy, HOSTILE, session=session, system=HOSTILE, tools=[tool])
    proxies.wait_until(lambda: len(sessions(web.api)) == 2)
    paths = ["/sessions", "/sessions?search=onerror"]
    for listed in sessions(web.api):
        address = f"/sessions/{quote(listed['id'], safe='')}"
        (turn,) = web.api.get(address, headers=JSON).json()["turns"]
        own = f"{address}/{turn['flow']}"
        paths += [address, own, f"{own}?block=a0&as=markdown"]
        paths += [f"{own}?part={part}" for part in ("system", "tools", "conversation", "headers")]
    for path in paths:
        open_page(page, web, path)
        page.wait_for_text("onerror")
        assert page.evaluate("document.title") != "got in"
        assert page.evaluate("document.images.length") == 0, path
        assert "49" not in page.text("h1")


@pytest.mark.parametrize("form", ["html", "jsonl", "har"])
def test_exports_hold_no_script_and_no_secret(
    page: chromium.Page, web: mitmweb.Web, sim: simulator.Simulator, tmp_path: Path, form: str
) -> None:
    ask(web.proxy, f"{HOSTILE} and {proxies.POOL[0]}")
    recorded(web.api, 1)
    answer = web.api.get(f"/sessions/{SESSION}.{form}", headers=HTML)
    assert answer.headers["content-disposition"].startswith("attachment")
    assert proxies.POOL[0] not in answer.text
    assert "onerror" in answer.text
    if form == "jsonl":
        assert [json.loads(line)["type"] for line in answer.text.splitlines()] == [
            "session",
            "turn",
        ]
    elif form == "har":
        assert json.loads(answer.text)["log"]["entries"][0]["response"]["status"] == 200
    else:
        file = tmp_path / "session.html"
        file.write_text(answer.text)
        page.open(file.as_uri())
        page.click(".turn summary")
        page.wait_for_text("onerror")
        assert page.evaluate("document.title") != "got in"
        assert page.complaints() == []
        assert page.requests() == [file.as_uri()]


def test_copying_from_an_export(
    page: chromium.Page, web: mitmweb.Web, sim: simulator.Simulator, tmp_path: Path
) -> None:
    call = simulator.ToolUse("Read", {"path": "shop.py", "lines": [1, 2]})
    sim.default(answers.Answer(content=(call,)))
    ask(web.proxy, "<system-reminder>It is late.</system-reminder>")
    recorded(web.api, 1)
    file = tmp_path / "session.html"
    file.write_bytes(web.api.get(f"/sessions/{SESSION}.html").content)
    page.open(file.as_uri())
    page.evaluate(
        "navigator.clipboard.writeText = (text) => (window.copied = text, Promise.resolve())"
    )
    page.click(".turn summary")
    for block, copied in (
        (".new .block", "It is late."),
        (".answer .block", "path shop.py\nlines 2 items\n1\n2"),
    ):
        page.evaluate("window.copied = null")
        page.click(f"{block} button.copy")
        proxies.wait_until(lambda: page.evaluate("window.copied") is not None)
        assert page.evaluate("window.copied").split("\n") == copied.split("\n")


def test_what_one_does_with_a_page(
    page: chromium.Page, web: mitmweb.Web, sim: simulator.Simulator
) -> None:
    sim.default(answers.text("# Title\n\n- one **bold**\n"))
    long = "word " * 4000
    ask(web.proxy, f"first {long}")
    (turn,) = recorded(web.api, 1)
    open_page(page, web, f"/sessions/{SESSION}")
    page.press("/")
    assert page.evaluate("document.activeElement.name") == "search"
    # A row opens by the keyboard, and its address opens it again.
    page.evaluate("document.querySelector('.turn summary').focus()")
    page.press("Enter")
    page.wait(".opened .answer .block")
    assert page.evaluate("location.hash") == f"#turn-{turn['flow']}"
    page.click(".opened .links a")
    page.wait("#opened")
    page.evaluate("history.back()")
    page.wait(".opened .answer .block")
    page.click(".opened .answer a.markdown")
    page.wait(".opened .rendered strong")
    page.evaluate(
        "navigator.clipboard.writeText = (text) => (window.copied = text, Promise.resolve())"
    )
    page.click(".opened .new button.copy")
    page.wait_for_text("Copied")
    assert page.evaluate("window.copied") == f"first {long}"
    # It goes on by itself, and what is open stays open.
    ask(web.proxy, "second")
    page.wait_for_text("second")
    assert page.evaluate("document.querySelector('.turn > details').open") is True
    assert page.text(".opened .rendered strong") == "bold"
    open_page(page, web, f"/sessions/{SESSION}/{turn['flow']}")
    page.click("#conversation > summary")
    page.wait("#conversation .block")
    page.click("button:has-text('Compare')")
    page.wait_for_text("2 turns side by side")
    assert policy_complaints(page) == []


def test_an_answer_grows(page: chromium.Page, web: mitmweb.Web, sim: simulator.Simulator) -> None:
    ask(web.proxy, "first")
    recorded(web.api, 1)
    sim.default(answers.Answer(content=(answers.Text("growing " * 60),), event_delay=0.1))
    body = {**proxies.message("claude-opus-5-5", stream=True)}
    headers = {"x-claude-code-session-id": SESSION}
    with (
        web.proxy.client(headers=headers) as client,
        client.stream("POST", "/v1/messages", json=body) as answer,
    ):
        lines = answer.iter_lines()
        next(lines)
        open_page(page, web, f"/sessions/{SESSION}")
        page.wait_for_text("being answered")
        assert page.text("a.now").endswith("hello"), "what is asked"
        page.click("a.now")
        page.wait_for_text("growing growing")
        before = len(page.text(".answer"))
        proxies.wait_until(lambda: len(page.text(".answer")) > before)
        assert page.evaluate("document.querySelectorAll('button.copy[hidden]').length") == 0
        for _ in lines:
            pass
    proxies.wait_until(lambda: "being answered" not in page.text())
    assert page.text(".answer").count("growing") == 60


def test_wide_and_right_to_left_text(
    page: chromium.Page, web: mitmweb.Web, sim: simulator.Simulator
) -> None:
    """Neither changes what stands beside it."""
    table = "".join(f"|{cell * 40}\n" for cell in (" a column |", " --- |", " a value |"))
    sim.default(answers.text(f"שלום\n\n{table}"))
    ask(web.proxy, "from right \u202eto left")
    (turn,) = recorded(web.api, 1)
    open_page(page, web, "/sessions")
    assert page.evaluate("""
        document.querySelector("tbody .id").getBoundingClientRect().left
          >= document.querySelector("tbody th a").getBoundingClientRect().right
    """)
    open_page(page, web, f"/sessions/{SESSION}/{turn['flow']}")
    page.click(".answer a.markdown")
    page.wait(".rendered table")
    assert page.evaluate("document.documentElement.scrollWidth") == SIZE[0]
    assert page.evaluate("getComputedStyle(document.querySelector('.rendered p')).unicodeBidi") == (
        "plaintext"
    )
    open_page(page, web, "/sessions/gone")
    page.wait_for_text("no such session")
    page.click("main a")
    page.wait_for_text("from right")


def test_for_screen_readers(
    page: chromium.Page, web: mitmweb.Web, sim: simulator.Simulator
) -> None:
    ask(web.proxy, "hello")
    recorded(web.api, 1)
    open_page(page, web, "/sessions")
    assert 'columnheader "Answered by"' in page.aria("main")
    assert 'navigation "Pages"' in page.aria()
    open_page(page, web, f"/sessions/{SESSION}")
    tree = page.aria()
    for part in ('heading "hello"', "search:", 'heading "What happened"', "tokens in", "status"):
        assert part in tree


def test_by_keyboard_and_for_screen_readers(
    page: chromium.Page, web: mitmweb.Web, sim: simulator.Simulator
) -> None:
    sim.default(answers.text("# Title\n\nSome words."))
    for number in range(3):
        more = {"system": "Be brief."} if number < 2 else {}
        ask(web.proxy, f"hello {number}", **more)
    flows = [turn["flow"] for turn in recorded(web.api, 3)]
    turn = f"/sessions/{SESSION}/{flows[1]}"
    compared = f"{turn}?with={flows[0]},{flows[2]}"
    parts = [f"{turn}?part={part}" for part in ("window", "tools", "conversation", "headers")]
    for path, current in (
        ("/sessions", "page"),
        (f"/sessions/{SESSION}", "true"),
        (turn, "true"),
        *((part, "true") for part in parts),
        (f"{turn}?block=a0&as=markdown", "true"),
        (compared, "true"),
        ("/sessions?search=hello", "true"),
        ("/usage", "page"),
        ("/status", "page"),
    ):
        open_page(page, web, path)
        assert accessible.faults(page) == [], path
        here = page.evaluate(
            "document.querySelector('nav.top [aria-current]').getAttribute('aria-current')"
        )
        assert here == current, path
        assert page.texts("nav.top a") == ["Sessions", "Usage", "Status", "Flows"]
        assert accessible.has_visible_focus(page), path
    for path in ("/sessions", f"/sessions/{SESSION}", turn, compared, "/usage", "/status"):
        open_page(page, web, path, dark=True)
        assert accessible.faint(page) == [], path
    page.evaluate("document.activeElement.blur()")
    open_page(page, web, f"/sessions/{SESSION}")
    page.press("Tab")
    assert page.text(":focus") == "Skip to the content"
    page.press("Enter")
    assert page.evaluate("document.activeElement.nodeName") == "MAIN"


def test_the_list_is_short_on_a_phone(
    page: chromium.Page, web: mitmweb.Web, sim: simulator.Simulator
) -> None:
    sim.script(answers.failure(400))
    body = {**proxies.message("claude-opus-5-5"), "tools": [{"name": "Read"}]}
    with web.proxy.client(headers={"x-claude-code-session-id": "fails"}) as client:
        client.post("/v1/messages", json=body)
    for number in range(3):
        ask(
            web.proxy,
            f"please fix module {number}, {'x' * 99} {'and more ' * 30}",
            session=f"s{number}",
        )
    proxies.wait_until(lambda: len(sessions(web.api)) == 4)
    open_page(page, web, "/sessions", size=chromium.PHONE)
    page.screenshot("sessions-phone")
    assert page.evaluate("document.documentElement.scrollWidth") == chromium.PHONE[0]
    lines = page.evaluate(
        """[...document.querySelectorAll(".sessions tbody tr")].map((row) => {
          const style = getComputedStyle(row);
          const padding = parseFloat(style.paddingTop) + parseFloat(style.paddingBottom);
          const height = row.getBoundingClientRect().height - padding;
          return height / parseFloat(getComputedStyle(document.body).lineHeight);
        })"""
    )
    assert len(lines) == 4
    assert max(lines) < 4.5
    open_page(page, web, "/sessions", size=chromium.PHONE, dark=True)
    page.screenshot("sessions-phone-dark")


def test_times_are_the_viewers(page: chromium.Page, sim: simulator.Simulator, start: Start) -> None:
    proxy = start(stories.profile(sim))
    ask(proxy, "hello")
    with proxy.client() as client:
        recorded(client, 1)
        plain = client.get("/sessions", headers=HTML).text
        at = sessions(client)[0]["started"]
    stamp = time.strftime("%Y-%m-%d %H:%M", time.gmtime(at))
    assert f">{stamp}</time>" in plain
    assert "times in <span data-zone>UTC</span>" in plain
    page.open(f"{proxy.url}/sessions", zone="Asia/Kolkata")
    local = time.strftime("%Y-%m-%d %H:%M", time.gmtime(at + 5.5 * 3600))
    assert page.text("td time") == local
    # Chromium has the older name.
    assert re.search(r"times in Asia/(Kolkata|Calcutta) \(UTC\+5:30\)", page.text("header"))
    # And stay so when the page is brought up to date.
    ask(proxy, "hello again", session="another")
    page.wait_for_text("hello again")
    assert page.texts("td time")[-1] == local
    assert "UTC+5:30" in page.text("header")


def test_at_the_reverse_listener(
    page: chromium.Page, sim: simulator.Simulator, start: Start
) -> None:
    proxy = start(stories.profile(sim), environ={"PROXY_STATIC_TOKEN": KEY})
    with proxy.client(
        headers={"x-litellm-api-key": KEY, "x-claude-code-session-id": SESSION}
    ) as client:
        body = proxies.message("claude-opus-5-5")
        body["system"] = f"x{' y' * 200} THE END"
        assert client.post("/v1/messages", json=body).status_code == 200
        (turn,) = recorded(client, 1)
        kept = client.get(f"/sessions/{SESSION}/{turn['flow']}?part=system", headers=HTML).text
    assert "keep_bodies" in kept
    assert "THE END" not in kept
    assert httpx.get(f"{proxy.url}/sessions", trust_env=False).status_code == 401
    assert page.open(f"{proxy.url}/sessions/{SESSION}", password=KEY) == 200
    page.wait_for_text("What happened")
    page.fill("input[type=search]", "hello")
    page.press("Enter")
    page.wait_for_text("turn")
    assert policy_complaints(page) == []


def test_bodies_are_kept_on_request(sim: simulator.Simulator, start: Start) -> None:
    proxy = start(stories.profile(sim), arguments=["--set", "keep_bodies=10"])
    ask(proxy, "hello", system=f"x{' y' * 200} THE END")
    with proxy.client() as client:
        (turn,) = recorded(client, 1)
        page = client.get(f"/sessions/{SESSION}/{turn['flow']}?part=system", headers=HTML).text
    assert "THE END" in page


def test_pages_are_fast(sim: simulator.Simulator, start: Start) -> None:
    """With 20 sessions of 10 turns; bench/sessions.py has larger ones."""
    proxy = start(stories.profile(sim))
    for number in range(200):
        ask(proxy, f"prompt {number}", session=f"session-{number % 20}")
    with proxy.client() as client:
        proxies.wait_until(lambda: sum(s["turns"] for s in sessions(client)) == 200)
        client.get("/sessions", headers=HTML)
        took = []
        for _ in range(5):
            began = time.perf_counter()
            assert client.get("/sessions", headers=HTML).status_code == 200
            took.append(time.perf_counter() - began)
    assert min(took) < 3
