from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from claude_route.dialects import dialect
from claude_route.dialects import registry
from claude_route.text import layout
from claude_route.watch.views import conversation

SIGNATURE = "ab" * 64


def text(content: str, **fields: Any) -> dict[str, Any]:
    return {"type": "text", "text": content, **fields}


CACHED = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}

MESSAGES: dict[str, Any] = {
    "model": "claude-opus-5-5",
    "max_tokens": 64000,
    "stream": True,
    "system": [text("x-anthropic-billing-header: x"), text("You are an agent. " * 50, **CACHED)],
    "tools": [
        {"name": "Bash", "description": "Runs it", "input_schema": {"type": "object"}},
        {"type": "web_search_20250305", "cache_control": {"type": "ephemeral"}},
    ],
    "thinking": {"type": "adaptive", "display": "omitted"},
    "output_config": {"effort": "medium"},
    "metadata": {"user_id": "someone"},
    "messages": [
        {"role": "user", "content": "First words"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Old thought", "signature": "route:zai:x"},
                {"type": "tool_use", "id": "t1", "name": "Bash", "input": {"command": "ls"}},
            ],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "a"}]},
        {"role": "assistant", "content": [text("Newer")]},
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": "line\n" * 100},
                text("Last words", cache_control={"type": "ephemeral"}),
            ],
        },
    ],
}

PAGE = """\
claude-opus-5-5 → zai/glm-5 · try 2
about 674 tokens: system 298 · 2 tools 44 · 5 messages 332
── 4/5 assistant  ~20 ──
  Newer
── 5/5 user  ~220 ──
  ← Bash  t1  ~143
      line
      line
      line
      line
      line
      line
      line
      line
      line
      line
      line
      line
      … 500 characters in all
  Last words
  ◆ cache point 5m
── 2/5 assistant  ~54 ──
  ~ thinking (zai)
    Old thought
  → Bash  t1
      command: ls
── 3/5 user  ~26 ──
  ← Bash  t1  ~1
      a
── earlier ──
   1 user           ~12  First words
── request ──
stream · max_tokens 64,000 · thinking adaptive, omitted · effort medium
cache points 3: tool 2 5m, system 2 1h, message 5 5m
also set: metadata
── system 1/2  ~17 ──
  x-anthropic-billing-header: x
── system 2/2  ~281 ──
  {system}
  … 900 characters in all
  ◆ cache point 1h
── tools ──
  Bash web_search_20250305""".format(system=("You are an agent. " * 50)[:226])

CHAT = {
    "model": "qwen/qwen3",
    "max_completion_tokens": 100,
    "temperature": 0.5,
    "messages": [
        {"role": "system", "content": "You are an agent."},
        {"role": "user", "content": "First words"},
        {
            "role": "assistant",
            "content": None,
            "reasoning_content": "Hm",
            "tool_calls": [
                {"id": "c1", "function": {"name": "Bash", "arguments": '{"command":"ls"}'}}
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "a.py"},
    ],
    "tools": [{"type": "function", "function": {"name": "Bash", "parameters": {}}}],
}

CHAT_PAGE = """\
qwen/qwen3
about 111 tokens: system 0 · 1 tools 20 · 4 messages 91
── 3/4 assistant  ~47 ──
  ~ thinking (no origin)
    Hm
  → Bash  c1
      command: ls
── 4/4 tool  ~17 ──
  ← Bash  c1  ~2
      a.py
── 1/4 system  ~15 ──
  You are an agent.
── 2/4 user  ~12 ──
  First words
── request ──
no stream · max_completion_tokens 100 · thinking not set · temperature 0.5
no cache points
── tools ──
  Bash"""


def body(fields: Any) -> bytes:
    return json.dumps(fields).encode()


def test_a_page_of_messages() -> None:
    page = conversation.render(
        body(MESSAGES), registry.MESSAGES, "claude-opus-5-5 → zai/glm-5 · try 2"
    )
    assert page == PAGE


def test_a_page_of_chat_completions() -> None:
    assert conversation.render(body(CHAT), registry.BY_NAME["openai"]) == CHAT_PAGE


class Other:
    """A dialect whose requests have other fields."""

    request_fields = dialect.RequestFields(
        conversation="input",
        tools="functions",
        system="instructions",
        limits=("max_output_tokens",),
        thinking="reasoning",
        output="text",
    )

    def __getattr__(self, name: str) -> Any:
        return getattr(registry.MESSAGES, name)


def test_the_dialect_says_which_fields_a_request_has() -> None:
    fields = {
        "model": "m",
        "max_output_tokens": 7,
        "reasoning": {"effort": "low"},
        "text": {"verbosity": "low"},
        "instructions": "Be brief",
        "functions": [{"name": "Bash"}],
        "input": [{"role": "user", "content": "Hi"}],
        "messages": [],
        "thinking": None,
    }
    spoken: dialect.Dialect = Other()
    page = conversation.render(body(fields), spoken).splitlines()
    assert "no stream · max_output_tokens 7 · thinking effort low · verbosity low" in page
    assert "also set: messages, thinking" in page
    assert page[-2:] == ["── tools ──", "  Bash"]
    assert ("  Be brief" in page, "  Hi" in page) == (True, True)
    with pytest.raises(ValueError, match="input: expected an array, got nothing"):
        conversation.render(body({"messages": []}), spoken)


def test_a_full_page_leaves_nothing_out() -> None:
    page = conversation.render(body(MESSAGES), registry.MESSAGES, full=True)
    assert page.count(" agent.") == 50
    assert page.count("      line") == 100
    assert 'metadata: {"user_id": "someone"}' in page
    assert "  description: Runs it" in page
    assert '  input_schema: {"type": "object"}' in page
    assert "── 1/5 user" in page


@pytest.mark.parametrize("count", [1, 4, 5, 80, 3000])
def test_a_page_fits_whatever_the_conversation(count: int) -> None:
    many = {**MESSAGES, "messages": (MESSAGES["messages"] * count)[: 2 * count]}
    lines = conversation.render(body(many), registry.MESSAGES).splitlines()
    assert layout.height(lines) <= layout.MAX_LINES
    title = f"── {2 * count}/{2 * count} "
    at = next(index for index, line in enumerate(lines) if line.startswith(title))
    assert at < 110, "the page opens on the newest message"
    assert any("First words" in line for line in lines), "and the first one"


def test_lines_are_not_broken() -> None:
    path = "/a/" + "long/" * 300
    page = conversation.render(
        body({"messages": [{"role": "user", "content": path}]}), registry.MESSAGES
    )
    assert f"  {path}" in page.splitlines()


def test_a_message_of_one_endless_line_is_cut() -> None:
    endless = {"messages": [{"role": "user", "content": "x" * 5_000_000}]}
    page = conversation.render(body(endless), registry.MESSAGES)
    assert len(page) < 10_000
    assert "… 5,000,000 characters in all" in page


def test_omitted_old_messages_are_counted() -> None:
    many = {"model": "m", "messages": [{"role": "user", "content": "hi"}] * 2000}
    lines = conversation.render(body(many), registry.MESSAGES).splitlines()
    left_out = next(line for line in lines if "not shown (" in line)
    number = int(left_out.split()[1].replace(",", ""))
    # The first, those left out, those in a line each, the last four.
    assert 1 + number + sum("user" in line for line in lines) - 1 == 2000


def test_a_result_names_its_call_even_if_the_call_is_omitted() -> None:
    call = {"type": "tool_use", "id": "t", "name": "Grep", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": "found"}
    middle = [{"role": "user", "content": "hi"}] * 1000
    messages = [
        *middle,
        {"role": "assistant", "content": [call]},
        *middle,
        {"role": "user", "content": [result]},
    ]
    assert "  ← Grep  t  ~2" in conversation.render(body({"messages": messages}), registry.MESSAGES)


def test_pictures_do_not_count_by_their_bytes() -> None:
    picture = {"type": "image", "source": {"media_type": "image/png", "data": "A" * 1_000_000}}
    request = {"messages": [{"role": "user", "content": [picture]}]}
    assert "1 messages 1,5" in conversation.render(body(request), registry.MESSAGES)


def test_half_of_a_surrogate_pair() -> None:
    raw = b'{"model":"m","messages":[{"role":"user","content":"\\ud83e"}]}'
    assert "  \ufffd\n── request ──" in conversation.render(raw, registry.MESSAGES)


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (b"", "body: expected JSON"),
        (b"<html>", "body: expected JSON"),
        (b"[1]", "body: expected an object, got an array"),
        (b'{"model":"m"}', "messages: expected an array, got nothing"),
    ],
)
def test_no_request(raw: bytes, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        conversation.render(raw, registry.MESSAGES)


odd: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, -1, 1.5, "", "text", [], ["text"], [[]], {}, {"type": "text"}]
)
message = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("role", "content", "tool_calls", "reasoning_content"), odd)
)
request = st.fixed_dictionaries(
    {"messages": odd | st.lists(odd | message, max_size=7)},
    optional={
        **dict.fromkeys(("model", "stream", "max_tokens", "temperature", "else"), odd),
        **dict.fromkeys(("thinking", "output_config", "system", "tools"), odd),
    },
)


@settings(max_examples=80)
@given(request, st.booleans(), st.sampled_from(list(registry.BY_NAME.values())))
def test_there_is_a_page_for_every_malformed_request(
    fields: Any, full: bool, spoken: dialect.Dialect
) -> None:
    assert conversation.render(body(fields), spoken, full=full)
