from __future__ import annotations

import json
import time
from typing import Any
from typing import Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from claude_route.wire import rawjson
from claude_route.wire import shape

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.text(max_size=4) | st.just(r"\"}"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)
STYLES = st.sampled_from(
    [
        {"separators": (",", ":")},
        {"indent": 2},
        {"ensure_ascii": False},
        {"separators": (" ,", "\t:")},
    ]
)


class Part(msgspec.Struct):
    name: str
    mode: Literal["a", "b"] = "a"
    flag: bool | None = None
    parts: list[Part] = []


@pytest.mark.parametrize(
    "data, place, message",
    [
        (b"[]", "", "body: expected an object, got an array"),
        (b"[]", "tools[0]", "tools[0]: expected an object, got an array"),
        (b"{}", "", "name: expected a value, got nothing"),
        (b"{}", "a", "a.name: expected a value, got nothing"),
        (b'{"name":3}', "", "name: expected a string, got an integer"),
        (b'{"name":"x","flag":1.5}', "", "flag: expected a boolean or null, got a number"),
        (b'{"name":"x","parts":{}}', "a", "a.parts: expected an array, got an object"),
        (
            b'{"name":"x","parts":[{"name":{}}]}',
            "",
            "parts[0].name: expected a string, got an object",
        ),
        (b'{"name":"x","parts":[{}]}', "", "parts[0].name: expected a value, got nothing"),
        (b'{"name":"x","mode":"secret"}', "a", "a.mode: expected another value"),
        (b'{"name":"secret', "a", "a: expected JSON, got input data was truncated"),
        (b'secret"', "", "body: expected JSON, got invalid character (byte 0)"),
        (b'{"name":"\xff"}', "a", "a: expected UTF-8, got other bytes"),
        (b"[" * 100_000, "a", "a: expected at most 1000 levels of nesting, got more"),
    ],
)
def test_decode_says_what_is_wrong(data: bytes, place: str, message: str) -> None:
    kind: Any = Part if data[:2] != b"[[" else Any
    with pytest.raises(ValueError) as e:
        rawjson.decode(data, kind, place)
    assert str(e.value) == message


@pytest.mark.parametrize(
    "text, mended",
    [
        (r"plain A", r"plain A"),
        (r"\ud83e", r"\ufffd"),
        (r"\uD83E\uDD16", r"\uD83E\uDD16"),
        (r"\udd16\ud83e", r"\ufffd\ufffd"),
        (r"\ud83e\ud83e\udd16\udd16", r"\ufffd\ud83e\udd16\ufffd"),
        (r"\ud83ex\udd16", r"\ufffdx\ufffd"),
        (r"\ud83eA\udd16", r"\ufffdA\ufffd"),
        (r"\\ud83e", r"\\ud83e"),
        (r"\\\ud83e", r"\\\ufffd"),
        (r"\\\\ud83e", r"\\\\ud83e"),
        (r"\\ud83e\udd16", r"\\ud83e\ufffd"),
        (r"\\ud83e\ud83e\udd16", r"\\ud83e\ud83e\udd16"),
        (r"\n\ud83e\"", r"\n\ufffd\""),
        (r"\ud7ff\ue000", r"\ud7ff\ue000"),
        (r"\ud83", r"\ud83"),
    ],
)
def test_mend(text: str, mended: str) -> None:
    assert rawjson.mend(text.encode()).decode() == mended


@settings(max_examples=150)
@given(st.lists(st.sampled_from(["\ud83e", "\udd16", "\\", "u", '"', "\\ud83e", "é", "a"])))
def test_mend_is_what_a_decoder_would_do(parts: list[str]) -> None:
    text = json.dumps("".join(parts)).encode()
    mended = rawjson.mend(text)
    expected = json.loads(text).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert len(mended) == len(text)
    assert msgspec.json.decode(mended) == expected.replace("\ud83e", "\ufffd")


def test_backslashes_take_linear_time() -> None:
    """A look to the end of the text from each of them would take hours."""
    text = b'"' + b"\\" * 4_000_000 + b' \\ud800"'
    assert rawjson.mend(text) == text[:-7] + b'\\ufffd"'


@pytest.mark.parametrize("shift", range(7))
def test_halves_across_slices(shift: int) -> None:
    space = b"x" * (rawjson._SLICE - 6)
    text = b"%b\\ud800%b\\ud83e\\udd16\\ud83e\\ud83e\\ud83e%b" % (
        b"x" * shift + space,
        space,
        space,
    )
    assert rawjson.mend(text) == rawjson._HALVES.sub(rawjson._mended_run, text)


def test_many_halves_are_not_mended() -> None:
    text = b'{"name":"%b"}' % (b"\\ud83e " * (shape.MOST_HALVES + 1))
    began = time.process_time()
    with pytest.raises(ValueError):
        rawjson.decode_mended(text, Part)
    assert time.process_time() - began < 3


def test_decode_mended() -> None:
    assert rawjson.decode_mended(b'{"name":"a"}', Part) == Part("a")
    assert rawjson.decode_mended(b'{"name":"\\ud83e"}', Part) == Part("\ufffd")
    with pytest.raises(ValueError, match=r"^name: expected a string, got an integer$"):
        rawjson.decode_mended(b'{"name":3}', Part)


@pytest.mark.parametrize(
    "value, text", [(b'"a\\n"', "a\n"), (b"null", ""), (b"3", ""), (b'["a"]', "")]
)
def test_text(value: bytes, text: str) -> None:
    assert rawjson.text({"a": msgspec.Raw(value)}, "a") == text
    assert rawjson.text({}, "a") == ""


@pytest.mark.parametrize("value, is_array", [(b"[]", True), (b'"["', False), (b"null", False)])
def test_is_array(value: bytes, is_array: bool) -> None:
    assert rawjson.is_array(msgspec.Raw(value)) is is_array


def spans(text: bytes) -> dict[str, Any]:
    fields = rawjson.decode(text, dict[str, msgspec.Raw])
    found = {name: rawjson.span(text, fields, name) for name in fields}
    return {name: place and json.loads(text[slice(*place)]) for name, place in found.items()}


@settings(max_examples=60)
@given(st.dictionaries(st.text(max_size=3), JSON, min_size=1), STYLES)
def test_span_and_outline(value: dict[str, Any], style: dict[str, Any]) -> None:
    text = json.dumps(value, **style).encode()
    assert spans(text) == value
    outline = rawjson.outline(b" \n" + text + b"\t")
    assert {name: json.loads(bytes(raw)) for name, raw in outline.items()} == value


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":1,"a":1}',
        b'{"a":1,"a":12}',
        b'{"a":12,"a":1}',
        b'{"a":1,"b":"x","\\u0061":1}',
        b'{"b":"\\",\\"a\\":1","a":2,"b":"x"}',
        b'{"a":{"a":1},"a":{"a":1,"b":2}}',
    ],
)
def test_a_key_that_stands_twice_has_no_span(text: bytes) -> None:
    assert set(spans(text).values()) == {None}


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{",
        b"{}x",
        b'{"a"}',
        b'{"a":}',
        b'{"a":]}',
        b'{"a":,"b":1}',
        b'{"a":[1}',
        b'{"a":[1]',
        b'{"a":"x}',
        b'{"a":1,}',
        b'{"a":1]',
        b'{"a":1}}',
        b'{"a":1 2}',
        b'{"\xff":1}',
        b'{"a":x[1]}',
    ],
)
def test_no_outline(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"body: expected|expected UTF-8"):
        rawjson.outline(text)


def test_outline_of_what_is_too_deep() -> None:
    deep = b'[{"a":"]"},' * 3000 + b"1" + b"]" * 3000
    assert rawjson.outline(b'{"x":%b, "y" : "z"}' % deep) == {
        "x": msgspec.Raw(deep),
        "y": msgspec.Raw(b'"z"'),
    }
