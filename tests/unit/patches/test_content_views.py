from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from mitmproxy import contentviews
from mitmproxy.test import taddons
from mitmproxy.test import tflow
from mitmproxy.test import tutils
from mitmproxy.tools.web import app

from claude_route.patches import content_views


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    threads: list[str] = []

    def get(self: Any, flow_id: str, message: str, content_view: str) -> None:
        threads.append(threading.current_thread().name)

    monkeypatch.setattr(app.FlowContentView, "get", get)
    stock = contentviews.prettify_message
    undo = content_views.install()
    yield threads
    undo()
    assert (contentviews.prettify_message, app.FlowContentView.get) == (stock, get)


def shown(body: bytes, kind: bytes = b"application/json", view: str = "auto") -> str:
    flow = tflow.tflow(req=tutils.treq(content=body, headers=((b"content-type", kind),)))
    with taddons.context() as tctx:
        tctx.options.add_option("protobuf_definitions", str | None, None, "")
        return contentviews.prettify_message(flow.request, flow, view).text


def test_an_ordinary_body() -> None:
    assert shown(b'{"a":[1]}').split() == ["{", '"a":', "[", "1", "]", "}"]


@pytest.mark.parametrize(
    "body",
    [b'"%s"' % (b"x" * 9_000_000), b"[" + b"1," * 300_000 + b"1]", b"\xff" * 9_000_000],
    ids=["long", "odd", "binary"],
)
def test_a_long_or_odd_body(body: bytes) -> None:
    text = shown(body)
    assert text.startswith(f"[{len(body):,} bytes, too long to be formatted; they begin so]\n")
    assert len(text) < 5 * content_views.SHOWN


async def test_where_mitmweb_formats(installed: list[str]) -> None:
    await app.FlowContentView.get(None, "1", "request", "auto")  # type: ignore[arg-type, func-returns-value, misc]
    assert installed == ["views_0"]


QUICK = ("hex dump", "hex stream", "json", "raw")


def test_each_view_of_mitmproxy_has_a_limit() -> None:
    names = {name for name in contentviews.registry.available_views() if name != "auto"}
    ours = {name for name in names if name.startswith("claude")}
    assert names - ours == {*QUICK, *content_views.SLOW, *content_views.SHORT}


@pytest.mark.parametrize("view", ["auto", "viewcss", "javascript", "wbxml"])
@pytest.mark.parametrize(
    "kind",
    [b"text/css", b"text/javascript", b"application/javascript", b"application/vnd.wap.wbxml"],
)
@pytest.mark.parametrize(
    "body", [b'"\\' * 20_000, b"\n" * 40_000, b"\3\1\x6a\0" + b"\x45" * 40_000]
)
def test_what_takes_minutes_is_not_formatted(view: str, kind: bytes, body: bytes) -> None:
    assert shown(body, kind, view).startswith(f"[{len(body):,} bytes, too long")


def test_a_short_form() -> None:
    kind = b"application/x-www-form-urlencoded"
    assert shown(b"a=b&c=d", kind).split() == ["a:", "b", "c:", "d"]
    assert shown(b"a=b&" * 5000, kind).startswith("[20,000 bytes, too long")
