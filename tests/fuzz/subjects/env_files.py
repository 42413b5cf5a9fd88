"""`.env` files: any bytes are variables, or are refused on one line that quotes none of them. An input is
a file."""

from __future__ import annotations

import re

from claude_route.profile import env_file

MESSAGE = re.compile(
    r"(line \d+: )?expected (NAME=value|UTF-8, got (byte 0x[0-9a-f]{2}|UTF-16: save it as UTF-8))"
)


def check(data: bytes) -> None:
    try:
        variables = env_file.parse(data)
    except ValueError as e:
        assert MESSAGE.fullmatch(str(e)), str(e)
        return
    for name, value in variables.items():
        assert isinstance(name, str) and name
        assert isinstance(value, str)
