from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from mitmproxy.tools.web import app

import simulator
from claude_route.watch import readonly
from tests.wire import mitmweb
from tests.wire import proxies

Start = Callable[..., proxies.Proxy]

PROXYAUTH = "me:proxy-password-0123456789"

CHANGES: list[tuple[str, str, dict[str, Any]]] = [
    ("PUT", "/flows/{id}", {"json": {"comment": "mine", "request": {"path": "/elsewhere"}}}),
    ("DELETE", "/flows/{id}", {}),
    ("POST", "/flows/{id}/duplicate", {}),
    ("POST", "/flows/{id}/replay", {}),
    ("POST", "/flows/{id}/revert", {}),
    ("POST", "/flows/{id}/resume", {}),
    ("POST", "/flows/{id}/kill", {}),
    ("POST", "/flows/{id}/request/content.data", {"content": b"{}"}),
    ("POST", "/flows/resume", {}),
    ("POST", "/flows/kill", {}),
    ("POST", "/flows/dump", {"content": b""}),
    ("POST", "/clear", {}),
    ("PUT", "/options", {"json": {"web_readonly": False}}),
    ("POST", "/options/save", {}),
    ("POST", "/commands/pool.status", {"json": {"arguments": []}}),
    ("POST", "/commands/route.compare", {"json": {"arguments": ["@all", "glm"]}}),
    ("POST", "/commands/replay.client", {"json": {"arguments": ["@all"]}}),
    ("GET", "/flows/dump", {}),
    ("GET", "/processes", {}),
    ("GET", "/executable-icon?path=/bin/sh", {}),
    ("OPTIONS", "/flows", {}),
    ("PATCH", "/flows/{id}", {}),
]

LOOKS = (
    "/",
    "/flows",
    "/flows/{id}/request/content.data",
    "/flows/{id}/response/content.data",
    "/flows/{id}/request/content/auto.json?lines=80",
    "/state",
    "/events",
    "/options",
    "/commands",
    "/filter-help",
    "/status",
    "/status.js",
    "/status.css",
)


@pytest.fixture
def web(sim: simulator.Simulator, start: Start) -> mitmweb.Web:
    web = mitmweb.Web(
        start, proxies.profile(sim.url), web_readonly="true", upstream_auth=PROXYAUTH, keep_flows=77
    )
    with web.proxy.client() as client:
        client.post("/v1/messages", json=proxies.message()).raise_for_status()
    return web


def test_nothing_can_be_changed(web: mitmweb.Web, sim: simulator.Simulator) -> None:
    def flows() -> list[Any]:
        # Their connections may still be closing.
        return [{**flow, "client_conn": None, "server_conn": None} for flow in web.flows()]

    before = flows()
    flow = before[-1]["id"]
    for method, path, arguments in CHANGES:
        answer = web.api.request(method, path.format(id=flow), **arguments)
        assert (method, path, answer.status_code) == (method, path, 403)
        assert answer.text == readonly.REFUSAL
    assert flows() == before
    assert len(sim.requests) == 1


def test_everything_can_be_seen(web: mitmweb.Web) -> None:
    flow = web.flows()[-1]["id"]
    for path in LOOKS:
        assert (path, web.api.get(path.format(id=flow)).status_code) == (path, 200)
    assert b"claude-opus-5-5" in web.api.get(f"/flows/{flow}/request/content.data").content


def test_options_are_reported_without_secrets(web: mitmweb.Web) -> None:
    answer = web.api.get("/options")
    options = answer.json()
    for secret in (PROXYAUTH, mitmweb.PASSWORD, str(web.proxy.folder / "mitmproxy")):
        assert secret not in answer.text
    assert options["web_readonly"]["value"] is True
    assert options["keep_flows"]["value"] == 77
    assert len(options["mode"]["value"]) == 2


def test_strangers_get_the_login_form(web: mitmweb.Web) -> None:
    for path in ("/", "/status"):
        answer = httpx.get(f"{web.url}{path}", trust_env=False)
        assert answer.status_code == 403
        assert 'type="password"' in answer.text
        with httpx.Client(base_url=web.url, trust_env=False) as stranger:
            stranger.get(path)
            form = {"token": mitmweb.PASSWORD, "_xsrf": stranger.cookies["_mitmproxy_xsrf"]}
            assert stranger.post(path, data=form, follow_redirects=True).status_code == 200


def test_everything_is_allowed_without_the_option(sim: simulator.Simulator, start: Start) -> None:
    web = mitmweb.Web(start, proxies.profile(sim.url))
    with web.proxy.client() as client:
        client.post("/v1/messages", json=proxies.message()).raise_for_status()
    [flow] = web.flows()
    edit = web.api.put(f"/flows/{flow['id']}", json={"comment": "mine"})
    assert edit.status_code == 200
    assert web.flows()[0]["comment"] == "mine"
    (line,) = web.command("pool.status")
    assert line.startswith("The pool has no tokens: ")
    assert web.api.get("/flows/dump").status_code == 200
    assert web.api.get("/options").json()["web_password"]["value"] == mitmweb.PASSWORD


def test_every_handler_of_mitmweb_is_known() -> None:
    """What is new in a version of mitmproxy is refused, and noticed here."""
    refused = {
        "ClearAll",
        "DumpFlows",
        "DuplicateFlow",
        "ExecuteCommand",
        "FlowHandler",
        "KillFlow",
        "KillFlows",
        "ProcessImage",
        "ProcessList",
        "ReplayFlow",
        "ResumeFlow",
        "ResumeFlows",
        "RevertFlow",
        "SaveOptions",
    }
    handlers = {handler for _, handler in app.handlers if handler is not app.ClientConnection}
    assert {handler.__name__ for handler in handlers - readonly.SHOWING} == refused
