from __future__ import annotations

import gzip
from collections.abc import Callable

import pytest
from mitmproxy import exceptions
from mitmproxy import flow
from mitmproxy import http
from mitmproxy.test import tflow
from mitmproxy.test import tutils

from claude_route.access import hidden_flows
from claude_route.access import live_secrets

SECRET = "sk-ant-oat01-MARKED-flow-0123456789"


@pytest.fixture(autouse=True)
def live() -> None:
    live_secrets.keep([SECRET])


def http_flow() -> http.HTTPFlow:
    return tflow.tflow(ws=True, resp=True, err=True)


def content(shown: http.HTTPFlow) -> None:
    shown.request.content = f"key={SECRET}".encode()


def compressed(shown: http.HTTPFlow) -> None:
    shown.request.headers["content-encoding"] = "gzip"
    shown.request.raw_content = gzip.compress(f"key={SECRET}".encode())


def path(shown: http.HTTPFlow) -> None:
    shown.request.path = f"/?key={SECRET}"


def header(shown: http.HTTPFlow) -> None:
    shown.request.headers["x-a"] = SECRET


def name(shown: http.HTTPFlow) -> None:
    assert shown.response
    shown.response.headers[SECRET] = "1"


def reason(shown: http.HTTPFlow) -> None:
    assert shown.response
    shown.response.reason = SECRET


def trailer(shown: http.HTTPFlow) -> None:
    assert shown.response
    shown.response.trailers = http.Headers([(b"x-a", SECRET.encode())])


def error(shown: http.HTTPFlow) -> None:
    shown.error = flow.Error(f"no {SECRET}")


def comment(shown: http.HTTPFlow) -> None:
    shown.comment = SECRET


def metadata(shown: http.HTTPFlow) -> None:
    shown.metadata["list"] = ["a", {"b": SECRET}]


def sni(shown: http.HTTPFlow) -> None:
    shown.client_conn.sni = SECRET


def client_error(shown: http.HTTPFlow) -> None:
    shown.client_conn.error = SECRET


def backup(shown: http.HTTPFlow) -> None:
    shown.comment = SECRET
    shown.backup()
    shown.comment = ""


def message(shown: http.HTTPFlow) -> None:
    assert shown.websocket
    shown.websocket.messages[0].content = SECRET.encode()


def close_reason(shown: http.HTTPFlow) -> None:
    assert shown.websocket
    shown.websocket.close_reason = SECRET


PLACES = [
    *(content, compressed, path, header, name, reason, trailer, error, comment, metadata, sni),
    *(client_error, backup, message, close_reason),
]


@pytest.mark.parametrize("place", PLACES)
def test_places(place: Callable[[http.HTTPFlow], None]) -> None:
    shown = http_flow()
    place(shown)
    before = repr(shown.get_state())
    copy = hidden_flows.hidden(shown)
    assert copy is not shown and copy.id == shown.id
    state = repr(copy.get_state())
    assert SECRET not in state and "[redacted]" in state
    assert copy.request.content is not None
    assert repr(shown.get_state()) == before


@pytest.mark.parametrize("make", [http_flow, tflow.ttcpflow, tflow.tudpflow, tflow.tdnsflow])
def test_nothing_to_hide(make: Callable[[], flow.Flow]) -> None:
    shown = make()
    assert hidden_flows.hidden(shown) is shown


def test_length_is_that_of_the_changed_body() -> None:
    shown = tflow.tflow(req=tutils.treq(content=f"key={SECRET}".encode()))
    shown.request.headers["content-length"] = str(len(shown.request.content or b""))
    copy = hidden_flows.hidden(shown)
    assert copy.request.content == b"key=[redacted]"
    assert copy.request.headers["content-length"] == "14"


def test_a_body_that_cannot_be_decoded() -> None:
    shown = tflow.tflow(req=tutils.treq(content=b"no gzip"))
    shown.request.headers["content-encoding"] = "gzip"
    assert hidden_flows.hidden(shown) is shown


@pytest.mark.parametrize("make", [tflow.ttcpflow, tflow.tudpflow])
def test_messages(make: Callable[[], flow.Flow]) -> None:
    shown = make()
    one = shown.messages[0]  # type: ignore[attr-defined]
    assert hidden_flows.hidden_message(one) is one
    one.content = SECRET.encode()
    assert hidden_flows.hidden_message(one).content == b"[redacted]"
    assert SECRET not in repr(hidden_flows.hidden(shown).get_state())


def test_http_messages() -> None:
    response = http.Response.make(200, SECRET)
    assert hidden_flows.hidden_message(response).content == b"[redacted]"
    assert response.content == SECRET.encode()
    assert hidden_flows.hidden_message(exceptions) is exceptions
