"""A provider: an API that we can call, and its keys in a profile."""

from __future__ import annotations

import re
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any
from typing import Literal
from typing import NamedTuple
from urllib.parse import urlsplit

from claude_route import targets
from claude_route.dialects import parameters
from claude_route.dialects import registry
from claude_route.profile import abilities
from claude_route.profile import addresses
from claude_route.profile import values

KEYS = (
    "base_url",
    "api",
    "auth",
    "api_key",
    "thinking",
    "reasoning",
    "headers",
    "drop",
    "set",
    "count_tokens",
    "context",
    "supports",
    "models",
    "connect_timeout",
    "first_byte_timeout",
    "idle_timeout",
    "total_timeout",
)

ANTHROPIC_FIRST_BYTE = 120.0
OTHERS_FIRST_BYTE = 300.0
"""Seconds, unless the profile says otherwise. Anthropic sends pings while it thinks; many others send
nothing. The client gets pings of ours meanwhile."""


def first_byte_default(name: str) -> float:
    """The default of a provider's `first_byte_timeout`."""
    return ANTHROPIC_FIRST_BYTE if name == "anthropic" else OTHERS_FIRST_BYTE


NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""A name that is unambiguous before the `/` of a target and the `:` of a tagged signature."""

HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")

DECIDED_HEADERS = (
    "authorization",
    "proxy-authorization",
    "x-api-key",
    "x-litellm-api-key",
    "x-claude-token-mode",
    "cookie",
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
)
"""Headers that a profile can't set, because the credential, the client or the connection does."""

DECIDED_FIELDS = ("model", "messages", "stream")
"""Fields of a request that are not for `set` and `drop`."""

VISIBLE = re.compile(r"[\x21-\x7e]+")
VISIBLE_OR_SPACE = re.compile(r"[\x20-\x7e]*")


class Address(NamedTuple):
    base_url: str
    scheme: str
    host: str
    port: int
    path: str


def read(name: str, value: values.Value) -> targets.Provider:
    """The provider that a profile describes under a name.

    Raises:
        ValueError: `<key path>: expected <what>, got <repr>`.
    """
    if not NAME.fullmatch(name):
        expected = "a provider name with only letters, digits, `.`, `-` and `_`"
        raise value.error(expected, got=repr(name))
    value.only(*KEYS)
    if value["base_url"].raw is None:
        raise value["base_url"].error("an http(s) URL")
    missing = value.unset()
    value = value.without_unset()
    is_anthropic = name == "anthropic"
    dialects = ("anthropic",) if is_anthropic else tuple(registry.BY_NAME)
    api = value["api"].choice(*dialects, default="anthropic")
    reasoning: Literal["required", "tags"] | None = value["reasoning"].choice(
        "required", "tags", default=None
    )
    thinking = value["thinking"].only("requests", "responses")
    address = _address(value["base_url"], api)
    own = abilities.read(value)
    api_key = _api_key(value["api_key"])
    auth = _auth(value["auth"], api_key, is_anthropic=is_anthropic)
    if auth in ("bearer", "x-api-key") and not api_key and not missing:
        raise value["api_key"].error(f"a key, because auth is {auth}", secret=True)
    return targets.Provider(
        name=name,
        base_url=address.base_url,
        scheme=address.scheme,
        host=address.host,
        port=address.port,
        path=address.path,
        api=api,
        auth=auth,
        api_key=api_key,
        missing=missing,
        thinking=targets.Thinking(
            requests=thinking["requests"].choice("own", "all", "none", default="own"),
            responses=thinking["responses"].choice(
                "tag", "strip", "keep", default="keep" if is_anthropic else "tag"
            ),
        ),
        reasoning=reasoning,
        headers=_headers(value["headers"]),
        drop=_drop(value["drop"]),
        set=_set(value["set"]),
        count_tokens=value["count_tokens"].choice(
            "forward", "estimate", default="forward" if is_anthropic else "estimate"
        ),
        connect_timeout=value["connect_timeout"].seconds(10),
        first_byte_timeout=value["first_byte_timeout"].seconds(first_byte_default(name)),
        idle_timeout=value["idle_timeout"].seconds(300),
        total_timeout=_seconds(value["total_timeout"]),
        abilities=own,
        models=abilities.table(value["models"], own),
    )


def warnings(all_providers: Iterable[targets.Provider]) -> Iterator[str]:
    """About providers that can't be used, and keys that are not."""
    for provider in all_providers:
        if provider.missing:
            yield f"Provider {provider.name} cannot be used: {provider.unset}."
        if provider.api_key and provider.auth not in ("bearer", "x-api-key"):
            yield f"Provider {provider.name} has an api_key that auth: {provider.auth} does not use."


def _seconds(at: values.Value) -> float | None:
    return None if at.raw is None else at.seconds(0)


def _address(at: values.Value, api: str) -> Address:
    if at.raw is None:  # it refers to an unset variable
        return Address("", "", "", 0, "")
    expected = "an http(s) URL with only host, port and path"
    text = at.text(expected=expected)
    # The text before an `@` may be a password, and after a space there may be the next line's key.
    error = at.error(expected, secret="@" in text or not VISIBLE.fullmatch(text))
    try:
        url = urlsplit(text)
        host, port = url.hostname or "", url.port
    except ValueError as e:
        raise error from e
    if (
        url.scheme not in ("http", "https")
        or not VISIBLE.fullmatch(text)
        or any(mark in text for mark in "@?#")
        or not addresses.is_host(host)
        or port == 0
    ):
        raise error
    path = url.path.rstrip("/")
    end = registry.BY_NAME[api].endpoint("/v1/messages")
    if path.endswith(end):
        raise at.error(f"the URL without the final {end}")
    return Address(
        base_url=f"{url.scheme}://{url.netloc}{path}",
        scheme=url.scheme,
        host=host,
        port=port or (443 if url.scheme == "https" else 80),
        path=path,
    )


def _api_key(at: values.Value) -> str | None:
    key = at.text("", secret=True).strip()
    if key and not VISIBLE.fullmatch(key):
        raise at.error("a key with only visible ASCII characters", secret=True)
    return key or None


def _auth(at: values.Value, api_key: str | None, *, is_anthropic: bool) -> targets.Auth:
    if not is_anthropic:  # only Anthropic may get pool tokens and clients' own credentials
        default: targets.Auth = "bearer" if api_key else "none"
        try:
            return at.choice("bearer", "x-api-key", "none", default=default)
        except ValueError as e:
            raise ValueError(f"{e} (pool and client are for the provider anthropic)") from e
    if api_key is None:
        default = "pool"
    else:
        default = "bearer" if api_key.startswith("sk-ant-oat") else "x-api-key"
    return at.choice("pool", "bearer", "x-api-key", "client", "none", default=default)


def _headers(value: values.Value) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, at in value.mapping().items():
        header = name.lower()
        if not HEADER_NAME.fullmatch(header):
            raise at.error("a header name", got=repr(name))
        if header in DECIDED_HEADERS:
            expected = f"a header other than {', '.join(DECIDED_HEADERS)}"
            raise at.error(expected, got=repr(name))
        if header in headers:
            raise at.problem(f"duplicate header {name!r}")
        if at.raw is None:
            continue
        text = at.text(secret=True).strip()
        if not VISIBLE_OR_SPACE.fullmatch(text):
            raise at.error("text with only visible ASCII characters", secret=True)
        headers[header] = text
    return headers


def _drop(value: values.Value) -> tuple[str, ...]:
    names = []
    for item in value.items("a list of request fields"):
        name = item.text(expected="a field name")
        group, _, key = name.partition(".")
        if group in DECIDED_FIELDS:
            raise item.error(f"a field other than {', '.join(DECIDED_FIELDS)}")
        if group == parameters.SCHEMAS and key in parameters.ESSENTIAL:
            raise item.error(f"a keyword other than {', '.join(parameters.ESSENTIAL)}")
        names.append(name)
    return tuple(names)


def _set(value: values.Value) -> dict[str, Any]:
    fields = value.mapping()
    for name, at in fields.items():
        if name in DECIDED_FIELDS:
            expected = f"a field other than {', '.join(DECIDED_FIELDS)}"
            raise at.error(expected, got=repr(name))
        if (
            name in parameters.LIMITS and at.raw is not None
        ):  # nothing: it refers to an unset variable
            at.integer(0, expected="a whole number above 0", least=1)
    return {name: at.json() for name, at in fields.items()}
