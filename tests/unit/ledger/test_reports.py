from __future__ import annotations

import csv
import io

import pytest

from claude_route.ledger import reports

NOW = 1795867200.0  # 2026-11-28T12:00:00Z


@pytest.mark.parametrize(
    ("text", "is_end", "moment"),
    [
        ("7d", False, NOW - 7 * 86400),
        ("90m", False, NOW - 5400),
        ("2w", True, NOW - 14 * 86400),
        ("2026-11-28", False, NOW - 12 * 3600),
        ("2026-11-28", True, NOW + 12 * 3600),
        ("2026-11-28T12:00:00Z", True, NOW),
        ("2026-11-28T13:00:00+01:00", False, NOW),
        ("2026-11-28T12:00", False, NOW),
        ("2026-11-28 12:00", False, NOW),
        # In whichever form a date is, `until` includes its day.
        ("20261128", True, NOW + 12 * 3600),
        ("2026-W48-6", True, NOW + 12 * 3600),
        ("2026-11-28T00:00", True, NOW - 12 * 3600),
        # A plus that a URL has made a space of.
        ("2026-11-28T13:00 01:00", False, NOW),
    ],
)
def test_moment(text: str, is_end: bool, moment: float) -> None:
    assert reports.moment("since", text, NOW, is_end=is_end) == moment


@pytest.mark.parametrize(
    ("parameters", "query"),
    [
        ({}, reports.Query(reports.DEFAULT_BY, NOW - 30 * 86400, NOW + 43200)),
        ({"by": ""}, reports.Query(reports.DEFAULT_BY, NOW - 30 * 86400, NOW + 43200)),
        (
            {"by": "model, day,model", "since": "1d"},
            reports.Query(("model", "day"), NOW - 86400, NOW + 43200),
        ),
        (
            {"by": "client", "until": "1d"},
            reports.Query(("client",), NOW - 30 * 86400, NOW - 86400),
        ),
    ],
)
def test_read(parameters: dict[str, str], query: reports.Query) -> None:
    assert reports.read(parameters, NOW) == query
    assert reports.read(parameters, NOW, client="alice") == query._replace(client="alice")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"by": "cost"}, "by: expected some of client, model, day"),
        ({"by": "id; DROP TABLE requests"}, "by: expected some of"),
        ({"since": "yesterday"}, "since: expected a date such as"),
        ({"until": "99999999d"}, "until: expected"),
        ({"until": "9999-12-31"}, "until: expected"),
        ({"until": "9999-12-31T23:00:00-12:00"}, "until: expected"),
        ({"since": "0001-01-01T00:00:00+14:00"}, "since: expected"),
        ({"since": "7d", "until": "8d"}, "until: expected a time after since, got '8d'"),
        ({"since": "2027-01-01"}, "since: expected a time that isn't in the future, got '2027"),
    ],
)
def test_what_is_wrong(parameters: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        reports.read(parameters, NOW)


ROWS = (
    reports.Row(("glm", "alice"), 2, 1, 10, 20, 30, 40, 1_234_567_890, 0),
    reports.Row(("=1+1", ""), 1, 0, 1, 2, 3, 4, 5, 1),
)
TOTAL = reports.Row((), 3, 1, 11, 22, 33, 44, 1_234_567_895, 1)
REPORT = reports.Report(reports.Query(("model", "client"), 0, NOW), ROWS, TOTAL)


def test_json() -> None:
    shown = reports.to_json(REPORT)
    assert shown["since"] == "1970-01-01T00:00:00Z"
    assert shown["until"] == "2026-11-28T12:00:00Z"
    assert shown["rows"][0] == {
        "model": "glm",
        "client": "alice",
        "requests": 2,
        "errors": 1,
        "tokens": {"input": 10, "output": 20, "cache_read": 30, "cache_write": 40},
        "cost": 1.23456789,
        "unpriced": 0,
    }
    assert shown["total"]["cost"] == 1.234567895
    assert shown["cut"] is False
    assert reports.to_json(REPORT._replace(rows=ROWS[:1]))["cut"] is True


def test_csv() -> None:
    rows = list(csv.reader(io.StringIO(reports.to_csv(REPORT))))
    assert rows[0][:3] == ["model", "client", "requests"]
    assert rows[1] == ["glm", "alice", "2", "1", "10", "20", "30", "40", "1.23456789", "0"]
    assert rows[2][0] == "'=1+1", "a spreadsheet would take it for a formula"
    assert rows[2][-2:] == ["0.000000005", "1"]


@pytest.mark.parametrize("text", ["+1", "-1", "@a", "\t=1", "\r=1"])
def test_no_cell_is_a_formula(text: str) -> None:
    row = reports.Row((text, ""), 1)
    lines = reports.to_csv(REPORT._replace(rows=(row,)))
    assert list(csv.reader(io.StringIO(lines, newline="")))[1][0] == f"'{text}"


def test_a_row() -> None:
    assert (ROWS[0].dollars, ROWS[0].tokens) == (1.23456789, 100)
