"""A request as a page of text: the sizes of its parts, the conversation with its newest part first, the
options, the system prompt, the tools.

For both Messages and Chat Completions. Bodies have megabytes, and the page is rendered at every view,
so parts that aren't shown are decoded but not processed further.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

import msgspec

from claude_route.dialects import dialect
from claude_route.dialects import fold
from claude_route.dialects.messages import requests
from claude_route.text import layout
from claude_route.text import quantities
from claude_route.watch.views import blocks
from claude_route.wire import rawjson

LAST = 4
"""How many of the last messages are shown in full, unless all are."""

SYSTEM_LINES = 3
PART_LINES = 100
"""The most rows of each of the last messages, and of the options and tools."""

LEAST_ABOVE = 420
"""The rows of the page's beginning that show before anything is left out of its end."""


class Part(NamedTuple):
    """A message, a tool, or a block of the system prompt."""

    value: dict[str, Any]
    blocks: list[fold.Block]
    tokens: int


def render(
    body: bytes, request_dialect: dialect.Dialect, routing: str = "", *, full: bool = False
) -> str:
    """The page. `routing` is its first line, and says which target answered.

    Raises:
        ValueError: the body isn't a request.
    """
    fields = rawjson.decode_mended(body, dict[str, msgspec.Raw])
    names = request_dialect.request_fields
    if names.conversation not in fields:
        raise ValueError(f"{names.conversation}: expected an array, got nothing")
    system = _parts(fields.get(names.system) if names.system else None, _block)
    tools = _parts(fields.get(names.tools), lambda value: _tool(value, request_dialect))
    turns = _parts(fields.get(names.conversation), lambda value: _message(value, request_dialect))
    writer = blocks.Writer(full=full)
    about = [
        layout.rule("request"),
        *layout.lines(_options(fields, names)),
        *layout.lines(_cache_points(system, tools, turns)),
        *_others(fields, names, full=full),
    ]
    for index, part in enumerate(system):
        about.append(
            layout.rule(f"system {index + 1}/{len(system)}  ~{quantities.count(part.tokens)}")
        )
        for block in part.blocks:
            about += writer.lines(block, limit=SYSTEM_LINES)
    about += _tools(tools, full=full)
    page = [
        routing or _value(fields, "model", str) or "?",
        _sizes(system, tools, turns),
    ]
    room = layout.MAX_LINES - len(page) - layout.height(about)
    page += [*_conversation(turns, writer, room), *about]
    return "\n".join(page if full else layout.elide(page, layout.MAX_LINES, head=LEAST_ABOVE))


def _conversation(turns: list[Part], writer: blocks.Writer, room: int) -> list[str]:
    """The newest part first: the last answer, and what came after it. At most `room` rows; all of them in a
    full view."""
    for part in turns:
        writer.learn(part.blocks)
    shown = turns if writer.full else turns[-LAST:]
    old = turns[: len(turns) - len(shown)]
    messages: list[list[str]] = []
    newest = 0
    for number, part in enumerate(shown, len(old) + 1):
        lines: list[str] = []
        for block in part.blocks:
            lines += writer.lines(block)
        lines = lines if writer.full else layout.elide(lines, PART_LINES, head=PART_LINES // 2)
        if part.value.get("role") == "assistant":
            newest = len(messages)
        messages.append([layout.rule(_title(number, len(turns), part)), *lines])
    newest_first = [
        line for message in (*messages[newest:], *messages[:newest]) for line in message
    ]
    return newest_first + _earlier(old, writer, room - layout.height(newest_first))


def _earlier(old: list[Part], writer: blocks.Writer, room: int) -> list[str]:
    """The messages that are not shown in full, with a line for each block: the first message, and as
    many of the latest as fit."""
    if not old:
        return []
    left = room - 2 - len(old[0].blocks)
    start = len(old)
    while start > 1 and (left := left - len(old[start - 1].blocks)) >= 0:
        start -= 1
    lines = [layout.rule("earlier"), *_brief(1, old[0], writer)]
    if start > 1:
        between = quantities.count(start - 1)
        lines.append(f"     … {between} messages not shown (choose the view claude-full)")
    for number, part in enumerate(old[start:], start + 1):
        lines += _brief(number, part, writer)
    return lines


def _title(number: int, count: int, part: Part) -> str:
    return f"{number}/{count} {part.value.get('role', '?')}  ~{quantities.count(part.tokens)}"


def _brief(number: int, part: Part, writer: blocks.Writer) -> Iterable[str]:
    margin = (
        f"{number:>4} {part.value.get('role', '?')!s:9} {f'~{quantities.count(part.tokens)}':>8}  "
    )
    for block in part.blocks:
        yield margin + writer.one_line(block, layout.WIDTH - len(margin))
        margin = " " * len(margin)


def _value[T](fields: Mapping[str, msgspec.Raw], key: str, type: type[T]) -> T | None:
    """A field; None if it is missing or of another type."""
    try:
        return msgspec.json.decode(fields.get(key, rawjson.NULL), type=type)
    except rawjson.REFUSALS:
        return None


type Make = Callable[[Any], tuple[dict[str, Any], list[fold.Block]]]
"""JSON value -> the part's value and blocks."""


def _parts(raw: msgspec.Raw | None, make: Make) -> list[Part]:
    if raw is None:
        return []
    try:
        items = msgspec.json.decode(raw, type=list[msgspec.Raw] | str | None)
    except rawjson.REFUSALS:
        return []
    if isinstance(items, str):
        items = [raw] if items else []
    return [_part(item, make) for item in items or ()]


def _part(raw: msgspec.Raw, make: Make) -> Part:
    value, content = make(msgspec.json.decode(raw))
    return Part(value, content, requests.weigh(raw))


def _block(value: Any) -> tuple[dict[str, Any], list[fold.Block]]:
    content = fold.listed(value if isinstance(value, str) else [value])
    return value if isinstance(value, dict) else {}, content


def _tool(value: Any, request_dialect: dialect.Dialect) -> tuple[dict[str, Any], list[fold.Block]]:
    return request_dialect.tool(value) if isinstance(value, dict) else {}, []


def _message(
    value: Any, request_dialect: dialect.Dialect
) -> tuple[dict[str, Any], list[fold.Block]]:
    return (value, request_dialect.blocks(value)) if isinstance(value, dict) else _block(value)


def _options(fields: Mapping[str, msgspec.Raw], names: dialect.RequestFields) -> str:
    parts = ["stream" if _value(fields, "stream", bool) else "no stream"]
    for key in names.limits:
        if number := _value(fields, key, int):
            parts.append(f"{key} {quantities.count(number)}")
    parts.append(f"thinking {_thinking(_value(fields, names.thinking, dict[str, Any]))}")
    output = _value(fields, names.output, dict[str, Any]) if names.output else None
    parts += [f"{key} {_plain(value)}" for key, value in (output or {}).items()]
    if names.temperature in fields:
        parts.append(f"temperature {_plain(_value(fields, names.temperature, float))}")
    return " · ".join(parts)


def _thinking(thinking: dict[str, Any] | None) -> str:
    if not thinking:
        return "not set"
    # `adaptive, omitted` is clear without keys; a number would not be.
    parts = [
        _plain(value) if key in ("type", "display") else f"{key} {_plain(value)}"
        for key, value in thinking.items()
    ]
    return ", ".join(parts)


def _plain(value: Any) -> str:
    return layout.one_line(value if isinstance(value, str) else blocks.compact(value), 60)


def _sizes(system: list[Part], tools: list[Part], turns: list[Part]) -> str:
    sums = [sum(part.tokens for part in parts) for parts in (system, tools, turns)]
    return (
        f"about {quantities.count(sum(sums))} tokens: system {quantities.count(sums[0])}"
        f" · {len(tools)} tools {quantities.count(sums[1])}"
        f" · {len(turns)} messages {quantities.count(sums[2])}"
    )


def _cache_points(system: list[Part], tools: list[Part], turns: list[Part]) -> str:
    points = []
    for index, tool in enumerate(tools, 1):
        if mark := blocks.cache_point(tool.value):
            points.append(f"tool {index} {mark}")
    for name, parts in (("system", system), ("message", turns)):
        for index, part in enumerate(parts, 1):
            marks = [mark for block in part.blocks if (mark := blocks.cache_point(block))]
            points += [f"{name} {index} {mark}" for mark in marks]
    # The words "cache point" appear once, at the beginning.
    listed = ", ".join(points).replace(" cache point ", " ")
    return f"cache points {len(points)}: {listed}" if points else "no cache points"


def _others(
    fields: Mapping[str, msgspec.Raw], names: dialect.RequestFields, *, full: bool
) -> list[str]:
    """The fields that aren't shown elsewhere."""
    shown = {"model", "stream", *names.limits, *names}
    others = [name for name in fields if name not in shown]
    if not full:
        return list(layout.lines(f"also set: {', '.join(others)}")) if others else []
    page: list[str] = []
    for name in others:
        value = bytes(fields[name]).decode("utf-8", "replace")
        page += layout.lines(f"{name}: {value}")
    return page


def _tools(tools: list[Part], *, full: bool) -> list[str]:
    if not tools:
        return []
    if not full:
        names = " ".join(_tool_name(tool.value) for tool in tools)
        return [layout.rule("tools"), *layout.some(names, "  ", PART_LINES)]
    page = []
    for index, tool in enumerate(tools, 1):
        name, about = _tool_name(tool.value), quantities.count(tool.tokens)
        page.append(layout.rule(f"tool {index}/{len(tools)} {name}  ~{about}"))
        for key, value in _tool_fields(tool.value).items():
            text = value if isinstance(value, str) else blocks.compact(value)
            page += layout.lines(f"{key}: {text}", "  ")
    return page


def _tool_fields(tool: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in tool.items() if key != "name"}


def _tool_name(tool: dict[str, Any]) -> str:
    return str(tool.get("name") or tool.get("type") or "?")
