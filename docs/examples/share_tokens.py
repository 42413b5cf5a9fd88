r"""Shares Claude tokens among all clients, and does nothing else.

Run as follows:

    CLAUDE_OAUTH_TOKENS=TOKEN,TOKEN uv run mitmdump \
        -s docs/examples/share_tokens.py --mode reverse:https://api.anthropic.com@127.0.0.1:4000

A hook like these writes the token into the flow, where mitmweb shows it and saved files keep it. The
proxy of this repository avoids that; a script of your own has to keep its flows to itself.
"""

from __future__ import annotations

import os
import time
import weakref

from mitmproxy import http

import rotation
import scrub


class ShareTokens:
    def __init__(self) -> None:
        tokens = os.environ.get("CLAUDE_OAUTH_TOKENS", "").split(",")
        self.pool = rotation.Pool(filter(None, tokens), clock=time.time)
        self.used: weakref.WeakKeyDictionary[http.HTTPFlow, rotation.Token] = (
            weakref.WeakKeyDictionary()
        )

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        headers = flow.request.headers
        # A session keeps its token, and so its prompt cache. When all rest, the one due soonest.
        token = self.pool.pick(headers.get("x-claude-code-session-id")) or self.pool.soonest()
        if token is None:
            flow.response = http.Response.make(503, b"No token is usable")
            return
        self.used[flow] = token
        headers["anthropic-beta"] = scrub.beta(headers.get("anthropic-beta"), token.kind)
        headers.pop("authorization", None)
        headers.pop("x-api-key", None)
        if token.kind == "oauth":
            headers["authorization"] = f"Bearer {token.secret}"
        else:
            headers["x-api-key"] = token.secret

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        # After a 429 the token rests until the time that Anthropic's headers name.
        if flow.response and (token := self.used.get(flow)):
            self.pool.learn(token, flow.response.status_code, flow.response.headers)


addons = [ShareTokens()]
