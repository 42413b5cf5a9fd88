"""What api.anthropic.com refuses in a conversation: its roles, blocks, tools and thinking."""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from simulator import binding
from simulator import messages
from simulator import server_tools
from simulator import signatures

Body = Mapping[str, Any]
Problems = Iterator[str]

MESSAGE_FIELDS = {"role", "content", "output_config", "clear_at"}
# Any of these makes room for role: system; which of them a client sends differs by its mode.
SYSTEM_BETAS = ("mid-conversation-", "per-turn-control-")
THINKING = ("thinking", "redacted_thinking")
TOOL_ID = re.compile(r"[a-zA-Z0-9_-]+")
TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
TOOL_USE_FIELDS = {"type", "id", "name", "input", "cache_control", "caller"}
USERS_ALONE = ("tool_result", "image", "document", "search_result")


def problems(body: Body, betas: Sequence[str], signer: signatures.Signer) -> Problems:
    """All that is wrong with well-formed messages."""
    yield from roles(body, betas)
    yield from blocks(body, signer)
    yield from tool_pairs(body)
    yield from server_tools.problems(body["messages"])
    yield from thinking_order(body, signer)
    yield from binding.problems(body, signer)
    yield from cache_points(body)


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
    """Each block by itself: text must not be empty, signatures must be Anthropic's."""
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
            yield from _text("messages", {"type": "text", "text": content or "-"})
            continue
        for m, block in enumerate(content):
            if message.get("role") == "assistant" and block["type"] in USERS_ALONE:
                yield f"messages.{n}: `{block['type']}` blocks can only be in `user` messages"
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
            if not TOOL_ID.fullmatch(block.get("id") or ""):
                yield f"{place}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'"
            if not TOOL_NAME.fullmatch(block.get("name") or ""):
                yield f"{place}.tool_use.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'"
            if block.get("input") is None:
                yield f"{place}.tool_use.input: Field required"
            for name in block.keys() - TOOL_USE_FIELDS:
                yield f"{place}.tool_use.{name}: Extra inputs are not permitted"
        case "tool_result":
            id = block.get("tool_use_id")
            if id is None:
                yield f"{place}.tool_result.tool_use_id: Field required"
            elif not TOOL_ID.fullmatch(id):
                yield (
                    f"{place}.tool_result.tool_use_id: String should match pattern"
                    " '^[a-zA-Z0-9_-]+$'"
                )
            if isinstance(block.get("content"), list):
                for inner in block["content"]:
                    yield from _text("messages", inner)


def _text(place: str, block: Body) -> Problems:
    if block["type"] != "text":
        return
    text = block.get("text")
    if text is None:
        yield f"{place}: text content blocks must have a `text`"
    elif not text:
        yield f"{place}: text content blocks must be non-empty"
    elif not text.strip():
        yield f"{place}: text content blocks must contain non-whitespace text"


def tool_pairs(body: Body) -> Problems:
    """Each tool_use is answered in the next turn, each tool_result belongs to a call in the last."""
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
    """The latest assistant message: its thinking is complete and unchanged, or all of it is left
    out."""
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
