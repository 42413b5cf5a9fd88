from __future__ import annotations

import io
import logging
import sys
import threading
import warnings
from collections.abc import Iterator

import pytest

from claude_route.patches import log_records

SECRET = "our-secret-0123"


@pytest.fixture(autouse=True)
def installed() -> Iterator[None]:
    uninstall = log_records.install(lambda text: text.replace(SECRET, "[redacted]"))
    yield
    uninstall()


@pytest.mark.parametrize(
    ("message", "args", "shown"),
    [
        (f"no {SECRET}", (), "no [redacted]"),
        ("no %s", (SECRET,), "no [redacted]"),
        ("no %r", ({"key": SECRET},), "no {'key': '[redacted]'}"),
        ("%d of %s", (1, "2"), "1 of 2"),
        ("authorization: Bearer abcdefghijklmnop", (), "authorization: [redacted]"),
        ("x: sk-ant-api03-unheard-of", (), "x: [redacted]"),
        ("token #1 …wxyz rests", (), "token #1 …wxyz rests"),
    ],
)
def test_messages(
    message: str, args: tuple[object, ...], shown: str, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("any.logger").warning(message, *args)
    assert caplog.messages == [shown]


def test_a_text_that_cannot_be_searched(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever logs is handling an error of its own, perhaps this one."""

    def hide(text: str) -> str:
        raise RuntimeError(SECRET)

    uninstall = log_records.install(hide)
    logging.getLogger("any.logger").warning(f"no {SECRET}")
    uninstall()
    assert caplog.messages == [log_records.UNSEARCHED]


def test_quotes_of_bytes(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("mitmproxy.proxy.server").debug(f"got {b'x' * 40!r} and {'ab' * 40}, 1ab")
    logging.getLogger("claude_route").debug("ab" * 40)
    assert caplog.messages == ["got [43 characters] and [80 characters], 1ab", "ab" * 40]


def test_traceback() -> None:
    try:
        raise ValueError(f"no {SECRET}")
    except ValueError:
        text = logging.Formatter().formatException(sys.exc_info())
    assert "ValueError: no [redacted]" in text and SECRET not in text


def test_standard_error(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    error = ValueError(f"no {SECRET}")
    sys.excepthook(ValueError, error, None)
    threading.excepthook(threading.ExceptHookArgs((ValueError, error, None, None)))
    threading.excepthook(threading.ExceptHookArgs((SystemExit, SystemExit(), None, None)))
    warnings.showwarning(f"no {SECRET}", UserWarning, "f.py", 1)
    assert stderr.getvalue().count("no [redacted]") == 3
    assert SECRET not in stderr.getvalue()


def test_a_mistake_in_a_log_call_is_left_to_its_handler() -> None:
    record = logging.getLogRecordFactory()("a", 10, "f.py", 1, "%d", ("x",), None)
    assert record.args == ("x",)


def test_installed_twice_it_hides_once() -> None:
    before = logging.getLogRecordFactory()
    undo = log_records.install(lambda text: text + "!")
    assert logging.getLogRecordFactory()("a", 10, "f.py", 1, "x", (), None).msg == "x!"
    undo()
    assert logging.getLogRecordFactory() is before
