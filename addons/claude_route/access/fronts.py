"""Headers that end at this proxy: those for one connection only, and what a front adds.

A front is what stands between the clients and the reverse listener: a load balancer, a CDN, a gateway
with single sign-on. It adds the addresses of clients and assertions about who they are, which no
provider may learn, and some of which are as good as a login.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable

from claude_route.access import credentials
from claude_route.access import loops
from claude_route.wire import http_message

HOP_BY_HOP = frozenset(
    (
        *(b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"upgrade"),
        *(b"proxy-authenticate", b"proxy-authorization", b"http2-settings"),
        loops.HEADER.encode(),
    )
)
"""RFC 9110, 7.6.1, without `transfer-encoding`, which goes with the body; and our own."""

_END_TO_END = frozenset((b"host", b"content-length", b"content-type", b"content-encoding"))
"""Needed to read a request at all, so `Connection` can't make us drop them."""

_NOT_IN_TRAILERS = _END_TO_END | {b"set-cookie", b"transfer-encoding"}

SWITCHING = 101
"""The status of an answer after which the connection has another protocol."""

_FRONTS = re.compile(
    rb"""
    forwarded | via | remote-(addr|email|groups?|name|user) | true-client-ip | client-ip
    | (x-)?(forwarded|real-ip|client-ip|cluster-client-ip|originating-ip|original|remote|azure|appgw)(-.+)?
    | x-(amz|amzn|arr|client-(cert|dn|verify)|envoy|appengine|gcp|goog|ms-client|ms-token|iap)(-.+)?
    | x-(auth-request|authentik|authenticated|authelia|pomerium|vouch|webauth|token|userinfo|user)(-.+)?
    | x-(jwt|id-token|access-token|consumer|credential|anonymous-consumer|kong|ngrok|vercel|nf)(-.+)?
    | x-(scheme|host|server|varnish|proxyuser-ip|ssl-.+|tls-.+|cloud-trace-context|cdn(-.+)?|edge(-.+)?)
    | x-(sucuri|waws|fd|nginx)(-.+)? | disguised-host | was-default-hostname | max-forwards
    | (cdn-loop|cf|cloudfront|fastly|fly|akamai|incap|tailscale|ssl-client|client-cert)(-.+)?
    | (x-)?oidc(-.+)? | oidc_.+ | x-claude-gateway-user(-.+)? | x-litellm-end-user-id
    """,
    re.VERBOSE,
)
"""In lower case. The last two are of Anthropic's own gateway, where it has `forward_user_identity`:
https://code.claude.com/docs/en/claude-apps-gateway. Claude Code and Anthropic's SDKs send none of these; `traceparent`, which they can
send, isn't among them."""

_FRONTS_COOKIE = re.compile(
    r"""
    CF_.+ | __cf.* | _cfuvid | cf_clearance | AWS(ELB|ALB).* | GCP_(IAP|IAAP).* | GCLB | _oauth2_proxy.*
    | authelia_session | authentik_.+ | _pomerium.* | _forward_auth.* | VouchCookie.* | mod_auth_openidc.*
    | AppServiceAuthSession | ARRAffinity.* | KEYCLOAK_.+ | kc-access | kc-state | traefik.*
    """,
    re.VERBOSE | re.IGNORECASE,
)

_CREDENTIALS = re.compile(
    rb"authorization|x-api-key|x-litellm-api-key|x-claude-.+|anthropic-.+|x-stainless-.+"
)
"""The credentials that belong to a request to the Messages API; in lower case."""


REMEMBERED = 64
"""Bytes of a name that is looked up again."""

_ANTHROPICS = re.compile(rb"x-claude-.+|anthropic-.+|x-stainless-.+")

_OTHER_REQUEST = re.compile(rb"(x-)?http-method(-override)?|x-method-override|x-rewrite-url")


def from_client(fields: http_message.Fields, *, is_routed: bool) -> http_message.Fields:
    """The headers of a request on the reverse listener that are the client's own. A routed one keeps no
    credential but Anthropic's and our own: no cookies, and no keys of gateways before us."""
    named = _connection_options(fields)
    kept = []
    for name, value in fields:
        key = name.lower()
        if is_fronts(key) or key in named:
            continue
        if is_routed and credentials.is_secret(name) and not _CREDENTIALS.fullmatch(key):
            continue
        if key == b"cookie":
            value = _without_fronts_cookies(value)
            if not value:
                continue
        kept.append((name, value))
    return tuple(kept)


def end_to_end(fields: http_message.Fields) -> http_message.Fields:
    """The headers without those for one connection only, such as `Connection` and those that it
    names."""
    ending = HOP_BY_HOP | _connection_options(fields)
    return tuple(field for field in fields if field[0].lower() not in ending)


def beside_ours(fields: http_message.Fields) -> tuple[http_message.Field, ...]:
    """The client's headers that go to Anthropic beside a credential of ours. What a server could read as
    another credential, or as a request for something else, would have it refuse ours: names that differ
    from those of credentials in an underscore, cookies, `X-HTTP-Method-Override`."""
    return tuple(
        field
        for field in fields
        if not _is_fronts(key := field[0].lower().replace(b"_", b"-"))
        and not _OTHER_REQUEST.fullmatch(key)
        and (not credentials.is_secret(key) or _ANTHROPICS.fullmatch(field[0].lower()))
    )


def passing(fields: http_message.Fields) -> tuple[http_message.Field, ...]:
    """The headers of a request that passes through. To switch to another protocol is asked of the
    upstream too."""
    fields = tuple(fields)
    kept = tuple(end_to_end(fields))
    upgrade = tuple(field for field in fields if field[0].lower() == b"upgrade")
    return (*kept, *upgrade, (b"Connection", b"Upgrade")) if upgrade else kept


def answered(fields: http_message.Fields, status: int) -> tuple[http_message.Field, ...]:
    """The headers of an answer that passes through."""
    return tuple(passing(fields) if status == SWITCHING else end_to_end(fields))


def trailers(fields: http_message.Fields) -> tuple[http_message.Field, ...]:
    """The trailers of an answer: nothing that has a meaning only before the body (RFC 9110, 6.5.1)."""
    kept = end_to_end(fields)
    return tuple(field for field in kept if field[0].lower() not in _NOT_IN_TRAILERS)


def _connection_options(fields: http_message.Fields) -> frozenset[bytes]:
    """The headers that `Connection` names. Not those that mitmproxy needs to serve this connection."""
    values: Iterable[bytes] = (value for name, value in fields if name.lower() == b"connection")
    named = {option.strip().lower() for value in values for option in value.split(b",")}
    return frozenset(named - HOP_BY_HOP - _END_TO_END - {b"transfer-encoding", b""})


def is_fronts(name: bytes) -> bool:
    """Whether a front end adds headers of this name, in lower case."""
    # Clients choose names, of any length, and as many as they like.
    return (_is_fronts if len(name) <= REMEMBERED else _is_fronts.__wrapped__)(name)


@functools.lru_cache(1024)
def _is_fronts(name: bytes) -> bool:
    return bool(_FRONTS.fullmatch(name))


def _without_fronts_cookies(value: bytes) -> bytes:
    cookies = value.decode("latin-1").split(";")
    kept = [
        cookie.strip()
        for cookie in cookies
        if not _FRONTS_COOKIE.fullmatch(cookie.partition("=")[0].strip())
    ]
    same = len(kept) == len(cookies)
    return value if same else "; ".join(kept).encode("latin-1")
