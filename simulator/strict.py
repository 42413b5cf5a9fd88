"""What api.anthropic.com refuses, in its words. Each check yields what it has against a request."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

from simulator import history
from simulator import messages
from simulator import shapes
from simulator import signatures
from simulator.history import Body
from simulator.history import Problems
from simulator.recorded import Recorded

FIELDS = {
    *("model", "messages", "max_tokens", "system", "tools", "tool_choice", "metadata", "stream"),
    *("stop_sequences", "temperature", "top_k", "top_p", "thinking", "service_tier", "speed"),
    *("cache_control", "inference_geo", "output_config", "output_format", "context_management"),
    *("diagnostics", "thread", "container", "mcp_servers", "fallbacks", "fallback_credit_token"),
    *("resumption", "safeguards", "user_profile_id"),
}
NOT_COUNTED = {
    *("max_tokens", "metadata", "stop_sequences", "stream", "temperature", "top_k", "top_p"),
    *("safeguards", "service_tier"),
}
NEEDS_BETA = {
    "context_management": "context-management-",
    "thread": "message-threads-",
    "mcp_servers": "mcp-",
    "resumption": "resumption-",
    "safeguards": "dangerous-tool-use-",
}
PYDANTIC = {"str": "string", "array": "list", "object": "dictionary", "int": "integer"}
TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
NEVER_FORCED = re.compile(r"claude-(?:(?:fable|mythos)-5-[1-9]|sonnet-5-5)(?!\d)")
FAST = re.compile(r"claude-(?:opus-(?:4-8|5)|(?:fable|mythos)-5-2)")
FAST_WITHOUT_BETA = re.compile(r"claude-(?:opus-5-5|(?:fable|mythos)-5-2)")
BETWEEN_TOOLS = re.compile(r"claude-sonnet-5-5(?!\d)")
ALWAYS_THINKS = re.compile(r"claude-(?:fable|mythos)-")
NEWEST = "2026-10-21"
"""The version of the API that has neither of SAMPLING, even at their defaults."""
SAMPLING = ("temperature", "top_k", "top_p")
LIMIT = 32 << 20


class Refusal(NamedTuple):
    status: int
    type: str
    message: str
    code: str | None = None
    """`details.error_code`."""


def first(problems: Problems) -> Refusal | None:
    """A 400 for the first problem, None where there is none."""
    message = next(problems, None)
    return None if message is None else Refusal(400, "invalid_request_error", message)


def credential(recorded: Recorded) -> Refusal | None:
    """401, and the one header that no request may lack."""
    key, bearer = recorded.header("x-api-key"), recorded.bearer
    if not key and not bearer:
        return Refusal(401, "authentication_error", "x-api-key header is required")
    if bearer and (bearer.startswith("sk-ant-api") or "{{" in bearer):
        return Refusal(401, "authentication_error", "Invalid bearer token")
    if not bearer and key and (key.startswith("sk-ant-oat") or "{{" in key):
        return Refusal(401, "authentication_error", "invalid x-api-key")
    if not recorded.header("anthropic-version"):
        return Refusal(400, "invalid_request_error", "anthropic-version: header is required")
    return None


def shape(body: Any) -> Problems:
    """What keeps a body from being read at all; the other checks rely on it."""
    misfit = shapes.misfit(body, shapes.Messages)
    if misfit is None:
        return
    place = f"{misfit.path.replace('[', '.').replace(']', '')}: ".removeprefix(": ")
    if misfit.expected is None:
        yield f"{place}Field required"
    else:
        words = (PYDANTIC.get(word, word) for word in misfit.expected.split(" | "))
        yield f"{place}Input should be a valid {' or '.join(words)}"


def unknown_model(body: Body) -> Refusal | None:
    model = body["model"]
    if model.startswith(("claude-", "sim-")):
        return None
    return Refusal(404, "not_found_error", f"model: {model}")


def problems(
    body: Body,
    betas: Sequence[str],
    signer: signatures.Signer,
    *,
    version: str = "2023-06-01",
    counts: bool,
) -> Problems:
    """All that is wrong with a body of good shape, the gravest first. `version`: anthropic-version.
    `counts`: count_tokens."""
    yield from fields(body, betas, counts=counts)
    yield from newest_version(body, version)
    yield from speed(body, betas)
    yield from thinking_mode(body)
    yield from forced_choice(body)
    yield from tools(body)
    yield from history.problems(body, betas, signer)


def fields(body: Body, betas: Sequence[str], *, counts: bool) -> Problems:
    if not counts and "max_tokens" not in body:
        yield "max_tokens: Field required"
    if not body["messages"]:
        yield "messages: at least one message is required"
    for name in body:
        lacks = name in NEEDS_BETA and not any(b.startswith(NEEDS_BETA[name]) for b in betas)
        if name not in FIELDS or lacks or (counts and name in NOT_COUNTED):
            yield f"{name}: Extra inputs are not permitted"


def newest_version(body: Body, version: str) -> Problems:
    """https://platform.claude.com/docs/en/api/versioning. Documents of assistants are refused anyway."""
    if version < NEWEST:
        return
    for name in SAMPLING:
        if name in body:
            yield f"{name}: Extra inputs are not permitted"
    for n, message in enumerate(body["messages"]):
        if message.get("role") != "user" or isinstance(message["content"], str):
            continue
        for m, block in enumerate(message["content"]):
            if block["type"] == "text" and block.get("citations"):
                yield f"messages.{n}.content.{m}.text.citations: Extra inputs are not permitted"


def speed(body: Body, betas: Sequence[str]) -> Problems:
    if body.get("speed") != "fast":
        return
    model = body["model"]
    if not FAST.match(model):
        yield f"speed: fast mode is not supported for {model}"
    elif not FAST_WITHOUT_BETA.match(model) and not any(b.startswith("fast-mode-") for b in betas):
        yield "speed: Extra inputs are not permitted"


def thinking_mode(body: Body) -> Problems:
    thinking = body.get("thinking") or {}
    kind = thinking.get("type")
    version = messages.version(body["model"])
    if kind == "enabled":
        if version and version >= (4, 7):
            yield (
                '"thinking.type.enabled" is not supported for this model. Use'
                ' "thinking.type.adaptive" and "output_config.effort" to control thinking behavior.'
            )
        budget = thinking.get("budget_tokens")
        if budget is None:
            yield "thinking.enabled.budget_tokens: Field required"
        elif budget < 1024:
            yield "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024"
        elif budget >= (body.get("max_tokens") or budget + 1):
            yield "`max_tokens` must be greater than `thinking.budget_tokens`."
    if kind == "adaptive" and version and version <= (4, 5):
        yield "adaptive thinking is not supported on this model"
    if kind == "between_tools" and not BETWEEN_TOOLS.match(body["model"]):
        yield "thinking: Input tag 'between_tools' does not match any of the expected tags"
    if kind == "disabled" and BETWEEN_TOOLS.match(body["model"]):
        yield '"thinking.type.disabled" is not supported for this model. Use "between_tools".'
    if kind == "disabled" and ALWAYS_THINKS.match(body["model"]):
        yield '"thinking.type.disabled" is not supported for this model.'
    effort = (body.get("output_config") or {}).get("effort")
    if kind == "disabled" and effort in ("xhigh", "max"):
        yield f"effort '{effort}' is not supported when thinking is disabled"
    edits = (body.get("context_management") or {}).get("edits") or ()
    if any(e.get("type") == "clear_thinking_20251015" for e in edits) and not messages.thinks(body):
        yield "`clear_thinking_20251015` strategy requires `thinking` to be enabled or adaptive"


def forced_choice(body: Body) -> Problems:
    if (body.get("tool_choice") or {}).get("type") not in ("any", "tool"):
        return
    if (body.get("thinking") or {}).get("type") == "enabled":
        yield "Thinking may not be enabled when tool_choice forces tool use."
    if NEVER_FORCED.match(body["model"]):
        yield 'tool_choice: type "tool" and "any" are not supported for this model.'


def tools(body: Body) -> Problems:
    for n, tool in enumerate(body.get("tools") or ()):
        if tool.get("type", "custom") != "custom":
            continue
        if not TOOL_NAME.fullmatch(tool.get("name") or ""):
            yield f"tools.{n}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'"
        schema = tool.get("input_schema")
        if schema is None:
            yield f"tools.{n}.custom.input_schema: Field required"
            continue
        if not schema.keys().isdisjoint(("oneOf", "allOf", "anyOf")):
            yield (
                f"tools.{n}.custom.input_schema: input_schema does not support oneOf, allOf, or"
                " anyOf at the top level"
            )
        if schema.get("type") != "object":
            yield f"tools.{n}.custom.input_schema.type: Field required"
    names = [tool.get("name") for tool in body.get("tools") or ()]
    if len(names) != len(set(names)):
        yield "tools: Tool names must be unique."
    if body.get("tool_choice") and not names:
        yield "tool_choice may only be specified while providing tools."
