"""What a subject does with an input that it must not do."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests import paths

CORPUS = Path(__file__).parent / "corpus"

SLOW = 1.0
"""Seconds of processor time that no input of a fuzzer's size may take. Most take a millisecond."""

type Check = Callable[[bytes], None]
"""Gives an input to what is tested, and raises if that raises, or if what it returns is wrong."""


class Finding(NamedTuple):
    place: str
    """What went wrong, and where: the same for all inputs that meet the same mistake."""
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {' '.join(self.message.split())[:200]}"


def find(check: Check, data: bytes, *, slow: float = SLOW) -> Finding | None:
    began = time.process_time()
    try:
        check(data)
    except Exception as e:
        return Finding(f"{type(e).__name__} at {_place(e)}", str(e))
    took = time.process_time() - began
    return Finding("slow", f"{took:.1f} s for {len(data)} bytes") if took > slow else None


def _place(error: Exception) -> str:
    """The innermost line of ours."""
    ours = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if "site-packages" not in frame.filename and frame.filename.startswith(str(paths.ROOT))
    ]
    last = ours[-1]
    return f"{Path(last.filename).relative_to(paths.ROOT)}:{last.lineno}"


def shrunk(check: Check, data: bytes, place: str, *, seconds: float = 5.0) -> bytes:
    """A smaller input that meets the same mistake."""
    deadline = time.monotonic() + seconds
    size = len(data) // 2
    while size:
        start = 0
        while start < len(data):
            if time.monotonic() > deadline:
                return data
            smaller = data[:start] + data[start + size :]
            finding = find(check, smaller)
            if finding and finding.place == place:
                data = smaller
            else:
                start += size
        size //= 2
    return data
