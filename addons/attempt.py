"""One try at answering a request: a target with a credential, and what goes to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from mitmproxy import http

import chat
import credentials
import failover
import messages
import plan
import reply
import scrub

type Credential = Literal["pool", "provider", "client"]


class Attempt:
    """Implements `failover.Attempt`.

    `shown` is the request with placeholders for the credentials, as people see it; `request()` is
    the copy with the real ones, made only for the address and the path that they are for.
    """

    def __init__(
        self,
        step: plan.Step,
        client_request: http.Request,
        request: messages.Request,
        client_secrets: credentials.Secrets,
        *,
        learn: Callable[[http.Response], None],
    ) -> None:
        provider = step.target.provider
        self.step = step
        self.provider = provider
        self.learn = learn
        self.address = (provider.host, provider.port)
        self.tls = provider.scheme == "https"
        self.limits = failover.Limits(
            provider.connect_timeout, provider.first_byte_timeout, provider.idle_timeout
        )
        self.dropped: tuple[str, ...] = ()
        self.translator: reply.Translator
        body = self._translate(request)
        self.rewritten = body is not request.body
        self.shown = self._address(client_request, body)
        own = self._authorize(client_secrets)
        # A profile's headers may hold keys, too.
        self.secrets = {**own, **credentials.hide(self.shown.headers, provider.name)}

    @property
    def credential(self) -> Credential:
        if self.step.token:
            return "pool"
        return "client" if self.provider.auth in ("pool", "client") else "provider"

    def _translate(self, request: messages.Request) -> bytes:
        target = self.step.target
        if target.provider.api == "openai":
            call = chat.request(request, target)
            self.translator, self.dropped = call, call.dropped
            return call.body
        self.translator = scrub.Translator(target)
        return scrub.request(request, target)

    def _address(self, client: http.Request, body: bytes) -> http.Request:
        provider = self.provider
        path, question, query = client.path.partition("?")
        if provider.api == "openai":
            path, question, query = "/chat/completions", "", ""
        shown = client.copy()
        shown.trailers = None
        shown.headers.fields = scrub.headers(shown.headers.fields, provider)
        shown.headers.update(provider.headers)
        # What comes compressed is decoded all the same, but most of it need not come so.
        shown.headers["accept-encoding"] = "identity"
        shown.headers.pop("transfer-encoding", None)
        if self.rewritten:
            shown.headers.pop("content-encoding", None)
            shown.raw_content = body
        shown.headers["content-length"] = str(len(shown.raw_content or b""))
        shown.scheme, shown.host, shown.port = provider.scheme, provider.host, provider.port
        shown.path = provider.path + path + question + query
        return shown

    def _authorize(self, client: credentials.Secrets) -> credentials.Secrets:
        """Puts the placeholders in; returns what they stand for."""
        if self.credential == "client":
            return client
        headers = self.shown.headers
        headers.pop("authorization", None)
        headers.pop("x-api-key", None)
        token = self.step.token
        if token:
            name, scheme = (
                ("authorization", "Bearer") if token.kind == "oauth" else ("x-api-key", "")
            )
            words, secret = f"pool #{token.place} {token.tail}".strip(), token.secret
            beta = scrub.beta(headers.get("anthropic-beta"), token.kind)
            headers.pop("anthropic-beta", None)
            if beta:
                headers["anthropic-beta"] = beta
        elif self.provider.auth == "none" or not self.provider.api_key:
            return {}
        else:
            name, scheme = (
                ("authorization", "Bearer") if self.provider.auth == "bearer" else ("x-api-key", "")
            )
            words, secret = self.provider.name, self.provider.api_key
        shown = credentials.placeholder(scheme, words)
        headers[name] = shown.decode()
        return {shown: f"{scheme} {secret}".strip().encode()}

    def request(self, address: tuple[str, int]) -> http.Request:
        if address != self.address:
            raise ValueError(f"a credential of {self.provider.name} is not for {address[0]}")
        request = self.shown.copy()
        credentials.reveal(request.headers, self.secrets)
        return request

    def reply(self, response: http.Response) -> failover.Reply:
        self.learn(response)
        return reply.judge(response, self.translator)
