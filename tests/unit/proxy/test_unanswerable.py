from __future__ import annotations

import json

import pytest
from mitmproxy import http

from claude_route import targets
from claude_route.profile import profiles
from claude_route.proxy import unanswerable

PROFILE = '{providers: {zai: {base_url: "http://127.0.0.1:1"}}, models: {glm: zai/glm-5}}'
GLM = profiles.parse(PROFILE, {}, "p.yaml").target("glm")
assert isinstance(GLM, targets.Target)


@pytest.mark.parametrize(
    ("response", "status", "code", "message"),
    [
        (
            unanswerable.keeps_no_threads(GLM),
            400,
            "thread_unsupported_request",
            "thread_unsupported_request: zai/glm-5 keeps no threads",
        ),
        (
            unanswerable.lacks_thread(GLM),
            404,
            "thread_not_found",
            "thread_not_found: zai/glm-5 doesn't have this thread",
        ),
        (
            unanswerable.lacks_tools(("web_search", "web_fetch"), "glm"),
            400,
            "policy_blocked",
            "web_search and web_fetch: only Anthropic's servers have this tool, and this proxy sends glm to "
            "another provider. Under server_tools, its profile can name a Claude model to use instead",
        ),
    ],
)
def test_what_a_client_is_told(
    response: http.Response, status: int, code: str, message: str
) -> None:
    error = json.loads(response.content or b"")["error"]
    assert (response.status_code, error["details"]["error_code"]) == (status, code)
    assert error["message"] == message
