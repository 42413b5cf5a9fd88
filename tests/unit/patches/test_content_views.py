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


def shown(body: bytes) -> str:
    flow = tflow.tflow(
        req=tutils.treq(content=body, headers=((b"content-type", b"application/json"),))
    )
    with taddons.context() as tctx:
        tctx.options.add_option("protobuf_definitions", str | None, None, "")
        return contentviews.prettify_message(flow.request, flow).text


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
