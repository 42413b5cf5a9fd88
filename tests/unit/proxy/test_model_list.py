from __future__ import annotations

import pytest

from claude_route.proxy import model_list
from claude_route.proxy.upstream import dial
from tests.unit import examples


@pytest.mark.parametrize(
    ("api", "path", "version"),
    [("anthropic", b"/v1/models", b"2023-06-01"), ("openai", b"/models", None)],
)
def test_request(api: str, path: bytes, version: bytes | None) -> None:
    provider = examples.target("zai", api=api, headers={"x-title": "claude"}).provider
    destination = dial.Destination("https", "api.z.ai", 443)
    fields = [
        *model_list.profile_fields(provider),
        model_list.key_field("secret", is_bearer=True),
    ]
    request = model_list.request(provider, destination, fields)
    assert (request.method, request.target) == (b"GET", provider.path.encode() + path)
    assert dict(request.fields).get(b"anthropic-version") == version
    assert list(request.fields)[-2:] == [
        (b"x-title", b"claude"),
        (b"Authorization", b"Bearer secret"),
    ]


def test_a_key_that_is_no_bearer_token() -> None:
    assert model_list.key_field("secret", is_bearer=False) == (b"x-api-key", b"secret")
