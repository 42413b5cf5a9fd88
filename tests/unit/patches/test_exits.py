from __future__ import annotations

import io
import json
import types
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import pytest
from mitmproxy import contentviews
from mitmproxy import http
from mitmproxy import io as flow_io
from mitmproxy.addons import cut
from mitmproxy.addons import dumper
from mitmproxy.addons import export
from mitmproxy.addons import savehar
from mitmproxy.test import taddons
from mitmproxy.test import tflow
from mitmproxy.tools.web import app
from tornado import httputil

from claude_route.access import hidden_flows
from claude_route.access import live_secrets
from claude_route.patches import exits

SECRET = "sk-ant-oat01-MARKED-exit-0123456789"

HIDING = exits.Hiding(
    live_secrets.hide,
    live_secrets.hide_text,
    hidden_flows.hidden,
    hidden_flows.hidden_message,
)


@pytest.fixture(autouse=True)
def installed() -> Iterator[None]:
    live_secrets.keep([SECRET])
    uninstall = exits.install(HIDING)
    yield
    uninstall()


@pytest.fixture
def shown() -> http.HTTPFlow:
    shown = tflow.tflow(resp=True)
    shown.request.path = f"/?key={SECRET}"
    shown.request.text = f'{{"key": "{SECRET}"}}'
    assert shown.response
    shown.response.text = SECRET
    shown.response.headers["content-type"] = "application/json"
    return shown


def saved(shown: http.HTTPFlow) -> bytes:
    file = io.BytesIO()
    flow_io.FlowWriter(file).add(shown)
    flow_io.FilteredFlowWriter(file, None).add(shown)
    file.seek(0)
    assert len([*flow_io.FlowReader(file).stream()]) == 2
    return file.getvalue()


def har(shown: http.HTTPFlow) -> bytes:
    return json.dumps(savehar.SaveHar().make_har([shown])).encode()


def exports(shown: http.HTTPFlow) -> bytes:
    with taddons.context(export.Export()):
        return repr([form(shown) for form in export.formats.values()]).encode()


def cuts(shown: http.HTTPFlow) -> bytes:
    return repr([cut.extract(what, shown) for what in ("request.path", "response.text")]).encode()


def terminal(shown: http.HTTPFlow) -> bytes:
    out = io.StringIO()
    addon = dumper.Dumper(out)
    with taddons.context(addon) as tctx:
        tctx.configure(addon, flow_detail=4)
        addon.response(shown)
    return out.getvalue().encode()


def views(shown: http.HTTPFlow) -> bytes:
    assert shown.response
    with taddons.context() as tctx:
        tctx.options.add_option("protobuf_definitions", str, "", "")
        names = ("auto", "raw", "hex dump", "json", "hex stream")
        texts = [
            contentviews.prettify_message(message, shown, name).text
            for message in (shown.request, shown.response)
            for name in names
        ]
    return "\n".join(texts).encode()


def pushed(shown: http.HTTPFlow) -> bytes:
    return app.ClientConnection._json_dumps(app.flow_to_json(shown))  # type: ignore[no-any-return]


@pytest.mark.parametrize("leave", [saved, har, exports, cuts, terminal, views, pushed])
def test_exits(leave: Callable[[http.HTTPFlow], bytes], shown: http.HTTPFlow) -> None:
    data = leave(shown)
    assert data
    assert live_secrets.hide(data) is data
    assert SECRET.encode().hex().encode() not in data.replace(b" ", b"")


class Handler:
    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.written: list[Any] = []

    def set_header(self, name: str, value: str) -> None:
        self.headers[name] = value


@pytest.mark.parametrize(
    ("chunk", "written"),
    [
        ([{"a": SECRET}], '[{"a": "[redacted]"}]'),
        ({"a": 1}, '{"a": 1}'),
        (SECRET, "[redacted]"),
        (SECRET.encode(), b"[redacted]"),
    ],
)
def test_what_mitmweb_answers(chunk: Any, written: Any) -> None:
    got: list[Any] = []
    write = exits._write(lambda handler, chunk: got.append(chunk), HIDING)
    handler = Handler()
    write(handler, chunk)
    assert got == [written]
    assert bool(handler.headers) is not isinstance(chunk, str | bytes)


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        (f"/files/{SECRET}", {}),
        ("/", {"content-disposition": f'attachment; filename="{SECRET}.json"'}),
    ],
)
def test_the_name_of_a_downloaded_file(path: str, headers: dict[str, str]) -> None:
    shown = tflow.tflow(resp=True)
    shown.request.path = path
    assert shown.response
    shown.response.headers.update(headers)
    view = types.SimpleNamespace(get_by_id={shown.id: shown}.get)
    handler: Any = app.FlowContent.__new__(app.FlowContent)
    handler.path_kwargs = {"flow_id": shown.id}
    handler.application = types.SimpleNamespace(master=types.SimpleNamespace(view=view))
    handler.request = httputil.HTTPServerRequest("GET", "/")
    asked = handler.flow
    assert SECRET not in f"{asked.request.path} {asked.response.headers}"
    handler.request = httputil.HTTPServerRequest("POST", "/")
    assert handler.flow is shown


def test_installed_twice_it_hides_once_and_is_undone() -> None:
    calls: list[bytes] = []

    def seen(data: bytes) -> bytes:
        calls.append(data)
        return data

    before = flow_io.FlowWriter.add, export.formats["raw"], app.ClientConnection._json_dumps
    undo = exits.install(HIDING._replace(data=seen))
    app.ClientConnection._json_dumps({})
    assert calls == [b"{}"]
    undo()
    now = flow_io.FlowWriter.add, export.formats["raw"], app.ClientConnection._json_dumps
    assert now == before


@pytest.mark.parametrize("leave", [terminal, views])
def test_no_text_orders_a_terminal_about(
    leave: Callable[[http.HTTPFlow], bytes], shown: http.HTTPFlow
) -> None:
    assert shown.response
    shown.response.text = "a\x1b[2J\x9b31m\u202eb\u2066"
    shown.response.headers["content-type"] = "text/plain; charset=utf-8"
    left = leave(shown).decode()
    assert "31m" in left
    assert set("\x1b\x9b\u202e\u2066").isdisjoint(left)
