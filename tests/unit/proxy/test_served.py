from __future__ import annotations

import asyncio
import json

import pytest

from claude_route import targets
from claude_route.proxy import served
from tests import clocks
from tests.unit import examples

OLLAMA = examples.target("ollama", base_url="http://127.0.0.1:11434", auth="none").provider


class Server:
    def __init__(self, *models: str) -> None:
        self.models: tuple[str, ...] = models
        self.error: Exception | None = None
        self.asked = 0
        self.is_free = asyncio.Event()
        self.is_free.set()

    async def ask(self, provider: targets.Provider) -> bytes:
        assert provider is OLLAMA
        self.asked += 1
        await self.is_free.wait()
        if self.error:
            raise self.error
        return json.dumps({"data": [{"id": name} for name in self.models]}).encode()


async def test_what_it_lists_is_known_for_a_while() -> None:
    clock, server = clocks.Clock(), Server("qwen3", "llama3")
    known = served.Served(clock)
    assert known.models(OLLAMA) == ()
    for _ in range(3):
        await known.refresh([OLLAMA, OLLAMA], server.ask, patience=5)
        assert known.models(OLLAMA) == ("qwen3", "llama3")
    assert server.asked == 1
    server.models = ("other",)
    clock.now += served.LIFETIME
    await known.refresh([OLLAMA], server.ask, patience=5)
    assert (known.models(OLLAMA), server.asked) == (("other",), 2)


@pytest.mark.parametrize("error", [ConnectionError("down"), TimeoutError(), ValueError("no list")])
async def test_one_that_is_down_lists_nothing(error: Exception) -> None:
    clock, server = clocks.Clock(), Server("qwen3")
    known = served.Served(clock)
    await known.refresh([OLLAMA], server.ask, patience=5)
    server.error = error
    clock.now += served.LIFETIME
    await known.refresh([OLLAMA], server.ask, patience=5)
    assert known.models(OLLAMA) == ()


async def test_one_that_is_slow_is_heard_later() -> None:
    server = Server("qwen3")
    server.is_free.clear()
    known = served.Served(clocks.Clock())
    await known.refresh([OLLAMA], server.ask, patience=0)
    assert known.models(OLLAMA) == ()
    server.is_free.set()
    await known.refresh([OLLAMA], server.ask, patience=5)
    assert (known.models(OLLAMA), server.asked) == (("qwen3",), 1)


async def test_nobody_is_asked() -> None:
    await served.Served(clocks.Clock()).refresh([], Server().ask, patience=0)


@pytest.mark.parametrize(
    ("body", "models"),
    [
        (b'{"data": [{"id": "a"}, {"id": "b"}, {"id": "a"}]}', ("a", "b")),
        (b'{"object": "list", "data": [{"id": "a", "object": "model", "owned_by": "x"}]}', ("a",)),
        (b'{"data": [1, {}, {"id": 2}, {"id": ""}, {"id": "a\\nb"}, {"id": "c"}]}', ("c",)),
        (b'{"data": []}', ()),
    ],
)
def test_listed(body: bytes, models: tuple[str, ...]) -> None:
    assert served.listed(body) == models


def test_a_long_list_is_cut() -> None:
    body = json.dumps({"data": [{"id": f"m{n}"} for n in range(1000)]}).encode()
    assert len(served.listed(body)) == served.MAX_MODELS


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"data": {}}', b'{"data": null}'])
def test_no_list(body: bytes) -> None:
    with pytest.raises(ValueError):
        served.listed(body)


@pytest.mark.parametrize(
    ("host", "is_local"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("192.168.1.5", True),
        ("10.0.0.1", True),
        ("100.64.0.1", True),
        ("localhost", True),
        ("ollama", True),
        ("gpu.local", True),
        ("host.docker.internal", True),
        ("openrouter.ai", False),
        ("api.z.ai", False),
        ("8.8.8.8", False),
        ("mylocal.com", False),
    ],
)
def test_is_local(host: str, is_local: bool) -> None:
    assert served.is_local(host) is is_local
