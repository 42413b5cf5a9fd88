"""Finds one flow in a file of saved flows without reading the others.

A file may have gigabytes, and mitmproxy's reader parses all of it. A flow is a netstring: its length, a
colon, and so many bytes and one more (https://tnetstrings.info). So whole flows can be skipped.
"""

from __future__ import annotations

import mmap
from pathlib import Path

from mitmproxy import exceptions
from mitmproxy import flow
from mitmproxy import http
from mitmproxy.io import compat
from mitmproxy.io import tnetstring

_LONGEST = 12
"""Digits of a flow's length."""


def find(path: Path, flow_id: str) -> http.HTTPFlow | None:
    """The flow with this id; the last one, if it was saved more than once. None if there is none.

    Raises:
        OSError: the file can't be read.
    """
    with path.open("rb") as file:
        if not file.seek(0, 2):
            return None
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            wanted = b"2:id;%d:%b;" % (len(flow_id.encode()), flow_id.encode())
            place = data.rfind(wanted)
            record = record_around(data, place) if place >= 0 else None
    if record is None:
        return None
    try:
        state = tnetstring.loads(record)
        if not isinstance(state, dict):
            return None
        found = flow.Flow.from_state(compat.migrate_flow({**state}))
    except (ValueError, TypeError, KeyError, exceptions.FlowReadException):
        return None
    return found if isinstance(found, http.HTTPFlow) and found.id == flow_id else None


def record_around(data: mmap.mmap, place: int) -> bytes | None:
    """The bytes of the flow in which a place is; None if the file is damaged."""
    at = 0
    while at <= place:
        colon = data.find(b":", at, at + _LONGEST + 1)
        length = data[at:colon] if colon > at else b""
        if not length.isdigit():
            return None
        end = colon + 1 + int(length) + 1
        if end > place:
            return data[at:end] if end <= len(data) else None
        at = end
    return None
