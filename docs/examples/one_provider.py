r"""Sends every Messages request to one other provider, without what only Anthropic understands.

Run as follows:

    ZAI_API_KEY=… uv run mitmdump -s docs/examples/one_provider.py \
        --mode reverse:https://api.z.ai@127.0.0.1:4000
"""

from __future__ import annotations

import os

from mitmproxy import http

import scrub
from claude_route.dialects.messages import requests
from claude_route.profile import profiles

PROFILE = """
providers:
  zai:
    base_url: ${ZAI_URL:-https://api.z.ai/api/anthropic}
    auth: bearer
    api_key: ${ZAI_API_KEY}
models:
  "*": zai/glm-5
"""


class OneProvider:
    def __init__(self) -> None:
        self.profile = profiles.parse(PROFILE, os.environ, __file__)
        if missing := self.profile.providers["zai"].missing:
            raise SystemExit(f"Set {missing[0]} first: it is the provider's key")

    def request(self, flow: http.HTTPFlow) -> None:
        request = flow.request
        if request.method != "POST" or not request.path.startswith("/v1/messages"):
            flow.response = http.Response.make(404)
            return
        try:
            wanted = requests.read(request.content or b"")
            target = self.profile.target(wanted.model)
            assert target  # "*" is every model
            body = scrub.request(wanted, target)
        except ValueError as e:
            flow.response = http.Response.make(400, str(e))
            return
        provider = target.provider
        request.headers = http.Headers(scrub.headers(request.headers.fields, provider))
        request.headers["authorization"] = f"Bearer {provider.api_key}"
        request.path = provider.path + request.path
        request.content = body


addons = [OneProvider()]
