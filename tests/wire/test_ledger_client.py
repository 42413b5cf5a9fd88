"""What the ledger says of a real Claude Code is what Claude Code says of itself."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import simulator
from simulator import answers
from tests.wire import claude_code
from tests.wire import proxies

pytestmark = [pytest.mark.client, claude_code.needs_claude]

KINDS = {
    "inputTokens": "input",
    "outputTokens": "output",
    "cacheReadInputTokens": "cache_read",
    "cacheCreationInputTokens": "cache_write",
}
"""As Claude Code calls them, and as we do."""


@pytest.mark.parametrize(
    ("model", "hour"),
    [
        ("claude-opus-5-5", 0),
        ("claude-sonnet-5-5", 1_500),
        ("claude-haiku-5-5", 1_500),
        ("claude-fable-5-2", 2_118),
    ],
)
def test_usage_and_dollars_of_a_run(
    start: Callable[..., proxies.Proxy],
    sim: simulator.Simulator,
    tmp_path: Path,
    model: str,
    hour: int,
) -> None:
    """Several turns with tools, and a cache that is read and written. `hour`: how many of the tokens that
    are written are kept for an hour, rather than five minutes."""
    used: dict[str, Any] = {
        "input_tokens": 312,
        "output_tokens": 845,
        "cache_read_input_tokens": 41_337,
        "cache_creation_input_tokens": 2_118,
        "cache_creation": {
            "ephemeral_5m_input_tokens": 2_118 - hour,
            "ephemeral_1h_input_tokens": hour,
        },
    }
    sim.when(
        lambda request: request.bare_path == "/v1/messages",
        answers.Answer(usage=used),
    )
    proxy = start(proxies.profile(sim.url, pool={"tokens": proxies.POOL[0]}))
    client = claude_code.Claude(tmp_path / "home", claude_code.through_the_reverse_listener(proxy))
    text = client.ask(
        *("run: echo from the shell", "--model", model),
        *("--allowedTools", "Bash", "--output-format", "json"),
    )
    printed = json.loads(text)
    usage = report(proxy)
    theirs = {
        name: {ours: counted[kind] for kind, ours in KINDS.items()}
        for name, counted in printed["modelUsage"].items()
    }
    assert {row["model"]: row["tokens"] for row in usage["rows"]} == theirs
    assert printed["total_cost_usd"] > 0.002
    assert usage["total"]["cost"] == pytest.approx(printed["total_cost_usd"], rel=0.01)
    for row in usage["rows"]:
        costs = printed["modelUsage"][row["model"]]["costUSD"]
        assert row["cost"] == pytest.approx(costs, rel=0.01), row


def report(proxy: proxies.Proxy) -> Any:
    """Once Claude Code's last requests are over."""

    def is_quiet() -> bool:
        text = proxy.client().get("/metrics").text
        return "claude_route_requests_in_progress 0.0" in text

    proxies.wait_until(is_quiet)
    time.sleep(0.1)
    answer = proxy.client().get("/usage", params={"by": "model", "since": "1h"})
    assert answer.status_code == 200
    return answer.json()
