"""Conversations of other providers that go on with Anthropic."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from claude_route.dialects.messages import requests
from claude_route.dialects.messages import scrub
from simulator import signatures
from simulator import strict
from tests.unit import examples

TARGET = examples.target("anthropic", "claude-opus-5-5")
SIGNER = signatures.Signer(b"key")
EMPTY = {"type": "text", "text": "[No message content]"}
TEXT = {"type": "text", "text": "hello"}


def call(id: Any = "toolu_1", **fields: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": id, "name": "Bash", "input": {"command": "ls"}, **fields}


def result(id: Any = "toolu_1", content: Any = "a.txt") -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": id, "content": content}


def search(id: str, kind: str = "server_tool_use") -> dict[str, Any]:
    return {"type": kind, "id": id, "name": "web_search", "input": {"query": "news"}}


def searched(id: str, content: Any, kind: str = "web_search_tool_result") -> dict[str, Any]:
    return {"type": kind, "tool_use_id": id, "content": content}


def text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


HIT = {"type": "web_search_result", "url": "https://x.example", "title": "x"}
SEALED = {**HIT, "encrypted_content": "EqgfCioIARgB"}
SEARCHED = [search("srvtoolu_01A"), searched("srvtoolu_01A", [SEALED])]
CITED = {"type": "web_search_result_location", "url": "https://x.example", "cited_text": "x"}
KIMIS = "functions.Bash:0"
KIMIS_SENT = "route_ZnVuY3Rpb25zLkJhc2g6MA"


def request(*contents: Any, **fields: Any) -> bytes:
    roles = ["user", "assistant"] * len(contents)
    history = [{"role": r, "content": c, "x": 1.0} for r, c in zip(roles, contents, strict=False)]
    return json.dumps({"model": "claude-opus-5-5", "messages": history, **fields}).encode()


def sent(*contents: Any) -> list[Any]:
    body = scrub.request(requests.read(request(*contents)), TARGET)
    return [message["content"] for message in json.loads(body)["messages"]]


@pytest.mark.parametrize(
    "contents",
    [
        ["hi", [call()], [result()]],
        ["hi", [call(), call("toolu_2", x=1)], [result("toolu_2"), result()]],
        ["hi", [call("call_50b8")], [result("call_50b8")]],
        ["hi", [TEXT, *SEARCHED, TEXT], "go on"],
        ["hi", [search("srvtoolu_01A"), searched("srvtoolu_01A", [])], "go on"],
        ["hi", [search("srvtoolu_01A"), searched("srvtoolu_01A", {"type": "x_error"})], "go on"],
        ["hi", [search("srvtoolu_01A")]],
        ["hi", [search("mcptoolu_01A", "mcp_tool_use"),
                searched("mcptoolu_01A", [TEXT], "mcp_tool_result")], "go on"],
        ["hi", [*SEARCHED, {**TEXT, "citations": [{**CITED, "encrypted_index": "E"}]}], "go on"],
        ["hi", [{**TEXT, "citations": None}], "go on"],
        ["hi", [{**TEXT, "citations": []}], "go on"],
        [[{"type": "document", "source": {}}],
         [{**TEXT, "citations": [{"type": "page_location", "document_index": 0}]}], "go on"],
        ["hi", [TEXT, {"type": "something new"}, {"type": "compaction", "content": None}], "go on"],
        ["hi", ""],
        ["hi", []],
        [[result(content=[])], "hi"],
    ],
)  # fmt: skip
def test_nothing_changes(contents: list[Any]) -> None:
    body = request(*contents)
    assert scrub.request(requests.read(body), TARGET) is body


@pytest.mark.parametrize(
    "contents, changed",
    [
        # 01: an id in characters that Anthropic refuses, in the call and in its result.
        (["hi", [call(KIMIS)], [result(KIMIS), TEXT]],
         ["hi", [call(KIMIS_SENT)], [result(KIMIS_SENT), TEXT]]),
        (["hi", [TEXT, call("a|b"), call("c d")], [result("c d"), result("a|b")]],
         ["hi", [TEXT, call("route_YXxi"), call("route_YyBk")],
          [result("route_YyBk"), result("route_YXxi")]]),
        (["hi", [call("x" * 65)], [result("x" * 65)]],
         ["hi", [call("RykNPu1a3Sa1NCKYygSaCcPhFnowWig8bN1Hnh5G")],
          [result("RykNPu1a3Sa1NCKYygSaCcPhFnowWig8bN1Hnh5G")]]),
        # An id that the conversation has already.
        (["hi", [call("call_0")], [result("call_0")], [call("call_0")], [result("call_0", "b")]],
         ["hi", [call("call_0")], [result("call_0")], [call("call_0_2")], [result("call_0_2", "b")]]),
        (["hi", [call(KIMIS), call(KIMIS)], [result(KIMIS), result(KIMIS, "b")]],
         ["hi", [call(KIMIS_SENT), call("route_ZnVuY3Rpb25zLkJhc2g6MF8y")],
          [result(KIMIS_SENT), result("route_ZnVuY3Rpb25zLkJhc2g6MF8y", "b")]]),
        (["hi", [call("t", a=1)], [result("t")], [call("t_2")], [result("t_2")],
          [call("t")], [result("t")]],
         ["hi", [call("t")], [result("t")], [call("t_2")], [result("t_2")],
          [call("t_3")], [result("t_3")]]),
        # Clients take a call with an id that they know for the same call.
        (["hi", [call("t"), call("t")], [result("t")]],
         ["hi", [call("t"), call("t_2")],
          [result("t_2", "[The call has no result]"), result("t")]]),
        (["hi", [call("")], [result("")]], ["hi", [call("route_")], [result("route_")]]),
        (["hi", [call(None)], "go on"],
         ["hi", [call("route_")], [result("route_", "[The call has no result]"), text("go on")]]),
        # What a call of another provider may have besides.
        (["hi", [call("t", index=0, caller={"type": "direct"})], [result("t")]],
         ["hi", [call("t")], [result("t")]]),
        (["hi", [call("t", name="functions.Bash")], [result("t")]],
         ["hi", [call("t", name="functions_Bash")], [result("t")]]),
        (["hi", [call("t", name="")], [result("t")]],
         ["hi", [call("t", name="unnamed")], [result("t")]]),
        (["hi", [call("t", input='{"a":1}')], [result("t")]],
         ["hi", [call("t", input={"a": 1})], [result("t")]]),
        (["hi", [call("t", input=None)], [result("t")]],
         ["hi", [call("t", input={})], [result("t")]]),
        # 02: a tool that another provider's server ran.
        (["hi", [search("call_50b8"), searched("call_50b8", []), TEXT], "go on"],
         ["hi", [text('[Called web_search: {"query": "news"}]'),
                 text("[web_search_tool_result: []]"), TEXT], "go on"]),
        (["hi", [search("srvtoolu_a-b"), searched("srvtoolu_a-b", [HIT])], "go on"],
         ["hi", [text('[Called web_search: {"query": "news"}]'),
                 text('[web_search_tool_result: [{"type":"web_search_result",'
                      '"url":"https://x.example","title":"x"}]]')], "go on"]),
        (["hi", [search("srvtoolu_1"), searched("srvtoolu_1", [HIT]), *SEARCHED], "go on"],
         ["hi", [text('[Called web_search: {"query": "news"}]'),
                 text('[web_search_tool_result: [{"type":"web_search_result",'
                      '"url":"https://x.example","title":"x"}]]'), *SEARCHED], "go on"]),
        (["hi", [search("srvtoolu_1"), searched("srvtoolu_1", "found", "tool_result")], "go on"],
         ["hi", [text('[Called web_search: {"query": "news"}]'),
                 text("[tool_result: found]")], "go on"]),
        (["hi", [search("call_1", "mcp_tool_use"), searched("call_1", [TEXT], "mcp_tool_result")],
          "go on"],
         ["hi", [text('[Called web_search: {"query": "news"}]'),
                 text('[mcp_tool_result: [{"type":"text","text":"hello"}]]')], "go on"]),
        (["hi", [search("call_1")], [result("call_1", "found"), TEXT]],
         ["hi", [text('[Called web_search: {"query": "news"}]')],
          [text("[tool_result: found]"), TEXT]]),
        (["hi", [searched("srvtoolu_01B", {"type": "code_execution_result", "stdout": "1"},
                          "code_execution_tool_result")], "go on"],
         ["hi", [text('[code_execution_tool_result: {"type":"code_execution_result",'
                      '"stdout":"1"}]')], "go on"]),
        (["hi", [searched("x", None, "web_fetch_tool_result"), {"type": "image"}], "go on"],
         ["hi", [text("[web_fetch_tool_result]"), text("[image]")], "go on"]),
        # Empty texts.
        (["hi", [text(""), call(), text(" \n")], [result()]], ["hi", [call()], [result()]]),
        (["hi", [text("")], "go on"], ["hi", [EMPTY], "go on"]),
        (["hi", [text("")]], ["hi", [text("")]]),
        (["hi", [{"type": "text"}, TEXT], "go on"], ["hi", [TEXT], "go on"]),
        (["hi", "", "go on"], ["hi", [EMPTY], "go on"]),
        (["hi", "\n", "go on"], ["hi", [EMPTY], "go on"]),
        (["hi", None, "go on"], ["hi", [EMPTY], "go on"]),
        (["hi", [], "go on"], ["hi", [EMPTY], "go on"]),
        (["", [TEXT], [text(""), TEXT], [TEXT], [text("\t")]],
         [[EMPTY], [TEXT], [TEXT], [TEXT], [EMPTY]]),
        # Thinking of another provider, and nothing else.
        (["hi", [{"type": "thinking", "thinking": "hm", "signature": ""}, text("")], "go on"],
         ["hi", [EMPTY], "go on"]),
        # Citations of what the conversation doesn't have.
        (["hi", [{**TEXT, "citations": [CITED]}], "go on"], ["hi", [TEXT], "go on"]),
        (["hi", [{**TEXT, "citations": [{**CITED, "encrypted_index": "E"}]}], "go on"],
         ["hi", [TEXT], "go on"]),
        (["hi", [*SEARCHED, {**TEXT, "citations": [CITED, {**CITED, "encrypted_index": "E"}]}],
          "go on"],
         ["hi", [*SEARCHED, {**TEXT, "citations": [{**CITED, "encrypted_index": "E"}]}], "go on"]),
        (["hi", [{**TEXT, "citations": [{"type": "page_location", "document_index": 0}]}], "x"],
         ["hi", [TEXT], "x"]),
        (["hi", [{**TEXT, "citations": [{"type": "url_citation", "url": "u"}, 7]}], "x"],
         ["hi", [TEXT], "x"]),
        (["hi", [{**TEXT, "citations": {}}], "x"], ["hi", [TEXT], "x"]),
    ],
)  # fmt: skip
def test_changes(contents: list[Any], changed: list[Any]) -> None:
    assert sent(*contents) == changed


def test_all_else_stays_verbatim() -> None:
    body = (
        b'{"model":"claude-opus-5-5","messages":[ {"role":"user","x":1.0,"content":"\xc3\xa9 \\/"},'
        b'{"x":1.0, "content":[{"type":"text","text":"\\u00e9\\/" , "n":1e2},'
        b'{"type":"tool_use","id":"a.b","name":"B","input":{"n": 1e2}}],"role":"assistant"},'
        b'{"role":"user","content":[{"type":"tool_result","tool_use_id":"a.b","content":"\\/"}]}]}'
    )
    out = scrub.request(requests.read(body), TARGET)
    assert b'"x":1.0,"content":"\xc3\xa9 \\/"' in out
    assert b'{"type":"text","text":"\\u00e9\\/" , "n":1e2}' in out
    assert b'"id":"route_YS5i","name":"B","input":{"n": 1e2}' in out
    assert b'"tool_use_id":"route_YS5i","content":"\\/"' in out


def test_system_messages_do_not_end_a_turn() -> None:
    history = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": [call(KIMIS)]},
        {"role": "assistant", "content": [call("a.b")]},
        {"role": "user", "content": [result("a.b")]},
        {"role": "system", "content": []},
        {"role": "user", "content": [result(KIMIS)]},
    ]
    body = json.dumps({"model": "claude-opus-5-5", "messages": history}).encode()
    out = json.loads(scrub.request(requests.read(body), TARGET))["messages"]
    assert out[3]["content"] == [result("route_YS5i")]
    assert out[4]["content"] == []
    assert out[5]["content"] == [result(KIMIS_SENT)]


def test_a_growing_conversation_keeps_its_beginning() -> None:
    """Anthropic's prompt cache, and its signatures, are bound to what came before."""
    contents: list[Any] = ["hi"]
    earlier: list[Any] = []
    for id in ("call_0", "call_0", KIMIS, "call_0", "toolu_1", KIMIS, "call_0_2"):
        contents += [[text(""), call(id)], [result(id)]]
        now = sent(*contents)
        assert now[: len(earlier)] == earlier
        earlier = now


# Whatever it was, Anthropic accepts it.

IDS = st.sampled_from(
    ["toolu_1", "call_0", KIMIS, "", "srvtoolu_1", "srvtoolu_2", "srvtoolu_a-b", "x" * 70, "é"]
) | st.text(max_size=4)
TEXTS = st.sampled_from(["", " ", "\n", "hello", "\u2003"]) | st.text(max_size=4)
CONTENTS = (
    TEXTS
    | st.lists(TEXTS.map(text), max_size=2)
    | st.lists(st.sampled_from([HIT, SEALED, TEXT]), max_size=2)
    | st.just({"type": "x"})
)
CITATIONS = st.none() | st.lists(
    st.fixed_dictionaries(
        {"type": st.sampled_from([
            "web_search_result_location", "url_citation", "page_location", "char_location",
        ])},
        optional={"encrypted_index": TEXTS, "document_index": st.just(0), "url": TEXTS},
    ),
    max_size=2,
)  # fmt: skip
BLOCKS = st.one_of(
    st.builds(lambda t, c: {"type": "text", "text": t, "citations": c}, TEXTS, CITATIONS),
    st.builds(text, TEXTS),
    st.builds(call, IDS, name=TEXTS | st.just("Bash")),
    st.builds(call, st.sampled_from(["call_0", KIMIS]), index=st.just(0)),
    st.builds(search, IDS, st.sampled_from(["server_tool_use", "mcp_tool_use"])),
    st.builds(
        searched,
        IDS,
        CONTENTS,
        st.sampled_from([
            "web_search_tool_result", "mcp_tool_result", "tool_result", "web_fetch_tool_result",
        ]),
    ),
    st.builds(
        lambda t, s: {"type": "thinking", "thinking": t, "signature": s},
        TEXTS,
        st.sampled_from(["", "route:kimi:", "glm-sig-1", "route:anthropic2:x"]),
    ),
    st.just({"type": "image", "source": {"type": "url", "url": "https://x.example"}}),
)  # fmt: skip
STEPS = st.lists(st.lists(BLOCKS, max_size=4) | TEXTS, max_size=5)
MODES = st.sampled_from(
    [
        {},
        {"thinking": {"type": "adaptive"}, "context_management": {"edits": []}},
        {"thinking": {"type": "disabled"}, "output_config": {"effort": "max"}},
        {"tool_choice": {"type": "any"}, "thinking": {"type": "adaptive"}},
        {
            "model": "claude-haiku-4-5",
            "thinking": {"type": "enabled", "budget_tokens": 1024},
            "tool_choice": {"type": "tool", "name": "Bash"},
            "output_config": {"effort": "low"},
        },
        {
            "model": "claude-haiku-4-5",
            "thinking": {"type": "enabled", "budget_tokens": 1024},
            "context_management": {"edits": [{"type": "clear_thinking_20251015"}]},
        },
    ]
)
BETAS = ["context-management-2025-06-27"]


@settings(max_examples=400, deadline=None)
@given(STEPS, MODES, TEXTS)
def test_anthropic_accepts_what_others_left(
    steps: list[Any], mode: dict[str, Any], words: str
) -> None:
    contents: list[Any] = ["hi"]
    for step in steps:
        ids = [
            block["id"] for block in step if isinstance(block, dict) and block["type"] == "tool_use"
        ]
        contents += [step, [*map(result, ids), text("go on")] if ids else words]
    tools = [{"name": "Bash", "input_schema": {"type": "object", "properties": {}}}]
    fields = {"max_tokens": 4096, "tools": tools, **mode}
    model = fields.get("model", "claude-opus-5-5")
    wire = request(*contents, **fields).replace(b', "x": 1.0', b"")
    body = json.loads(scrub.request(requests.read(wire), examples.target("anthropic", model)))
    assert next(strict.shape(body), None) is None
    assert next(strict.problems(body, BETAS, SIGNER, counts=False), None) is None


ANYTHING = st.sampled_from([None, 7, "", "x", [], [7], {}, {"type": "text"}, True])
FIELDS = ("id", "tool_use_id", "name", "input", "content", "text", "citations", "signature", "data")
KINDS = (
    *("text", "thinking", "redacted_thinking", "tool_use", "tool_result", "server_tool_use"),
    *("mcp_tool_use", "web_search_tool_result", "mcp_tool_result", "image", "x"),
)

ODD = st.lists(
    st.fixed_dictionaries(
        {"type": st.sampled_from(KINDS)}, optional=dict.fromkeys(FIELDS, ANYTHING)
    ),
    max_size=3,
)


@given(ODD, ODD)
def test_any_fields(first: list[Any], second: list[Any]) -> None:
    for target in (TARGET, examples.target("zai"), examples.target("deepseek", "deepseek-v4-pro")):
        try:
            scrub.request(requests.read(request(second, first, second)), target)
        except ValueError as e:
            assert ": expected " in str(e)
