from __future__ import annotations

import json

import pytest
from mitmproxy import contentviews
from mitmproxy.test import taddons

from claude_route.dialects import usage
from claude_route.profile import profiles
from claude_route.watch import prices
from claude_route.watch import rows
from claude_route.watch.views import claude
from tests.unit import flows
from tests.unit import states
from tests.wire import proxies

PROFILE = proxies.profile("http://127.0.0.1:1") | {
    "prices": {"zai/glm-5": {"input": 1000, "output": 1000, "cache_read": 1000}}
}
PRICES = prices.Prices(lambda: states.state_of(profiles.parse(json.dumps(PROFILE), {}, "p.yaml")))


class Progress:
    usage = usage.Usage(input=7, output=42, cache_read=100)
    output = 42
    complete = True
    error = ""


@pytest.mark.parametrize(
    ("target", "cost"),
    [
        ("anthropic/claude-opus-5-5", True),
        ("", False),
        ("gone/claude-opus-5-5", False),
        ("gone/x", False),
    ],
)
def test_known_prices(target: str, cost: bool) -> None:
    assert (PRICES(target, "m", usage.Usage(input=1000)) is not None) == cost


def test_without_a_profile_claude_has_its_list_price() -> None:
    no_profile, used = prices.LISTED, usage.Usage(input=1000)
    assert no_profile("", "claude-opus-5-5", used) == no_profile(
        "anthropic/claude-opus-5-5", "m", used
    )
    assert no_profile("zai/glm-5", "claude-opus-5-5", used) is None


def test_rows_and_views_have_the_prices_of_the_profile() -> None:
    flow = flows.exchange(**flows.ROUTED)
    rows.ended(flow, Progress(), PRICES)
    cost = PRICES("zai/glm-5", "claude-opus-5-5", Progress.usage)
    assert cost == pytest.approx(0.149)
    assert flow.metadata["route_cost"] == pytest.approx(cost)
    assert "$0.149" in flow.comment or "$0.15" in flow.comment
    with taddons.context(claude.Views(PRICES)):
        assert flow.response
        page = contentviews.prettify_message(flow.response, flow, "claude").text
    assert "$0.149" in page or "$0.15" in page
