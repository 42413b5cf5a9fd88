"""Finds one flow in a file of saved flows without reading the others.

A file may have gigabytes, and mitmproxy's reader parses all of it. A flow is a netstring: its length, a
colon, and so many bytes and one more (https://tnetstrings.info). So whole flows can be skipped.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

from mitmproxy import exceptions
from mitmproxy import flow
from mitmproxy import http
from mitmproxy.io import compat
from mitmproxy.io import tnetstring

LONGEST = 12
"""Digits of a flow's length."""

MOST = 20
"""Flows that are read because they have the id somewhere."""


def find(path: Path, flow_id: str) -> http.HTTPFlow | None:
    """The flow with this id; the last one, if it was saved more than once. None if there is none.

    Raises:
        OSError: the file can't be read.
    """
    wanted = b"2:id;%d:%b;" % (len(flow_id.encode()), flow_id.encode())
    with path.open("rb") as file:
        if not file.seek(0, 2):
            return None
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            places = [span for span in records(data) if data.find(wanted, *span) >= 0]
            # Another flow's body may quote the id.
            for start, end in places[: -MOST - 1 : -1]:
                if found := read(data[start:end], flow_id):
                    return found
    return None


def records(data: mmap.mmap) -> Iterator[tuple[int, int]]:
    """Where each flow begins and ends. A damaged file ends where the damage begins."""
    at = 0
    while at < len(data):
        colon = data.find(b":", at, at + LONGEST + 1)
        length = data[at:colon] if colon > at else b""
        if not length.isdigit():
            return
        end = colon + 1 + int(length) + 1
        if end > len(data):
            return
        yield at, end
        at = end


def read(record: bytes, flow_id: str) -> http.HTTPFlow | None:
    """The flow in a record; None if it is another one, or none."""
    try:
        state = tnetstring.loads(record)
        if not isinstance(state, dict):
            return None
        found = flow.Flow.from_state(compat.migrate_flow({**state}))
    except (ValueError, TypeError, KeyError, exceptions.FlowReadException):
        return None
    return found if isinstance(found, http.HTTPFlow) and found.id == flow_id else None
