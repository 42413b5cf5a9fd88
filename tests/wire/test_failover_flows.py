"""What people see of attempts in flows, and what they do to them."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from mitmproxy import http
from mitmproxy import io

from simulator import answers
from tests.wire import pairs
from tests.wire import proxies

FLOWS = """
import asyncio
from mitmproxy import ctx


def request(flow):
    loop = asyncio.get_running_loop()
    if delay := flow.request.headers.pop("x-kill", None):
        loop.call_later(float(delay), flow.kill)


def responseheaders(flow):
    if flow.request.headers.pop("x-kill-head", None):
        flow.kill()


def response(flow):
    if flow.request.headers.pop("x-replay", None):
        loop = asyncio.get_running_loop()
        loop.call_later(0.1, lambda: ctx.master.commands.call("replay.client", [flow]))
"""


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[pairs.Pair]:
    """Flows are saved, killed and replayed as request headers ask for it."""
    script = tmp_path / "flows.py"
    script.write_text(FLOWS)
    with pairs.running(tmp_path, "-s", str(script), "-w", str(tmp_path / "saved")) as pair:
        yield pair


def saved(pair: pairs.Pair, tmp_path: Path) -> list[http.HTTPFlow]:
    pair.proxy.close()
    with (tmp_path / "saved").open("rb") as file:
        flows = [flow for flow in io.FlowReader(file).stream() if isinstance(flow, http.HTTPFlow)]
    return [flow for flow in flows if flow.request.method == "POST"]


def test_each_failed_attempt_is_a_flow(watched: pairs.Pair, tmp_path: Path) -> None:
    watched.when("claude-x", status=429, headers=(("retry-after", "7"),))
    with watched.proxy.client() as client:
        pairs.post(client, model="claude-x")
        pairs.post(client, model="refused-x")
        pairs.post(client, model="claude-y")
    limited, first, refused, second, good = saved(watched, tmp_path)
    assert limited.comment == "✗ x · anthropic/claude-x 429 → zai/glm-5 · hello"
    assert (limited.marked, refused.marked, good.marked) == (":x:", ":x:", "")
    assert limited.response and limited.response.status_code == 429
    assert limited.response.headers["retry-after"] == "7"
    assert json.loads(limited.request.content or b"")["model"] == "claude-x"
    assert limited.request.headers["x-api-key"] == "{{client …cLnt}}"
    assert limited.server_conn.address == (watched.sim.host, watched.sim.port)
    assert limited.response.timestamp_end
    assert limited.request.timestamp_start <= limited.response.timestamp_end
    assert refused.error and "no server is running there" in refused.error.msg
    assert refused.comment.startswith("✗ refused-x · refused/refused-x ")
    assert refused.request.path == "/v1/messages"
    assert refused.server_conn.address == (refused.request.host, refused.request.port)
    for flow in (first, second):
        assert flow.response and flow.response.headers["x-route-target"] == "zai/glm-5"
        assert flow.response.headers["x-route-attempts"] == "2"
    for secret in (b"provider-key", b"zai-key", proxies.API_KEY.encode()):
        assert secret not in (tmp_path / "saved").read_bytes()


def test_a_flow_that_is_killed_is_over(watched: pairs.Pair, tmp_path: Path) -> None:
    """Within two seconds, where nothing happens that it could be noticed by."""
    watched.when("alone-waiting", before_head="silence")
    watched.when("alone-judged", cut_events=0, end="hang")
    watched.when("alone-streaming", event_delay=0.1)
    watched.when("alone-hanging", cut_events=3, end="hang")
    models = ["far-connecting", *(f"alone-{at}" for at in ("waiting", "judged", "streaming"))]
    models += ["alone-hanging"]

    def ask(model: str) -> None:
        with watched.proxy.client(headers={"x-kill": "0.5"}) as client:
            with pytest.raises(httpx.TransportError):
                pairs.post(client, model=model)
            outcomes.append(model)

    outcomes: list[str] = []
    pairs.at_once(*(functools.partial(ask, model) for model in models))
    assert sorted(outcomes) == sorted(models)
    for request in watched.sim.wait_done(len(models) - 1):
        assert request.cancelled is not None
    flows = saved(watched, tmp_path)
    assert len(flows) == len(models)
    assert {flow.error and flow.error.msg for flow in flows} == {"Connection killed."}


def test_a_killed_stream_leaves_the_others_running(watched: pairs.Pair) -> None:
    watched.when("alone-1", event_delay=0.02)
    with pairs.Streams(watched) as streams:
        stays, goes = streams.ask("alone-1"), streams.ask("alone-1", ("x-kill-head", "1"))
        assert streams.read(goes) == b""
        assert b"message_stop" in streams.read(stays)
        ended = watched.sim.wait_done(2)
    assert sorted(request.cancelled is None for request in ended) == [False, True]


def test_a_replay_goes_the_same_way(watched: pairs.Pair) -> None:
    failure = answers.failure(500)
    watched.sim.script(failure, answers.Answer(), failure, answers.Answer())
    with watched.proxy.client(headers={"x-replay": "1"}) as client:
        assert pairs.post(client, model="claude-x").headers["x-route-target"] == "zai/glm-5"
    requests = watched.sim.wait_done(4)
    assert [request.model for request in requests] == ["claude-x", "glm-5"] * 2
    assert requests[2].credential == proxies.API_KEY
    assert requests[3].credential == "zai-key-0123456789"
    assert requests[0].body == requests[2].body
