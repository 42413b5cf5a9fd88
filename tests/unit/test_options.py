from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from mitmproxy import exceptions
from mitmproxy.addons import errorcheck
from mitmproxy.addons import proxyserver
from mitmproxy.test import taddons

from claude_route import options
from claude_route.access import listener_modes


@pytest.fixture
def context() -> Iterator[taddons.context]:
    """A mitmproxy that is starting: its listeners are not open yet."""
    logger = logging.getLogger()
    handlers = [*logger.handlers]
    with taddons.context(proxyserver.Proxyserver(), errorcheck.ErrorCheck()) as made:
        made.options.add_option("reverse_port", int, listener_modes.REVERSE_PORT, "")
        yield made
    for handler in {*logger.handlers} - {*handlers}:
        logger.removeHandler(handler)


def start_up(context: taddons.context) -> None:
    context.master.addons.get("proxyserver").is_running = True


@pytest.mark.parametrize(
    ("name", "value"), [("connection_strategy", "lazy"), ("connection_strategy", "eager")]
)
def test_a_default_gives_way_to_the_user(context: taddons.context, name: str, value: str) -> None:
    assert not options.is_set_by_user(name)
    options.set_default(name, "lazy")
    assert context.options.connection_strategy == "lazy"
    context.options.reset()
    context.options.update(**{name: value})
    assert options.is_set_by_user(name)
    options.set_default(name, "other")
    assert context.options.connection_strategy == value


def test_what_we_set_may_be_set_again(context: taddons.context) -> None:
    options.set_default("connection_strategy", "lazy")
    options.set_default("connection_strategy", "eager", ours=("lazy",))
    assert context.options.connection_strategy == "eager"


def test_an_option_of_another_program_is_left_out(context: taddons.context) -> None:
    options.set_default("view_filter", "~all")
    assert "view_filter" not in context.options


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("proxy_debug", True, "logs credentials"),
        ("stream_large_bodies", "1m", "a streamed request can't be routed"),
    ],
)
def test_dangerous_options(context: taddons.context, name: str, value: object, why: str) -> None:
    options.check()
    if name not in context.options:
        context.options.add_option(name, bool, False, "")
    context.options.update(**{name: value})
    with pytest.raises(ValueError, match=why):
        options.check()


@pytest.mark.parametrize(
    ("chosen", "port", "expected"),
    [
        (
            ["regular"],
            None,
            ["regular@127.0.0.1:8080", "reverse:https://api.anthropic.com@127.0.0.1:4000"],
        ),
        (
            ["regular"],
            9999,
            ["regular@127.0.0.1:9999", "reverse:https://api.anthropic.com@127.0.0.1:4000"],
        ),
        (["regular@8888"], 9999, ["regular@127.0.0.1:8888"]),
    ],
)
def test_modes(
    context: taddons.context, chosen: list[str], port: int | None, expected: list[str]
) -> None:
    context.options.update(mode=chosen, listen_port=port)
    assert options.modes() == expected


def test_no_listeners_without_a_server(context: taddons.context) -> None:
    assert options.opened_modes() == ["regular"]
    context.options.update(server=False)
    assert options.opened_modes() == []


def test_a_refusal_ends_a_start(context: taddons.context, caplog: pytest.LogCaptureFixture) -> None:
    assert options.is_start()
    with pytest.raises(SystemExit) as ended:
        options.refuse("keep_flows: expected 0 or a positive number")
    assert ended.value.code == 1
    assert caplog.messages == ["keep_flows: expected 0 or a positive number"]


def test_the_console_repeats_why_on_stderr(context: taddons.context) -> None:
    context.master.addons.get("errorcheck").repeat_errors_on_stderr = True
    with pytest.raises(SystemExit) as ended:
        options.refuse("no such profile")
    assert ended.value.code == "no such profile"


def test_a_refusal_takes_a_change_back_later_on(context: taddons.context) -> None:
    start_up(context)
    assert not options.is_start()
    with pytest.raises(exceptions.OptionsError, match="expected"):
        options.refuse("keep_flows: expected 0 or a positive number")


def test_a_wrong_value_is_no_wordless_end(context: taddons.context) -> None:
    context.options.set("keep_flows=many", defer=True)
    context.options.add_option("keep_flows", int, 0, "")
    with pytest.raises(SystemExit):
        context.master.addons.add(options.Values())
