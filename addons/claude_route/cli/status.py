"""`claude-route status`: shows the status of a running proxy as a table."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from claude_route.access import clients
from claude_route.cli import columns
from claude_route.text import quantities

URL = "http://127.0.0.1:4000"
"""The default URL of the reverse listener."""

TIMEOUT = 10.0
"""Seconds to wait for the answer. The proxy needs some milliseconds."""


class KeyRequiredError(ValueError):
    """A proxy answers, but not without a key that it knows."""


def fetch(url: str, key: str | None) -> dict[str, Any]:
    """The JSON of the proxy's `/status`.

    Raises:
        KeyRequiredError: it requires another key.
        ValueError: no claude-route answers there.
    """
    try:
        status, body = get(url, "/status", key)
    except ConnectionError as e:
        raise ValueError(str(e)) from e
    try:
        report = json.loads(body)
        is_ours = status == 200 and "targets" in report and "pool" in report
    except (ValueError, TypeError):
        is_ours = False
    if not is_ours:
        raise ValueError(f"the server at {url} is not claude-route (status {status})")
    return dict(report)


def get(url: str, path: str, key: str | None) -> tuple[int, bytes]:
    """The status and the body of what a proxy answers to programs.

    Uses http.client because it ignores the environment's proxies and doesn't follow redirects, so it
    can't send the key elsewhere.

    Raises:
        ConnectionError: nobody answers there.
        KeyRequiredError: the proxy requires another key.
        ValueError: the URL is none.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"--url: expected an http(s) URL, got {url!r}")
    is_https = parts.scheme == "https"
    kind = http.client.HTTPSConnection if is_https else http.client.HTTPConnection
    connection = kind(parts.hostname, parts.port, timeout=TIMEOUT)
    headers = {"accept": "application/json", **({clients.KEY_HEADER: key} if key else {})}
    try:
        connection.request("GET", f"{parts.path.rstrip('/')}{path}", headers=headers)
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as e:
        raise ConnectionError(
            f"no proxy answers at {url}: {_reason(e)}. Start one with `claude-route`, or choose "
            "another with --url"
        ) from e
    finally:
        connection.close()
    if answer.status == 401:
        why = "another PROXY_STATIC_TOKEN" if key else "a key: set PROXY_STATIC_TOKEN"
        raise KeyRequiredError(f"the proxy at {url} requires {why}")
    return answer.status, body


def refusal(url: str, status: int, body: bytes) -> str:
    """Why a proxy gave no page, in its own words; another server has none that we know."""
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"the server at {url} is not claude-route (status {status})"


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()


def lines(report: Mapping[str, Any]) -> Iterator[str]:
    pool = report["pool"]
    up = quantities.duration(report["now"] - report["started_at"])
    yield f"Profile {report['profile']}, up for {up}, {quantities.counted(report['in_flight'], 'request')} in flight"
    # A proxy of an older version says neither of these two.
    if (client := report.get("client")) is not None:
        yield f"Requests are those of {client}; tokens and targets are what all clients share"
    if over := report.get("over"):
        yield f"Over their limits: {', '.join(map(_over, over))}"
    yield ""
    yield f"Tokens ({pool['mode']}, {pool['strategy']})"
    yield from columns.lines(map(_token, pool["tokens"]), empty="none")
    yield ""
    yield "Targets"
    yield from columns.lines(
        (_target(row, report["now"]) for row in report["targets"]), empty="none"
    )
    yield ""
    yield "Models"
    yield from columns.lines(map(_model, report["models"]), empty="no requests yet")
    if checks := report.get("checks"):  # a proxy of an older version has none
        yield ""
        yield "Checks of tool calls (auto mode)"
        yield from columns.lines(map(_model, checks), empty="")


def _over(row: Mapping[str, Any]) -> str:
    """`alice ($20.00 a day, until 2026-12-01 00:00 UTC)`"""
    what = "" if row["unit"] == "dollars" else " tokens"
    limit = quantities.in_unit(row["limit"], row["unit"]) + what
    return f"{row['client']} ({limit} a {row['period']}, {until(row)} UTC)"


def until(row: Mapping[str, Any]) -> str:
    """When a client's limit begins again: `until 2026-12-01 00:00`"""
    return f"until {row['resets'][:16].replace('T', ' ')}"


def _token(row: Mapping[str, Any]) -> tuple[str, ...]:
    state = row["state"]
    if row["wait"]:
        state += f" for {quantities.duration(row['wait'])}"
    rests = [f"{family} {quantities.duration(left)}" for family, left in row["families"].items()]
    return (
        row["label"],
        state + (f" ({', '.join(rests)})" if rests else ""),
        f"5 h {_share(row['five_hour'])}",
        f"7 d {_share(row['seven_day'])}",
        quantities.counted(row["sessions"], "session"),
        quantities.counted(row["requests"], "attempt"),
        row["reason"],
    )


def _share(fraction: float | None) -> str:
    return "?" if fraction is None else quantities.percent(fraction)


def _target(row: Mapping[str, Any], now: float) -> tuple[str, ...]:
    reason = ""
    if row["missing"]:
        reason = f"not set: {', '.join(row['missing'])}"
    elif row["last_error"]:
        reason = f"{row['last_error']}, {quantities.duration(now - row['last_error_at'])} ago"
    if row.get("left_out"):  # a proxy of an older version has none
        reason += f"{'; ' if reason else ''}without {', '.join(row['left_out'])}"
    return (
        row["name"],
        row["state"],
        quantities.counted(row["attempts"], "attempt"),
        f"{row['failures']} failed",
        reason,
    )


def _model(row: Mapping[str, Any]) -> tuple[str, ...]:
    tokens, first_byte = row["tokens"], row["first_byte"]
    return (
        row["name"],
        quantities.counted(row["requests"], "request"),
        quantities.counted(row["errors"], "error"),
        f"{quantities.short(tokens['in'])} in",
        f"{quantities.short(tokens['cached'])} cached",
        f"{quantities.short(tokens['out'])} out",
        f"first byte {quantities.seconds(first_byte['p50'])}" if first_byte else "",
    )
