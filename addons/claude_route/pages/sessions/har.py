"""A session as an HTTP Archive: http://www.softwareishard.com/blog/har-12-spec/"""

from __future__ import annotations

from typing import Any

import msgspec
from mitmproxy import http

import claude_route
from claude_route.pages.sessions import bodies
from claude_route.pages.sessions import breath
from claude_route.pages.sessions import rendering
from claude_route.sessions import report
from claude_route.sessions import tree

ABSENT = -1
"""What the format has for a number that isn't known."""

NOT_KEPT = "http://not-kept.invalid/v1/messages"
"""Of a request that isn't kept: the format requires a URL."""


def of(shown: tree.Session, find: bodies.Find) -> bytes:
    whole = report.whole(shown)
    about = [*whole["turns"], *whole["copies"]]
    log = {
        "version": "1.2",
        "creator": {"name": "claude-route", "version": claude_route.__version__},
        "comment": shown.title,
        "entries": [],
    }
    head, tail = msgspec.json.encode({"log": log}).rsplit(b"]", 1)
    # One by one, each in a line: whoever encodes or reads all at once lets nobody else run meanwhile.
    made = []
    for entry, fields in zip((*shown.entries, *shown.copies), about, strict=True):
        made.append(msgspec.json.encode(_entry(entry, fields, find)))
        breath.take()
    return b"%b\n%b\n]%b" % (head, b",\n".join(made), tail)


def _entry(entry: tree.Entry, about: dict[str, Any], find: bodies.Find) -> dict[str, Any]:
    turn = entry.turn
    kept = find(turn.flow)
    whole = turn.seconds * 1000
    wait = whole if turn.first_byte is None else turn.first_byte * 1000
    return {
        "startedDateTime": rendering.iso(turn.at),
        "time": whole,
        "request": _request(kept.flow.request if kept else None),
        "response": _response(kept.flow.response if kept else None, 0 if turn.error else 200),
        "cache": {},
        "timings": {"send": 0, "wait": wait, "receive": max(0.0, whole - wait)},
        "comment": turn.prompt or ", ".join(turn.results),
        "_claude_route": about,
    }


def _request(request: http.Request | None) -> dict[str, Any]:
    made: dict[str, Any] = {
        "method": request.method if request else "POST",
        "url": request.url if request else NOT_KEPT,
        **_message(request),
        "queryString": [
            {"name": name, "value": value}
            for name, value in (request.query.items(multi=True) if request else ())
        ],
    }
    if body := bodies.plain(request):
        kind = request.headers.get("content-type", "") if request else ""
        made["postData"] = {"mimeType": kind, "text": body.decode("utf-8", "replace")}
    return made


def _response(response: http.Response | None, status: int) -> dict[str, Any]:
    """`status` is that of a response that isn't kept."""
    body = bodies.plain(response)
    return {
        "status": response.status_code if response else status,
        "statusText": response.reason if response else "",
        **_message(response),
        "content": {
            "size": len(body),
            "mimeType": response.headers.get("content-type", "") if response else "",
            **({"text": body.decode("utf-8", "replace")} if body else {}),
        },
        "redirectURL": "",
    }


def _message(message: http.Message | None) -> dict[str, Any]:
    fields = message.headers.items(multi=True) if message else ()
    body = message.raw_content if message else None
    return {
        "httpVersion": message.http_version if message else "HTTP/1.1",
        "cookies": [],
        "headers": [{"name": name, "value": value} for name, value in fields],
        "headersSize": ABSENT,
        "bodySize": ABSENT if body is None else len(body),
    }
