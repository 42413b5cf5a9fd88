from __future__ import annotations

import pytest

from claude_route.dialects.messages import dialect
from claude_route.dialects.messages import requests
from claude_route.dialects.messages import thinking_answer
from tests.unit import examples

BODY = b'{"model":"m", "messages":[]}'


def test_a_body_that_needs_no_change_is_the_clients_own() -> None:
    request = requests.read(BODY)
    made = dialect.Messages().request(request, examples.target("anthropic", auth="client"))
    assert made.body is request.body


@pytest.mark.parametrize(
    ("responses", "editor"),
    [
        ("tag", thinking_answer.Tagger),
        ("strip", thinking_answer.Stripper),
        ("keep", type(None)),
    ],
)
def test_the_profile_says_what_becomes_of_thinking(responses: str, editor: type) -> None:
    target = examples.target("zai", thinking={"responses": responses})
    made = dialect.Messages().request(requests.read(BODY), target)
    assert type(made.stream()._editor) is editor


def test_a_stream_for_each_answer() -> None:
    made = dialect.Messages().request(requests.read(BODY), examples.target("zai"))
    assert made.stream() is not made.stream()
    assert made.stream().meter is not made.stream().meter
