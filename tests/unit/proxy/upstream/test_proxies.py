from __future__ import annotations

import pytest

from claude_route.proxy.upstream import proxies

CORP = proxies.Proxy("http", "corp", 3128)


@pytest.mark.parametrize(
    ("url", "proxy", "authorization"),
    [
        ("http://corp:3128", CORP, None),
        ("corp:3128", CORP, None),
        ("http://corp:3128/", CORP, None),
        ("HTTP://Corp:3128", CORP, None),
        ("http://corp", proxies.Proxy("http", "corp", 80), None),
        ("https://corp", proxies.Proxy("https", "corp", 443), None),
        ("http://[::1]:3128", proxies.Proxy("http", "::1", 3128), None),
        (
            "http://me:p%40ss%3A@corp:3128",
            proxies.Proxy("http", "corp", 3128, "me", "p@ss:"),
            b"Basic bWU6cEBzczo=",
        ),
        ("http://me@corp:3128", proxies.Proxy("http", "corp", 3128, "me"), b"Basic bWU6"),
    ],
)
def test_urls(url: str, proxy: proxies.Proxy, authorization: bytes | None) -> None:
    assert proxies.parse(url) == proxy
    assert proxy.authorization == authorization


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("socks5://me:secret@corp:1080", "http or https proxy"),
        ("http://", "URL of a proxy"),
        ("http://me:secret@:3128", "URL of a proxy"),
        ("http://me:secret@corp:port", "URL of a proxy"),
        ("http://me:secret@corp:99999", "URL of a proxy"),
        ("http://corp/path/secret", "URL of a proxy"),
        ("http://corp?secret", "URL of a proxy"),
        ("http://[::1", "URL of a proxy"),
    ],
)
def test_urls_that_are_none_are_refused_without_being_quoted(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as error:
        proxies.parse(url)
    assert "secret" not in str(error.value)
    with pytest.raises(ValueError, match=r"^HTTPS_PROXY: ") as error:
        proxies.rules({"https_proxy": url})
    assert "secret" not in str(error.value)


def test_user_and_password_are_not_shown() -> None:
    proxy = proxies.parse("http://user:secret@corp:3128")
    for text in (repr(proxy), str(proxy), repr(proxies.Rules(proxy))):
        assert "user" not in text
        assert "secret" not in text
    assert str(proxy) == "http://corp:3128"
    assert str(proxies.parse("http://[::1]:3128")) == "http://[::1]:3128"


def test_passwords_make_different_proxies() -> None:
    assert proxies.parse("http://a:b@corp") != proxies.parse("http://a:c@corp")


def chosen(environ: dict[str, str], scheme: str, host: str = "api.example", port: int = 443) -> str:
    return str(proxies.rules(environ).proxy(scheme, host, port))


@pytest.mark.parametrize(
    ("environ", "https", "http"),
    [
        ({}, "None", "None"),
        ({"HTTPS_PROXY": "http://a"}, "http://a:80", "None"),
        ({"https_proxy": "http://a"}, "http://a:80", "None"),
        ({"http_proxy": "http://a"}, "None", "http://a:80"),
        ({"HTTP_PROXY": "http://a"}, "None", "http://a:80"),
        ({"ALL_PROXY": "http://a"}, "http://a:80", "http://a:80"),
        ({"all_proxy": "http://a", "HTTPS_PROXY": "b"}, "http://b:80", "http://a:80"),
        ({"https_proxy": "a", "HTTPS_PROXY": "b"}, "http://a:80", "None"),
        ({"https_proxy": "", "HTTPS_PROXY": "b"}, "http://b:80", "None"),
        ({"HTTPS_PROXY": " ", "ALL_PROXY": "b"}, "http://b:80", "http://b:80"),
        (
            {"ALL_PROXY": "socks5://a", "HTTPS_PROXY": "b", "HTTP_PROXY": "c"},
            "http://b:80",
            "http://c:80",
        ),
    ],
)
def test_the_environment(environ: dict[str, str], https: str, http: str) -> None:
    assert chosen(environ, "https") == https
    assert chosen(environ, "http") == http


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "127.8.8.8", "::1", "a.localhost", "LOCALHOST."]
)
def test_loopback_needs_no_proxy_of_the_environment(host: str) -> None:
    assert chosen({"ALL_PROXY": "corp"}, "http", host) == "None"
    assert proxies.rules({}, "http://corp:3128").proxy("http", host, 80) == CORP


def test_a_configured_proxy_wins_over_the_environment() -> None:
    rules = proxies.rules({"HTTPS_PROXY": "other", "NO_PROXY": "inside"}, "http://corp:3128")
    assert rules.proxy("https", "api.example", 443) == CORP
    assert rules.proxy("http", "api.example", 80) == CORP
    assert rules.proxy("https", "inside", 443) is None


# NO_PROXY, host, port, whether the proxy is passed by
EXCEPTIONS = [
    ("", "api.example", 443, False),
    ("*", "api.example", 443, True),
    ("x, * ,y", "api.example", 443, True),
    ("api.example", "api.example", 443, True),
    ("API.Example", "api.example", 443, True),
    ("api.example", "API.example.", 443, True),
    ("example", "api.example", 443, True),
    (".example", "api.example", 443, True),
    ("*.example", "api.example", 443, True),
    (".api.example", "api.example", 443, True),
    ("pi.example", "api.example", 443, False),
    ("api.example.com", "api.example", 443, False),
    ("a,b api.example\tc", "api.example", 443, True),
    ("api.example:443", "api.example", 443, True),
    ("api.example:8443", "api.example", 443, False),
    ("api.example:8443,api.example:443", "api.example", 443, True),
    ("10.0.0.1", "10.0.0.1", 443, True),
    ("10.0.0.1", "10.0.0.2", 443, False),
    ("10.0.0.1:80", "10.0.0.1", 443, False),
    ("10.0.0.0/8", "10.1.2.3", 443, True),
    ("10.0.0.7/8", "10.1.2.3", 443, True),
    ("10.0.0.0/8", "11.1.2.3", 443, False),
    ("10.0.0.0/8", "10.example", 443, False),
    ("10.0.0.0/8", "::ffff:10.0.0.1", 443, True),
    ("fd00::/8", "fd00::1", 443, True),
    ("fd00::/8", "10.0.0.1", 443, False),
    ("[::2]:443", "::2", 443, True),
    ("[::2]:80", "::2", 443, False),
    ("::2", "::2", 443, True),
    ("1", "api.example", 443, False),
    (".", "api.example", 443, False),
    ("10.0.0.0/99", "10.0.0.1", 443, False),
]


@pytest.mark.parametrize(("text", "host", "port", "is_listed"), EXCEPTIONS)
def test_no_proxy(text: str, host: str, port: int, is_listed: bool) -> None:
    assert ((host, port) in proxies.exceptions(text)) == is_listed
    for name in ("NO_PROXY", "no_proxy"):
        found = chosen({"HTTPS_PROXY": "corp:3128", name: text}, "https", host, port)
        assert found == ("None" if is_listed else "http://corp:3128")


@pytest.mark.parametrize(
    ("environ", "proxy"),
    [
        ({}, None),
        ({"HTTP_PROXY": "http://a:1"}, "http://a:1"),
        ({"HTTP_PROXY": "http://a:1", "https_proxy": "http://b:2"}, "http://b:2"),
        ({"HTTPS_PROXY": "http://a:1", "NO_PROXY": "127.0.0.1"}, None),
        ({"HTTPS_PROXY": "http://a:1", "NO_PROXY": "localhost"}, "http://a:1"),
        ({"HTTPS_PROXY": "http://a:1", "no_proxy": "127.0.0.1:4001"}, "http://a:1"),
    ],
)
def test_the_proxy_that_claude_code_asks_for_its_own_machine(
    environ: dict[str, str], proxy: str | None
) -> None:
    assert proxies.of_claude_code("127.0.0.1", 4000, environ) == proxy
