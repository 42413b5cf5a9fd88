from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence

import pytest
from mitmproxy import command
from mitmproxy import ctx
from mitmproxy import exceptions
from mitmproxy import flow
from mitmproxy import http
from mitmproxy.addons import view
from mitmproxy.test import taddons

from claude_route import commands
from claude_route.profile import profiles
from claude_route.proxy import state
from claude_route.routing import quota
from claude_route.routing import rotation
from claude_route.watch import readonly
from claude_route.watch import rows
from tests.unit import states
from tests.unit.flows import exchange
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


class Replays:
    """In the place of mitmproxy's addon."""

    def __init__(self) -> None:
        self.flows: list[http.HTTPFlow] = []

    @command.command("replay.client")  # type: ignore[untyped-decorator]
    def start_replay(self, flows: Sequence[flow.Flow]) -> None:
        self.flows += [each for each in flows if isinstance(each, http.HTTPFlow)]


@pytest.fixture
def replays() -> Iterator[Replays]:
    made = Replays()
    now = states.state_of(profiles.parse(FOREIGN, {}, "test.yaml"))
    with taddons.context(commands.Commands(lambda: now), made, view.View(), readonly.Readonly()):
        yield made


FOREIGN = """
providers:
  anthropic: {base_url: https://api.anthropic.com}
  zai: {base_url: https://api.z.ai, auth: none}
  kimi: {base_url: https://api.kimi.com, auth: bearer, api_key: "${KIMI_API_KEY}"}
models: {claude-*: anthropic/claude-*, glm: zai/glm-5, kimi: kimi/k2}
"""


def test_a_comparison(replays: Replays) -> None:
    asked = exchange()
    (line,) = ctx.master.commands.call("route.compare", asked, ["glm", "claude-opus-5-5"])
    assert line.startswith("Asks zai/glm-5, anthropic/claude-opus-5-5 the same, at what each")
    assert list(ctx.master.addons.get("view")) == replays.flows
    assert [rows.requested_model(each) for each in replays.flows] == ["glm", "claude-opus-5-5"]


def test_a_comparison_in_mitmweb(replays: Replays, monkeypatch: pytest.MonkeyPatch) -> None:
    ctx.options.add_option("web_host", str, "127.0.0.1", "")
    ctx.options.add_option("web_port", int, 8081, "")
    monkeypatch.setattr(ctx.master, "app", object(), raising=False)
    asked = exchange(route_session="s/1")
    _, line = ctx.master.commands.call("route.compare", asked, ["glm"])
    (copy,) = replays.flows
    path = f"http://127.0.0.1:8081/sessions/s%2F1/{asked.id}?with={copy.id}"
    assert line == f"Once they have answered, side by side: {path}"


@pytest.mark.parametrize(
    ("models", "error"),
    [
        (["gpt"], "expected some of claude-., glm, kimi, got 'gpt'"),
        (["glm", "kimi"], "'kimi' can't be asked: .*KIMI_API_KEY"),
        (["glm"] * 9, "models: expected 1 to 3, got 9"),
    ],
)
def test_no_comparison(replays: Replays, models: list[str], error: str) -> None:
    with pytest.raises(exceptions.CommandError, match=error):
        ctx.master.commands.call("route.compare", exchange(), models)
    assert replays.flows == []


def test_no_comparison_where_mitmweb_only_shows(replays: Replays) -> None:
    ctx.options.update(web_readonly=True)
    with pytest.raises(exceptions.CommandError, match="read-only"):
        ctx.master.commands.call("route.compare", exchange(), ["glm"])
    assert replays.flows == []


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
