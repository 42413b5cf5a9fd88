from __future__ import annotations

import base64
import urllib.parse
from collections.abc import Callable
from collections.abc import Sequence

import pytest
from mitmproxy import http

from claude_route.access import clients
from claude_route.access import guard
from claude_route.access import keys

KEY, NEXT = "static-0123456789-tokn", "static-9876543210-next"
OWN = "sk-ant-api03-client-0000000000-cLnt"
OWN_BEARER = "Bearer sk-ant-oat01-client-000000000-cOat"
OURS = guard.Guard(KEY, next_key=NEXT)


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"me:{password}".encode()).decode()


def request(path: str = "/v1/messages", **headers: str) -> http.Request:
    made = http.Request.make("POST", f"http://x{path}")
    for name, value in headers.items():
        made.headers[name.replace("_", "-")] = value
    return made


@pytest.mark.parametrize(
    ("headers", "password", "expected"),
    [
        ({}, None, []),
        ({}, "pw", [("pw", "proxy password")]),
        ({"authorization": "Bearer a"}, None, [("a", "bearer")]),
        ({"authorization": "bearer  a "}, None, [("a", "bearer")]),
        ({"authorization": "a"}, None, [("a", "bearer")]),
        ({"authorization": basic("a")}, None, [("a", "basic")]),
        ({"authorization": "Bearer "}, None, []),
        ({"x_api_key": "a"}, None, [("a", "x-api-key")]),
        (
            {"authorization": "Bearer a", "x_api_key": "a"},
            None,
            [("a", "bearer"), ("a", "x-api-key")],
        ),
        (
            {"x_api_key": "d", "authorization": "Bearer c", "x_litellm_api_key": "Bearer a"},
            "b",
            [("a", "header"), ("b", "proxy password"), ("c", "bearer"), ("d", "x-api-key")],
        ),
        ({"x_litellm_api_key": "a, x-claude-token-mode: wrong"}, None, [("a", "header")]),
    ],
)
def test_presented(
    headers: dict[str, str], password: str | None, expected: list[tuple[str, clients.KeyKind]]
) -> None:
    found = keys.presented(request(**headers).headers, proxy_password=password)
    assert found == [clients.Key(*each) for each in expected]


def test_a_header_that_comes_twice() -> None:
    made = request()
    made.headers.set_all("x-litellm-api-key", ["wrong", KEY])
    found = keys.presented(made.headers, proxy_password=None)
    assert OURS.client(*found) == clients.Client("shared", "header")


@pytest.mark.parametrize("key", [KEY, NEXT])
@pytest.mark.parametrize(
    ("headers", "left"),
    [
        ({"authorization": "Bearer {}"}, set()),
        ({"authorization": "bearer   {}"}, set()),
        ({"authorization": "{}"}, set()),
        ({"x_api_key": "{}"}, set()),
        ({"x_api_key": "Bearer {}"}, set()),
        ({"authorization": "Bearer {}", "x_api_key": "{}"}, set()),
        ({"authorization": OWN_BEARER, "x_api_key": "{}"}, {"authorization"}),
        ({"authorization": "Bearer {}", "x_api_key": OWN}, {"x-api-key"}),
        ({"authorization": OWN_BEARER, "x_api_key": OWN}, {"authorization", "x-api-key"}),
        ({"x_team_token": "{}", "x_api_key": OWN}, {"x-api-key"}),
        ({"authorization": "Bearer {}x"}, set()),
        ({"authorization": "Bearer x{}"}, set()),
        ({"x_litellm_api_key": "{}"}, {"x-litellm-api-key"}),
        ({"x_app": "{}"}, set()),
        ({"x_app": "cli; key={}; more"}, set()),
        ({"user_agent": "claude ({})"}, set()),
        ({"referer": "http://x/?key={}"}, set()),
        ({"{}": "1", "x_app": "cli"}, {"x-app"}),
        ({"x_app": "cli"}, {"x-app"}),
    ],
)
def test_headers_are_taken_out(key: str, headers: dict[str, str], left: set[str]) -> None:
    made = request(**{name.format(key): value.format(key) for name, value in headers.items()})
    keys.Search(OURS.secrets, OURS.has).take_out(made)
    assert set(made.headers) - {"content-length"} == left


def test_a_password_of_a_browser_is_taken_out() -> None:
    made = request(authorization=basic(KEY))
    keys.Search(OURS.secrets, OURS.has).take_out(made)
    assert "authorization" not in made.headers


@pytest.mark.parametrize(
    ("path", "left"),
    [
        (f"/v1/files?key={KEY}", "/v1/files"),
        (f"/v1/files?beta=true&key={KEY}&limit=1", "/v1/files?beta=true&limit=1"),
        (f"/v1/files?key={KEY.replace('-', '%2d')}", "/v1/files"),
        (f"/v1/files?key={KEY}x", "/v1/files"),
        (f"/v1/files?{KEY}", "/v1/files"),
        (f"/v1/files?{KEY}=1&a=b", "/v1/files?a=b"),
        (f"/v1/files?key={KEY.replace('-', '%252d')}", "/v1/files"),
        (f"/v1/files?key={''.join(f'%{ord(c):02X}' for c in KEY)}", "/v1/files"),
        (f"/v1/files?next=%2Fa%3Fkey%3D{KEY}", "/v1/files"),
        ("/v1/files?key=static%2", "/v1/files?key=static%2"),
        ("/v1/files?a&b=&&c", "/v1/files?a&b=&&c"),
        ("/v1/files", "/v1/files"),
    ],
)
def test_the_query(path: str, left: str) -> None:
    made = request(path)
    assert not keys.Search(OURS.secrets, OURS.has).take_out(made)
    assert made.path == left


@pytest.mark.parametrize(
    "value",
    [
        b"key-0123456789ab",
        b"Bearer key-0123456789ab",
        b"key-0123456789ab, x-claude-token-mode: passthrough",
        b"Basic bWU6a2V5LTAxMjM0NTY3ODlhYg==",
        b"a=b; session=key-0123456789ab; c=d",
    ],
)
def test_secrets(value: bytes) -> None:
    assert "key-0123456789ab" in {*keys.secrets([value])}


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (f"/v1/files/{KEY}", "/v1/files/{{key}}"),
        (f"/v1/files/a-{KEY}-b/content?c=d", "/v1/files/{{key}}/content?c=d"),
        (f"/v1/{KEY.replace('-', '%2D')}/files", "/v1/{{key}}/files"),
        (f"/{KEY[:9]}%252d{KEY[10:]}" if KEY[9] == "-" else f"/{KEY}", "/{{key}}"),
    ],
)
def test_the_path(path: str, shown: str) -> None:
    made = request(path)
    assert keys.Search(OURS.secrets, OURS.has).take_out(made)
    assert made.path == shown


@pytest.mark.parametrize("alphabet", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("user", ["", "u", "us", "use", "user"])
@pytest.mark.parametrize("after", ["", "x", "xy", "xyz"])
def test_base64(alphabet: Callable[[bytes], bytes], user: str, after: str) -> None:
    """Wherever in it the key stands: as user name, as password, with text around it."""
    key = "ab?~ÿ-0123456789-tokn"
    made = request(x_auth="Basic " + alphabet(f"{user}:{key}{after}".encode()).decode())
    keys.Search([key], lambda secret: False).take_out(made)
    assert "x-auth" not in made.headers


DISGUISES: dict[str, Callable[[str], str]] = {
    "capitals": str.upper,
    "hexadecimal": lambda key: key.encode().hex(),
    "HEXADECIMAL": lambda key: key.encode().hex().upper(),
    "hexadecimal in a URL": lambda key: urllib.parse.quote(
        "".join(f"%{b:02x}" for b in key.encode())
    ),
    "JSON": lambda key: "".join(f"\\u{ord(c):04X}" for c in key),
    "HTML": lambda key: "".join(f"&#{ord(c)};" for c in key),
    "JSON in a URL": lambda key: urllib.parse.quote("".join(f"\\u{ord(c):04x}" for c in key)),
}


@pytest.mark.parametrize("disguise", DISGUISES)
def test_disguises(disguise: str) -> None:
    text = DISGUISES[disguise](KEY)
    quoted = urllib.parse.quote(text)
    made = request(
        f"/v1/messages?beta=true&x=a{quoted}", x_foo=f"a {text}.", cookie=f"a=b; c={quoted}"
    )
    assert not keys.Search(OURS.secrets, OURS.has).take_out(made)
    assert made.path == "/v1/messages?beta=true"
    assert "x-foo" not in made.headers
    assert made.headers["cookie"] == "a=b"
    assert keys.Search(OURS.secrets, OURS.has).take_out(request(f"/v1/files/{quoted}"))


@pytest.mark.parametrize("disguise", ["capitals", "hexadecimal", "HEXADECIMAL"])
def test_disguises_in_a_name(disguise: str) -> None:
    made = request(**{f"x-{DISGUISES[disguise](KEY)}": "1"})
    keys.Search(OURS.secrets, OURS.has).take_out(made)
    assert not [name for name in made.headers if name.startswith("x-")]


@pytest.mark.parametrize(
    ("cookies", "left"),
    [
        (f"a=b; key={KEY}; c=d", "a=b; c=d"),
        (f'key="{KEY}"; c=d', "c=d"),
        (f"{KEY}=1", None),
        (f"session=x{KEY}x", None),
        (f"key={KEY.replace('-', '%2d')}; c=d", "c=d"),
        (f"auth={base64.b64encode(KEY.encode()).decode()}; c=d", "c=d"),
        ("a=b;  c=d;", "a=b;  c=d;"),
    ],
)
def test_cookies(cookies: str, left: str | None) -> None:
    made = request(cookie=cookies)
    keys.Search(OURS.secrets, OURS.has).take_out(made)
    assert made.headers.get("cookie") == left


@pytest.mark.parametrize("headers", [{}, {"x_api_key": KEY}])
@pytest.mark.parametrize("method", [KEY, f"GET{KEY}"])
def test_the_method(method: str, headers: dict[str, str]) -> None:
    made = request(**headers)
    made.method = method
    assert keys.Search(OURS.secrets, OURS.has).take_out(made)
    assert made.data.method == b"{{key}}"
    assert "x-api-key" not in made.headers


def test_a_short_key_is_found_only_as_a_whole() -> None:
    made = request("/v1/files?k=abc&l=abcd", authorization="Bearer abc", x_app="abc")
    assert not keys.Search(["abc"], "abc".__eq__).take_out(made)
    assert made.path == "/v1/files?l=abcd"
    assert made.headers.get("x-app") == "abc"
    assert "authorization" not in made.headers


ALICE, BOB = "cr-alice-0123456789", "cr-bob-0123456789"


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Basic " + base64.b64encode(f"{BOB}:".encode()).decode()},
        {"authorization": f"Token {BOB}"},
        {"authorization": f'Digest username="{BOB}", realm="x"'},
        {"x_goog_api_key": f'"{BOB}"'},
        {"cookie": f"s=Bearer {BOB}"},
        {"cookie": BOB},
    ],
)
def test_a_key_of_which_only_the_hash_is_known(headers: dict[str, str]) -> None:
    made = request("/v1/files", **headers)
    assert not keys.Search([], BOB.__eq__).take_out(made)
    assert BOB not in str(made.headers.fields)
    assert set(made.headers).isdisjoint({"authorization", "x-goog-api-key", "cookie"})


@pytest.mark.parametrize(
    ("path", "headers", "is_refused"),
    [
        ("/v1/files", {"x_app": f"a {BOB} b"}, False),
        ("/v1/files", {"x_app": base64.b64encode(f"me:{BOB}".encode()).decode()}, False),
        ("/v1/files", {BOB: "1"}, False),
        (f"/v1/files?{BOB}", {}, False),
        (f"/v1/files?a={BOB.replace('-', '%2d')}", {}, False),
        (f"/v1/files/{BOB}", {}, True),
    ],
)
def test_a_key_that_another_request_has_shown(
    path: str, headers: dict[str, str], is_refused: bool
) -> None:
    made = request(path, x_api_key=ALICE, **headers)
    shown = keys.Shown([ALICE, BOB])
    assert keys.Search([ALICE], [ALICE, BOB].__contains__, shown).take_out(made) is is_refused
    left = str((made.path, made.headers.fields))
    assert BOB not in left
    assert BOB.replace("-", "%2d") not in left
    assert len(made.headers.fields) == 1  # the host's


@pytest.mark.parametrize("name", ["x_api_key", "authorization", "x_litellm_api_key"])
def test_its_own_key_is_no_reason_to_look_for_all(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [f"{BOB}{number}" for number in range(100)]
    sought: list[int] = []
    stock = keys._forms

    def forms(secrets: Sequence[str]) -> tuple[str, ...]:
        sought.append(len(secrets))
        return stock(secrets)

    monkeypatch.setattr(keys, "_forms", forms)
    made = request("/v1/files", **{name: f"Bearer {ALICE}"})
    keys.Search([ALICE], [ALICE, *many].__contains__, keys.Shown([ALICE, *many])).take_out(made)
    assert sought == [1]
    assert ALICE not in str([f for f in made.headers.fields if f[0] != b"x-litellm-api-key"])


def test_nothing_else_is_taken_out() -> None:
    made = request("/v1/files?a=b", x_app="cr-bob-other-0123456789", authorization=OWN_BEARER)
    before = (made.path, made.headers.fields)
    assert not keys.Search([], BOB.__eq__, keys.Shown([BOB])).take_out(made)
    assert (made.path, made.headers.fields) == before
