from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit import chat_streams
from tests.unit.chat_streams import assistant
from tests.unit.chat_streams import called
from tests.unit.chat_streams import conversation
from tests.unit.chat_streams import result
from tests.unit.chat_streams import text
from tests.unit.chat_streams import tool_message
from tests.unit.chat_streams import use
from tests.unit.chat_streams import user

TURNS = [
    pytest.param([("user", "Hi")], [user("Hi")], id="a string"),
    pytest.param(
        [("user", "a"), ("user", "b"), ("assistant", "c"), ("assistant", "d")],
        [user("a\n\nb"), assistant("c\n\nd")],
        id="neighbours of one role are one",
    ),
    pytest.param(
        [("user", "a"), ("system", "b"), ("assistant", "c")],
        [user("a\n\n<system-reminder>\nb\n</system-reminder>"), assistant("c")],
        id="role system",
    ),
    pytest.param(
        [("user", "a"), ("system", [text("<system-reminder>b")]), ("system", [])],
        [user("a\n\n<system-reminder>b")],
        id="role system, reminding already, or empty",
    ),
    pytest.param(
        [("assistant", [text(""), text(" \n")]), ("user", [text(""), text("\t"), text("a")])],
        [assistant("[No message content]"), user("a")],
        id="blank texts",
    ),
    pytest.param(
        [("assistant", [text("Let me"), use("a")]), ("user", [result("a")])],
        [called("a", content="Let me"), tool_message("a", "done")],
        id="call and result",
    ),
    pytest.param(
        [("assistant", [use("a"), use("b")]), ("user", [text("now"), result("b", "B"), result("a", "A")])],
        [called("a", "b"), tool_message("a", "A"), tool_message("b", "B"), user("now")],
        id="results in the order of the calls, before the rest",
    ),
    pytest.param(
        [("assistant", [use("a"), use("b")]), ("user", [result("b")])],
        [called("a", "b"), tool_message("a", "[The call has no result]"), tool_message("b", "done")],
        id="a result is missing",
    ),
    pytest.param(
        [("assistant", [use("a")])],
        [called("a"), tool_message("a", "[The call has no result]")],
        id="all results are missing",
    ),
    pytest.param(
        [("assistant", [use("a")]), ("assistant", "c"), ("user", [result("a")])],
        [called("a", content="c"), tool_message("a", "done")],
        id="an assistant's message between call and result",
    ),
    pytest.param(
        [("assistant", [use("a")]), ("user", [result("a"), result("a", "again")])],
        [called("a"), tool_message("a", "done"), user("[Result of another tool call, a]\nagain")],
        id="a second result",
    ),
    pytest.param(
        [("user", [result("z")]), ("assistant", "c")],
        [user("[Result of another tool call, z]\ndone"), assistant("c")],
        id="a result without a call",
    ),
    pytest.param(
        [("assistant", [{"type": "thinking", "thinking": "Hm", "signature": "x"}]), ("user", "b")],
        [assistant("[No message content]"), user("b")],
        id="a message of thinking only",
    ),
    pytest.param(
        [("user", [{"type": "text", "text": ""}])], [user("[No message content]")], id="empty"
    ),
    pytest.param(
        [("assistant", [use("a"), use("a")]), ("user", [result("a", "1"), result("a", "2")])],
        [called("a", "xUqPThx6J"), tool_message("a", "1"), tool_message("xUqPThx6J", "2")],
        id="one id twice",
    ),
]  # fmt: skip


@pytest.mark.parametrize("turns, expected", TURNS)
def test_turns(turns: list[tuple[str, Any]], expected: list[dict[str, Any]]) -> None:
    assert conversation(*turns) == expected


def test_arguments_are_as_they_were() -> None:
    raw = '{"n": 12345678901234567890, "x": 1.50, "s": "\\u00e9"}'
    body = '{"model":"m","messages":[{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"B","input":%s}]}]}'
    call = json.loads(chat_streams.call((body % raw).encode()).body)["messages"][0]["tool_calls"][0]
    assert call["function"]["arguments"] == raw


OWN = {"type": "thinking", "thinking": "Hm", "signature": "route:acme:"}
OTHER = {"type": "thinking", "thinking": "Uh", "signature": "route:zai:abc"}
CLAUDES = {"type": "thinking", "thinking": "Ah", "signature": "A" * 88}


@pytest.mark.parametrize(
    "policy, expected",
    [("own", {"reasoning_content": "Hm"}), ("all", {}), ("none", {"reasoning_content": "HmUhAh"})],
)
def test_thinking_goes_back(policy: str, expected: dict[str, Any]) -> None:
    body = {"messages": [{"role": "assistant", "content": [OWN, OTHER, CLAUDES, text("a")]}]}
    to = chat_streams.target(requests=policy)
    assert chat_streams.sent(body, to)["messages"] == [assistant("a", **expected)]


@pytest.mark.parametrize(
    "content, expected",
    [
        ([text("a")], assistant("a")),
        ([use("a")], called("a", reasoning_content="")),
        ([OTHER, use("a")], called("a", reasoning_content="")),
        ([OWN, use("a")], called("a", reasoning_content="Hm")),
    ],
)
def test_reasoning_required(content: list[Any], expected: dict[str, Any]) -> None:
    to = chat_streams.target(reasoning="required")
    body = {"messages": [{"role": "assistant", "content": content}]}
    assert chat_streams.sent(body, to)["messages"][0] == expected


def test_gemini_gets_the_fields_it_requires_in_calls_and_results() -> None:
    to = chat_streams.target("gemini-3-pro", host="generativelanguage.googleapis.com")
    body = {"messages": [{"role": "assistant", "content": [use("a"), use("b")]}]}
    message, *results = chat_streams.sent(body, to)["messages"]
    first, second = message["tool_calls"]
    # "function_response.name: Name cannot be empty"
    assert [result["name"] for result in results] == ["Read", "Read"]
    signature = "skip_thought_signature_validator"
    assert first["extra_content"] == {"google": {"thought_signature": signature}}
    assert "extra_content" not in second


def test_mistral_gets_its_turn_between_results_and_what_the_user_says() -> None:
    """ "Unexpected role 'user' after role 'tool'", for a reminder behind a result already."""
    messages = [
        {"role": "assistant", "content": [use("abcdefghi")]},
        {"role": "user", "content": [result("abcdefghi"), text("b")]},
    ]
    call, sent = called("abcdefghi"), tool_message("abcdefghi", "done")
    to = chat_streams.target("devstral-2")
    found = chat_streams.sent({"messages": messages}, to)["messages"]
    assert found == [call, sent, assistant("I have the results."), user("b")]
    del messages[1]["content"][1]  # type: ignore[attr-defined]
    assert chat_streams.sent({"messages": messages}, to)["messages"] == [call, sent]


@pytest.mark.parametrize(
    "content, match",
    [
        ([{"text": "a"}], r"messages\[0\]\.content\[0\]\.type: expected a value, got nothing"),
        ([{"type": "text", "text": 1}], r"messages\[0\]\.content\[0\]\.text: expected a string"),
        (3, r"messages\[0\]\.content: expected"),
        ([result("a", 3)], r"messages\[\]\.content\[\]: expected"),
        ([{"type": "image"}], r"messages\[\]\.content\[\]: expected JSON"),
        ([{"type": "image", "source": {}}], r"messages\[\]\.content\[\]\.type: expected a value"),
    ],
)
def test_refused(content: Any, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        conversation(("user", content))


def test_refused_role() -> None:
    with pytest.raises(ValueError, match=r"messages\[0\]\.role"):
        conversation(("tool", "a"))
