"""What a profile may contain about a provider."""

from __future__ import annotations

import re
from typing import Any

import pytest

from claude_route import targets
from claude_route.profile import providers
from claude_route.profile import values

URL = "https://api.example.com/v1"


def read(name: str = "zai", *, environ: dict[str, str] | None = None, **raw: Any) -> Any:
    value = values.Value({"base_url": URL, **raw}, environ or {}, f"providers.{name}")
    return providers.read(name, value)


def test_defaults() -> None:
    assert read() == targets.Provider(
        name="zai",
        base_url=URL,
        scheme="https",
        host="api.example.com",
        port=443,
        path="/v1",
        api="anthropic",
        auth="none",
        api_key=None,
        missing=(),
        thinking=targets.Thinking("own", "tag"),
        reasoning=None,
        headers={},
        drop=(),
        set={},
        count_tokens="estimate",
        connect_timeout=10,
        first_byte_timeout=300,
        idle_timeout=300,
    )


def test_defaults_of_anthropic() -> None:
    anthropic = read("anthropic", base_url="http://gateway.corp:8443/claude/")
    assert anthropic.is_anthropic
    assert anthropic.auth == "pool"
    assert anthropic.thinking == targets.Thinking("own", "keep")
    assert anthropic.count_tokens == "forward"
    assert anthropic.first_byte_timeout == 120


def test_all_keys_set() -> None:
    provider = read(
        api="openai",
        auth="x-api-key",
        api_key="${KEY}",
        thinking={"requests": "all", "responses": "strip"},
        reasoning="required",
        headers={"X-Title": "claude ${NAME:-code}"},
        drop=["top_k", "temperature"],
        set={"max_tokens": "${MAX}", "provider": {"order": ["a"]}},
        count_tokens="forward",
        connect_timeout=1,
        first_byte_timeout="${WAIT:-2.5}",
        idle_timeout=3,
        total_timeout=3600,
        environ={"KEY": " sk-1\n", "MAX": "32000"},
    )
    assert provider.api == "openai"
    assert (provider.auth, provider.api_key) == ("x-api-key", "sk-1")
    assert provider.thinking == targets.Thinking("all", "strip")
    assert provider.reasoning == "required"
    assert provider.headers == {"x-title": "claude code"}
    assert provider.drop == ("top_k", "temperature")
    assert provider.set == {"max_tokens": 32000, "provider": {"order": ["a"]}}
    assert provider.count_tokens == "forward"
    assert (provider.connect_timeout, provider.first_byte_timeout, provider.idle_timeout) == (
        *(1, 2.5, 3),
    )
    assert provider.total_timeout == 3600
    assert read().total_timeout is None
    assert "sk-1" not in repr(provider)
    assert "claude code" not in repr(provider)
    assert hash(provider) != hash(read())


@pytest.mark.parametrize(
    "url, scheme, host, port, path",
    [
        ("https://api.z.ai/api/anthropic", "https", "api.z.ai", 443, "/api/anthropic"),
        ("https://api.z.ai/api/anthropic//", "https", "api.z.ai", 443, "/api/anthropic"),
        ("http://localhost:8000", "http", "localhost", 8000, ""),
        ("http://localhost/", "http", "localhost", 80, ""),
        ("HTTPS://API.Z.AI", "https", "api.z.ai", 443, ""),
        ("http://[::1]:11434/v1", "http", "::1", 11434, "/v1"),
        ("http://192.168.0.7:1", "http", "192.168.0.7", 1, ""),
        ("http://llm_server.internal", "http", "llm_server.internal", 80, ""),
        ("https://x/v1/messages/..", "https", "x", 443, "/v1/messages/.."),
    ],
)
def test_base_url(url: str, scheme: str, host: str, port: int, path: str) -> None:
    provider = read(base_url=url)
    assert (provider.scheme, provider.host, provider.port, provider.path) == (
        *(scheme, host, port, path),
    )
    assert not provider.base_url.endswith("/")


@pytest.mark.parametrize(
    "url",
    [
        *("", "x", "api.z.ai", "ftp://x", "https://", "https:///v1", "http://:80", "//x"),
        *("http://x:0", "http://x:99999", "http://x:http", "http://[::1", "http://[x]"),
        *("http://x?a=b", "http://x/?", "http://x#a", "http://x/v1#", "http://x y", "http://é"),
        *("http://x/\n", "http://a..b", "http://-\\x", 3, True, ["http://x"]),
    ],
)
def test_base_url_that_is_refused(url: Any) -> None:
    with pytest.raises(ValueError, match=r"^providers\.zai\.base_url: expected an http\(s\) URL"):
        read(base_url=url)


def test_a_password_in_the_base_url_is_refused_and_not_shown() -> None:
    with pytest.raises(ValueError, match=r"base_url: expected an http.*, got a string$"):
        read(base_url="https://user:hunter2@x")


@pytest.mark.parametrize(
    "name, raw, auth",
    [
        ("anthropic", {}, "pool"),
        ("anthropic", {"auth": "client"}, "client"),
        ("anthropic", {"auth": "none"}, "none"),
        ("anthropic", {"api_key": "sk-ant-api03-x"}, "x-api-key"),
        ("anthropic", {"api_key": "sk-ant-oat01-x"}, "bearer"),
        ("anthropic", {"api_key": "sk-ant-oat01-x", "auth": "x-api-key"}, "x-api-key"),
        ("zai", {}, "none"),
        ("zai", {"api_key": "k"}, "bearer"),
        ("zai", {"api_key": "${KEY:-}"}, "none"),
        ("zai", {"api_key": "k", "auth": "x-api-key"}, "x-api-key"),
    ],
)
def test_auth(name: str, raw: dict[str, Any], auth: str) -> None:
    assert read(name, **raw).auth == auth


@pytest.mark.parametrize(
    "raw, missing",
    [
        ({"api_key": "${KEY}"}, ("KEY",)),
        ({"api_key": "${KEY}", "auth": "bearer"}, ("KEY",)),
        ({"base_url": "http://${HOST}:${PORT}"}, ("HOST", "PORT")),
        ({"headers": {"x-a": "${A}"}, "set": {"b": ["${B}"]}}, ("A", "B")),
        ({"connect_timeout": "${T}", "api": "${API}", "drop": ["${D}"]}, ("T", "API", "D")),
        ({"thinking": {"requests": "${R}"}, "count_tokens": "${C}"}, ("R", "C")),
    ],
)
def test_a_provider_with_an_unset_variable_is_there_and_unusable(
    raw: dict[str, Any], missing: tuple[str, ...]
) -> None:
    assert read(**raw, environ={"KEY": ""}).missing == missing
    assert read(api_key="k").missing == ()


@pytest.mark.parametrize(
    "name, raw, message",
    [
        ("zai", {"base_url": None}, "zai.base_url: expected an http(s) URL, got nothing"),
        ("zai", {"apikey": "sk-1"}, "zai.apikey: expected one of the keys base_url, api, auth, "),
        ("zai", {"api": "gemini"}, "zai.api: expected anthropic or openai, got 'gemini'"),
        ("anthropic", {"api": "openai"}, "anthropic.api: expected anthropic, got 'openai'"),
        (
            "zai",
            {"base_url": "https://x api_key:s3"},
            "zai.base_url: expected an http(s) URL with only",
        ),
        (
            "zai",
            {"auth": "bearr"},
            "zai.auth: expected bearer, x-api-key or none, got 'bearr' "
            "(pool and client are for the provider anthropic)",
        ),
        ("zai", {"auth": "pool"}, "zai.auth: expected bearer, x-api-key or none, got 'pool'"),
        ("zai", {"auth": "client"}, "zai.auth: expected bearer, x-api-key or none, got 'client'"),
        (
            "anthropic",
            {"auth": "oauth"},
            "anthropic.auth: expected pool, bearer, x-api-key, client or none, got 'oauth'",
        ),
        (
            "zai",
            {"auth": "bearer"},
            "zai.api_key: expected a key, because auth is bearer, got nothing",
        ),
        (
            "zai",
            {"auth": "x-api-key", "api_key": "${A:-}"},
            "zai.api_key: expected a key, because auth is x-api-key, got an empty string",
        ),
        ("zai", {"api_key": 123456}, "zai.api_key: expected a string, got a value of type int"),
        (
            "zai",
            {"api_key": "k é"},
            "zai.api_key: expected a key with only visible ASCII characters, got",
        ),
        ("zai", {"thinking": "strip"}, "zai.thinking: expected a mapping, got a string"),
        ("zai", {"thinking": {"response": 1}}, "zai.thinking.response: expected one of the keys"),
        (
            "zai",
            {"thinking": {"responses": "drop"}},
            "zai.thinking.responses: expected tag, strip or keep, got 'drop'",
        ),
        ("zai", {"reasoning": True}, "zai.reasoning: expected required or tags, got True"),
        ("zai", {"headers": ["x"]}, "zai.headers: expected a mapping, got a list"),
        ("zai", {"headers": {"a b": "x"}}, "zai.headers.a b: expected a header name, got 'a b'"),
        ("zai", {"headers": {"X-Api-Key": "s3"}}, "zai.headers.X-Api-Key: expected a header other"),
        ("zai", {"headers": {"Host": "x"}}, "zai.headers.Host: expected a header other than"),
        ("zai", {"headers": {"x-a": 12}}, "zai.headers.x-a: expected a string, got a value of"),
        (
            "zai",
            {"headers": {"x-a": "1\r\nb: 2"}},
            "zai.headers.x-a: expected text with only visible",
        ),
        ("zai", {"headers": {"A": "1", "a": "2"}}, "zai.headers.a: duplicate header"),
        ("zai", {"drop": "top_k"}, "zai.drop: expected a list of request fields, got 'top_k'"),
        ("zai", {"drop": ["a", "stream"]}, "zai.drop[1]: expected a field other than model, me"),
        ("zai", {"drop": ["model.a"]}, "zai.drop[0]: expected a field other than model, messages"),
        ("zai", {"drop": ["schemas.type"]}, "zai.drop[0]: expected a keyword other than type, pro"),
        ("zai", {"set": {"model": "x"}}, "zai.set.model: expected a field other than model, mes"),
        ("zai", {"set": {"a": float("inf")}}, "zai.set.a: expected a JSON value, got inf"),
        ("zai", {"count_tokens": True}, "zai.count_tokens: expected forward or estimate, got True"),
        ("zai", {"idle_timeout": 0}, "zai.idle_timeout: expected a number of seconds above 0, got"),
        (
            "zai",
            {"total_timeout": 0},
            "zai.total_timeout: expected a number of seconds above 0, got",
        ),
        (
            "zai",
            {"base_url": "https://x/v1/messages"},
            "zai.base_url: expected the URL without the final /v1/messages, got 'https://x/",
        ),
        (
            "zai",
            {"base_url": "https://x/v1/chat/completions", "api": "openai"},
            "zai.base_url: expected the URL without the final /chat/completions, got ",
        ),
        (
            "z/ai",
            {},
            "z/ai: expected a provider name with only letters, digits, `.`, `-` and `_`, got",
        ),
        ("z:ai", {}, "z:ai: expected a provider name with only letters"),
        ("", {}, ": expected a provider name with only letters"),
    ],
)
def test_what_is_refused(name: str, raw: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^providers.{re.escape(message)}") as e:
        read(name, **raw)
    assert "\n" not in str(e.value)
    assert not any(secret in str(e.value) for secret in ("sk-1", "123456", "s3", "é"))


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("value", ["8", 8.5, True, -1, 0, [], {"a": 1}])
def test_a_limit_of_tokens_is_a_number(name: str, value: object) -> None:
    """The proxy compares it with what a request asks for."""
    expected = rf"^providers\.zai\.set\.{name}: expected a whole number above 0, got "
    with pytest.raises(ValueError, match=expected):
        read("zai", set={name: value})
