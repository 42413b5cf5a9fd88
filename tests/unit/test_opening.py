from __future__ import annotations

import errno
import io
import logging
import re
import socket
from collections.abc import Iterator

import pytest
from mitmproxy.addons import errorcheck
from mitmproxy.addons import proxyserver
from mitmproxy.test import taddons

from claude_route import opening
from claude_route.access import listener_modes

HINT = "\nTry specifying a different port by using `--mode regular@8082`."


@pytest.fixture
def context() -> Iterator[taddons.context]:
    """A mitmproxy that is starting."""
    logger = logging.getLogger()
    handlers = [*logger.handlers]
    with taddons.context(proxyserver.Proxyserver(), errorcheck.ErrorCheck()) as made:
        made.options.add_option("reverse_port", int, listener_modes.REVERSE_PORT, "")
        yield made
    for handler in {*logger.handlers} - {*handlers}:
        logger.removeHandler(handler)


def failed(where: str, number: int = errno.EADDRINUSE, hint: str = "") -> str:
    """As mitmproxy logs it."""
    return f"[Errno {number}] HTTP(S) proxy failed to listen on {where} with [Errno {number}] why{hint}"


@pytest.mark.parametrize(
    ("modes", "where", "expected"),
    [
        (["regular"], "*:8080", r"listens on \*:8080\. To use another port: --listen-port 8\d+"),
        (["regular"], "127.0.0.1:8080", r"on 127.0.0.1:8080.*: --listen-port 8\d+"),
        (["regular"], "127.0.0.1:4000", r"on 127.0.0.1:4000.*: --set reverse_port=4\d+"),
        (["regular@8082"], "127.0.0.1:8082", r": --mode regular@127.0.0.1:8\d+"),
        (
            ["reverse:http://x@::1:4000"],
            "::1:4000",
            r"on \[::1\]:4000\..*: --mode reverse:http://x@\[::1\]:4\d+",
        ),
    ],
)
def test_a_port_that_is_taken(
    context: taddons.context, modes: list[str], where: str, expected: str
) -> None:
    context.options.update(mode=modes)
    record = logging.makeLogRecord({"msg": failed(where, hint=HINT)})
    assert opening.shorten(record)
    assert re.search(f"{expected}$", record.msg), record.msg


def test_other_problems_with_a_listener(context: taddons.context) -> None:
    assert opening.advice(failed("10.0.0.9:8080", errno.EADDRNOTAVAIL)) == (
        "Cannot listen on 10.0.0.9:8080: Cannot assign requested address"
    )
    assert opening.advice("client connect") == ""
    record = logging.makeLogRecord({"msg": "client connect"})
    assert opening.shorten(record)
    assert record.msg == "client connect"


def test_a_free_port_is_proposed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert opening.is_taken("127.0.0.1", port)
        assert opening.free_after("127.0.0.1", port - 1) != port
    assert not opening.is_taken("127.0.0.1", port)


def test_the_log_is_flushed_by_line() -> None:
    written = io.BytesIO()
    stream = io.TextIOWrapper(io.BufferedWriter(written))
    opening.flush_by_line(stream)
    stream.write("a line\n")
    assert written.getvalue() == b"a line\n"
    opening.flush_by_line(io.StringIO())


def test_unknown_options(context: taddons.context, caplog: pytest.LogCaptureFixture) -> None:
    context.options.set("revers_port=4001", "xyzzy=1", defer=True)
    context.options.update_defer(web_port=8082, reverse_prt=4001)
    assert list(opening.unknown_options()) == [
        "--set revers_port: there is no such option: did you mean reverse_port?",
        "--set xyzzy: there is no such option",
    ]
    assert caplog.messages == [
        "config.yaml: there is no option reverse_prt: did you mean reverse_port?"
    ]


@pytest.mark.parametrize(
    "name",
    ["flow_detail", "keepserving", "view_filter", "web_port", "web_password", "console_mouse"],
)
def test_options_of_other_programs(
    context: taddons.context, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    context.options.set(f"{name}=1", defer=True)
    assert list(opening.unknown_options()) == []
    assert not caplog.records


def test_an_unknown_option_ends_the_start_only(
    context: taddons.context, caplog: pytest.LogCaptureFixture
) -> None:
    context.options.set("revers_port=4001", defer=True)
    addon = opening.Opening()
    addon._is_start = True
    with pytest.raises(SystemExit):
        addon.running()
    addon._is_start = False
    addon.running()
    assert context.options.mode[0] == "regular@127.0.0.1:8080"
