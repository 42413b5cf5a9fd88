from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from claude_route.dialects import parameters
from claude_route.dialects.messages import requests
from claude_route.dialects.messages import scrub
from claude_route.dialects.messages import thinking_mode
from claude_route.dialects.messages import thinking_request
from claude_route.wire import rawjson
from tests.unit import examples
from tests.unit.dialects.messages.test_thinking_request import ANTHROPICS
from tests.unit.dialects.messages.test_thinking_request import CALL
from tests.unit.dialects.messages.test_thinking_request import NOBODYS
from tests.unit.dialects.messages.test_thinking_request import REDACTED
from tests.unit.dialects.messages.test_thinking_request import TEXT
from tests.unit.dialects.messages.test_thinking_request import request

RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": "ok"}
CLEAR = {"type": "clear_thinking_20251015", "keep": "all"}
USES = {"type": "clear_tool_uses_20250919"}
ENABLED = {"type": "enabled", "budget_tokens": 2048, "display": "omitted"}
ADAPTIVE = {"type": "adaptive", "display": "omitted"}
OFF = {"type": "disabled"}
LOOP = [("user", "hi"), ("assistant", [NOBODYS, CALL]), ("user", [RESULT])]
PLAIN = [("user", "hi")]
TOOLS = [{"name": "Bash", "input_schema": {"type": "object"}}]
ANY = {"type": "any"}
BASH = {"type": "tool", "name": "Bash", "disable_parallel_tool_use": True}

ANTHROPIC = examples.target("anthropic")

CONTROLS = ("thinking", "output_config", "context_management", "tool_choice")


def changes(
    history: list[tuple[str, Any]],
    fields: dict[str, Any],
    provider: str,
    model: str,
    **settings: Any,
) -> dict[str, Any]:
    """What becomes of the fields about thinking; None for one that goes."""
    asked = request(*history, tools=TOOLS, **fields)
    sent = json.loads(scrub.request(asked, examples.target(provider, model, **settings)))
    given = {
        name: fields.get(name) for name in (*CONTROLS, "enable_thinking", "chat_template_kwargs")
    }
    return {name: sent.get(name) for name in given if sent.get(name) != given[name]}


@pytest.mark.parametrize(
    "history, fields, changed",
    [
        pytest.param(
            LOOP,
            {"thinking": ENABLED, "context_management": {"edits": [CLEAR]}},
            {"thinking": OFF, "context_management": None},
            id="enabled",
        ),
        pytest.param(
            LOOP,
            {"thinking": ENABLED, "context_management": {"edits": [CLEAR, USES], "x": 1}},
            {"thinking": OFF, "context_management": {"edits": [USES], "x": 1}},
            id="other edits stay",
        ),
        pytest.param(LOOP, {"thinking": ENABLED}, {"thinking": OFF}, id="alone"),
        pytest.param(
            LOOP, {"thinking": ENABLED, "context_management": None}, {"thinking": OFF},
            id="no context management",
        ),
        pytest.param(
            LOOP, {"thinking": ADAPTIVE, "context_management": {"edits": [CLEAR]}}, {},
            id="adaptive",
        ),
        pytest.param(LOOP, {"thinking": OFF}, {}, id="disabled"),
        pytest.param(LOOP, {"thinking": None}, {}, id="null"),
        pytest.param(LOOP, {}, {}, id="absent"),
        pytest.param(
            [*LOOP, ("assistant", [NOBODYS, TEXT]), ("user", "next")], {"thinking": ENABLED}, {},
            id="the loop is over",
        ),
        pytest.param(
            [*LOOP, ("assistant", [ANTHROPICS, CALL]), ("user", [RESULT])], {"thinking": ENABLED},
            {}, id="its last step has kept its own",
        ),
        pytest.param(
            [("user", "hi"), ("assistant", [NOBODYS, REDACTED, CALL]), ("user", [RESULT])],
            {"thinking": ENABLED}, {}, id="some of it is left",
        ),
        # A fallback that doesn't think has called a tool in the middle of a loop.
        pytest.param(
            [("user", "hi"), ("assistant", [CALL]), ("user", [RESULT])], {"thinking": ENABLED},
            {"thinking": OFF}, id="it had none",
        ),
        pytest.param(
            [("user", "hi"), ("assistant", [NOBODYS]), ("assistant", [CALL]), ("user", [RESULT])],
            {"thinking": ENABLED}, {"thinking": OFF}, id="a step of two messages",
        ),
        pytest.param(
            [("user", "hi"), ("assistant", [NOBODYS]), ("assistant", "a"), ("user", "next")],
            {"thinking": ENABLED}, {}, id="two messages without a call",
        ),
        pytest.param(PLAIN, {"thinking": ENABLED}, {}, id="no answer yet"),
        pytest.param(
            LOOP, {"thinking": ENABLED, "output_config": {"effort": "low"}},
            {"thinking": OFF, "output_config": None}, id="the effort goes with it",
        ),
        pytest.param(
            LOOP, {"thinking": ENABLED, "output_config": {"effort": "low", "format": {"x": 1}}},
            {"thinking": OFF, "output_config": {"format": {"x": 1}}}, id="the format doesn't",
        ),
        pytest.param(
            PLAIN, {"thinking": OFF, "output_config": {"effort": "max"}}, {"output_config": None},
            id="an effort that needs thinking",
        ),
        pytest.param(
            PLAIN, {"thinking": OFF, "output_config": {"effort": "high"}}, {}, id="one that doesn't",
        ),
        pytest.param(
            PLAIN, {"thinking": ENABLED, "tool_choice": ANY}, {"thinking": OFF}, id="any tool",
        ),
        pytest.param(
            PLAIN, {"thinking": ENABLED, "tool_choice": BASH, "output_config": {"effort": "high"}},
            {"thinking": OFF, "output_config": None}, id="one tool",
        ),
        pytest.param(
            PLAIN, {"thinking": ENABLED, "tool_choice": {"type": "auto"}}, {}, id="auto",
        ),
        pytest.param(
            PLAIN, {"thinking": ADAPTIVE, "tool_choice": BASH}, {}, id="adaptive may be forced",
        ),
    ],
)  # fmt: skip
def test_anthropic(
    history: list[tuple[str, Any]], fields: dict[str, Any], changed: dict[str, Any]
) -> None:
    assert changes(history, fields, "anthropic", "claude-opus-5-5") == changed


@pytest.mark.parametrize("mode", [ADAPTIVE, None])
def test_models_that_are_never_forced(mode: Any) -> None:
    fields = {"thinking": mode, "tool_choice": BASH}
    auto = {"type": "auto", "disable_parallel_tool_use": True}
    assert changes(PLAIN, fields, "anthropic", "claude-fable-5-1") == {"tool_choice": auto}
    assert changes(PLAIN, fields, "anthropic", "claude-sonnet-5-5") == {"tool_choice": auto}
    assert changes(PLAIN, fields, "anthropic", "claude-fable-5") == {}
    assert changes(PLAIN, fields, "gateway", "anthropic/claude-sonnet-5.5") == {"tool_choice": auto}


DEEPSEEK = ("deepseek-v4-pro", "https://api.deepseek.com/anthropic")
KIMI = ("kimi-k2.6", "https://api.moonshot.ai/anthropic")
KIMI_THINKS = ("kimi-k3", "https://api.moonshot.ai/anthropic")
GLM = ("glm-5", "https://api.z.ai/api/anthropic")
GLM_THINKS = ("glm-5.3", "https://api.z.ai/api/anthropic")
QWEN = ("qwen3.7-max", "https://dashscope-intl.aliyuncs.com/apps/anthropic")
LOCAL = ("qwen3-coder", "http://127.0.0.1:8000")
OTHER = ("m", "https://p.example")
EFFORT = {"effort": "max"}


@pytest.mark.parametrize(
    "target, history, fields, changed",
    [
        # An empty block stands in for thinking that was lost, so thinking stays on.
        (DEEPSEEK, LOOP, {"thinking": ENABLED, "output_config": EFFORT}, {}),
        (DEEPSEEK, LOOP, {"thinking": ADAPTIVE, "output_config": EFFORT}, {}),
        (OTHER, LOOP, {"thinking": ENABLED, "output_config": EFFORT},
         {"thinking": OFF, "output_config": None}),
        (OTHER, [("user", "hi"), ("assistant", [CALL]), ("user", [RESULT])],
         {"thinking": ENABLED}, {}),
        (OTHER, LOOP, {"thinking": ADAPTIVE}, {}),
        # No effort goes with thinking that is off.
        (DEEPSEEK, PLAIN, {"thinking": OFF, "output_config": EFFORT}, {"output_config": None}),
        (OTHER, PLAIN, {"thinking": OFF, "output_config": {"effort": "low", "x": 1}},
         {"output_config": {"x": 1}}),
        (OTHER, PLAIN, {"thinking": OFF, "output_config": None}, {}),
        (OTHER, PLAIN, {"output_config": EFFORT}, {}),
        # Those that always think would refuse to be told not to.
        (KIMI, PLAIN, {"thinking": OFF}, {}),
        (KIMI_THINKS, PLAIN, {"thinking": OFF, "output_config": EFFORT}, {"thinking": None}),
        (GLM, PLAIN, {"thinking": OFF}, {}),
        (GLM_THINKS, PLAIN, {"thinking": OFF}, {"thinking": None}),
        # Servers of one's own read the switch of the chat template.
        (LOCAL, PLAIN, {"thinking": OFF},
         {"chat_template_kwargs": {"enable_thinking": False, "thinking": False}}),
        (LOCAL, PLAIN, {"thinking": ADAPTIVE}, {}),
        # A tool that must be called.
        (DEEPSEEK, PLAIN, {"thinking": ADAPTIVE, "tool_choice": BASH}, {"thinking": OFF}),
        (DEEPSEEK, PLAIN, {"tool_choice": ANY}, {"thinking": OFF}),
        (DEEPSEEK, PLAIN, {"thinking": ADAPTIVE, "tool_choice": BASH, "output_config": EFFORT},
         {"thinking": OFF, "output_config": None}),
        (QWEN, PLAIN, {"thinking": ENABLED, "tool_choice": ANY}, {"thinking": OFF}),
        (KIMI_THINKS, PLAIN, {"thinking": ADAPTIVE, "tool_choice": ANY},
         {"tool_choice": {"type": "auto"}}),
        (OTHER, PLAIN, {"thinking": ENABLED, "tool_choice": ANY}, {"thinking": OFF}),
        (OTHER, PLAIN, {"thinking": ADAPTIVE, "tool_choice": ANY}, {}),
        (DEEPSEEK, PLAIN, {"thinking": ADAPTIVE, "tool_choice": {"type": "none"}}, {}),
        # The tool that had to be called is none that others know.
        (DEEPSEEK, PLAIN, {"thinking": ADAPTIVE, "tool_choice": {"type": "tool", "name": "x"}},
         {"tool_choice": None}),
    ],
)  # fmt: skip
def test_others(
    target: tuple[str, str],
    history: list[tuple[str, Any]],
    fields: dict[str, Any],
    changed: dict[str, Any],
) -> None:
    model, url = target
    assert changes(history, fields, "other", model, base_url=url) == changed


def test_invalid_context_management() -> None:
    asked = request(*LOOP, thinking=ENABLED, context_management={"edits": 7})
    after = thinking_request.keep(asked.messages, ANTHROPIC.provider)
    with pytest.raises(ValueError, match=r"context_management\.edits: expected an array"):
        thinking_mode.for_anthropic(asked, after, ANTHROPIC)


def test_invalid_output_config() -> None:
    asked = requests.read(b'{"model":"m","thinking":{"type":"disabled"},"output_config":7}')
    with pytest.raises(ValueError, match=r"output_config: expected an object, got an integer"):
        scrub.request(asked, examples.target("other"))


@pytest.mark.parametrize(
    ("fields", "thinking"),
    [
        ({}, {"type": "enabled", "budget_tokens": 16384}),
        ({"max_tokens": 8000}, {"type": "enabled", "budget_tokens": 4000}),
        ({"output_config": {"effort": "low"}}, {"type": "enabled", "budget_tokens": 4096}),
        ({"output_config": {"effort": "max"}}, {"type": "enabled", "budget_tokens": 32000}),
        ({"max_tokens": 2000}, None),
        ({"thinking": {"type": "disabled"}}, "unchanged"),
        ({"tool_choice": {"type": "any"}}, {"type": "disabled"}),
        # A limit of the target's
        ({"limit": 8192}, {"type": "enabled", "budget_tokens": 4096}),
        ({"limit": 8192, "thinking": {"type": "enabled", "budget_tokens": 31999}}, {"type": "enabled", "budget_tokens": 4096}),
        ({"limit": 8192, "thinking": {"type": "enabled", "budget_tokens": 8191}}, "unchanged"),
        ({"limit": 2000, "thinking": {"type": "enabled", "budget_tokens": 4000}}, None),
    ],
)  # fmt: skip
def test_a_budget_in_place_of_the_models_choice(fields: dict[str, Any], thinking: Any) -> None:
    limit = [f"max_tokens={fields['limit']}"] if "limit" in fields else []
    target = examples.target("zai", "glm-5").without((parameters.ADAPTIVE, *limit))
    whole = {"thinking": {"type": "adaptive"}, "max_tokens": 64000} | fields
    raws = {name: rawjson.encode(value) for name, value in whole.items()}
    edits = thinking_mode.for_others(raws, target, lost=False, returned=False)
    raw = edits.get("thinking", "unchanged")
    assert (json.loads(bytes(raw)) if isinstance(raw, msgspec.Raw) else raw) == thinking
