"""The request for a provider's list of its models, which costs nothing."""

from __future__ import annotations

from collections.abc import Iterable

from claude_route import targets
from claude_route.dialects import registry
from claude_route.proxy.upstream import dial
from claude_route.proxy.upstream import http1

type Field = tuple[bytes, bytes]


def request(
    provider: targets.Provider, destination: dial.Destination, credential: Iterable[Field]
) -> http1.Request:
    """`credential` are the header fields with it, after those that the profile sets."""
    dialect = registry.of(provider)
    return http1.Request(
        b"GET",
        (provider.path + dialect.models_endpoint).encode(),
        [
            (b"Host", destination.authority.encode("idna")),
            (b"Accept", b"application/json"),
            (b"Accept-Encoding", b"identity"),
            *dialect.version_headers,
            *credential,
        ],
    )


def profile_fields(provider: targets.Provider) -> list[Field]:
    """The header fields that the profile sets, which may contain keys too."""
    return [(name.encode(), value.encode()) for name, value in provider.headers.items()]


def key_field(secret: str, *, is_bearer: bool) -> Field:
    if is_bearer:
        return b"Authorization", f"Bearer {secret}".encode()
    return b"x-api-key", secret.encode()
