"""Finds secrets in what the proxy has written, whatever form they have there. It shares no code with the
filter that it tests."""

from __future__ import annotations

import base64
import contextlib
import gzip
import html
import re
import urllib.parse
from collections.abc import Iterable


def of(secrets: Iterable[str], data: bytes) -> list[tuple[str, str]]:
    """Those that stand in the data, and in which form."""
    secrets = list(secrets)
    text = data.decode("utf-8", "replace")
    found = []
    for name, read in READINGS.items():
        lower = read(text).lower()
        found += [(secret, name) for secret in secrets if secret.lower() in lower]
    for secret in secrets:
        for before in range(3):
            # Without the characters that depend on what stands around it.
            encoded = base64.b64encode(b"\0" * before + secret.encode()).decode().rstrip("=")
            middle = encoded[4 if before else 0 : -4]
            if middle in text or middle.replace("+", "-").replace("/", "_") in text:
                found.append((secret, f"Base64, {before}"))
    for match in re.finditer(rb"\x1f\x8b\x08", data):
        with contextlib.suppress(OSError, EOFError):
            found += of(secrets, gzip.decompress(data[match.start() :]))
    return found


def _plain(text: str) -> str:
    return text


def _unescaped(text: str) -> str:
    text = re.sub(r"\\+(?:u00|x)([0-9a-fA-F]{2})", lambda match: chr(int(match[1], 16)), text)
    return text.replace("\\/", "/")


def _unquoted(text: str) -> str:
    return urllib.parse.unquote(urllib.parse.unquote(text))


def _from_hexadecimal(text: str) -> str:
    numbers = re.findall(r"(?:[0-9a-fA-F]{2} ?){8,}", text)
    raw = (bytes.fromhex(number) for number in numbers)
    return "\n".join(each.decode("latin-1") for each in raw)


def _joined(text: str) -> str:
    """Without the line ends and lengths that may cut a secret into pieces."""
    return re.sub(r"\r?\n(?:[0-9a-f]+\r\n)?", "", text)


READINGS = {
    "plain": _plain,
    "JSON": _unescaped,
    "URL": _unquoted,
    "HTML": html.unescape,
    "hexadecimal": _from_hexadecimal,
    "pieces": _joined,
}
