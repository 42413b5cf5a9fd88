"""`claude-route export`: saves a session of a running proxy as a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal
from typing import get_args
from urllib.parse import quote

from claude_route.cli import status

type Format = Literal["html", "jsonl", "har"]

FORMATS: tuple[str, ...] = get_args(Format.__value__)


def fetch(url: str, session: str, form: str, key: str | None) -> bytes:
    """The session with this id, or the one whose id begins so; `last`: the newest.

    Raises:
        ValueError: no claude-route answers there, it requires another key, or has no such session.
    """
    try:
        found = _id(url, session, key)
        answered, body = status.get(url, f"/sessions/{quote(found, safe='')}.{form}", key)
    except ConnectionError as e:
        raise ValueError(str(e)) from e
    if answered != 200:
        raise ValueError(status.refusal(url, answered, body))
    return body


def _id(url: str, session: str, key: str | None) -> str:
    answered, body = status.get(url, "/sessions", key)
    try:
        ids = [str(each["id"]) for each in json.loads(body)["sessions"]]
    except (ValueError, KeyError, TypeError) as e:
        raise ValueError(status.refusal(url, answered, body)) from e
    matching = [id for id in ids if id == session] or [id for id in ids if id.startswith(session)]
    if session == "last":
        matching = ids[:1]
    if not matching:
        raise ValueError(f"the proxy at {url} has no session {session!r}; it has {len(ids)} others")
    if len(matching) > 1:
        raise ValueError(f"{session!r}: {len(matching)} sessions begin so; give more of the id")
    return matching[0]


def write(body: bytes, file: Path) -> None:
    """Raises ValueError: the file can't be written."""
    try:
        file.write_bytes(body)
    except OSError as e:
        raise ValueError(f"{file}: {(e.strerror or str(e)).lower()}") from e
