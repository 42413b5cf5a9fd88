"""What a report is asked for, and what it says: totals of requests, by what they have in common."""

from __future__ import annotations

import csv
import datetime
import io
import re
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

from claude_route.text import quantities

NANO = 1_000_000_000
"""Money is kept in whole billionths of a dollar, so that sums are exact in any order."""

COLUMNS = (
    *("client", "model", "day", "session", "target"),
    *("hour", "agent", "token", "kind", "status"),
)
"""What requests can be counted by."""

NUMBERS = ("requests", "errors", "input", "output", "cache_read", "cache_write")

DEFAULT_BY = ("day", "client", "model")
DEFAULT_DAYS = 30
MAX_ROWS = 10_000
"""A report by session may have more: then only the dearest are in it."""

_AGO = re.compile(r"(\d{1,5})([smhdw])")
_ZONE = re.compile(r"(T.+) (\d\d:?\d\d)$")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Query(NamedTuple):
    by: tuple[str, ...]
    since: float
    """Unix seconds."""
    until: float
    """Unix seconds; this moment is no longer part of the report."""
    client: str | None = None
    """The only client whose requests are counted; None for all."""


class Row(NamedTuple):
    key: tuple[str, ...]
    """What the requests have in common, in the order of `Query.by`."""
    requests: int = 0
    errors: int = 0
    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    nano: int = 0
    """Billionths of a US dollar."""
    unpriced: int = 0
    """Requests that used tokens whose price nobody knows."""

    @property
    def dollars(self) -> float:
        return self.nano / NANO

    @property
    def tokens(self) -> int:
        return self.input + self.output + self.cache_read + self.cache_write


class Report(NamedTuple):
    query: Query
    rows: Sequence[Row]
    """Those of the report, the dearest first, or in order of time if that comes first."""
    total: Row
    """Of all requests, whether or not their rows are among `rows`."""

    @property
    def is_cut(self) -> bool:
        return sum(row.requests for row in self.rows) < self.total.requests


def read(parameters: Mapping[str, str], now: float, *, client: str | None = None) -> Query:
    """The query of a URL, or a command.

    Raises:
        ValueError: `<parameter>: expected <what>, got <repr>`.
    """
    by = tuple(dict.fromkeys(filter(None, map(str.strip, parameters.get("by", "").split(",")))))
    for name in by:
        if name not in COLUMNS:
            raise ValueError(f"by: expected some of {', '.join(COLUMNS)}, got {name[:40]!r}")
    since, until = parameters.get("since", ""), parameters.get("until", "")
    first = moment("since", since, now) if since else now - DEFAULT_DAYS * 86400
    last = moment("until", until, now, is_end=True) if until else (now // 86400 + 1) * 86400
    if first >= last:
        name, got = ("until", until) if until else ("since", since)
        order = "a time after since" if until else "a time that isn't in the future"
        raise ValueError(f"{name}: expected {order}, got {got[:40]!r}")
    return Query(by or DEFAULT_BY, first, last, client)


def moment(name: str, text: str, now: float, *, is_end: bool = False) -> float:
    """Unix seconds, for a date, a time (UTC unless it says otherwise) or how long ago: `7d`. A date that
    `is_end` includes the day.

    Raises:
        ValueError: it is none of them.
    """
    if ago := _AGO.fullmatch(text):
        return now - datetime.timedelta(**{_UNITS[ago[2]]: int(ago[1])}).total_seconds()
    try:
        # In a URL, a plus that is not written as %2B is a space.
        parsed = datetime.datetime.fromisoformat(_ZONE.sub(r"\1+\2", text))
        if is_end and _is_date(text):
            parsed += datetime.timedelta(days=1)
        parsed = parsed if parsed.tzinfo else parsed.replace(tzinfo=datetime.UTC)
        return parsed.astimezone(datetime.UTC).timestamp()
    except (ValueError, OverflowError):
        raise ValueError(
            f"{name}: expected a date such as 2026-11-28, or how long ago, such as 7d, got {text[:40]!r}"
        ) from None


def _is_date(text: str) -> bool:
    try:
        datetime.date.fromisoformat(text)
    except ValueError:
        return False
    return True


def to_json(report: Report) -> dict[str, Any]:
    query = report.query
    return {
        "by": list(query.by),
        "since": quantities.utc(query.since),
        "until": quantities.utc(query.until),
        "rows": [
            {**dict(zip(query.by, row.key, strict=True)), **_numbers(row)} for row in report.rows
        ],
        "total": _numbers(report.total),
        "cut": report.is_cut,
    }


def _numbers(row: Row) -> dict[str, Any]:
    return {
        "requests": row.requests,
        "errors": row.errors,
        "tokens": {
            "input": row.input,
            "output": row.output,
            "cache_read": row.cache_read,
            "cache_write": row.cache_write,
        },
        "cost": row.dollars,
        "unpriced": row.unpriced,
    }


def to_csv(report: Report) -> str:
    """RFC 4180. Text that a spreadsheet would take for a formula begins with an apostrophe."""
    lines = io.StringIO()
    writer = csv.writer(lines)
    writer.writerow([*report.query.by, *NUMBERS, "cost", "unpriced"])
    for row in report.rows:
        key = [f"'{text}" if text[:1] in tuple("=+-@\t\r") else text for text in row.key]
        numbers = [getattr(row, name) for name in NUMBERS]
        writer.writerow([*key, *numbers, _decimal(row.nano), row.unpriced])
    return lines.getvalue()


def _decimal(nano: int) -> str:
    """Dollars, exactly."""
    whole, rest = divmod(nano, NANO)
    return f"{whole}.{rest:09d}".rstrip("0").rstrip(".") if rest else str(whole)
