from __future__ import annotations

import json
from typing import Any

import pytest

import chat_wire
from chat_wire import IMAGE
from chat_wire import PNG
from chat_wire import conversation

PICTURE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}


def use(id: str, name: str = "Read", **input: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": id, "name": name, "input": input}


def result(id: str, content: Any = "done", **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": id, "content": content, **more}


def text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def called(*ids: str, content: str | None = None, **more: Any) -> dict[str, Any]:
    """An assistant's message that calls Read."""
    function = {"name": "Read", "arguments": "{}"}
    calls = [{"id": id, "type": "function", "function": function} for id in ids]
    return {"role": "assistant", "content": content, "tool_calls": calls, **more}


def told(id: str, content: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id, "content": content}


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def assistant(content: Any, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content, **more}


TURNS = [
    pytest.param([("user", "Hi")], [user("Hi")], id="a string"),
    pytest.param([("user", [text("a"), text("b")])], [user("a\n\nb")], id="several texts"),
    pytest.param([("user", [text("a"), IMAGE])], [user([text("a"), PICTURE])], id="image"),
    pytest.param(
        [("user", [{"type": "image", "source": {"type": "url", "url": "https://x/y.png"}}])],
        [user([{"type": "image_url", "image_url": {"url": "https://x/y.png"}}])],
        id="image by URL",
    ),
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
        [("assistant", [text("Let me"), use("a")]), ("user", [result("a")])],
        [called("a", content="Let me"), told("a", "done")],
        id="call and result",
    ),
    pytest.param(
        [("assistant", [use("a"), use("b")]), ("user", [text("now"), result("b", "B"), result("a", "A")])],
        [called("a", "b"), told("a", "A"), told("b", "B"), user("now")],
        id="results in the order of the calls, before the rest",
    ),
    pytest.param(
        [("assistant", [use("a"), use("b")]), ("user", [result("b")])],
        [called("a", "b"), told("a", "[The call has no result]"), told("b", "done")],
        id="a result is missing",
    ),
    pytest.param(
        [("assistant", [use("a")])],
        [called("a"), told("a", "[The call has no result]")],
        id="all results are missing",
    ),
    pytest.param(
        [("assistant", [use("a")]), ("assistant", "c"), ("user", [result("a")])],
        [called("a", content="c"), told("a", "done")],
        id="an assistant's message between call and result",
    ),
    pytest.param(
        [("assistant", [use("a")]), ("user", [result("a"), result("a", "again")])],
        [called("a"), told("a", "done"), user("[Result of another tool call, a]\nagain")],
        id="a second result",
    ),
    pytest.param(
        [("user", [result("z")]), ("assistant", "c")],
        [user("[Result of another tool call, z]\ndone"), assistant("c")],
        id="a result without a call",
    ),
    pytest.param(
        [("assistant", [use("a", p=1)]), ("user", [result("a", None), result("b", [])])],
        [called("a") | {"tool_calls": [{"id": "a", "type": "function", "function": {"name": "Read", "arguments": '{"p": 1}'}}]},
         told("a", "[No output]"), user("[Result of another tool call, b]\n[No output]")],
        id="results without content",
    ),
    pytest.param(
        [("assistant", [use("a")]), ("user", [result("a", "gone", is_error=True)])],
        [called("a"), told("a", "Error: gone")],
        id="is_error",
    ),
    pytest.param(
        [("assistant", [use("a")]), ("user", [result("a", [text("see"), IMAGE]), text("now")])],
        [called("a"), told("a", "see\n[The image is in the next message]"),
         user([text("[From the result of Read, a]"), PICTURE, text("now")])],
        id="an image in a result",
    ),
    pytest.param(
        [("assistant", [use("a")]), ("user", [result("a", [{"type": "tool_reference", "tool_name": "Bash"}])])],
        [called("a"), told("a", "[The tool Bash can be called now]")],
        id="tool_reference",
    ),
    pytest.param(
        [("user", [{"type": "search_result", "title": "T", "source": "https://x", "content": [text("found")]}])],
        [user("[Search result: T, https://x]\nfound")],
        id="search_result",
    ),
    pytest.param(
        [("user", [{"type": "document", "title": "T", "context": "C", "source": {"type": "text", "media_type": "text/plain", "data": "D"}}])],
        [user("[Document: T]\nC\nD")],
        id="document of text",
    ),
    pytest.param(
        [("user", [{"type": "document", "source": {"type": "content", "content": "D"}}])],
        [user("[Document: document]\nD")],
        id="document of content",
    ),
    pytest.param(
        [("user", [{"type": "document", "source": {"type": "content", "content": [text("D"), IMAGE]}}])],
        [user([text("[Document: document]"), text("D"), PICTURE])],
        id="document of blocks",
    ),
    pytest.param(
        [("user", [{"type": "document", "source": {"type": "url", "url": "https://x/y.pdf"}}])],
        [user("[Document: document]\nhttps://x/y.pdf")],
        id="document by URL",
    ),
    pytest.param(
        [("user", [{"type": "document", "title": "y.pdf", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBE"}}])],
        [user([text("[Document: y.pdf]"), {"type": "file", "file": {"filename": "y.pdf", "file_data": "data:application/pdf;base64,JVBE"}}])],
        id="PDF",
    ),
    pytest.param(
        [("assistant", [use("a")]), ("user", [result("a", [{"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBE"}}])])],
        [called("a"), told("a", "[Document: document]\n[The document is in the next message]"),
         user([text("[From the result of Read, a]"), {"type": "file", "file": {"filename": "document", "file_data": "data:application/pdf;base64,JVBE"}}])],
        id="PDF in a result",
    ),
    pytest.param(
        [("assistant", [{"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}},
                        {"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"type": "web_search_result", "url": "https://x", "title": "T", "encrypted_content": "zzz"}]},
                        text("So")])],
        [assistant('[Called web_search: {"query": "q"}]\n\n[web_search_tool_result: [{"type":"web_search_result","url":"https://x","title":"T"}]]\n\nSo')],
        id="server tools",
    ),
    pytest.param(
        [("assistant", [{"type": "compaction", "content": "so far"}])],
        [assistant("[compaction: so far]")],
        id="compaction",
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
        [called("a", "xUqPThx6J"), told("a", "1"), told("xUqPThx6J", "2")],
        id="one id twice",
    ),
]  # fmt: skip


@pytest.mark.parametrize("turns, expected", TURNS)
def test_turns(turns: list[tuple[str, Any]], expected: list[dict[str, Any]]) -> None:
    assert conversation(*turns) == expected


DROPPED = [
    (text("a") | {"cache_control": {"type": "ephemeral"}, "citations": []}, "cache_control"),
    (text("a") | {"citations": [{"type": "char_location"}]}, "citations"),
    ({"type": "redacted_thinking", "data": "zzz"}, "redacted_thinking"),
    ({"type": "thinking", "thinking": "Hm", "signature": "A" * 88}, "thinking"),
    ({"type": "container_upload", "file_id": "f"}, "container_upload"),
    ({"type": "image", "source": {"type": "file", "file_id": "f"}}, "source.file"),
    ({"type": "document", "source": {"type": "file", "file_id": "f"}}, "source.file"),
    (result("a", [text("x") | {"cache_control": {}}]), "cache_control"),
]


@pytest.mark.parametrize("block, path", DROPPED)
def test_what_is_dropped_is_named(block: dict[str, Any], path: str) -> None:
    role = "assistant" if "thinking" in block["type"] else "user"
    call = chat_wire.call({"messages": [{"role": role, "content": [block]}] * 2})
    assert call.dropped.count(f"messages[].content[].{path}") == 1


def test_arguments_are_as_they_were() -> None:
    raw = '{"n": 12345678901234567890, "x": 1.50, "s": "\\u00e9"}'
    body = '{"model":"m","messages":[{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"B","input":%s}]}]}'
    call = json.loads(chat_wire.call((body % raw).encode()).body)["messages"][0]["tool_calls"][0]
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
    to = chat_wire.target(requests=policy)
    assert chat_wire.sent(body, to)["messages"] == [assistant("a", **expected)]


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
    to = chat_wire.target(reasoning="required")
    body = {"messages": [{"role": "assistant", "content": content}]}
    assert chat_wire.sent(body, to)["messages"][0] == expected


def test_gemini_gets_a_signature_for_calls_that_others_made() -> None:
    to = chat_wire.target("gemini-3-pro", host="generativelanguage.googleapis.com")
    body = {"messages": [{"role": "assistant", "content": [use("a"), use("b")]}]}
    first, second = chat_wire.sent(body, to)["messages"][0]["tool_calls"]
    signature = "skip_thought_signature_validator"
    assert first["extra_content"] == {"google": {"thought_signature": signature}}
    assert "extra_content" not in second


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
