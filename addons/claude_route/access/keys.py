"""The proxy's own keys in a request: found in every place where clients put them, and taken out."""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator

from mitmproxy import http

from claude_route.access import clients
from claude_route.access import credentials


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


def take_out(request: http.Request, is_key: Callable[[str], bool]) -> None:
    """Remove the headers and the parts of the query that hold a key of ours: they are no credentials of
    the client's, and nobody else may see them.

    `x-litellm-api-key` stays, for people who look at the flow: it is hidden as all credentials are, and
    never sent.
    """
    fields = request.headers.fields
    kept = tuple(
        (name, value)
        for name, value in fields
        if not credentials.is_secret(name)
        or name.lower() == clients.KEY_HEADER.encode()
        or not any(map(is_key, _secrets(value.decode("utf-8", "surrogateescape"))))
    )
    if len(kept) != len(fields):
        request.headers.fields = kept
    path, mark, query = request.path.partition("?")
    if mark:
        parts = query.split("&")
        left = [part for part in parts if not is_key(_value(part))]
        if len(left) != len(parts):
            request.path = f"{path}?{'&'.join(left)}" if left else path


def secrets(values: Iterable[bytes]) -> Iterator[str]:
    """What is secret in the values of headers that hold credentials or keys."""
    for field in values:
        value = field.decode("utf-8", "surrogateescape")
        yield from _secrets(value)
        if own := _own(value):
            yield own
        for part in value.split(";"):  # of a cookie
            yield part.partition("=")[2].strip()


def _own(value: str) -> str | None:
    # An empty mode, so that an invalid one isn't parsed: whose request it is comes first.
    return clients.presented(value, "").key


def _secrets(value: str) -> Iterator[str]:
    yield clients.bare(value)
    if password := clients.basic_password(value):
        yield password


def _value(part: str) -> str:
    return urllib.parse.unquote_plus(part.partition("=")[2])
