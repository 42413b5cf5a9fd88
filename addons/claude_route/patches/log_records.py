"""Takes secrets out of every log record, traceback and warning before anything shows it.

Replaces: the factory of log records, `logging.Formatter.formatException`, `sys.excepthook`,
`sys.unraisablehook`, `threading.excepthook`, `warnings.showwarning`.
Why: mitmproxy, its libraries and Python itself quote what they handle, an exception for example the value
that it is about. A filter of a handler would see the records of one display, and each program of
mitmproxy's has others; one of a logger doesn't see those of the loggers below.
Remove when: never; mitmproxy can't know our secrets.
Upstream: none that we know of.
"""

from __future__ import annotations

import functools
import logging
import re
import sys
import threading
import traceback
import types
import warnings
from collections.abc import Callable
from typing import Any
from typing import TextIO

type Hide = Callable[[str], str]

_CREDENTIAL = re.compile(r"\bsk-[\w.-]{12,}|\b(Bearer|Basic) [^\s\"',;]{12,}", re.IGNORECASE)
"""Credentials that nobody has told us of: they look like some, in a message that nobody expected."""

UNSEARCHED = "(a text that could not be searched for secrets)"

_LONG = re.compile(
    r"""\bb(?:'(?:[^'\\]|\\.){32,}'|"(?:[^"\\]|\\.){32,}")|\b[0-9a-f]{64,}\b""", re.DOTALL
)
"""Quotes of bytes from the wire, as Python writes them or in hexadecimal."""


def install(hide: Hide) -> Callable[[], None]:
    """`hide` returns a text without its secrets. Returns a callable that undoes all of it."""

    def hidden(text: str) -> str:
        try:
            return _CREDENTIAL.sub("[redacted]", hide(text))
        except Exception:
            # Whoever logs has an error of its own to handle; if it got this one, it would log that.
            return UNSEARCHED

    undo = [_records(hidden), _tracebacks(hidden), *_hooks(hidden)]

    def uninstall() -> None:
        for each in undo:
            each()

    return uninstall


def _records(hide: Hide) -> Callable[[], None]:
    before = logging.getLogRecordFactory()
    stock = getattr(before, "__wrapped__", before)

    @functools.wraps(stock)
    def make(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = stock(*args, **kwargs)
        try:
            message = record.getMessage()
        except (TypeError, ValueError):
            return record  # its handler reports the mistake
        shown = hide(message)
        if (record.name or "").startswith("mitmproxy"):
            shown = _LONG.sub(_length, shown)
        if shown != message:
            record.msg, record.args = shown, ()
        return record

    logging.setLogRecordFactory(make)
    return lambda: logging.setLogRecordFactory(before)


def _length(match: re.Match[str]) -> str:
    return f"[{len(match[0])} characters]"


def _tracebacks(hide: Hide) -> Callable[[], None]:
    before = logging.Formatter.formatException
    stock = getattr(before, "__wrapped__", before)

    @functools.wraps(stock)
    def format_exception(self: logging.Formatter, ei: Any) -> str:
        return hide(stock(self, ei))

    def undo() -> None:
        logging.Formatter.formatException = before  # type: ignore[method-assign]

    logging.Formatter.formatException = format_exception  # type: ignore[method-assign]
    return undo


def _hooks(hide: Hide) -> list[Callable[[], None]]:
    """Those that write to the standard error stream."""

    def write(text: str, file: TextIO | None = None) -> None:
        if stream := file or sys.stderr:
            stream.write(hide(text))

    def uncaught(
        kind: type[BaseException], value: BaseException, trace: types.TracebackType | None
    ) -> None:
        write("".join(traceback.format_exception(kind, value, trace)))

    def in_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_type is not SystemExit and args.exc_value:
            uncaught(args.exc_type, args.exc_value, args.exc_traceback)

    def unraisable(args: sys.UnraisableHookArgs) -> None:
        write(f"{args.err_msg or 'Exception ignored in'}: {args.object!r}\n")
        if args.exc_value:
            uncaught(args.exc_type, args.exc_value, args.exc_traceback)

    def warn(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        write(warnings.formatwarning(message, category, filename, lineno, line), file)

    return [
        _replaced(sys, "excepthook", uncaught),
        _replaced(sys, "unraisablehook", unraisable),
        _replaced(threading, "excepthook", in_thread),
        _replaced(warnings, "showwarning", warn),
    ]


def _replaced(module: types.ModuleType, name: str, hook: Callable[..., None]) -> Callable[[], None]:
    stock = getattr(module, name)
    setattr(module, name, hook)
    return lambda: setattr(module, name, stock)
