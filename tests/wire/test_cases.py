"""Plays the cases in tests/wire/cases/: one proxy, and one upstream that answers as they say."""

from __future__ import annotations

import http.server
import importlib
import json
import pkgutil
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.wire import cases
from tests.wire import proxies

CASES: list[cases.Case] = [
    case
    for module in pkgutil.iter_modules(cases.__path__)
    for case in importlib.import_module(f"{cases.__name__}.{module.name}").CASES
]


class Upstream:
    """All providers: the first part of a path is the provider's name."""

    def __init__(self) -> None:
        self.case: cases.Case
        self.sent: list[cases.Sent] = []
        upstream = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers.get("content-length", 0))
                body = json.loads(self.rfile.read(length) or b"null")
                answer = upstream.answer(self.path, dict(self.headers.items()), body)
                self.send_response_only(answer.status)
                if answer.kind:
                    self.send_header("content-type", answer.kind)
                if answer.status != 204:
                    self.send_header("content-length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def play(self, case: cases.Case) -> None:
        self.case, self.sent = case, []

    def answer(self, path: str, headers: dict[str, str], body: Any) -> cases.Answer:
        provider, _, rest = path.removeprefix("/").partition("/")
        lower = {name.lower(): value for name, value in headers.items()}
        before = sum(sent.provider == provider for sent in self.sent)
        self.sent.append(cases.Sent(provider, f"/{rest}", lower, body))
        scripted = self.case.answers.get(provider)
        if not scripted:
            return cases.Answer(b'{"error":{"message":"unexpected request"}}', status=500)
        return scripted[min(before, len(scripted) - 1)]


def profile(url: str) -> dict[str, Any]:
    """That of all cases: the names in it begin with the case's, so that nothing is shared but
    `anthropic`."""
    providers: dict[str, Any] = {
        "anthropic": {"base_url": f"{url}/anthropic", "auth": "x-api-key", "api_key": "sk-ant-x"}
    }
    models: dict[str, str] = {}
    fallbacks: dict[str, list[str]] = {}

    def target(case: cases.Case, to: str) -> str:
        return to if to.startswith("anthropic/") else f"{case.name}.{to}"

    for case in CASES:
        for name, settings in case.providers.items():
            own = {"auth": "bearer", "api_key": "provider-key-0123456789"}
            providers[f"{case.name}.{name}"] = {"base_url": f"{url}/{name}", **own, **settings}
        for name, to in case.models.items():
            models[f"{case.name}.{name}"] = target(case, to)
        for name, others in case.fallbacks.items():
            fallbacks[f"{case.name}.{name}"] = [f"{case.name}.{other}" for other in others]
    return {"providers": providers, "models": models, "fallbacks": fallbacks}


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    upstream = Upstream()
    yield upstream
    upstream.server.shutdown()
    upstream.server.server_close()


@pytest.fixture(scope="module")
def proxy(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[proxies.Proxy]:
    running = proxies.Proxy(tmp_path_factory.mktemp("cases"), profile(upstream.url))
    yield running
    running.close()


def row(case: cases.Case) -> Any:
    marks = [pytest.mark.xfail(reason=case.pending, strict=True)] if case.pending else []
    return pytest.param(case, id=case.name, marks=marks)


def test_names() -> None:
    names = [case.name for case in CASES]
    assert sorted(set(names)) == sorted(names)
    assert all(name.replace("-", "").isalnum() for name in names)
    assert all(case.report.startswith("https://") for case in CASES)


@pytest.mark.parametrize("case", [row(case) for case in CASES])
def test_case(case: cases.Case, upstream: Upstream, proxy: proxies.Proxy) -> None:
    upstream.play(case)
    before = len(proxy.log)
    request = {**case.request, "model": f"{case.name}.{case.request['model']}"}
    with proxy.client(headers=dict(case.headers)) as client:
        response = client.post("/v1/messages?beta=true", json=request)
    case.check(
        cases.Result(
            response.status_code,
            response.headers,
            response.content,
            upstream.sent,
            proxy.log[before:],
        )
    )
