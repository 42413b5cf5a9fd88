from __future__ import annotations

import pytest
from mitmproxy import exceptions
from mitmproxy.test import taddons

from claude_route import commands
from claude_route.profile import profiles
from claude_route.proxy import state
from claude_route.routing import quota
from claude_route.routing import rotation
from tests.unit import states
from tests.wire import proxies

PROFILE = """
providers: {anthropic: {base_url: https://api.anthropic.com}}
models: {claude-*: anthropic/claude-*}
pool: {tokens: "sk-ant-oat01-pool-0000000001-pol1,sk-ant-oat01-pool-0000000002-pol2"}
"""


def in_force() -> state.State:
    return states.state_of(profiles.parse(PROFILE, {}, "test.yaml"))


def test_commands(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    now = in_force()
    with taddons.context(commands.Commands(lambda: now)) as tctx:
        call = tctx.master.commands.execute
        assert "token 2 …pol2 (oauth): available" in call("pool.status")[1]
        assert call("pool.rest 2 600").startswith("token 2 …pol2 (oauth): resting, for 600 s")
        assert any("rests for 10 min" in line for line in call("route.explain claude-opus-5-5"))
        assert call("pool.wake 2").startswith("token 2 …pol2 (oauth): available")
    assert caplog.messages == [
        "token 2 …pol2 rests 600 s (set by a user)",
        "token 2 …pol2 is available again (set by a user)",
    ]


@pytest.mark.parametrize("command", ["pool.rest 3 60", "pool.wake 0"])
def test_a_place_that_is_not_in_the_pool(command: str) -> None:
    with (
        taddons.context(commands.Commands(in_force)) as tctx,
        pytest.raises(exceptions.CommandError, match="expected one of 1, 2"),
    ):
        tctx.master.commands.execute(command)


@pytest.mark.parametrize("command", ["pool.status", "pool.wake 1", "route.explain opus"])
def test_no_profile_in_force(command: str) -> None:
    with (
        taddons.context(commands.Commands(lambda: None)) as tctx,
        pytest.raises(exceptions.CommandError, match="no profile is loaded"),
    ):
        tctx.master.commands.execute(command)


def test_pool_table() -> None:
    pool = rotation.Pool(proxies.POOL[:2], clock=lambda: 1000.0)
    prefix = quota.UNIFIED
    limited = {
        f"{prefix}status": "rejected",
        f"{prefix}5h-status": "rejected",
        f"{prefix}5h-reset": "1060",
        f"{prefix}5h-utilization": "1.0",
    }
    pool.learn(pool.tokens[0], 429, limited)
    first, second = commands.pool_table(pool)
    assert first.startswith("token 1 …pol1 (oauth): resting, for 60 s, 5 h 100%, 7 d ?")
    assert second.startswith("token 2 …pol2 (oauth): available, 5 h ?, 7 d ?")
    assert "sk-ant" not in first + second


def test_an_empty_pool() -> None:
    (line,) = commands.pool_table(rotation.Pool(clock=lambda: 1000.0))
    assert "no tokens" in line
