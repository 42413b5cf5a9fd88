from __future__ import annotations

import json

import pytest

from claude_route.access import clients
from claude_route.access import live_secrets
from claude_route.ledger import reports
from claude_route.pages import asking
from claude_route.pages import content
from claude_route.pages import usage
from claude_route.profile import profiles
from tests.unit import states
from tests.unit.pages import viewers
from tests.wire import proxies

STATE = states.state_of(profiles.parse(str(proxies.profile("http://127.0.0.1:1")), {}, "p.yaml"))
ROW = reports.Row(("glm",), 2, 1, 10, 20, 30, 40, 1_500_000_000, 0)


async def ask(
    *rows: reports.Row,
    accept: str = "",
    viewer: clients.Client | None = None,
    is_off: bool = False,
    **query: str,
) -> content.Content:
    question = asking.Question(query, accept, viewer)
    return await usage.answer(question, STATE, states.sources(*(rows or (ROW,)), is_off=is_off))


async def test_json() -> None:
    media_type, body, _ = await ask(by="model")
    assert media_type == "application/json"
    assert json.loads(body)["rows"][0]["model"] == "glm"


async def test_csv() -> None:
    media_type, body, _ = await ask(by="model", format="csv")
    assert media_type == "text/csv; charset=utf-8"
    assert body.startswith(b"model,requests,")


@pytest.mark.parametrize("query", [{}, {"format": "csv"}, {"accept": "text/html"}])
async def test_without_secrets(query: dict[str, str]) -> None:
    secret = "sk-ant-api03-MARKED-usage-0123456789"
    live_secrets.keep([secret])
    _, body, _ = await ask(ROW._replace(key=(f"claude-{secret}",)), by="model", **query)  # type: ignore[arg-type]
    assert b"claude-[redacted]" in body
    assert secret.encode() not in body


@pytest.mark.parametrize("query", [{}, {"by": "model"}, {"since": "7d", "by": "model"}])
async def test_browsers_get_a_page(query: dict[str, str]) -> None:
    media_type, body, _ = await ask(accept="text/html", **query)  # type: ignore[arg-type]
    assert media_type == "text/html; charset=utf-8"
    assert b"<!doctype html>" in body
    assert (await ask(accept="text/html", format="json", by="model"))[0] == "application/json"


@pytest.mark.parametrize(
    ("query", "error", "message"),
    [
        ({"format": "xml"}, ValueError, "format: expected json or csv, got 'xml'"),
        ({"by": "x"}, ValueError, "by: expected"),
        ({"sicne": "7d"}, ValueError, "got 'sicne': did you mean since?"),
        ({"client": "bob", "accept": "text/html"}, ValueError, "until, format, got 'client'"),
        ({"is_off": True}, LookupError, "ledger: off"),
        ({"is_off": True, "accept": "text/html"}, LookupError, "ledger: off"),
    ],
)
async def test_what_is_wrong(query: dict[str, str], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        await ask(**query)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("viewer", "client"), [(None, None), (viewers.SHARED, None), (viewers.ALICE, "alice")]
)
@pytest.mark.parametrize("accept", ["", "text/html"])
async def test_a_client_sees_its_own(
    viewer: clients.Client | None, client: str | None, accept: str
) -> None:
    asked: list[reports.Query] = []

    async def report(query: reports.Query) -> reports.Report:
        asked.append(query)
        return reports.Report(query, (), reports.Row(()))

    sources = asking.Sources(report, lambda: b"", lambda: 1e9)
    question = asking.Question({}, accept, viewer)
    await usage.answer(question, STATE, sources)
    assert {query.client for query in asked} == {client}


LIMITED = f"""
providers: {{zai: {{base_url: "http://127.0.0.1:1"}}}}
models: {{glm: zai/glm-5}}
clients:
  alice: {{key: "sha256:{"0" * 63}1", budget: {{day: 20}}}}
  bob: {{key: "sha256:{"0" * 63}2", tokens_per_day: 1000, requests_per_minute: 7}}
"""


@pytest.mark.parametrize(
    ("viewer", "seen"), [(None, ["alice", "bob", "bob"]), (viewers.ALICE, ["alice"])]
)
async def test_limits(viewer: clients.Client | None, seen: list[str]) -> None:
    in_force = states.state_of(profiles.parse(LIMITED, {}, "p.yaml"))
    answers = [
        await usage.answer(
            asking.Question({"by": "model"}, accept, viewer), in_force, states.sources(ROW)
        )
        for accept in ("", "text/html")
    ]
    assert [row["client"] for row in json.loads(answers[0].body)["limits"]] == seen
    page = answers[1].body.decode()
    assert page.count("<meter") == len(seen)
    assert ("1.0k tokens a day" in page) is (viewer is None)
    assert "$20.00 a day" in page
