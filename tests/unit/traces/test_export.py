"""With a collector of our own, on loopback, that reads what comes."""

from __future__ import annotations

import dataclasses
import gzip
import http.server
import importlib
import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as otlp

from claude_route.profile import profiles
from claude_route.traces import export
from tests.unit import states
from tests.unit.ledger.examples import AT
from tests.unit.ledger.examples import record
from tests.unit.traces.test_spans import SPAN
from tests.unit.traces.test_spans import TRACE
from tests.wire import proxies

PROFILE = profiles.parse(str(proxies.profile("http://127.0.0.1:1")), {}, "p.yaml")


class Collector:
    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.paths: list[str] = []
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers["content-encoding"] == "gzip":
                    body = gzip.decompress(body)
                request = otlp.ExportTraceServiceRequest.FromString(body)
                collector.paths.append(self.path)
                for resource in request.resource_spans:
                    for scope in resource.scope_spans:
                        collector.spans += scope.spans
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()


@pytest.fixture
def collector() -> Iterator[Collector]:
    running = Collector()
    yield running
    running.server.shutdown()
    running.server.server_close()
    running.thread.join()


def made(url: str) -> export.Traces:
    in_force = states.state_of(dataclasses.replace(PROFILE, otlp=url))
    return export.Traces(lambda: in_force)


def test_spans_reach_a_collector(collector: Collector) -> None:
    traces = made(collector.url)
    traces.running()
    traces.take(record(trace=f"00-{TRACE}-{SPAN}-01"), None)
    traces.take(record(trace=f"00-{TRACE}-{SPAN}-00"), None)
    traces.take(record(error="overloaded_error", status=529), None)
    traces.done()
    assert set(collector.paths) == {"/v1/traces"}
    child, alone = collector.spans  # whose client samples none isn't sent
    assert (child.trace_id.hex(), child.parent_span_id.hex()) == (TRACE, SPAN)
    assert (child.name, child.start_time_unix_nano) == ("chat glm", int(AT * 1e9))
    assert child.end_time_unix_nano - child.start_time_unix_nano == 2_000_000_000
    keys = {each.key: each.value.int_value for each in child.attributes}
    assert keys["gen_ai.usage.output_tokens"] == 20
    assert (alone.parent_span_id, alone.status.code) == (b"", 2)


def test_off_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib, "import_module", None)
    traces = made("")
    traces.running()
    traces.take(record(), None)
    traces.done()


def test_without_the_extra(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def missing(name: str) -> Any:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    caplog.set_level(logging.WARNING)
    traces = made("http://127.0.0.1:9")
    for _ in range(3):
        traces.take(record(), None)
    assert len(caplog.messages) == 1
