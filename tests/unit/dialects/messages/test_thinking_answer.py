from __future__ import annotations

import json
from typing import Any

import pytest

from claude_route.dialects.messages import thinking_answer
from claude_route.wire import sse
from tests import paths

RECORDED = (paths.DATA / "thinking.sse").read_bytes()
TAG = "route:zai:"


def run(rewriter: Any, wire: bytes, size: int = 100_000) -> bytes:
    decoder = sse.Decoder()
    out = b""
    for start in range(0, len(wire), size):
        for event in decoder.feed(wire[start : start + size]):
            out += rewriter.feed(event)
    return out + decoder.rest()


def events(wire: bytes) -> list[tuple[str, Any]]:
    decoded: list[tuple[str, Any]] = [
        (e.name, e.data and json.loads(e.data)) for e in sse.Decoder().feed(wire)
    ]
    assert all(not name or data["type"] == name for name, data in decoded)
    return decoded


def message(wire: bytes) -> list[dict[str, Any]]:
    """The content that Claude Code makes of a stream: it keeps the last signature of a block."""
    blocks: dict[int, dict[str, Any]] = {}
    for name, data in events(wire):
        if name == "content_block_start":
            blocks[data["index"]] = dict(data["content_block"])
        elif name == "content_block_delta":
            block, delta = blocks[data["index"]], data["delta"]
            match delta["type"]:
                case "text_delta":
                    block["text"] += delta["text"]
                case "thinking_delta":
                    block["thinking"] += delta["thinking"]
                case "signature_delta":
                    assert block["type"] == "thinking"
                    block["signature"] = delta["signature"]
                case "input_json_delta":
                    block["input"] = block.get("input") or ""
                    block["input"] += delta["partial_json"]
    assert list(blocks) == list(range(len(blocks)))
    return list(blocks.values())


def stream(*blocks: dict[str, Any], first: int = 0) -> bytes:
    """A stream of blocks, each with its deltas under `deltas`."""
    wire = sse.encode("message_start", b'{"type":"message_start","message":{}}')
    for index, block in enumerate(blocks, first):
        shown = {key: value for key, value in block.items() if key != "deltas"}
        wire += event("content_block_start", index=index, content_block=shown)
        for delta in block.get("deltas", ()):
            wire += event("content_block_delta", index=index, delta=delta)
        wire += event("content_block_stop", index=index)
    wire += event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 3})
    return wire + event("message_stop")


def event(name: str, **fields: Any) -> bytes:
    return sse.encode(name, json.dumps({"type": name, **fields}).encode())


def thought(*signatures: str, start: str | None = "") -> dict[str, Any]:
    block: dict[str, Any] = {"type": "thinking", "thinking": ""}
    if start is not None:
        block["signature"] = start
    deltas = [{"type": "thinking_delta", "thinking": "hm"}]
    deltas += [{"type": "signature_delta", "signature": each} for each in signatures]
    return block | {"deltas": deltas}


TEXT = {"type": "text", "text": "", "deltas": [{"type": "text_delta", "text": "hi"}]}
REDACTED = {"type": "redacted_thinking", "data": "xyz"}
SIZES = [1, 2, 3, 7, 64, 100_000]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("size", SIZES)
def test_strip_at_every_chunk_size(size: int, end: bytes) -> None:
    wire = RECORDED.replace(b"\n", end)
    out = run(thinking_answer.Stripper(), wire, size)
    assert out == run(thinking_answer.Stripper(), wire)
    text, tool = message(out)
    assert text["text"] == "Let me look at the café’s hours 🤖 — a signature_delta is no thinking."
    assert tool["name"] == "Bash"
    assert json.loads(tool["input"]) == {"command": "cat hours.txt", "index": 7}
    assert b"glm-sig" not in out
    assert b"thinking_delta" not in out
    untouched = [e.raw for e in sse.Decoder().feed(wire) if not e.name.startswith("content_block")]
    assert all(raw in out for raw in untouched)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("size", SIZES)
def test_tag_at_every_chunk_size(size: int, end: bytes) -> None:
    wire = RECORDED.replace(b"\n", end)
    tagger = thinking_answer.Tagger("zai")
    decoder = sse.Decoder()
    changed = 0
    for start in range(0, len(wire), size):
        for each in decoder.feed(wire[start : start + size]):
            out = tagger.feed(each)
            if out != each.raw:
                changed += 1
                assert b'"signature":"route:zai:glm-sig-8c1f"' in out
    assert changed == 1


@pytest.mark.parametrize(
    "blocks, signatures",
    [
        pytest.param([thought("abc"), TEXT], ["route:zai:abc"], id="as usual"),
        pytest.param([thought("a", "b")], ["route:zai:b"], id="the last delta counts"),
        pytest.param([thought(start="abc")], ["route:zai:abc"], id="in its start"),
        pytest.param([thought("b", start="a")], ["route:zai:b"], id="in both"),
        pytest.param([thought(), TEXT], [TAG], id="never signed"),
        pytest.param([thought("")], [TAG], id="signed with nothing"),
        pytest.param([thought(start=None)], [TAG], id="no field for it"),
        pytest.param([thought(), TEXT, thought("b"), thought()], [TAG, TAG + "b", TAG], id="many"),
        pytest.param([REDACTED, thought("a")], [TAG + "xyz", TAG + "a"], id="redacted"),
        pytest.param([TEXT], [], id="no thinking"),
    ],
)
def test_tag(blocks: list[dict[str, Any]], signatures: list[str]) -> None:
    wire = stream(*blocks)
    content = message(run(thinking_answer.Tagger("zai"), wire))
    marks = [b.get("signature") or b.get("data") for b in content if "thinking" in b["type"]]
    assert marks == signatures
    assert [b["type"] for b in content] == [b["type"] for b in blocks]

    plain = [{k: v for k, v in b.items() if k != "deltas"} for b in message(wire)]
    answer = {"id": "msg_1", "content": plain, "usage": {"output_tokens": 1.50}}
    tagged = json.loads(thinking_answer.tag(json.dumps(answer).encode(), "zai"))
    assert tagged == answer | {"content": content}


@pytest.mark.parametrize(
    "blocks, kept",
    [
        pytest.param([thought("a"), TEXT], ["text"], id="before text"),
        pytest.param([TEXT, thought("a"), TEXT, REDACTED, TEXT], ["text"] * 3, id="between"),
        pytest.param([thought("a"), REDACTED, TEXT], ["text"], id="redacted"),
        pytest.param([TEXT, thought()], ["text"], id="last"),
        pytest.param([thought("a")], ["text"], id="nothing else"),
        pytest.param([REDACTED, thought("a")], ["text"], id="nothing else, twice"),
        pytest.param([TEXT], ["text"], id="no thinking"),
        pytest.param([], [], id="no content to begin with"),
    ],
)
def test_strip(blocks: list[dict[str, Any]], kept: list[str]) -> None:
    wire = stream(*blocks)
    out = run(thinking_answer.Stripper(), wire)
    content = message(out)
    assert [b["type"] for b in content] == kept
    assert all(b["text"] for b in content)
    names = [name for name, _ in events(out)]
    assert names.index("message_delta") == len(names) - 2
    if not any("thinking" in b["type"] for b in blocks):
        assert out == wire

    whole = {"id": "msg_1", "content": message(wire), "usage": {"output_tokens": 1}}
    stripped = json.loads(thinking_answer.strip(json.dumps(whole).encode()))
    assert stripped == whole | {"content": content}


def test_strip_closes_holes() -> None:
    out = run(thinking_answer.Stripper(), stream(TEXT, thought(), TEXT, first=3))
    assert [data["index"] for name, data in events(out) if name == "content_block_stop"] == [0, 1]


HALF, OTHER_HALF = "\ud83e", "\udd16"


def test_halves_of_an_emoji_in_a_stream() -> None:
    """Some servers cut their deltas between the two halves, which no strict decoder takes."""
    thinking = thought("abc") | {"thinking": HALF}
    thinking["deltas"].insert(0, {"type": "thinking_delta", "thinking": HALF})
    halves = [{"type": "text_delta", "text": half} for half in (HALF, OTHER_HALF)]
    wire = stream(thinking, TEXT | {"deltas": halves})
    stripped = run(thinking_answer.Stripper(), wire)
    assert b"thinking" not in stripped
    assert [block["text"] for block in message(stripped)] == [HALF + OTHER_HALF]
    tagged = message(run(thinking_answer.Tagger("zai"), wire))
    assert [block.get("signature") for block in tagged] == [TAG + "abc", None]


def test_half_an_emoji_in_a_whole_answer() -> None:
    content = [{"type": "thinking", "thinking": HALF, "signature": "a"}]
    content += [{"type": "text", "text": f"b{HALF}"}]
    answer = json.dumps({"content": content}).encode()
    stripped = json.loads(thinking_answer.strip(answer))
    assert stripped["content"] == [{"type": "text", "text": "b\ufffd"}]
    assert json.loads(thinking_answer.tag(answer, "zai"))["content"][0]["signature"] == f"{TAG}a"


def test_nothing_is_held_back() -> None:
    stripper = thinking_answer.Stripper()
    for each in sse.Decoder().feed(RECORDED):
        out = stripper.feed(each)
        about_thinking = each.name.startswith("content_block") and b'"index":0' in each.data
        assert bool(out) != about_thinking


MALFORMED = [
    b'event: content_block_start\ndata: {"type":"thinking\n\n',
    b'event: content_block_start\ndata: ["thinking"]\n\n',
    b'event: content_block_start\ndata: {"index":"0","content_block":{"type":"thinking"}}\n\n',
    b'event: content_block_start\ndata: {"content_block":{"type":"thinking"}}\n\n',
    b'event: content_block_start\ndata: {"index":0,"content_block":7,"x":"thinking"}\n\n',
    b'event: content_block_delta\ndata: {"index":9,"delta":"signature_delta"}\n\n',
    b'event: content_block_delta\ndata: {"index":9,"delta":{"type":"text_delta","text":"signature_delta"}}\n\n',
    b"event: content_block_delta\ndata: signature_delta\n\n",
    b"event: content_block_delta\n\n",
    b"event: content_block_stop\ndata: \xff\n\n",
    b'event: content_block_stop\ndata: {"index":' + b"[" * 5000 + b"\n\n",
    b"event: message_delta\ndata: oops\n\n",
    b'event: thinking\ndata: {"type":"thinking"}\n\n',
    b'data: {"type":"content_block_start","content_block":{"type":"thinking"}}\n\n',
    b": thinking\n\n",
    b"\n",
]


@pytest.mark.parametrize("wire", MALFORMED)
def test_what_cannot_be_parsed_goes_on_as_it_is(wire: bytes) -> None:
    tagger = thinking_answer.Tagger("zai")
    stripper = thinking_answer.Stripper()
    # So that both have something to do for a stop or a delta.
    for each in sse.Decoder().feed(stream(thought(), TEXT, thought())[:-300]):
        tagger.feed(each)
        stripper.feed(each)
    for rewriter in (tagger, stripper, thinking_answer.Tagger("zai"), thinking_answer.Stripper()):
        assert run(rewriter, wire) == wire


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"thinking",
        b"<html>thinking",
        b'["thinking"]',
        b'{"thinking":1}',
        b'{"content":"thinking"}',
        b'{"content":["thinking"]}',
        b'{"content":[{"type":["thinking"]}]}',
        b'{"content":[{"type" : "text","text":"thinking"}] }',
        b'{"type":"error","error":{"type":"api_error","message":"thinking"}}',
        b'{"content":[{"type":"thinking"}' + b"[" * 5000,
    ],
)
def test_answers_without_thinking_stay_as_they_are(body: bytes) -> None:
    assert thinking_answer.tag(body, "zai") == body
    assert thinking_answer.strip(body) == body


def test_a_start_with_a_delta_of_another_type_is_edited_too() -> None:
    block = {"type": "redacted_thinking", "data": "x"}
    wire = event("content_block_start", index=0, content_block=block, delta=0)
    assert message(run(thinking_answer.Tagger("zai"), wire)) == [block | {"data": TAG + "x"}]
    assert run(thinking_answer.Stripper(), wire) == b""
