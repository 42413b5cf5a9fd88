"""Finds one flow in a file of saved flows without reading the others.

A file may have gigabytes, and mitmproxy's reader parses all of it. A flow is a netstring: its length, a
colon, and so many bytes and one more (https://tnetstrings.info). So whole flows can be skipped, and in a flow all
fields but its id.
"""

from __future__ import annotations

import mmap
import os
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mitmproxy import exceptions
from mitmproxy import flow
from mitmproxy import http
from mitmproxy.io import compat
from mitmproxy.io import tnetstring

LONGEST = 12
"""Digits of a length."""

MOST = 200_000
"""Flows whose places are remembered: the latest."""


class Span(NamedTuple):
    start: int
    end: int


class Places:
    """Where the flows of a file are. The file is read as far as it has grown, and again if it is another one.
    Used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = (0, 0)
        self._end = 0
        self._spans: OrderedDict[str, Span] = OrderedDict()
        """By the flows' ids; of a flow that was saved more than once, the last."""

    def find(self, flow_id: str) -> http.HTTPFlow | None:
        """The flow with this id. None if there is none.

        Raises:
            OSError: the file can't be read.
        """
        with self.path.open("rb") as file:
            about = os.fstat(file.fileno())
            if (about.st_dev, about.st_ino) != self._file or about.st_size < self._end:
                self._file, self._end = (about.st_dev, about.st_ino), 0
                self._spans.clear()
            if not about.st_size:
                return None
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                self._grow(data)
                span = self._spans.get(flow_id)
                return read(data[span.start : span.end], flow_id) if span else None

    def _grow(self, data: mmap.mmap) -> None:
        for span in records(data, self._end):
            self._end = span.end
            if id := id_of(data, span):
                self._spans.pop(id, None)
                self._spans[id] = span
        while len(self._spans) > MOST:
            self._spans.popitem(last=False)


def records(data: mmap.mmap, at: int = 0) -> Iterator[Span]:
    """Where each flow begins and ends. A damaged file ends where the damage begins."""
    while element := _element(data, at, len(data)):
        yield Span(at, element.end)
        at = element.end


def id_of(data: mmap.mmap, record: Span) -> str:
    """The id of the flow in a record; empty if it has none."""
    whole = _element(data, *record)
    at = whole.start if whole else record.end
    while (key := _element(data, at, record.end)) and (
        value := _element(data, key.end, record.end)
    ):
        if data[key.start : min(key.end, key.start + 4)] == b"id;":
            return data[value.start : min(value.end - 1, value.start + 100)].decode(
                "utf-8", "replace"
            )
        at = value.end
    return ""


def _element(data: mmap.mmap, at: int, end: int) -> Span | None:
    """Where a netstring's content begins, and where it ends with its type; None if there is none before `end`."""
    colon = data.find(b":", at, min(at + LONGEST + 1, end))
    length = data[at:colon] if colon > at else b""
    if not length.isdigit():
        return None
    last = colon + 1 + int(length) + 1
    return Span(colon + 1, last) if last <= end else None


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
