"""What an Anthropic-compatible provider other than Anthropic refuses, modelled on GLM."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

from simulator import answers
from simulator import messages
from simulator import signatures
from simulator.recorded import Recorded
from simulator.strict import Refusal

NOT_OURS = ("route:", signatures.FOREIGN)
REDACTED = "glm-redacted"
OURS_ALONE = ("anthropic-beta", "x-litellm-api-key", "x-claude-token-mode")
FIELDS = (
    *("context_management", "diagnostics", "thread", "container", "mcp_servers", "service_tier"),
    "speed",
)
VERSION = "2023-06-01"
"""The only version of Anthropic's API that others offer."""


def credential(recorded: Recorded, *, needs_key: bool) -> Refusal | None:
    tokens = [token for token in (recorded.bearer, recorded.header("x-api-key")) if token]
    if (needs_key and not tokens) or any(
        token.startswith("sk-ant-") or "{{" in token for token in tokens
    ):
        return Refusal(401, "authentication_error", "token expired or incorrect")
    if recorded.header("anthropic-version") not in (None, VERSION):
        return Refusal(400, "invalid_request_error", "unsupported anthropic-version")
    for name in OURS_ALONE:
        if recorded.header(name) is not None:
            return Refusal(400, "invalid_request_error", f"unexpected header: {name}")
    return None


def problems(
    body: Mapping[str, Any], signer: signatures.Signer, provider: str, *, thinking_required: bool
) -> Iterator[str]:
    for name in FIELDS:
        if name in body:
            yield f"unexpected field: {name}"
    if thinking_required:
        yield from _thinking_mode(body)
    for n, tool in enumerate(body.get("tools") or ()):
        if tool.get("type", "custom") != "custom":
            yield f"tools.{n}: unsupported tool type {tool['type']}"
        if "defer_loading" in tool:
            yield f"tools.{n}: unexpected field: defer_loading"
        yield from _cache_control(f"tools.{n}", tool)
    system = body.get("system")
    for n, block in enumerate(system if isinstance(system, list) else ()):
        if str(block.get("text")).startswith("x-anthropic-billing-header"):
            yield f"system.{n}: x-anthropic-billing-header reached the prompt"
        yield from _cache_control(f"system.{n}", block)
    for n, message in enumerate(body["messages"]):
        role, content = message.get("role"), message["content"]
        if role not in ("user", "assistant"):
            yield f"messages.{n}.role: expected user or assistant, got {role}"
        if isinstance(content, str):
            continue
        if not content:
            yield f"messages.{n}.content: must not be empty"
        for m, block in enumerate(content):
            yield from _block(f"messages.{n}.content.{m}", block, signer, provider)
        kinds = [block["type"] for block in content]
        if thinking_required and "tool_use" in kinds and "thinking" not in kinds:
            yield ("The content[].thinking in the thinking mode must be passed back to the API.")


def _thinking_mode(body: Mapping[str, Any]) -> Iterator[str]:
    """In DeepSeek's words."""
    is_off = (body.get("thinking") or {}).get("type") == "disabled"
    if is_off and (body.get("output_config") or {}).get("effort"):
        yield "thinking options type cannot be disabled when reasoning_effort is set"
    if not is_off and (body.get("tool_choice") or {}).get("type") in ("any", "tool"):
        yield "Thinking mode does not support this tool_choice"


def _block(
    place: str, block: Mapping[str, Any], signer: signatures.Signer, provider: str
) -> Iterator[str]:
    yield from _cache_control(place, block)
    match block["type"]:
        case "text":
            if not str(block.get("text") or "").strip():
                yield f"{place}.text: must not be empty"
        case "thinking":
            signature = str(block.get("signature") or "")
            own = signer.foreign(provider, str(block.get("thinking")))
            # A script may have made us sign in any other way, too.
            if signature != own and (signature.startswith(NOT_OURS) or _like_anthropic(signature)):
                yield f"{place}.signature: not one of ours"
        case "redacted_thinking":
            if block.get("data") != REDACTED:
                yield f"{place}: redacted_thinking is not one of ours"
        case "tool_use" | "tool_result" | "image" | "document":
            pass
        case kind:
            yield f"{place}: unsupported block type {kind}"


def _like_anthropic(signature: str) -> bool:
    try:
        return len(base64.b64decode(signature, validate=True)) >= 64
    except ValueError:
        return False


def _cache_control(place: str, part: Mapping[str, Any]) -> Iterator[str]:
    if "scope" in (part.get("cache_control") or {}):
        yield f"{place}.cache_control: unexpected field: scope"


def signed(
    content: Iterable[answers.Block], signer: signatures.Signer, provider: str
) -> list[dict[str, Any]]:
    """Blocks as JSON, with thinking signed in the provider's own way."""
    blocks: list[dict[str, Any]] = []
    for block in content:
        match block:
            case answers.Thinking(thinking, signature):
                signature = signer.foreign(provider, thinking) if signature is None else signature
                blocks.append({"type": "thinking", "thinking": thinking, "signature": signature})
            case answers.RedactedThinking(data):
                blocks.append({"type": "redacted_thinking", "data": data or REDACTED})
            case _:
                blocks.append(messages.plain(block))
    return blocks
