"""Decides whether a request asks for thinking, as far as its target can think.

A target may refuse thinking together with the rest of a request: with a tool that must be called, with an
effort, or without the thinking that came before.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import msgspec

from claude_route import targets
from claude_route.dialects import claude_models
from claude_route.dialects import parameters
from claude_route.dialects import thinking_rules
from claude_route.dialects.messages import assistant_blocks
from claude_route.dialects.messages import requests
from claude_route.dialects.messages import thinking
from claude_route.wire import rawjson

_CLEAR = "clear_thinking_20251015"

_FORCED = ("any", "tool")
"""The types of `tool_choice` with which the model must call a tool."""

_NOT_WHILE_OFF = ("xhigh", "max")
"""Efforts that Anthropic refuses while thinking is off: `effort '…' is not supported when thinking is
disabled`."""

_BUDGETS = {"low": 4096, "medium": 8192, "high": 16384, "xhigh": 32000, "max": 32000}
"""Effort -> the tokens that a model may think, about as many as Claude Code gives models that can't choose."""

_LEAST_BUDGET = 1024
"""`thinking.enabled.budget_tokens: Input should be greater than or equal to 1024`"""

_OFF: Mapping[str, Any] = {"type": "disabled"}


def for_anthropic(
    request: requests.Request, history: list[requests.Message], target: targets.Target
) -> requests.Edits:
    """The changes for Anthropic itself. `history` has the messages that it gets.

    In manual mode, Anthropic refuses a tool that must be called, and the last step of a tool loop must
    begin with thinking. With thinking off, a clear_thinking edit is invalid.

    Raises:
        ValueError: a field isn't in Anthropic's form.
    """
    mode = rawjson.kind(request.thinking)
    if mode not in ("enabled", "disabled") and request.tool_choice == rawjson.NULL:
        return {}
    edits: dict[str, msgspec.Raw | None] = {}
    is_forced = rawjson.kind(request.tool_choice) in _FORCED
    if mode == "enabled" and (is_forced or _lacks_thinking(history)):
        edits |= _switched_off(request.fields)
    elif mode == "disabled" and _effort(request.output_config) in _NOT_WHILE_OFF:
        edits |= _without_effort(request.output_config)
    if is_forced and claude_models.refuses_force(target.model):
        edits["tool_choice"] = _unforced(request.tool_choice)
    return edits


def for_others(
    fields: requests.Edits, target: targets.Target, *, lost: bool, returned: bool
) -> requests.Edits:
    """The changes for another provider. `lost`: the last step of a tool loop has lost its thinking.
    `returned`: it gets an empty block in its place.

    Raises:
        ValueError: a field isn't in Anthropic's form.
    """
    rules = thinking_rules.of(target)
    mode = rawjson.kind(fields.get("thinking") or rawjson.NULL)
    choice = fields.get("tool_choice") or rawjson.NULL
    is_forced = rawjson.kind(choice) in _FORCED
    edits: dict[str, msgspec.Raw | None] = {}
    limit = target.provider.set.get("max_tokens")
    if (mode == "adaptive" and parameters.ADAPTIVE in target.provider.drop) or (
        mode == "enabled" and isinstance(limit, int) and _budget(fields) >= limit
    ):
        edits["thinking"] = _with_budget(fields, limit)
        mode = "enabled" if edits["thinking"] else ""
    if is_forced and (
        claude_models.refuses_force(target.model) or (rules.unforced and rules.always)
    ):
        edits["tool_choice"] = _unforced(choice)
    elif (is_forced and (rules.unforced or mode == "enabled")) or (
        mode == "enabled" and lost and not returned
    ):
        mode = _off(edits)
    if mode != "disabled":
        return edits
    if rules.always:
        # It would refuse to be told.
        return {**edits, "thinking": None} if "thinking" in fields else {}
    edits |= _without_effort(fields.get("output_config") or rawjson.NULL)
    return edits | {name: rawjson.encode(value) for name, value in rules.messages_switch.items()}


def _budget(fields: requests.Edits) -> int:
    """The tokens that the model may think; 0 if the request doesn't say."""
    raw = fields.get("thinking") or rawjson.NULL
    budget = rawjson.decode(raw, dict[str, Any], "thinking").get("budget_tokens")
    return budget if isinstance(budget, int) else 0


def _with_budget(fields: requests.Edits, limit: Any = None) -> msgspec.Raw | None:
    """Thinking with a budget that leaves room for an answer of at most `limit` tokens, as far as the profile
    knows, or else of what the request says; None if there is no room for it."""
    if not isinstance(limit, int):
        given = fields.get("max_tokens") or rawjson.NULL
        limit = None if given == rawjson.NULL else rawjson.decode(given, int, "max_tokens")
    effort = _effort(fields.get("output_config") or rawjson.NULL)
    budget = _BUDGETS.get(effort, _BUDGETS["high"])
    if limit is not None:
        budget = min(budget, limit // 2)
    if budget < _LEAST_BUDGET:
        return None
    return rawjson.encode({"type": "enabled", "budget_tokens": budget})


def is_off(fields: requests.Edits) -> bool:
    """Whether a request doesn't want the model to think."""
    return rawjson.kind(fields.get("thinking") or rawjson.NULL) == "disabled"


def loses_thinking(before: list[requests.Message], after: list[requests.Message]) -> bool:
    """Whether the last step of a tool loop has lost its thinking."""
    last = _last_step(before)
    return any(after[n] is not before[n] for n in last) and _calls_without(after, last)


def _lacks_thinking(history: list[requests.Message]) -> bool:
    return _calls_without(history, _last_step(history))


def _last_step(history: list[requests.Message]) -> list[int]:
    """The places of the assistant's last messages."""
    step: list[int] = []
    for n in reversed(range(len(history))):
        if history[n].role == "assistant":
            step.append(n)
        elif step:
            break
    # Anthropic treats adjacent messages of one role as one message.
    return step[::-1]


def _calls_without(history: list[requests.Message], step: list[int]) -> bool:
    """Whether a step calls a tool without thinking."""
    in_step = assistant_blocks.read(history[n] for n in step)
    kinds = {block.type for block in itertools.chain.from_iterable(in_step)}
    return "tool_use" in kinds and kinds.isdisjoint(thinking.KINDS)


def _off(edits: dict[str, msgspec.Raw | None]) -> str:
    edits["thinking"] = rawjson.encode(_OFF)
    return "disabled"


def _switched_off(fields: Mapping[str, msgspec.Raw]) -> requests.Edits:
    edits: dict[str, msgspec.Raw | None] = {"thinking": rawjson.encode(_OFF)}
    edits |= _without_effort(fields.get("output_config", rawjson.NULL))
    if fields.get("context_management", rawjson.NULL) != rawjson.NULL:
        edits["context_management"] = _without_clearing(fields["context_management"])
    return edits


def _effort(output_config: msgspec.Raw) -> str:
    if output_config == rawjson.NULL:
        return ""
    return rawjson.text(
        rawjson.decode(output_config, dict[str, msgspec.Raw], "output_config"), "effort"
    )


def _without_effort(output_config: msgspec.Raw) -> requests.Edits:
    """Effort is about thinking. DeepSeek: `thinking options type cannot be disabled when reasoning_effort
    is set`."""
    if output_config == rawjson.NULL:
        return {}
    config = rawjson.decode(output_config, dict[str, msgspec.Raw], "output_config")
    if "effort" not in config:
        return {}
    rest = {key: value for key, value in config.items() if key != "effort"}
    return {"output_config": rawjson.encode(rest) if rest else None}


def _without_clearing(context_management: msgspec.Raw) -> msgspec.Raw | None:
    place = "context_management"
    management = rawjson.decode(context_management, dict[str, msgspec.Raw], place)
    listed = rawjson.decode(management.get("edits", b"[]"), list[msgspec.Raw], f"{place}.edits")
    kept = [edit for edit in listed if rawjson.kind(edit) != _CLEAR]
    return rawjson.encode(management | {"edits": rawjson.encode(kept)}) if kept else None


def _unforced(choice: msgspec.Raw) -> msgspec.Raw:
    """The model decides whether to call a tool; it still calls no more than one if it must not."""
    fields = rawjson.decode(choice, dict[str, msgspec.Raw], "tool_choice")
    kept = {key: fields[key] for key in fields if key == "disable_parallel_tool_use"}
    return rawjson.encode({"type": rawjson.encode("auto"), **kept})
