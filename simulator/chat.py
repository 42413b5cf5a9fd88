"""OpenAI's Chat Completions: answers as JSON and as chunks, errors, and what a request asks for."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import msgspec

from simulator import answers
from simulator import conversation
from simulator import faults
from simulator import messages

encode = msgspec.json.encode
FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
KINDS = {
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("invalid_request_error", "forbidden"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
}
DONE = faults.Event("[DONE]", b"data: [DONE]\n\n")


def tools(body: Mapping[str, Any]) -> frozenset[str]:
    functions = (tool.get("function") or {} for tool in body.get("tools") or ())
    return frozenset(str(function.get("name")) for function in functions)


def turns(body: Mapping[str, Any]) -> list[conversation.Turn]:
    return conversation.merged(
        _turn(message)
        for message in body["messages"]
        if message.get("role") in ("user", "assistant", "tool")
    )


def reasons(body: Mapping[str, Any]) -> bool:
    return body.get("reasoning_effort") not in (None, "none", "minimal")


def completion(
    body: Mapping[str, Any],
    size: int,
    content: Sequence[answers.Block],
    answer: answers.Answer,
) -> dict[str, Any]:
    """The whole answer as JSON. `size` is the request's length in bytes."""
    texts = [block.text for block in content if isinstance(block, answers.Text)]
    thought = "".join(block.thinking for block in content if isinstance(block, answers.Thinking))
    calls = [
        {
            "id": block.id or f"call_{os.urandom(12).hex()}",
            "type": "function",
            "function": {"name": block.name, "arguments": encode(block.input).decode()},
        }
        for block in content
        if isinstance(block, answers.ToolUse)
    ]
    message: dict[str, Any] = {
        "role": "assistant",
        "content": "".join(texts) if texts or not calls else None,
        "refusal": None,
        **_reasoning(answer, thought),
    }
    if calls:
        message["tool_calls"] = calls
    stop = answer.stop_reason or ("tool_use" if calls else "end_turn")
    choice = {
        "index": 0,
        "message": message,
        "logprobs": None,
        "finish_reason": FINISH.get(stop, stop),
    }
    return {
        "id": answer.id or f"chatcmpl-{os.urandom(12).hex()}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": answer.model or body["model"],
        "choices": [choice],
        "usage": _usage(size, len(encode(message)), len(thought), answer.usage),
        "service_tier": "default",
        "system_fingerprint": "fp_simulator",
    }


def chunks(
    whole: Mapping[str, Any], answer: answers.Answer, *, usage: bool
) -> Iterator[faults.Event]:
    """The answer as a stream, `answer.delta_size` characters in each chunk."""
    choice = whole["choices"][0]
    message = choice["message"]
    size = answer.delta_size
    deltas: Iterable[dict[str, Any]] = itertools.chain(
        [{"role": "assistant", "content": "", "refusal": None}],
        (_reasoning(answer, part) for part in messages.pieces(_thought(message), size)),
        ({"content": part} for part in messages.pieces(message["content"] or "", size)),
        _calls(message.get("tool_calls", ()), answer),
    )
    head = {key: whole[key] for key in ("id", "created", "model", "system_fingerprint")}
    head["object"] = "chat.completion.chunk"
    tail = {"usage": None} if usage else {}
    for delta in deltas:
        yield _chunk("chunk", {**head, "choices": [_choice(delta)], **tail})
    yield _chunk("finish", {**head, "choices": [_choice({}, choice["finish_reason"])], **tail})
    if usage:
        yield _chunk("usage", {**head, "choices": [], "usage": whole["usage"]})
    yield DONE


def error(answer: answers.Answer) -> dict[str, Any]:
    status = answers.error_status(answer)
    kind, code = KINDS.get(
        status, ("invalid_request_error" if status < 500 else "server_error", None)
    )
    problem = {"message": answers.error_message(answer), "type": kind, "param": None, "code": code}
    return {"error": {**problem, **(answer.details or {})}}


def error_chunk(answer: answers.Answer) -> faults.Event:
    """An error in the middle of a stream, as OpenRouter sends it."""
    problem = {"code": answers.error_status(answer), "message": answers.error_message(answer)}
    choice = _choice({"content": ""}, "error")
    return _chunk(
        "error", {"object": "chat.completion.chunk", "error": problem, "choices": [choice]}
    )


def _turn(message: Mapping[str, Any]) -> conversation.Turn:
    turn = conversation.Turn(
        message["role"] != "assistant", calls=len(message.get("tool_calls") or ())
    )
    content = message.get("content")
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content or ()
    texts = turn.results if message["role"] == "tool" else turn.texts
    for part in parts:
        match part.get("type"):
            case "text":
                texts.append(part.get("text") or "")
            case "image_url":
                turn.images.append(_image(part.get("image_url") or {}))
            case kind:
                turn.images.append(f"[{kind}]")
    if message["role"] == "tool" and not texts:
        texts.append("")
    return turn


def _image(image: Any) -> str:
    url = str(image.get("url"))
    kind, comma, data = url.removeprefix("data:").partition(";base64,")
    return f"[image {kind}, {len(data) * 3 // 4} bytes]" if comma else "[image url]"


def _reasoning(answer: answers.Answer, text: str) -> dict[str, Any]:
    if not text:
        return {}
    if answer.reasoning == "reasoning_details":
        detail = {"type": "reasoning.text", "text": text, "format": "unknown", "index": 0}
        return {"reasoning": text, "reasoning_details": [detail]}
    return {answer.reasoning: text}


def _thought(message: Mapping[str, Any]) -> str:
    return message.get("reasoning_content") or message.get("reasoning") or ""


def _calls(calls: Sequence[dict[str, Any]], answer: answers.Answer) -> Iterator[dict[str, Any]]:
    """The deltas of the tool calls, in the manner that `answer.calls` names."""
    if answer.calls == "together" and calls:
        yield {"tool_calls": [{"index": n, **call} for n, call in enumerate(calls)]}
        return
    parts = [list(_call(n, call, answer)) for n, call in enumerate(calls)]
    if answer.calls == "interleaved":
        rows = itertools.zip_longest(*parts)
        ordered = [part for row in rows for part in row if part is not None]
    else:
        ordered = list(itertools.chain(*parts))
    for part in ordered:
        yield {"tool_calls": [part]}


def _call(index: int, call: dict[str, Any], answer: answers.Answer) -> Iterator[dict[str, Any]]:
    name, arguments = call["function"]["name"], call["function"]["arguments"]
    if answer.calls == "whole":
        yield {"index": index, **call}
        return
    if answer.calls == "late":
        # Some providers begin with arguments, and send the id and name afterwards.
        yield {"index": index, "function": {"arguments": arguments[:1]}}
        yield {"index": index, "id": call["id"], "type": "function", "function": {"name": name}}
        arguments = arguments[1:]
    else:
        function = {"name": name, "arguments": ""}
        yield {"index": index, "id": call["id"], "type": "function", "function": function}
    for part in messages.pieces(arguments, answer.delta_size):
        yield {"index": index, "function": {"arguments": part}}


def _choice(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}


def _chunk(name: str, value: dict[str, Any]) -> faults.Event:
    return faults.Event(name, b"data: " + encode(value) + b"\n\n")


def _usage(size: int, written: int, thought: int, usage: Mapping[str, int]) -> dict[str, Any]:
    """Usage with Anthropic's names as OpenAI's, where the prompt's tokens include cached ones."""
    cached = usage.get("cache_read_input_tokens", 0)
    prompt = usage.get("input_tokens", messages.estimate(size)) + cached
    output = usage.get("output_tokens", messages.estimate(written))
    return {
        "prompt_tokens": prompt,
        "completion_tokens": output,
        "total_tokens": prompt + output,
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": int(thought / 3.5)},
    }
