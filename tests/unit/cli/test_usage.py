from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from claude_route.cli import usage
from claude_route.ledger import database
from claude_route.ledger import reports
from claude_route.pages import standings
from tests.unit.cli import answering
from tests.unit.ledger.examples import record


def test_lines() -> None:
    query = reports.Query(("model", "client"), 0, 86400 * 2)
    rows = [reports.Row(("glm", ""), 2, 1, 10, 20, 30, 40, 1_500_000_000, 1)]
    report = reports.Report(query, rows, reports.Row((), 3, 1, 10, 20, 30, 40, 1_500_000_000, 1))
    shown = list(usage.lines(reports.to_json(report)))
    assert shown[0] == "1970-01-01 to 1970-01-02, by model, client (UTC)"
    assert shown[2].split() == [
        *("glm", "-", "$1.50+", "2", "requests", "1", "error"),
        *("10", "in", "30", "from", "cache", "40", "to", "cache", "20", "out"),
    ]
    assert shown[4].startswith("total  $1.50+  3 requests")
    assert shown[5] == "Only the dearest 1 are shown"
    assert "1 request used models whose price isn't known" in shown[6]


def test_no_lines() -> None:
    report = reports.Report(reports.Query(("model",), 0, 1), (), reports.Row(()))
    assert list(usage.lines(reports.to_json(report)))[2:] == ["  no requests"]


def test_limits() -> None:
    report = reports.Report(reports.Query(("model",), 0, 1), (), reports.Row(()))
    rows = [
        standings.Row("alice", "dollars", "day", 16.2, 0.42, 20, 86400.0),
        standings.Row("alice", "requests", "minute", 3, 0, 60, None),
        standings.Row("bob", "tokens", "day", 6_000_000, 0, 5_000_000, 86400.0),
    ]
    shown = {**reports.to_json(report), "limits": standings.to_json(rows)}
    assert list(usage.lines(shown))[3:] == [
        "",
        "Limits (UTC)",
        "  alice  budget a day       $16.20 of $20.00  81 %   $0.42 under way  until 1970-01-02 00:00",
        "  alice  requests a minute  3 of 60           5 %",
        "  bob    tokens a day       6.0M of 5.0M      120 %                   until 1970-01-02 00:00",
    ]


def answer(path: str) -> tuple[int, bytes]:
    if "wrong" in path:
        return 400, b'{"error": {"message": "by: expected more"}}'
    if "strange" in path:
        return 404, b"<html>"
    return 200, json.dumps({"path": path}).encode()


@pytest.fixture
def server() -> Iterator[str]:
    with answering.serving(answer) as url:
        yield url


def test_of_proxy(server: str) -> None:
    text = usage.of_proxy(server, {"by": "model,day"}, "key")
    assert json.loads(text) == {"path": "/usage?by=model%2Cday"}
    with pytest.raises(ValueError, match="by: expected more"):
        usage.of_proxy(server, {"by": "wrong"}, None)
    with pytest.raises(ValueError, match="is not claude-route"):
        usage.of_proxy(server, {"by": "strange"}, None)
    with pytest.raises(ConnectionError):
        usage.of_proxy("http://127.0.0.1:9", {}, None)


def test_of_ledger(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    with pytest.raises(ValueError, match="there is no ledger yet"):
        usage.of_ledger(url, {}, {})
    store = database.Database(url)
    store.write([record()])
    store.close()
    everything = {"since": "2020-01-01", "until": "2030-01-01", "by": "model"}
    text = usage.of_ledger(url, everything, {})
    assert json.loads(text)["total"]["requests"] == 1
    assert usage.of_ledger(url, {**everything, "format": "csv"}, {}).startswith("model,requests")
    with pytest.raises(ValueError, match="ledger: off"):
        usage.of_ledger("", {}, {})
    with pytest.raises(ValueError, match="doesn't answer"):
        usage.of_ledger("postgresql://u:p@127.0.0.1:9/d", {}, {})
