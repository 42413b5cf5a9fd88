"""The proxy's own keys in a request: found in every place where clients put them, and taken out."""

from __future__ import annotations

import base64
import functools
import re
import urllib.parse
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence

from mitmproxy import http

from claude_route.access import clients
from claude_route.access import credentials
from claude_route.text import disguises
from claude_route.wire import http_message

MARK = "{{key}}"
"""Stands in a path for a key that was there."""

_KEY_HEADER = clients.KEY_HEADER.encode()

_WORD = re.compile(r"[^\s\"',;=]+")
"""A part of a credential with a scheme of its own: `Token KEY`, `Digest username="KEY"`."""

_DECODINGS = 3
"""How often a text may be percent-encoded: servers and what is before them decode once each."""


def presented(headers: http.Headers, *, proxy_password: str | None) -> list[clients.Key]:
    """The keys that a request may present, right or wrong, in the order in which they count.

    A client's own credential is among them: only a comparison tells it from a key.
    """
    found: list[tuple[str | None, clients.KeyKind]] = [
        *((_own(value), "header") for value in headers.get_all(clients.KEY_HEADER)),
        (proxy_password, "proxy password"),
    ]
    for value in headers.get_all("authorization"):
        if password := clients.basic_password(value):
            found.append((password, "basic"))
        else:
            found.append((clients.bare(value), "bearer"))
    found += [(clients.bare(value), "x-api-key") for value in headers.get_all("x-api-key")]
    return [clients.Key(secret, kind) for secret, kind in found if secret]


class Shown:
    """The keys of named clients that requests have shown: the profile has only their hashes, with which none is
    found within another text."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self.secrets = frozenset[str]()
        self._finder = disguises.Finder()
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        for secret in secrets:
            if secret not in self.secrets:
                self.secrets |= {secret}
                self._finder.add(secret)

    def may_be_in(self, text: bytes, others: Iterable[bytes]) -> bool:
        """A look at all of them at once: there may be hundreds. `others` are keys that don't count: the one
        that a request is allowed with stands in it."""
        if not self.secrets:
            return False
        for other in others:
            text = text.replace(other, b"\n")
        return self._finder.hide(text) is not text


class Search:
    """Looks for keys in texts: as they are, percent-encoded, in hexadecimal, and in base64 as HTTP's basic
    authentication has them; in capitals too, as names of headers may be.

    Not in bodies: what stands there is a conversation, or passes unread.
    """

    def __init__(
        self, secrets: Iterable[str], is_key: Callable[[str], bool], shown: Shown | None = None
    ) -> None:
        """`secrets` and `shown` are the keys whose text is known, which are found within others; `is_key`
        tells of a text as a whole whether it is one."""
        self._shown = shown or Shown()
        self._is_key = is_key
        self._look_for(secrets)

    def _look_for(self, secrets: Iterable[str]) -> None:
        self._secrets = tuple(s for s in secrets if len(s) >= disguises.SHORTEST)
        self._bytes = tuple(s.encode("utf-8", "surrogateescape") for s in self._secrets)
        self._forms = _forms(self._secrets)

    def take_out(self, request: http.Request) -> bool:
        """Remove the headers, the cookies and the parts of the query that hold a key: they are no
        credentials of the client's, and nobody else may see them. True if one stands in the method, the
        path or the host, which can't do without it: such a request must not be sent.

        `x-litellm-api-key` stays, for people who look at the flow: it is hidden as all credentials are,
        and never sent.
        """
        fields = request.headers.fields
        searched = [field for field in fields if field[0].lower() != _KEY_HEADER]
        text = b"\n".join([part for field in searched for part in field])
        host = request.host.encode("utf-8", "surrogateescape")
        whole = b"\n".join((request.data.method, host, request.data.path, text))
        if self._shown.may_be_in(whole, self._bytes):
            self._look_for(dict.fromkeys((*self._secrets, *sorted(self._shown.secrets))))
        # Not `request.method`, which is in capitals.
        if is_in_method := self._holds(_text(request.data.method)):
            request.method = MARK
        if self._holds(request.host):
            # Its name would be asked for everywhere.
            request.data.host, request.authority, request.path = "", "", f"/{MARK}"
            request.headers.clear()
            return True
        if not self._may_hold(searched, _text(text), request.path):
            return is_in_method
        kept = tuple(field for field in map(self._field, fields) if field)
        if kept != fields:
            request.headers.fields = kept
        path, mark, query = request.path.partition("?")
        parts = query.split("&") if mark else []
        left = [part for part in parts if not self._in_part(part)]
        if is_in_path := self._holds(path):
            segments = [MARK if self._holds(part) else part for part in path.split("/")]
            # It may be cut by a slash of its own.
            path = "/".join(segments) if MARK in segments else f"/{MARK}"
        if is_in_path or len(left) != len(parts):
            request.path = f"{path}?{'&'.join(left)}" if left else path
        return is_in_path or is_in_method

    def _may_hold(self, fields: Iterable[http_message.Field], whole: str, path: str) -> bool:
        """A look at all of it at once, since almost no request does. `whole` is all of the fields."""
        if self._holds(whole) or self._holds(path):
            return True
        parts = path.partition("?")[2].split("&")
        for name, value in fields:
            if name.lower() == b"cookie":
                parts += _text(value).split(";")
            elif credentials.is_secret(name) and self._is_credential(_text(value)):
                return True
        return any(self._in_part(part.strip()) for part in parts)

    def _field(self, field: http_message.Field) -> http_message.Field | None:
        """The header without keys; None if it is nothing else."""
        name, value = field[0].lower(), field[1]
        if name == _KEY_HEADER:
            return field
        if self._holds(_text(name)):
            return None
        if name == b"cookie":
            cookies = value.split(b";")
            left = [each for each in cookies if not self._in_part(_text(each).strip())]
            if len(left) == len(cookies):
                return field
            joined = b";".join(left).strip()
            return (field[0], joined) if joined else None
        is_key = self._holds(_text(value)) or (
            credentials.is_secret(name) and self._is_credential(_text(value))
        )
        return None if is_key else field

    def _is_credential(self, value: str) -> bool:
        return any(map(self._is_key, {*_credentials(value), *_WORD.findall(value)}))

    def _in_part(self, part: str) -> bool:
        """Whether a key stands in a cookie, or a part of a query."""
        texts = (clients.bare(urllib.parse.unquote_plus(text)) for text in part.split("=", 1))
        return any(self._is_key(text.strip('"')) for text in texts) or self._holds(part)

    def _holds(self, text: str) -> bool:
        text = text.lower()
        for decodings in range(_DECODINGS + 1):
            if decodings:
                before = text
                if "%" in text:
                    text = urllib.parse.unquote(text).lower()
                if "\\" in text or "&#" in text:
                    text = disguises.unescaped(text).lower()
                if text == before:
                    return False
            for form in self._forms:  # any() would take twice as long
                if form in text:
                    return True
        return False


def secrets(values: Iterable[bytes]) -> Iterator[str]:
    """What is secret in the values of headers that hold credentials or keys."""
    for field in values:
        value = field.decode("utf-8", "surrogateescape")
        yield from _credentials(value)
        if own := _own(value):
            yield own
        for part in value.split(";"):  # of a cookie
            yield part.partition("=")[2].strip()


@functools.lru_cache(64)
def _forms(secrets: Sequence[str]) -> tuple[str, ...]:
    """How keys may stand in a text, in lower case: two that differ in nothing else are one. In base64 they look in
    one of three ways, by their place in what is encoded; the characters at both ends depend on what is before and
    after them."""
    forms = dict.fromkeys(secrets)
    for secret in secrets:
        plain = secret.encode("utf-8", "surrogateescape")
        forms[plain.hex()] = None
        for before in range(3):
            encoded = base64.b64encode(bytes(before) + plain)
            form = encoded[-(-before * 8 // 6) : (before + len(plain)) * 8 // 6].decode()
            forms |= dict.fromkeys((form, form.replace("+", "-").replace("/", "_")))
    return tuple(form.lower() for form in forms)


def _credentials(value: str) -> Iterator[str]:
    yield clients.bare(value)
    yield from filter(None, clients.basic_pair(value))


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


def _own(value: str) -> str | None:
    # An empty mode, so that an invalid one isn't parsed: whose request it is comes first.
    return clients.presented(value, "").key
