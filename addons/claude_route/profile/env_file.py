"""The text of a `.env` file -> its variables. What can't be read is an error: a file that is read by
half could lack the key that clients must present."""

from __future__ import annotations

import codecs
import io

from dotenv import parser

UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def parse(data: bytes) -> dict[str, str]:
    """The variables, without interpolation, which would break a key that contains a `$`.

    Raises:
        ValueError: it isn't UTF-8, or has a line that isn't `NAME=value`. The message never quotes the
            line, which may hold a key.
    """
    variables: dict[str, str] = {}
    for binding in parser.parse_stream(io.StringIO(_text(data))):
        if binding.error:
            raise ValueError(f"line {_line(binding.original)}: expected NAME=value")
        # A comment has no key, and a name alone has no value.
        if binding.key is not None and binding.value is not None:
            variables[binding.key] = binding.value
    return variables


def _text(data: bytes) -> str:
    if data.startswith(UTF_16) or b"\0" in data:
        raise ValueError("expected UTF-8, got UTF-16: save it as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        line = data.count(b"\n", 0, e.start) + 1
        raise ValueError(f"line {line}: expected UTF-8, got byte 0x{data[e.start]:02x}") from e


def _line(original: parser.Original) -> int:
    """The line of a binding's text, which may begin with empty lines."""
    text = original.string
    leading = len(text) - len(text.lstrip())
    return original.line + text.count("\n", 0, leading)
