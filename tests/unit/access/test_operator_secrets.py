from __future__ import annotations

from claude_route.access import operator_secrets
from claude_route.profile import profiles


def test_environment() -> None:
    environ = {
        "PROXY_STATIC_TOKEN": "one",
        "PROXY_STATIC_TOKEN_NEXT": "two",
        "CLAUDE_OAUTH_TOKENS": "three, four",
        "ZAI_API_KEY": "five",
        "https_proxy": "http://me:si%78@proxy:3128",
        "CLAUDE_TOKEN_MODE": "rotate",
        "HOME": "/home/me",
        "SSL_KEY": "/etc/key.pem",
        "HTTP_PROXY": "http://[",
    }
    assert [*operator_secrets.of_environment(environ)] == [
        *("one", "two", "three", "four", "five", "si%78", "six")
    ]


def test_profile() -> None:
    text = """
        providers:
          anthropic: {base_url: "http://127.0.0.1:1", auth: pool}
          zai:
            base_url: http://127.0.0.1:1
            auth: bearer
            api_key: zai-key-0123456789
            headers: {x-gateway-token: gateway-0123456789, x-title: claude}
        models: {glm: zai/glm-5}
        pool: {tokens: [sk-ant-oat01-pool]}
        upstream_proxy: http://me:password-0123456789@proxy:3128
        store: redis://:store-0123456789@127.0.0.1/0
        ledger: postgresql://me:ledger-0123456789@127.0.0.1/x
        otlp: http://me:otlp-0123456789@127.0.0.1:4318
    """
    found = {*operator_secrets.of_profile(profiles.parse(text, {}, "p.yaml"))}
    assert found >= {
        *("zai-key-0123456789", "gateway-0123456789", "sk-ant-oat01-pool"),
        *("password-0123456789", "store-0123456789", "ledger-0123456789", "otlp-0123456789"),
    }
    assert not found & {"claude", "me", "zai"}


def test_a_databases_weak_password_stays_a_word_that_conversations_may_have() -> None:
    text = """
        providers: {zai: {base_url: "http://127.0.0.1:1"}}
        models: {glm: zai/glm-5}
        store: redis://:password@127.0.0.1/0
        ledger: postgresql://postgres:postgres@127.0.0.1/x
    """
    assert not {*operator_secrets.of_profile(profiles.parse(text, {}, "p.yaml"))} & {
        *("password", "postgres")
    }


def test_pair() -> None:
    assert operator_secrets.of_pair("me:pass:word") == "pass:word"
    assert operator_secrets.of_pair(None) == ""
