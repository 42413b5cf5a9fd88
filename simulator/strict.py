"""What api.anthropic.com refuses, in its words. Each check yields what it has against a request."""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

from simulator import messages
from simulator import signatures
from simulator.recorded import Recorded

Body = Mapping[str, Any]
Problems = Iterator[str]

FIELDS = {
    *("model", "messages", "max_tokens", "system", "tools", "tool_choice", "metadata", "stream"),
    *("stop_sequences", "temperature", "top_k", "top_p", "thinking", "service_tier", "speed"),
    *("cache_control", "inference_geo", "output_config", "output_format", "context_management"),
    *("diagnostics", "thread", "container", "mcp_servers", "fallbacks", "fallback_credit_token"),
    *("resumption", "user_profile_id"),
}
NOT_COUNTED = {
    *("max_tokens", "metadata", "stop_sequences", "stream", "temperature", "top_k", "top_p"),
    "service_tier",
}
MESSAGE_FIELDS = {"role", "content", "output_config", "clear_at"}
NEEDS_BETA = {
    "context_management": "context-management-",
    "diagnostics": "cache-diagnosis-",
    "thread": "message-threads-",
    "mcp_servers": "mcp-",
    "resumption": "resumption-",
}
# Any of these makes room for role: system; which of them a client sends differs by its mode.
SYSTEM_BETAS = ("mid-conversation-", "per-turn-control-")
THINKING = ("thinking", "redacted_thinking")
TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
TOOL_ID = re.compile(r"[a-zA-Z0-9_-]+")
LIMIT = 32 << 20


class Refusal(NamedTuple):
    status: int
    type: str
    message: str


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
    """What keeps a body from being read at all: the checks below rely on these."""
    if not isinstance(body, dict):
        yield "Input should be a valid dictionary or object to extract fields from"
        return
    if "model" not in body:
        yield "model: Field required"
    elif not isinstance(body["model"], str):
        yield "model: Input should be a valid string"
    if "messages" not in body:
        yield "messages: Field required"
        return
    if not isinstance(body["messages"], list):
        yield "messages: Input should be a valid list"
        return
    for n, message in enumerate(body["messages"]):
        if not isinstance(message, dict):
            yield f"messages.{n}: Input should be a valid dictionary or object"
            return
        yield from _content_shape(f"messages.{n}.content", message.get("content"))
    for name, kind, word in (
        ("tools", list, "list"),
        ("thinking", dict, "dictionary"),
        ("context_management", dict, "dictionary"),
    ):
        if body.get(name) is not None and not isinstance(body[name], kind):
            yield f"{name}: Input should be a valid {word}"
    for n, tool in enumerate(body.get("tools") or ()):
        if not isinstance(tool, dict):
            yield f"tools.{n}: Input should be a valid dictionary or object"
    if body.get("system") is not None:
        yield from _content_shape("system", body["system"])


def _content_shape(place: str, content: Any) -> Problems:
    if content is None:
        yield f"{place}: Field required"
    elif not isinstance(content, str | list):
        yield f"{place}: Input should be a valid list"
    elif isinstance(content, list):
        for m, block in enumerate(content):
            if not isinstance(block, dict) or not isinstance(block.get("type"), str):
                yield f"{place}.{m}.type: Field required"
            elif block["type"] == "tool_result" and block.get("content") is not None:
                yield from _content_shape(f"{place}.{m}.content", block["content"])


def unknown_model(body: Body) -> Refusal | None:
    model = body["model"]
    if model.startswith(("claude-", "sim-")):
        return None
    return Refusal(404, "not_found_error", f"model: {model}")


def problems(
    body: Body, betas: Sequence[str], signer: signatures.Signer, *, counts: bool
) -> Problems:
    """All that is wrong with a body of good shape, the gravest first. `counts`: count_tokens."""
    yield from fields(body, betas, counts=counts)
    yield from thinking_mode(body)
    yield from tools(body)
    yield from roles(body, betas)
    yield from blocks(body, signer)
    yield from tool_pairs(body)
    yield from thinking_order(body, signer)
    yield from cache_points(body)


def fields(body: Body, betas: Sequence[str], *, counts: bool) -> Problems:
    if not counts and "max_tokens" not in body:
        yield "max_tokens: Field required"
    if not body["messages"]:
        yield "messages: at least one message is required"
    for name in body:
        lacks = name in NEEDS_BETA and not any(b.startswith(NEEDS_BETA[name]) for b in betas)
        if name not in FIELDS or lacks or (counts and name in NOT_COUNTED):
            yield f"{name}: Extra inputs are not permitted"


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
        if not isinstance(budget, int):
            yield "thinking.enabled.budget_tokens: Field required"
        elif budget < 1024:
            yield "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024"
        elif budget >= body.get("max_tokens", budget + 1):
            yield "`max_tokens` must be greater than `thinking.budget_tokens`."
    if kind == "adaptive" and version and version <= (4, 5):
        yield "adaptive thinking is not supported on this model"
    edits = (body.get("context_management") or {}).get("edits") or ()
    if any(e.get("type") == "clear_thinking_20251015" for e in edits) and not messages.thinks(body):
        yield "`clear_thinking_20251015` strategy requires `thinking` to be enabled or adaptive"


def tools(body: Body) -> Problems:
    for n, tool in enumerate(body.get("tools") or ()):
        if tool.get("type", "custom") != "custom":
            continue
        if not TOOL_NAME.fullmatch(str(tool.get("name", ""))):
            yield f"tools.{n}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'"
        schema = tool.get("input_schema")
        if not isinstance(schema, dict):
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


def roles(body: Body, betas: Sequence[str]) -> Problems:
    history = body["messages"]
    for n, message in enumerate(history):
        role = message.get("role")
        if role == "system":
            if not any(beta.startswith(SYSTEM_BETAS) for beta in betas):
                yield (
                    'messages: Unexpected role "system". The Messages API accepts a top-level'
                    ' `system` parameter, not "system" as an input message role.'
                )
            after = history[n + 1].get("role") if n + 1 < len(history) else "assistant"
            if n == 0 or not _ends_turn(history[n - 1]) or after != "assistant":
                yield (
                    f"messages.{n}: a `system` message must follow a `user` message and precede an"
                    " `assistant` message or the end"
                )
        elif role not in ("user", "assistant"):
            yield f"messages.{n}.role: Input should be 'user' or 'assistant'"
        for name in message.keys() - MESSAGE_FIELDS:
            yield f"messages.{n}.{name}: Extra inputs are not permitted"
    if history and history[0].get("role") == "assistant":
        yield 'messages: first message must use the "user" role'
    if history and history[-1].get("role") == "assistant":
        version = messages.version(body["model"])
        if version and version >= (4, 6):
            yield (
                "This model does not support assistant message prefill. The conversation must end"
                " with a user message."
            )


def _ends_turn(message: Body) -> bool:
    """Whether the assistant is next: after a user, or after a tool that the server ran."""
    content = message["content"]
    last = content[-1]["type"] if isinstance(content, list) and content else ""
    return message.get("role") == "user" or last.endswith("_tool_result")


def blocks(body: Body, signer: signatures.Signer) -> Problems:
    """Each block for itself: text that says something, signatures that are Anthropic's."""
    history = body["messages"]
    for n, message in enumerate(history):
        content = message["content"]
        final = n == len(history) - 1 and message.get("role") == "assistant"
        if not content and not final and message.get("role") != "system":
            yield (
                f"messages.{n}: all messages must have non-empty content except for the optional"
                " final assistant message"
            )
        if isinstance(content, str):
            continue
        for m, block in enumerate(content):
            yield from _block(f"messages.{n}.content.{m}", block, signer)
    if isinstance(body.get("system"), list):
        for block in body["system"]:
            yield from _text("system", block)


def _block(place: str, block: Body, signer: signatures.Signer) -> Problems:
    match block["type"]:
        case "text":
            yield from _text("messages", block)
        case "thinking":
            if "thinking" not in block:
                yield f"{place}.thinking.thinking: Field required"
            if "signature" not in block:
                yield f"{place}.thinking.signature: Field required"
                return
            for name in block.keys() - {"type", "thinking", "signature"}:
                yield f"{place}.thinking.{name}: Extra inputs are not permitted"
            seal = signer.read(str(block["signature"]))
            if seal is None or seal.kind != b"T":
                yield f"{place}: Invalid `signature` in `thinking` block"
        case "redacted_thinking":
            seal = signer.read(str(block.get("data")))
            if seal is None or seal.kind != b"R":
                yield f"{place}: Invalid `data` in `redacted_thinking` block"
        case "tool_use":
            identity = block.get("id")
            if not isinstance(identity, str) or not TOOL_ID.fullmatch(identity):
                yield f"{place}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'"
            if not isinstance(block.get("input"), dict):
                yield f"{place}.tool_use.input: Input should be a valid dictionary"
        case "tool_result":
            if not isinstance(block.get("tool_use_id"), str):
                yield f"{place}.tool_result.tool_use_id: Field required"


def _text(place: str, block: Body) -> Problems:
    if block["type"] != "text":
        return
    text = block.get("text")
    if not isinstance(text, str):
        yield f"{place}: text content blocks must have a `text`"
    elif not text:
        yield f"{place}: text content blocks must be non-empty"
    elif not text.strip():
        yield f"{place}: text content blocks must contain non-whitespace text"


def tool_pairs(body: Body) -> Problems:
    """Every tool_use answered in the next turn, every tool_result asked for in the last."""
    asked: dict[str, int] = {}
    seen: set[str] = set()
    # Messages of the same side in a row are one turn to the API.
    turns: list[tuple[str, list[tuple[int, int, Body]]]] = []
    for n, message in enumerate(body["messages"]):
        role, content = message.get("role"), message["content"]
        if role == "system":
            continue
        if not turns or turns[-1][0] != role:
            turns.append((role, []))
        if isinstance(content, list):
            turns[-1][1].extend((n, m, block) for m, block in enumerate(content))
    for side, numbered in turns:
        results: set[str] = set()
        for n, m, block in numbered:
            if side == "user" and block["type"] == "tool_result":
                name = block["tool_use_id"]
                if name in results:
                    yield (
                        f"messages.{n}.content.{m}: each tool_use must have a single result. Found"
                        f" multiple `tool_result` blocks with id: {name}"
                    )
                elif name not in asked:
                    yield (
                        f"messages.{n}.content.{m}: unexpected `tool_use_id` found in `tool_result`"
                        f" blocks: {name}. Each `tool_result` block must have a corresponding"
                        " `tool_use` block in the previous message."
                    )
                results.add(name)
        yield from _unanswered({name: n for name, n in asked.items() if name not in results})
        asked = {}
        for n, _, block in numbered:
            if side == "assistant" and block["type"] == "tool_use":
                if block["id"] in seen:
                    yield "messages: `tool_use` ids must be unique"
                seen.add(block["id"])
                asked[block["id"]] = n
    yield from _unanswered(asked)


def _unanswered(asked: Mapping[str, int]) -> Problems:
    if asked:
        n = min(asked.values())
        yield (
            f"messages.{n}: `tool_use` ids were found without `tool_result` blocks immediately"
            f" after: {', '.join(asked)}. Each `tool_use` block must have a corresponding"
            " `tool_result` block in the next message."
        )


def thinking_order(body: Body, signer: signatures.Signer) -> Problems:
    """The latest assistant message: its thinking whole and unchanged, or all of it left out."""
    history = body["messages"]
    latest = [n for n, message in enumerate(history) if message.get("role") == "assistant"]
    if not latest or isinstance(history[latest[-1]]["content"], str):
        return
    n = latest[-1]
    content = history[n]["content"]
    kind = (body.get("thinking") or {}).get("type")
    thoughts = [(m, block) for m, block in enumerate(content) if block["type"] in THINKING]
    if n == len(history) - 1 and thoughts and not messages.thinks(body):
        yield (
            "When thinking is disabled, an `assistant` message in the final position cannot contain"
            " `thinking`. To use thinking blocks, enable `thinking` in your request."
        )
    in_loop = any(block["type"] == "tool_use" for block in content)
    if kind == "enabled" and in_loop and content[0]["type"] not in THINKING:
        yield (
            f"messages.{n}.content.0.type: Expected `thinking` or `redacted_thinking`, but found"
            f" `{content[0]['type']}`. When `thinking` is enabled, a final `assistant` message must"
            " start with a thinking block (preceeding the lastmost set of `tool_use` and"
            " `tool_result` blocks). We recommend you include thinking blocks from previous turns."
            " To avoid this requirement, disable `thinking`. Please consult our documentation at"
            " https://docs.claude.com/en/docs/build-with-claude/extended-thinking"
        )
    sealed: bytes | None = None
    for place, (m, block) in enumerate(thoughts):
        seal = signer.read(str(block.get("signature") or block.get("data")))
        if (
            seal is None
            or sealed not in (None, seal.message)
            or (seal.place, seal.total) != (place, len(thoughts))
            or not seal.fits(block.get("thinking") or "")
        ):
            yield _modified(n, m)
            return
        sealed = seal.message


def _modified(n: int, m: int) -> str:
    return (
        f"messages.{n}.content.{m}: `thinking` or `redacted_thinking` blocks in the latest"
        " assistant message cannot be modified. These blocks must remain as they were in the"
        " original response."
    )


def cache_points(body: Body) -> Problems:
    parts: list[Any] = [*(body.get("tools") or ())]
    for content in (body.get("system"), *(message["content"] for message in body["messages"])):
        if isinstance(content, list):
            parts += content
    found = sum(part.get("cache_control") is not None for part in parts)
    if found > 4:
        yield f"A maximum of 4 blocks with cache_control may be provided. Found {found}."
