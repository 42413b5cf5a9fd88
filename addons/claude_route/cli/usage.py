"""`claude-route usage`: tokens and money, from a running proxy or, if there is none, from its ledger."""

from __future__ import annotations

import datetime
import json
import time
import urllib.parse
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

from claude_route.cli import columns
from claude_route.cli import status
from claude_route.ledger import books
from claude_route.ledger import location
from claude_route.ledger import reports
from claude_route.text import quantities


def of_proxy(url: str, parameters: Mapping[str, str], key: str | None) -> str:
    """What a proxy's `/usage` says.

    Raises:
        ConnectionError: no proxy answers there.
        ValueError: it refuses to.
    """
    path = f"/usage?{urllib.parse.urlencode(parameters)}"
    answered, body = status.get(url, path, key)
    if answered != 200:
        raise ValueError(status.refusal(url, answered, body))
    return body.decode("utf-8", "replace")


def of_ledger(
    setting: str | None, parameters: Mapping[str, str], environ: Mapping[str, str]
) -> str:
    """The same, read from the ledger itself. `setting` is the profile's.

    Raises:
        ValueError: there is no ledger, or a parameter is wrong.
    """
    url = location.url(setting, environ)
    if not url:
        raise ValueError("there is no ledger: the profile says `ledger: off`")
    file = location.file(url)
    if file and not file.exists():
        raise ValueError(f"there is no ledger yet: {file} doesn't exist")
    query = reports.read(parameters, time.time())
    database = books.database()
    store = database.Database(url)
    try:
        report = store.report(query)
    except database.UNAVAILABLE as e:
        raise ValueError(location.silent(url, e)) from e
    finally:
        store.close()
    if parameters.get("format") == "csv":
        return reports.to_csv(report)
    return json.dumps(reports.to_json(report))


def lines(report: Mapping[str, Any]) -> Iterator[str]:
    """The table for people."""
    by, rows = report["by"], report["rows"]
    # `until` itself is no longer part of it.
    last = datetime.datetime.fromisoformat(report["until"]) - datetime.timedelta(seconds=1)
    yield f"{report['since'][:10]} to {last:%Y-%m-%d}, by {', '.join(by)} (UTC)"
    yield ""
    yield from columns.lines((_row(by, row) for row in rows), empty="no requests")
    if rows:
        yield ""
        yield "  ".join(("total", *_numbers(report["total"])))
    if report["cut"]:
        yield f"Only the dearest {len(rows)} are shown"
    if unpriced := report["total"]["unpriced"]:
        what = quantities.counted(unpriced, "request")
        yield f"{what} used models whose price isn't known: see `prices` in the profile"
    # Neither a ledger without a proxy has them, nor a proxy of an older version.
    if limits := report.get("limits"):
        yield ""
        yield "Limits (UTC)"
        yield from columns.lines(map(_limit, limits))


def _row(by: list[str], row: Mapping[str, Any]) -> tuple[str, ...]:
    return (*(row[name] or "-" for name in by), *_numbers(row))


def _limit(row: Mapping[str, Any]) -> tuple[str, ...]:
    unit = row["unit"]
    used, most, reserved = (
        quantities.in_unit(row[name], unit) for name in ("used", "limit", "reserved")
    )
    what = "budget" if unit == "dollars" else unit
    return (
        row["client"],
        f"{what} a {row['period']}",
        f"{used} of {most}",
        quantities.percent(row["used"] / row["limit"]),
        f"{reserved} under way" if row["reserved"] else "",
        status.until(row) if row["resets"] else "",
    )


def _numbers(row: Mapping[str, Any]) -> tuple[str, ...]:
    tokens = row["tokens"]
    short: Callable[[int], str] = quantities.short
    return (
        quantities.dollars(row["cost"]) + ("+" if row["unpriced"] else ""),
        quantities.counted(row["requests"], "request"),
        quantities.counted(row["errors"], "error"),
        f"{short(tokens['input'])} in",
        f"{short(tokens['cache_read'])} from cache",
        f"{short(tokens['cache_write'])} to cache",
        f"{short(tokens['output'])} out",
    )
