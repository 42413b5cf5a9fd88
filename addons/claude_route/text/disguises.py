"""Finds secrets in text, in whatever form they stand there: as they are, escaped for JSON, a URL or
HTML, in Base64, in hexadecimal.

A finder of a few secrets looks for each of their forms. One of many reads a text once, however many there are: of
each form of a secret it keeps the groups
of eight bytes near its end: of eight that begin one byte after the other, one begins at a multiple of
eight wherever in a text the form stands. So only the groups at multiples of eight are looked up, in C.
"""

from __future__ import annotations

import base64
import collections
import html
import itertools
import json
import re
import sys
import urllib.parse
from collections.abc import Iterable
from collections.abc import Iterator

SHORTEST = 8
"""Characters. Shorter secrets would be found in ordinary text, and aren't worth hiding."""

MARK = b"[redacted]"

_WIDE, _NARROW = 8, 4
"""Bytes of a group, of long forms and of short ones."""

_SLICE = 512 * 1024
"""Bytes of a text that are looked at at once."""

_FEW = 60
"""Forms; a secret has some ten. To look for them takes as long as to take a text apart into groups."""

# Limits, because a search from each of a million backslashes must not read all that follow.
_SLASHES, _PERCENT, _ZEROS = rb"\\{1,8}(?:u00|x)", rb"%(?:25){0,4}", rb"0{0,4}"
_ESCAPE = re.compile(
    rb"%b([2-7][0-9a-fA-F])|%b([2-7][0-9a-fA-F])|&#(?:[xX]%b([2-7][0-9a-fA-F])|%b(\d{2,3}));"
    % (_SLASHES, _PERCENT, _ZEROS, _ZEROS)
)


_BEGUN, _LONGEST = re.compile(rb"[\\%&]"), 16
"""How an escape begins, and more bytes than one has."""

type Groups = dict[int, list[bytes]]
"""The bytes of a group, as a number -> the forms that have it."""


class Finder:
    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._wide: Groups = {}
        self._narrow: Groups = {}
        self._forms = collections.Counter[bytes]()
        self._few: tuple[bytes, ...] | None = ()
        """The forms, if there are so few that each is looked for by itself."""
        self._longest = 0
        """Bytes of the longest form that it ever had."""
        for secret in secrets:
            self.add(secret)

    def add(self, secret: str) -> None:
        for form in forms(secret):
            self._forms[form] += 1
            self._longest = max(self._longest, len(form))
            for groups, group in self._groups(form):
                groups.setdefault(group, []).append(form)
        self._count()

    def remove(self, secret: str) -> None:
        """Undo one `add` of it."""
        for form in forms(secret):
            for groups, group in self._groups(form):
                groups[group].remove(form)
                if not groups[group]:
                    del groups[group]
            self._forms[form] -= 1
            if not self._forms[form]:
                del self._forms[form]
        self._count()

    def _count(self) -> None:
        self._few = tuple(self._forms) if len(self._forms) <= _FEW else None

    def _groups(self, form: bytes) -> Iterator[tuple[Groups, int]]:
        is_long = len(form) >= 2 * _WIDE - 1
        groups, size = (self._wide, _WIDE) if is_long else (self._narrow, _NARROW)
        end = form[1 - 2 * size :]
        for start in range(size):
            yield groups, int.from_bytes(end[start : start + size], sys.byteorder)

    def hide(self, text: bytes) -> bytes:
        """The text with a mark in place of each secret; the same object if it has none. Takes time proportional to
        the text's length, however long the secrets are."""
        for form in sorted(self._found(text), key=len, reverse=True):
            text = text.replace(form, MARK)
        if not _may_have_escapes(text):
            return text
        plain = _unescaped(text)
        found = self._found(plain)
        return _marked(text, _spans(plain, found)) if found else text

    def hide_text(self, text: str) -> str:
        data = text.encode("utf-8", "surrogatepass")
        hidden = self.hide(data)
        return text if hidden is data else hidden.decode("utf-8", "surrogatepass")

    def _found(self, text: bytes) -> set[bytes]:
        if len(text) <= _SLICE:
            return self._found_in(text)
        # The interpreter's lock is held for as long as one look takes, and others wait.
        whole, found = memoryview(text), set[bytes]()
        for start in range(0, len(text), _SLICE):
            found |= self._found_in(bytes(whole[start : start + _SLICE + self._longest]))
        return found

    def _found_in(self, text: bytes) -> set[bytes]:
        # A thread may read while the event loop adds or removes secrets.
        if (few := self._few) is not None:
            return {form for form in few if form in text}
        found = set[bytes]()
        for groups, size in ((self._wide, _WIDE), (self._narrow, _NARROW)):
            if not groups or len(text) < size:
                continue
            at_multiples = memoryview(text)[: len(text) // size * size]
            numbers = at_multiples.cast("Q") if size == _WIDE else at_multiples.cast("I")
            if not groups.keys().isdisjoint(numbers):
                for number in set(numbers):
                    found.update(form for form in (*groups.get(number, ()),) if form in text)
        return found


def forms(secret: str) -> set[bytes]:
    """The ways to write a secret, but for escapes of single characters. In lower case too, as names of
    headers are."""
    if len(secret) < SHORTEST:
        return set()
    raw = secret.encode("utf-8", "surrogatepass")
    texts = {raw, raw.lower(), raw.hex().encode(), raw.hex().upper().encode()}
    for is_ascii in (True, False):
        quoted = secret
        for _ in range(2):  # the second time for JSON in JSON
            quoted = json.dumps(quoted, ensure_ascii=is_ascii)[1:-1]
            texts.add(quoted.encode("utf-8", "surrogatepass"))
    texts |= {urllib.parse.quote_plus(raw).encode(), html.escape(secret).encode("utf-8", "replace")}
    texts.update(_in_base64(raw))
    # PHP and others escape the slash in JSON.
    return texts | {text.replace(b"/", rb"\/") for text in texts}


def _in_base64(raw: bytes) -> Iterator[bytes]:
    """The part of a text in Base64 that the secret alone determines, wherever in the text it begins."""
    for before in range(3):
        start, end = (before * 8 + 5) // 6, (before + len(raw)) * 8 // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(bytes(before) + raw)[start:end]


def _may_have_escapes(text: bytes) -> bool:
    # A single byte is looked for in a tenth of the time.
    return (
        b"%" in text
        or (b"&" in text and b"&#" in text)
        or (b"\\" in text and (b"\\u00" in text or b"\\x" in text))
    )


def unescaped(text: str) -> str:
    """Without escapes of single characters, as JSON, URLs and HTML have them."""
    return _unescaped(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")


def _unescaped(text: bytes) -> bytes:
    if len(text) <= _SLICE:
        return _ESCAPE.sub(_character, text)
    slices = (_ESCAPE.sub(_character, text[start:end]) for start, end in _slices(text))
    return b"".join(slices)


def _slices(text: bytes) -> Iterator[tuple[int, int]]:
    """Where parts of a text begin and end, in none of which an escape is cut."""
    start = 0
    while start < len(text):
        end = start + _SLICE
        if end < len(text):
            # Before what may be the beginning of one.
            if begun := _BEGUN.search(text, end - _LONGEST, end):
                end = begun.start()
        yield start, min(end, len(text))
        start = end


def _character(match: re.Match[bytes]) -> bytes:
    return _USUAL.get(match[0]) or _unusual(match)


def _unusual(match: re.Match[bytes]) -> bytes:
    json_digits, url_digits, html_digits, decimal = match.groups()
    digits = json_digits or url_digits or html_digits
    code = int(digits, 16) if digits else int(decimal)
    return bytes([code]) if code < 0x80 else match[0]


_USUAL = {
    form % code: bytes([code])
    for code in range(0x20, 0x80)
    for form in (b"%%%02x", b"%%%02X", b"\\u%04x", b"\\u%04X", b"&#%d;", b"&#x%x;")
}
"""A body may have millions of escapes."""


def _spans(plain: bytes, found: Iterable[bytes]) -> list[tuple[int, int]]:
    """Where the forms stand in a text, from the first to the last; those that overlap are one."""
    spans = []
    for form in found:
        at = plain.find(form)
        while at >= 0:
            spans.append((at, at + len(form)))
            at = plain.find(form, at + len(form))
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _marked(text: bytes, spans: Iterable[tuple[int, int]]) -> bytes:
    """The text with marks in place of the spans, which are places in what `_unescaped` makes of it."""
    found = (_ESCAPE.finditer(text, start, end) for start, end in _slices(text))
    escapes = itertools.chain.from_iterable(found)
    escape = next(escapes, None)
    more = 0
    """How much longer the text is than the other, up to here."""
    parts, at = [], 0
    for span in spans:
        places = []
        for place in span:
            while escape and escape.start() - more < place:
                more += len(escape[0]) - len(_character(escape))
                escape = next(escapes, None)
            places.append(place + more)
        parts += [text[at : places[0]], MARK]
        at = places[1]
    return b"".join((*parts, text[at:]))
