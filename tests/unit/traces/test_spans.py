from __future__ import annotations

import pytest

from claude_route.pricing import prices
from claude_route.traces import spans
from tests.unit.ledger.examples import record

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"


@pytest.mark.parametrize(
    ("header", "parent"),
    [
        (f"00-{TRACE}-{SPAN}-01", spans.Parent(int(TRACE, 16), int(SPAN, 16), True)),
        (f"00-{TRACE}-{SPAN}-00", spans.Parent(int(TRACE, 16), int(SPAN, 16), False)),
        ("", None),
        (f"00-{'0' * 32}-{SPAN}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"01-{TRACE}-{SPAN}-01", None),
        (f"00-{TRACE}-{SPAN}-01-more", None),
    ],
)
def test_parent(header: str, parent: spans.Parent | None) -> None:
    assert spans.parent(header) == parent


def test_an_answer() -> None:
    assert spans.name(record()) == "chat glm"
    values = spans.attributes(record())
    assert values["gen_ai.provider.name"] == "zai"
    assert values["gen_ai.request.model"] == "glm"
    assert values["gen_ai.response.model"] == "glm-5"
    assert values["gen_ai.usage.input_tokens"] == 80, "cached or not, as the conventions want"
    assert values["gen_ai.usage.output_tokens"] == 20
    assert "error.type" not in values


def test_a_refusal() -> None:
    refused = record(
        model="", target="", first_byte=None, status=404, error="not_found_error", kind="count",
        cost=prices.Cost(None, 0, "unknown"),
    )  # fmt: skip
    assert spans.name(refused) == "count_tokens"
    values = spans.attributes(refused)
    assert values["error.type"] == "not_found_error"
    assert (
        not {"gen_ai.provider.name", "gen_ai.response.model", "claude_route.cost"} & values.keys()
    )
