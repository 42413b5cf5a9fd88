from __future__ import annotations

import socket

import pytest
from mitmproxy import http

from claude_route.access import loops
from claude_route.profile import profiles

LOOPBACK = [("127.0.0.1", 4000)]
EVERYWHERE = [("", 4000)]


@pytest.mark.parametrize(
    ("host", "resolved", "on_loopback", "everywhere"),
    [
        ("127.0.0.1", [], True, True),
        ("127.8.9.1", [], True, True),
        ("localhost", [], True, True),
        ("::1", [], True, True),
        ("::ffff:127.0.0.1", [], True, True),
        ("0.0.0.0", [], True, True),
        ("::", [], True, True),
        ("127.1", ["127.0.0.1"], True, True),
        ("2130706433", ["127.0.0.1"], True, True),
        ("0x7f000001", ["127.0.0.1"], True, True),
        ("my-laptop", ["127.0.1.1"], True, True),
        ("both.example", ["203.0.113.5", "::1"], True, True),
        ("api.example", ["203.0.113.5"], False, False),
        ("203.0.113.5", [], False, False),
        ("no-such-name", [], False, False),
    ],
)
def test_leads_here(host: str, resolved: list[str], on_loopback: bool, everywhere: bool) -> None:
    assert loops.leads_here((host, 4000), resolved, LOOPBACK) is on_loopback
    assert loops.leads_here((host, 4000), resolved, [("::1", 4000)]) is on_loopback
    for wildcard in loops.EVERY_INTERFACE:
        assert loops.leads_here((host, 4000), resolved, [(wildcard, 4000)]) is everywhere
    assert not loops.leads_here((host, 4001), resolved, LOOPBACK + EVERYWHERE)
    assert not loops.leads_here((host, 4000), resolved, [])


def test_a_listener_at_an_address_of_its_own() -> None:
    listening = [("192.0.2.7", 4000)]
    assert loops.leads_here(("192.0.2.7", 4000), [], listening)
    assert not loops.leads_here(("127.0.0.1", 4000), ["127.0.0.1"], listening)


def own_address() -> str:
    """An address of this machine that is not loopback; loopback if it has no other."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


def test_every_address_of_this_machine_where_it_listens_everywhere() -> None:
    assert loops.leads_here((own_address(), 4000), [], EVERYWHERE)
    assert not loops.leads_here(("192.0.2.1", 4000), [], EVERYWHERE)


@pytest.mark.parametrize(
    "base_url",
    [
        "http://localhost:4000",
        "http://LOCALHOST:4000/anthropic",
        "http://127.1:4000",
        "http://2130706433:4000/v1",
        "http://0x7f.0.0.1:4000",
        "http://0.0.0.0:4000",
        "http://[::1]:4000",
        "https://127.0.0.1:4000",
    ],
)
def test_a_provider_that_is_a_listener_of_ours(base_url: str) -> None:
    provider = {"base_url": base_url, "api_key": "k"}
    text = str({"providers": {"litellm": provider}, "models": {"qwen": "litellm/qwen"}})
    profile = profiles.parse(text, {}, "p.yaml")
    providers = profile.providers.values()
    message = r"^p\.yaml: providers\.litellm\.base_url: expected another address than .*, got 'http"
    with pytest.raises(ValueError, match=message):
        loops.check(providers, [("127.0.0.1", 8080), *LOOPBACK], profile.path)
    loops.check(providers, [("127.0.0.1", 8080)], profile.path)


def request(hops: str | None) -> http.Request:
    made = http.Request.make("POST", "http://127.0.0.1/v1/messages", b"")
    if hops is not None:
        made.headers[loops.HEADER] = hops
    return made


@pytest.mark.parametrize(
    ("hops", "is_refused", "sent_on"),
    [
        (None, False, loops.ID),
        ("", False, loops.ID),
        ("abc", False, f"abc, {loops.ID}"),
        (" abc ,, d-e,f", False, f"abc, f, {loops.ID}"),
        (loops.ID, True, None),
        (f"abc,{loops.ID}", True, None),
        (f"{loops.ID}0", False, f"{loops.ID}0, {loops.ID}"),
        (",".join("abcdefgh"), True, None),
        ("x" * 10_000 + ",é", False, None),
    ],
    # The id differs in each process, and those that share the tests have to name them alike.
    ids=lambda value: str(value).replace(loops.ID, "ID")[:30],
)
def test_a_request_that_comes_back(hops: str | None, is_refused: bool, sent_on: str | None) -> None:
    refusal = loops.refusal(request(hops))
    assert (refusal.status_code if refusal else None) == (508 if is_refused else None)
    if sent_on:
        assert loops.sent_on(request(hops)) == sent_on.encode()
