from __future__ import annotations

import json

import pytest
from mitmproxy import http

from claude_route.access import clients
from claude_route.ledger import reports
from claude_route.pages import content
from claude_route.pages import table
from claude_route.profile import profiles
from tests.unit import states
from tests.unit.pages import viewers
from tests.wire import proxies

HTML = "text/html,application/xhtml+xml,*/*;q=0.8"
STATUS = ["/status", "/status.css", "/status.js", "/base.css", "/base.js"]
USAGE = ["/usage", "/usage.css"]
SESSIONS = ("/sessions", "/sessions.css", "/sessions.js")


PROFILE = profiles.parse(str(proxies.profile("http://127.0.0.1:1")), {}, "p.yaml")


def request(method: str, path: str, accept: str = "") -> http.Request:
    headers = http.Headers(accept=accept) if accept else http.Headers()
    return http.Request.make(method, f"http://127.0.0.1{path}", headers=headers)


def ask(path: str, method: str = "GET", accept: str = "") -> http.Response:
    asked = request(method, path, accept)
    page = table.find(asked)
    assert page
    return table.answer(page, asked, states.state_of(PROFILE))


@pytest.mark.parametrize(
    ("method", "path", "found"),
    [
        ("GET", "/health", "/health"),
        ("HEAD", "/health", "/health"),
        ("HEAD", "/health?x=1", "/health"),
        ("GET", "/v1/models", "/v1/models"),
        ("GET", "/v1/models?limit=1000", "/v1/models"),
        ("GET", "/status", "/status"),
        ("HEAD", "/status", "/status"),
        ("GET", "/status?x=1", "/status"),
        ("GET", "/status.css", "/status"),
        ("GET", "/status.js", "/status"),
        ("POST", "/status", None),
        ("POST", "/health", None),
        ("POST", "/v1/models", None),
        ("GET", "/status/", None),
        ("GET", "/status.html", None),
        ("GET", "/../status.py", None),
        ("GET", "/v1/messages", None),
        ("GET", "/", "/"),
        ("HEAD", "/?x=1", "/"),
        ("POST", "/", None),
        ("GET", "//", None),
    ],
)
def test_find(method: str, path: str, found: str | None) -> None:
    page = table.find(request(method, path))
    assert (page and page.path) == found


def paths(pages: list[table.Page]) -> list[str]:
    return [path for page in pages for path in page.paths]


def test_what_is_true_of_which_page() -> None:
    ours = ["/", "/health", "/v1/models", *STATUS, *USAGE, *SESSIONS, "/metrics"]
    assert paths(list(table.PAGES)) == ours
    assert paths([page for page in table.PAGES if page.is_public]) == ["/health"]
    assert paths([page for page in table.PAGES if page.has_html]) == [
        *("/", *STATUS, *USAGE, *SESSIONS),
    ]
    assert paths([page for page in table.PAGES if page.in_mitmweb]) == [
        *STATUS,
        *USAGE,
        *SESSIONS,
    ]
    assert paths([page for page in table.PAGES if page.is_listed]) == ["/", "/v1/models"]


def test_each_path_is_of_one_page() -> None:
    listed = paths(list(table.PAGES))
    assert len(set(listed)) == len(listed)


def test_unlisted_beginnings() -> None:
    assert table.unlisted() == [
        *("/base.css", "/base.js", "/health", "/metrics", "/sessions", "/status", "/usage")
    ]


def test_only_pages_are_waited_for_and_not_their_files() -> None:
    waited_for = [path for page in table.PAGES for path in page.paths if table.is_later(page, path)]
    assert waited_for == ["/status", "/usage", "/sessions", "/metrics"]


async def wait(path: str, viewer: clients.Client | None = None, **headers: str) -> http.Response:
    asked = request(headers.pop("method", "GET"), path, headers.pop("accept", ""))
    page = table.find(asked, PROFILE)
    assert page
    state = states.state_of(PROFILE)
    row = reports.Row(("glm",), 1)
    return await table.answer_later(page, asked, viewer, state, states.sources(row))


async def test_pages_that_are_waited_for() -> None:
    answer = await wait("/usage?by=model")
    assert answer.json()["rows"][0]["model"] == "glm"
    assert answer.headers["vary"] == "accept"
    page = await wait("/usage", accept=HTML)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    scraped = await wait("/metrics")
    assert (scraped.status_code, "content-security-policy" in scraped.headers) == (200, False)
    head = await wait("/usage?by=model", method="HEAD")
    assert (head.status_code, head.raw_content) == (200, b"")


@pytest.mark.parametrize("path", ["/status", "/usage", "/metrics"])
async def test_pages_that_ask_what_others_know(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = request("GET", path)
    page = table.find(asked)
    assert page
    state = states.state_of(PROFILE)
    looks: list[object] = []

    async def look(limited: object, now: float) -> None:
        looks.append(limited)

    monkeypatch.setattr(state.gate.counters, "look", look)
    answer = await table.answer_later(page, asked, None, state, states.sources())
    assert answer.status_code == 200
    assert len(looks) == 1


async def test_what_is_wrong_with_a_question() -> None:
    for path in ("/usage?by=x", "/usage?sicne=7d", "/sessions?serach=tea"):
        answer = await wait(path)
        assert (answer.status_code, answer.json()["type"]) == (400, "error")
        assert answer.json()["error"]["type"] == "invalid_request_error"
    twice = (await wait("/usage?format=json&format=csv")).json()
    assert twice["error"]["message"] == "format: expected json or csv, got 'json,csv'"
    assert (await wait("/metrics", viewers.ALICE)).status_code == 403


async def test_a_browser_gets_a_page_that_leads_back() -> None:
    for path, back in (
        ("/sessions/gone", '"../sessions"'),
        ("/sessions/gone/f1", '"../../sessions"'),
        ("/usage?by=x", '"usage"'),
        ("/usage?sicne=7d", '"usage"'),
    ):
        answer = await wait(path, accept=HTML)
        assert answer.status_code == (400 if "usage" in path else 404)
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert "content-security-policy" in answer.headers
        assert f'<p class="none"><a href={back}>' in str(answer.text)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ValueError("x"), 400),
        (PermissionError("x"), 403),
        (LookupError("x"), 404),
        (ConnectionError("x"), 503),
    ],
)
def test_problem(error: Exception, status: int) -> None:
    assert table.problem(error) == (status, "x")


@pytest.mark.parametrize(
    ("path", "accept", "kind", "begin"),
    [
        ("/health", "", "application/json", b'{"status":"ok"'),
        ("/health", HTML, "application/json", b'{"status":"ok"'),
        ("/v1/models", "", "application/json", b'{"data":['),
        ("/status", "", "application/json", b"{"),
        ("/status", "*/*", "application/json", b"{"),
        ("/status", HTML, "text/html; charset=utf-8", b"<!doctype html>"),
        ("/base.css", "text/css", "text/css; charset=utf-8", b"/*"),
        ("/status.js", "*/*", "text/javascript; charset=utf-8", b"//"),
        ("/status.js", HTML, "text/javascript; charset=utf-8", b"//"),
    ],
)
def test_answer(path: str, accept: str, kind: str, begin: bytes) -> None:
    response = ask(path, accept=accept)
    assert response.status_code == 200
    assert response.headers["content-type"] == kind
    assert response.content
    assert response.content.startswith(begin)


@pytest.mark.parametrize("path", STATUS)
def test_browsers_keep_other_sites_out(path: str) -> None:
    response = ask(path)
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["vary"] == "accept"


def test_programs_get_no_headers_for_browsers() -> None:
    assert set(ask("/health").headers) == {"content-type", "content-length"}


def test_head_has_the_length_and_no_body() -> None:
    whole, only_headers = ask("/v1/models"), ask("/v1/models", "HEAD")
    assert only_headers.raw_content == b""
    assert only_headers.headers["content-length"] == str(len(whole.content or b""))


def test_status_is_json() -> None:
    assert json.loads(ask("/status").content or b"")["profile"] == "p"


def test_no_profile_in_force() -> None:
    page = table.find(request("GET", "/status"))
    assert page
    assert table.read(page, "/status", HTML, None).body == b"No profile is loaded.\n"
    assert table.read(page, "/status.js", HTML, None) == content.static("status.js")


def test_in_mitmweb_it_links_to_the_flows() -> None:
    page = table.find(request("GET", "/status"))
    assert page
    for in_mitmweb in (False, True):
        shown = table.read(page, "/status", HTML, states.state_of(PROFILE), in_mitmweb=in_mitmweb)
        assert (b'<a href="./">Flows</a>' in shown.body) == in_mitmweb
