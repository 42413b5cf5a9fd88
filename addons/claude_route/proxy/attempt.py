"""One attempt to answer a request: a target, a credential, and the request to send there."""

from __future__ import annotations

import re
from collections.abc import Callable

from mitmproxy import http
from mitmproxy.net.http import url

from claude_route import targets
from claude_route.access import credentials
from claude_route.access import fronts
from claude_route.access import paths
from claude_route.access import redaction
from claude_route.dialects import registry
from claude_route.dialects.messages import claude_fallback
from claude_route.dialects.messages import requests
from claude_route.dialects.messages import safeguards
from claude_route.dialects.messages import scrub
from claude_route.profile import providers
from claude_route.proxy import bodies
from claude_route.proxy import contract
from claude_route.proxy import held
from claude_route.proxy import reply
from claude_route.routing import plan
from claude_route.routing import pool_tokens
from claude_route.routing import verdict
from claude_route.wire import http_message
from claude_route.wire import rawjson

NOT_IN_PATHS = re.compile(rb"[\x00-\x20\x7f]")
NOT_IN_HEADERS = re.compile(rb"[\r\n\x00]")
"""Some servers treat a bare CR as a line end, and would parse the rest as another request (request
smuggling)."""


class Attempt:
    """Implements `contract.Attempt`.

    `shown` is the request with placeholders for the credentials, as people see it. `request()` is a
    copy with the real ones, made only for the address and path that they are meant for.
    """

    def __init__(
        self,
        step: plan.Step,
        client_request: http.Request,
        request: requests.Request,
        client_secrets: credentials.Secrets,
        *,
        asked: targets.Target | None = None,
        left_out: tuple[str, ...] = (),
        redact: Callable[[bytes], bytes] = bodies.unchanged,
    ) -> None:
        """`asked` is the target whose place this one takes, if it is a fallback. `left_out` names what the
        target refuses, as a profile's `drop` does.

        Raises:
            ValueError: such a request must not carry a credential of ours.
        """
        # A user may have edited the request after it was admitted.
        if not is_wanted(client_request):
            raise ValueError(
                f"this proxy routes only POST {paths.MESSAGES} and POST {paths.COUNT_TOKENS}"
            )
        provider = step.target.provider
        self.step = step
        self.provider = provider
        self.redact = redact
        self.address = (provider.host, provider.port)
        self.tls = provider.scheme == "https"
        self.limits = limits(provider, stream=request.stream)
        self.wants: bodies.Wanted = "stream" if request.stream else "whole"
        if http_message.path(client_request) == paths.COUNT_TOKENS:
            self.wants = "count"
        self.is_checked = (
            not provider.is_anthropic
            and self.wants != "count"
            and safeguards.context(request) is not None
        )
        """Whether the client waits for verdicts about the answer's calls that the provider can't give."""
        self.dialect = registry.of(provider)
        self.left_out = left_out
        target = claude_fallback.fit(
            step.target,
            asked or step.target,
            client_request.headers.get("anthropic-version", ""),
            rawjson.kind(request.thinking),
        )
        self.call = self.dialect.request(request, target.without(left_out))
        self.rewritten = self.call.body is not request.body
        """Whether the upstream body differs from the client's."""
        self.secrets: dict[bytes, bytes] = {}
        self._secret = ""
        """The credential, if it is ours."""
        self.shown = self._upstream_request(client_request, client_secrets)

    @property
    def account(self) -> tuple[bytes, ...]:
        return tuple(self.secrets.values())

    @property
    def credential(self) -> verdict.Credential:
        if self.step.token:
            return "pool"
        return "client" if self.provider.auth in ("pool", "client") else "provider"

    def _upstream_request(
        self, client: http.Request, client_secrets: credentials.Secrets
    ) -> http.Request:
        """The request with placeholders for the credentials. Adds the real ones to `secrets`."""
        provider = self.provider
        body = self.call.body if self.rewritten else client.raw_content or b""
        authority = url.hostport(provider.scheme, provider.host, provider.port).encode()
        is_ours = self.credential != "client"
        fields = fronts.end_to_end(client.headers.fields)
        if is_ours:
            fields = fronts.beside_ours(fields)
        fields = self.dialect.headers(fields, provider)
        changes = {
            **self._changes(client.headers, len(body)),
            **self._credentials(client_secrets),
        }
        # HTTP/2 has an authority in place of it; beside one, it would name another host.
        changes[b"host"] = None if client.is_http2 else authority
        headers = http.Headers(http_message.changed(fields, changes))
        # Headers set in the profile may contain keys too.
        self.secrets |= credentials.hide(headers, provider.name)
        is_kept = provider.is_anthropic and not is_ours
        asked = client.path if is_kept else paths.without_query(client.path)
        path = provider.path + self.dialect.endpoint(asked)
        target = path.encode("utf-8", "surrogateescape")
        refuse_injection(client.data.path + target, headers)
        return http_message.like(
            client,
            host=provider.host,
            port=provider.port,
            scheme=provider.scheme.encode(),
            authority=authority if client.is_http2 else b"",
            path=target,
            headers=headers,
            content=body,
            trailers=None,
        )

    def _changes(self, client: http.Headers, length: int) -> http_message.Changes:
        """Changes to the headers, except those for credentials."""
        changes: dict[bytes, bytes | None] = {
            name.encode(): value.encode() for name, value in self.provider.headers.items()
        }
        # We could decode compressed responses, but uncompressed ones are cheaper.
        changes[b"accept-encoding"] = b"identity"
        changes[b"transfer-encoding"] = None
        changes[b"content-length"] = b"%d" % length
        if self.rewritten:
            changes[b"content-encoding"] = None
        if kind := self._key_kind():
            beta = scrub.beta(client.get("anthropic-beta"), kind)
            changes[b"anthropic-beta"] = beta.encode() or None
        return changes

    def _key_kind(self) -> targets.TokenKind | None:
        """The kind of our credential; None if the credential is the client's, or not for
        Anthropic."""
        provider = self.provider
        if self.step.token:
            return self.step.token.kind
        if self.credential == "provider" and provider.is_anthropic and provider.api_key:
            kind = pool_tokens.kind(provider.api_key)
            return kind if kind == "oauth" or provider.auth == "x-api-key" else None
        return None

    def _credentials(self, client_secrets: credentials.Secrets) -> http_message.Changes:
        """Changes to the credential headers, with placeholders. Adds the real values to `secrets`."""
        if self.credential == "client":
            self.secrets.update(client_secrets)
            return {}
        changes: dict[bytes, bytes | None] = {b"authorization": None, b"x-api-key": None}
        token, provider = self.step.token, self.provider
        if token:
            is_bearer, secret = token.kind == "oauth", token.secret
            words = " ".join(filter(None, (f"pool #{token.place}", token.name, token.tail)))
        elif provider.auth == "none" or not provider.api_key:
            return changes
        else:
            is_bearer, secret, words = provider.auth == "bearer", provider.api_key, provider.name
        self._secret = secret
        scheme = "Bearer" if is_bearer else ""
        shown = credentials.placeholder(scheme, words)
        self.secrets[shown] = f"{scheme} {secret}".strip().encode()
        changes[b"authorization" if is_bearer else b"x-api-key"] = shown
        return changes

    def request(self, address: tuple[str, int]) -> http.Request:
        if address != self.address:
            raise ValueError(
                f"the credential of {self.provider.name} must not be sent to {address[0]}"
            )
        headers = http.Headers(self.shown.headers.fields)
        credentials.reveal(headers, self.secrets)
        return http_message.like(self.shown, headers=headers)

    def reply(self, response: http.Response) -> contract.Reply:
        echo = redaction.echo(self._secret) if self._secret else bodies.unchanged
        made = reply.judge(response, self.call, self.redact, echo, wants=self.wants)
        return held.Held(made) if self.is_checked else made


def is_wanted(request: http.Request) -> bool:
    """Whether a request is for one of the two endpoints that we route."""
    return request.method == "POST" and http_message.path(request) in (
        paths.MESSAGES,
        paths.COUNT_TOKENS,
    )


def refuse_injection(path: bytes, headers: http.Headers) -> None:
    """Raises:
    ValueError: an upstream could take a part of the path or of a header for another request.
    """
    if NOT_IN_PATHS.search(path):
        raise ValueError("the path must not contain spaces or control characters")
    if NOT_IN_HEADERS.search(b"".join(value for _, value in headers.fields)):
        raise ValueError("header values must not contain line breaks")


def limits(provider: targets.Provider, *, stream: bool) -> contract.Limits:
    first_byte = provider.first_byte_timeout
    if not stream and first_byte == providers.first_byte_default(provider.name):
        # An answer that isn't streamed arrives all at once. Unless the profile sets a limit, allow it
        # as much time as a pause in a stream.
        first_byte = max(first_byte, provider.idle_timeout)
    return contract.Limits(
        provider.connect_timeout, first_byte, provider.idle_timeout, provider.total_timeout
    )
