from __future__ import annotations

import pytest
from mitmproxy import http
from mitmproxy import options
from mitmproxy.proxy import context
from mitmproxy.proxy import mode_specs
from mitmproxy.proxy.layers import http as layers
from mitmproxy.test import tflow
from mitmproxy.test import tutils

import asked


def told(request: http.Request) -> str | None:
    """What is known when the first hook is called at a reverse door."""
    around = context.Context(tflow.tclient_conn(), options.Options())
    around.client.proxy_mode = mode_specs.ProxyMode.parse("reverse:http://upstream.example")
    around.server.address = ("upstream.example", 80)
    around.options.add_option("keep_host_header", bool, False, "")
    around.options.add_option("validate_inbound_headers", bool, True, "")
    stream = layers.HttpStream(around, 1)
    stream.__dict__["mode"] = layers.HTTPMode.transparent
    for _ in stream.state_wait_for_request_headers(layers.RequestHeaders(1, request, True)):
        break
    assert request.host_header == "upstream.example"
    return asked.host(request)


@pytest.mark.parametrize(
    ("request_", "host"),
    [
        (tutils.treq(headers=http.Headers(host="asked.example:4000")), "asked.example:4000"),
        (tutils.treq(headers=http.Headers([(b"Host", b"a"), (b"host", b"b")])), "a, b"),
        (tutils.treq(headers=http.Headers()), None),
        (tutils.treq(http_version=b"HTTP/2.0", authority=b"asked.example"), "asked.example"),
    ],
)
def test_what_the_client_said_is_kept(request_: http.Request, host: str | None) -> None:
    uninstall = asked.install()
    assert told(request_) == host
    uninstall()
    assert asked.host(tutils.treq()) is None
