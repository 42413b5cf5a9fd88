from __future__ import annotations

import pytest

from claude_route.profile import addresses
from claude_route.profile import values


def value(raw: object, **environ: str) -> values.Value:
    return values.Value({"at": raw}, environ)["at"]


@pytest.mark.parametrize(
    "text, is_host",
    [
        ("api.anthropic.com", True),
        ("localhost", True),
        ("127.0.0.1", True),
        ("::1", True),
        ("", False),
        ("a b", False),
        ("a/b", False),
        ("a:1", False),
        ("*.a", False),
        (".a", False),
    ],
)
def test_is_host(text: str, is_host: bool) -> None:
    assert addresses.is_host(text) is is_host


def test_hosts_are_lower_case() -> None:
    assert addresses.host(value("API.anthropic.com")) == "api.anthropic.com"
    assert addresses.host(value("${GATEWAY}", GATEWAY="::1")) == "::1"
    with pytest.raises(ValueError, match="at: expected a host name without scheme, port or path"):
        addresses.host(value("a:1"))


@pytest.mark.parametrize(
    ("raw", "url"),
    [
        ("http://me:${PASSWORD}@proxy:3128", "http://me:hunter2@proxy:3128"),
        (" https://[::1]/ ", "https://[::1]/"),
        ("${P:-}", None),
        (None, None),
    ],
)
def test_proxies(raw: object, url: str | None) -> None:
    assert addresses.proxy(value(raw, PASSWORD="hunter2")) == url


@pytest.mark.parametrize(
    ("raw", "url"),
    [
        (None, ""),
        ("http://127.0.0.1:4318", "http://127.0.0.1:4318"),
        ("https://me:hunter2@otel.example/a/", "https://me:hunter2@otel.example/a/"),
        ("${NO:-}", ""),
    ],
)
def test_collectors(raw: object, url: str) -> None:
    assert addresses.collector(value(raw)) == url


WRONG = (
    *("4318", "localhost:4318", "http://", "ftp://host", "http://a b", "http://[::1", "http://h:x"),
    *(
        "http://h:0",
        "http://h:99999",
        "http://h?q",
        "http://h#f",
        "http://me:hunter2@",
        "me:hunter2@h",
    ),
    "socks5://me:hunter2@h",
)


@pytest.mark.parametrize("raw", WRONG)
def test_wrong_urls(raw: str) -> None:
    for read in (addresses.proxy, addresses.collector):
        with pytest.raises(ValueError, match=r"^at: expected the URL of a") as refused:
            read(value(raw))
        assert "hunter2" not in str(refused.value)
