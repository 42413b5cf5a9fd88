from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from claude_route.dialects.messages import requests

USER_ID = json.dumps({"device_id": "d", "account_uuid": "", "session_id": "s-1"})
DEEP = b"[" * 100_000 + b"]" * 100_000


def test_read() -> None:
    body = json.dumps(
        {
            "model": "claude-opus-5-5",
            "messages": [
                {"role": "user", "content": "hi é"},
                {"role": "assistant", "content": [{"type": "text", "text": "hello"}], "x": 1},
            ],
            "stream": True,
            "metadata": {"user_id": USER_ID},
            "thread": {"type": "continue", "previous_message_id": "msg_1"},
            "tools": [{"name": "a"}],
        }
    ).encode()
    request = requests.read(body)
    assert request.body is body
    assert request.text is body
    assert request.model == "claude-opus-5-5"
    assert request.stream is True
    assert request.session == "s-1"
    assert request.thread == "continue"
    assert bytes(request.tools) == b'[{"name": "a"}]'
    assert [(m.role, json.loads(bytes(m.content))) for m in request.messages] == [
        ("user", "hi é"),
        ("assistant", [{"type": "text", "text": "hello"}]),
    ]
    assert list(request.fields) == list(json.loads(body))
    assert "hi" not in repr(request)


def test_the_least() -> None:
    request = requests.read(b'{"model":"m"}')
    assert (request.stream, request.session, request.thread) == (False, None, None)
    assert request.messages == []
    assert bytes(request.tools) == b"null"


@pytest.mark.parametrize(
    ("text", "is_fast"),
    [
        (b'{"model":"m","messages":[],"speed":"fast"}', True),
        (b'{"model":"m","messages":[],"speed":"standard"}', False),
        (b'{"model":"m","messages":[],"speed":null}', False),
        (b'{"model":"m","messages":[]}', False),
    ],
)
def test_fast_mode(text: bytes, is_fast: bool) -> None:
    assert requests.read(text).is_fast is is_fast


def test_a_name_of_other_bytes_than_utf_8() -> None:
    """Only the model is needed until somebody looks at the other fields, and that must not fail."""
    request = requests.read(b'{"\xff":1,"model":"m","speed":"fast"}')
    assert request.is_fast
    assert list(request.fields) == ["?", "model", "speed"]
    assert request.with_fields({"top_k": msgspec.Raw(b"1")}).decode()


@pytest.mark.parametrize(
    "metadata, session",
    [
        ({"user_id": '{"session_id":"a\\u001b[2J"}'}, None),
        ({"user_id": USER_ID}, "s-1"),
        ({"user_id": "user_1"}, None),
        ({"user_id": '{"session_id":""}'}, None),
        ({"user_id": '{"session_id":7}'}, None),
        ({"user_id": "[" * 5000}, None),
        ({"user_id": None}, None),
        ({}, None),
        ("x", None),
        (None, None),
    ],
)
def test_session(metadata: Any, session: str | None) -> None:
    body = json.dumps({"model": "m", "metadata": metadata}).encode()
    assert requests.read(body).session == session


@pytest.mark.parametrize(
    "thread, expected",
    [({"type": "create"}, "create"), ({"type": 1}, None), ({}, None), (None, None), ("x", None)],
)
def test_thread(thread: Any, expected: str | None) -> None:
    assert requests.read(json.dumps({"model": "m", "thread": thread}).encode()).thread == expected


@pytest.mark.parametrize(
    "body, message",
    [
        (b"", "body: expected JSON, got input data was truncated"),
        (b"model=x", "body: expected JSON, got invalid character (byte 0)"),
        (b'{"model":"m"} x', "body: expected JSON, got trailing characters (byte 15)"),
        (b'{"model":"\\ud83e', "body: expected JSON, got input data was truncated"),
        (b"\xef\xbb\xbf{}", "body: expected JSON, got invalid character (byte 0)"),
        (b'{"model":"\xff"}', "body: expected UTF-8, got other bytes"),
        (b"[]", "body: expected an object, got an array"),
        (b'"model"', "body: expected an object, got a string"),
        (b"null", "body: expected an object, got null"),
        (b"{}", "model: expected a value, got nothing"),
        (b'{"model":null}', "model: expected a string, got null"),
        (b'{"model":["m"]}', "model: expected a string, got an array"),
        (b'{"model":""}', "model: expected a name, got ''"),
        (b'{"model":"m","messages":{}}', "messages: expected an array, got an object"),
        (b'{"model":"m","messages":null}', "messages: expected an array, got null"),
        (b'{"model":"m","messages":["x"]}', "messages[0]: expected an object, got a string"),
        (
            b'{"model":"m","messages":[{},{"role":1}]}',
            "messages[1].role: expected a string, got an integer",
        ),
        (b'{"model":"m","stream":"yes"}', "stream: expected a boolean or null, got a string"),
        (DEEP, "body: expected an object, got an array"),
        (b'{"x":' + DEEP + b"}", "model: expected a value, got nothing"),
        (b'{"model":"m","x":' + DEEP, "body: expected a JSON object, got something else"),
        (
            b'{"model":"m","x":' + DEEP + b',"messages":{}}',
            "messages: expected an array, got something else",
        ),
        (
            b'{"model":"m","metadata":' + DEEP + b"}",
            "body: expected at most 1000 levels of nesting, got more",
        ),
    ],
)
def test_cannot_be_served(body: bytes, message: str) -> None:
    with pytest.raises(ValueError) as e:
        requests.read(body)
    assert str(e.value) == message


@pytest.mark.parametrize(
    "body, expected",
    [
        (b'{"model":"a","x":1}', b'{"model":"b\\"c","x":1}'),
        (
            b' {\n "x" : [1 , 2],\t"model"\r\n: "a" } ',
            b' {\n "x" : [1 , 2],\t"model"\r\n: "b\\"c" } ',
        ),
        (b'{"m\\u006fdel":"\\u0061"}', b'{"m\\u006fdel":"b\\"c"}'),
        (
            b'{"tools":[{"properties":{"model":"a"}}],"y":{"model":"a"},"model":"a","z":"\\"model\\":"}',
            b'{"tools":[{"properties":{"model":"a"}}],"y":{"model":"a"},"model":"b\\"c","z":"\\"model\\":"}',
        ),
        (b'{"x":"\\ud83e","model":"a","y":1.0e5}', b'{"x":"\\ud83e","model":"b\\"c","y":1.0e5}'),
        (b'{"x":{"y":"\xff"},"model":"a"}', b'{"x":{"y":"\xff"},"model":"b\\"c"}'),
        (b'{"x":%b ,"model": "a"}' % DEEP, b'{"x":%b ,"model": "b\\"c"}' % DEEP),
        (b'{"model":"a","model":"a" ,"x":1.0}', b'{"model":"b\\"c","x":1.0}'),
        (b'{"model":"z","model":"a","x":1.0}', b'{"model":"b\\"c","x":1.0}'),
    ],
)
def test_with_model(body: bytes, expected: bytes) -> None:
    request = requests.read(body)
    assert request.model == "a"
    assert request.with_model('b"c') == expected


@settings(max_examples=100)
@given(
    st.dictionaries(st.sampled_from(["x", "y", "m", "mödel"]), st.text(max_size=5)),
    st.text(min_size=1, max_size=5),
    st.integers(0, 4),
    st.booleans(),
)
def test_only_the_model_changes(
    other: dict[str, str], model: str, place: int, ascii_only: bool
) -> None:
    items = list(other.items())

    def body(model: str) -> bytes:
        value = dict([*items[:place], ("model", model), *items[place:]])
        return json.dumps(value, ensure_ascii=ascii_only).encode("utf-8")

    changed = requests.read(body("model")).with_model(model)
    assert json.loads(changed) == json.loads(body(model))
    assert len(changed) - len(json.dumps(model, ensure_ascii=False).encode()) == len(
        body("model")
    ) - len('"model"')


def test_a_lone_surrogate_is_passed_on_and_read_as_u_fffd() -> None:
    body = rb'{"model":"m","messages":[{"role":"user","content":"\ud83e \ud83e\udd16 \\ud83e"}]}'
    request = requests.read(body)
    assert request.body is body
    assert json.loads(bytes(request.messages[0].content)) == "\ufffd 🤖 \\ud83e"


def test_an_opaque_request_has_its_fields() -> None:
    tools = b'[{"name":"a"}]'
    body = (
        b'{"model":"m","messages":[{"content":%b}],"metadata":%b,'
        b'"thread":{"type":"create"},"stream":true,"tools":%b}'
        % (DEEP, json.dumps({"user_id": USER_ID}).encode(), tools)
    )
    request = requests.read(body)
    assert request.opaque
    assert (request.model, request.stream, request.session) == ("m", True, "s-1")
    assert request.thread == "create"
    assert bytes(request.tools) == bytes(request.fields["tools"]) == tools
    assert bytes(request.fields["messages"]) == b'[{"content":%b}]' % DEEP
    with pytest.raises(ValueError, match="body: expected at most 1000 levels of nesting"):
        _ = request.messages


def test_a_lone_surrogate_beside_deep_nesting() -> None:
    body = b'{"model":"m","system":"\\ud83e","x":%b}' % DEEP
    request = requests.read(body)
    assert request.opaque
    assert request.body is body


@pytest.mark.parametrize(
    "body, tokens",
    [
        ({"model": "m"}, 1),
        ({"model": "m", "messages": []}, 1),
        ({"model": "m", "messages": [{"role": "user", "content": "x" * 3500}]}, 1009),
        ({"model": "m", "system": "x" * 348, "tools": ["x" * 346], "max_tokens": 9}, 200),
        ({"model": "m", "system": "é" * 174}, 100),
    ],
)
def test_estimate(body: dict[str, Any], tokens: int) -> None:
    encoded = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    assert requests.estimate(requests.read(encoded)) == tokens


@pytest.mark.parametrize("text", ["word " * 1000, "é" * 5000, "字" * 5000, "x" * 5000])
def test_least(text: str) -> None:
    """By its characters, which no tokenizer makes more of than five in a token."""
    body = json.dumps({"model": "m", "system": text, "max_tokens": 9}, ensure_ascii=False).encode()
    assert requests.least(requests.read(body)) == 1000


BASE64 = "A1/+" * 300_000


def test_a_picture_may_have_no_tokens() -> None:
    block = {"type": "image", "source": {"type": "base64", "data": BASE64}}
    body = {"model": "m", "messages": [{"role": "user", "content": [block]}]}
    assert requests.least(requests.read(json.dumps(body).encode())) < 40


@pytest.mark.parametrize(
    "block",
    [
        {"type": "image", "source": {"type": "base64", "data": BASE64}},
        {"type": "document", "source": {"type": "base64", "data": BASE64}},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{BASE64}"}},
    ],
)
def test_a_picture_is_not_estimated_by_its_bytes(block: dict[str, Any]) -> None:
    def estimate(*content: Any) -> int:
        body = {"model": "m", "messages": [{"role": "user", "content": content}]}
        return requests.estimate(requests.read(json.dumps(body).encode()))

    assert 1000 < estimate(block) < 2000
    assert estimate(block, block) > 1.9 * estimate(block)
    text = {"type": "text", "media_type": "text/plain", "data": "All work and no play. " * 5000}
    assert estimate({"type": "document", "source": text}) > 30_000


@pytest.mark.parametrize(
    "text, is_blank",
    [
        (b'""', True),
        (b'" \\n\\u2003"', True),
        (b"null", True),
        (b'"a"', False),
        (b'" a "', False),
        (b'"%b"' % (b" " * 90), False),
    ],
)
def test_is_blank(text: bytes, is_blank: bool) -> None:
    assert requests.is_blank(msgspec.Raw(text)) == is_blank


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"model":"a","messages":[]}', True),
        (b' { "messages" : [{"model":"b"}] , "model" : "a" } ', True),
        (b'{"model":"a","messages":[],"model":"b"}', False),
        (b'{"mod\\u0065l":"a","messages":[],"model":"b"}', False),
        (b'{"model":"a","max_tokens":1,"max_tokens":2,"messages":[]}', False),
        (b'{"\xef\xbb\xbfmodel":"b","model":"a","messages":[]}', True),
    ],
)
def test_names_one_model(body: bytes, expected: bool) -> None:
    assert requests.read(body).names_one_model is expected
