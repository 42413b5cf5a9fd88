"""Which secrets the operator has given to the proxy: in the profile, the environment and options."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterator
from collections.abc import Mapping

from claude_route.access import credentials
from claude_route.access import keys
from claude_route.access import live_secrets
from claude_route.profile import profiles
from claude_route.profile import values

_PROXY = re.compile(r"(?:https?|all|upstream)_proxy$", re.IGNORECASE)


def of_environment(environ: Mapping[str, str]) -> Iterator[str]:
    """Also those that the profile doesn't name: nobody is to see them either."""
    for name, value in environ.items():
        if values.SECRET.search(name):
            yield from (part.strip() for part in value.split(",") if not part.startswith("/"))
        elif _PROXY.search(name):
            yield from of_url(value)


def of_profile(profile: profiles.Profile) -> Iterator[str]:
    """Of the passwords of databases only long ones: just the log could show them, and a weak one, such as
    `postgres`, is a word that conversations have."""
    yield from profile.pool.tokens
    if profile.upstream_proxy:
        yield from of_url(profile.upstream_proxy)
    for url in filter(None, (profile.store, profile.ledger.url, profile.otlp)):
        yield from (word for word in of_url(url) if len(word) >= live_secrets.SHORTEST)
    for provider in profile.providers.values():
        yield provider.api_key or ""
        sent = [
            value.encode("utf-8", "surrogateescape")
            for name, value in provider.headers.items()
            if credentials.is_secret(name.encode("utf-8", "surrogateescape"))
        ]
        yield from keys.secrets(sent)


def of_url(url: str) -> Iterator[str]:
    """The password in a URL, as it stands there and as it is meant."""
    try:
        password = urllib.parse.urlsplit(url).password or ""
    except ValueError:
        return
    yield password
    yield urllib.parse.unquote(password)


def of_pair(pair: str | None) -> str:
    """The password of `user:password`, as options have it."""
    return (pair or "").partition(":")[2]
