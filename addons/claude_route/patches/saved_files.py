"""Writes large flows to the file of `save_stream_file` in a thread, and makes files of flows for their user only.

Replaces: `FilteredFlowWriter.add`; what `Save` and `SaveHar` open files with, as far as the mode of new files goes.
Why: to take the secrets out of a body of 32 MB, and to write it, takes seconds in which nobody else would be served.
And mitmproxy makes files that everybody can read, with every conversation in them.
Remove when: mitmproxy writes flows beside its event loop.
Upstream: none that we know of.
"""

from __future__ import annotations

import copy
import datetime
import functools
import os
import stat
import threading
from collections.abc import Callable
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mitmproxy import ctx
from mitmproxy import flow
from mitmproxy import http
from mitmproxy import io
from mitmproxy.addons import save
from mitmproxy.addons import savehar

LARGE = 64 * 1024
"""Bytes of a flow's bodies. It takes less than a millisecond to write others."""

MOST_WAITING = 128 * 1024 * 1024
"""Bytes of bodies. Where the disk is slower than that, those who send wait."""

_OTHERS = 0o077

_USUAL = (0o000, 0o002, 0o022)
"""What systems have as the umask of everybody. Any other has been chosen, and stays."""


class Saving:
    """Writes one flow after the other."""

    def __init__(self) -> None:
        self._executor = futures.ThreadPoolExecutor(1, "saving")
        self._lock = threading.Lock()
        self._waiting = 0
        self._last: futures.Future[None] | None = None
        self._problem: Exception | None = None

    def add(self, size: int, write: Callable[[], None]) -> None:
        """Raises what an earlier one has raised."""
        if self._problem:
            problem, self._problem = self._problem, None
            raise problem
        with self._lock:
            self._waiting += size
        self._last = self._executor.submit(self._write, size, write)
        if self._waiting > MOST_WAITING:
            self._last.result()

    @property
    def is_busy(self) -> bool:
        return self._waiting > 0

    def drain(self) -> None:
        """Wait until all of them are written."""
        if last := self._last:
            last.result()

    def _write(self, size: int, write: Callable[[], None]) -> None:
        try:
            write()
        except Exception as e:
            self._problem = e
        finally:
            with self._lock:
                self._waiting -= size


SAVING = Saving()
"""For all writers. One, because there is one file at a time."""


def install() -> Callable[[], None]:
    """Returns a callable that undoes it."""
    _hide_new_file()
    undo = [
        _replaced(io.FilteredFlowWriter, "add", _later),
        _replaced(save.Save, "done", _drained),
        _replaced(save.Save, "maybe_rotate_to_new_file", _rotated),
        _replaced(save.Save, "save", _private),
        _replaced(savehar.SaveHar, "export_har", _private),
        _replaced(savehar.SaveHar, "done", _private),
    ]

    def uninstall() -> None:
        for each in reversed(undo):
            each()

    return uninstall


def _replaced(
    owner: type, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]
) -> Callable[[], None]:
    before = vars(owner)[name]
    setattr(owner, name, functools.wraps(before)(make(before)))
    return lambda: setattr(owner, name, before)


def _later(stock: Callable[..., None]) -> Callable[..., None]:
    def add(self: io.FilteredFlowWriter, saved: flow.Flow) -> None:
        size = _size(saved)
        if size < LARGE and not SAVING.is_busy:
            stock(self, saved)
            return
        # It may change meanwhile: a comment, a mark, what is known about it.
        state = copy.deepcopy(saved.get_state())
        SAVING.add(size + 1, lambda: stock(self, flow.Flow.from_state(state)))

    return add


def _size(saved: flow.Flow) -> int:
    if not isinstance(saved, http.HTTPFlow):
        return 0
    messages = (saved.request, saved.response)
    return sum(len(message.raw_content or b"") for message in messages if message)


def _drained(stock: Callable[..., None]) -> Callable[..., None]:
    def done(self: save.Save) -> None:
        if self.stream:
            # Those that are answered now are written by it, and then it closes the file.
            for each in self.active_flows:
                self.stream.add(each)
            self.active_flows.clear()
            SAVING.drain()
        stock(self)

    return done


def _rotated(stock: Callable[..., None]) -> Callable[..., None]:
    def rotate(self: save.Save) -> None:
        path = datetime.datetime.today().strftime(save._path(ctx.options.save_stream_file))
        if path == self.current_path:
            return
        SAVING.drain()
        with _for_the_user():
            stock(self)

    return rotate


def _private(stock: Callable[..., None]) -> Callable[..., None]:
    def call(*args: Any, **kwargs: Any) -> None:
        with _for_the_user():
            stock(*args, **kwargs)

    return call


def _hide_new_file() -> None:
    """mitmproxy opens the file of `-w` before it loads a script."""
    saving = ctx.master.addons.get("save") if hasattr(ctx, "master") else None
    stream = getattr(saving, "stream", None)
    if stream is None:
        return
    umask = os.umask(_OTHERS)
    os.umask(umask)
    about = os.fstat(stream.fo.fileno())
    is_new = about.st_size == 0 and stat.S_IMODE(about.st_mode) == 0o666 & ~umask
    if is_new and umask in _USUAL:
        Path(stream.fo.name).chmod(0o600)


@contextmanager
def _for_the_user() -> Iterator[None]:
    """Files that are made meanwhile are readable by their user only. Those of other threads too, which is no
    harm."""
    before = os.umask(_OTHERS)
    if before not in _USUAL:
        os.umask(before)
    try:
        yield
    finally:
        os.umask(before)
