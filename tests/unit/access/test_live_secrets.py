from __future__ import annotations

import random
import time
import tracemalloc

import pytest

from claude_route.access import live_secrets

OURS = "sk-ant-oat01-ours-0123456789"
ALICES = "sk-ant-api03-alices-0123456789"


@pytest.fixture
def live() -> live_secrets.LiveSecrets:
    return live_secrets.LiveSecrets()


def test_the_operators_stay(live: live_secrets.LiveSecrets) -> None:
    live.keep([OURS, None, "", OURS])
    live.keep(["another-key-0123456789"])
    live.remember([f"sk-ant-api03-{n:030}" for n in range(2 * live_secrets.MOST)])
    assert live.hide_text(f"{OURS} another-key-0123456789") == "[redacted] [redacted]"


def test_the_last_of_a_client_are_remembered(live: live_secrets.LiveSecrets) -> None:
    secrets = [f"sk-ant-api03-{n:030}" for n in range(live_secrets.MOST_EACH + 1)]
    live.remember(secrets[:2], "alice@")
    live.remember([secrets[0]], "alice@")
    live.remember(secrets[2:], "alice@")
    assert live.hide_text(secrets[0]) == "[redacted]"
    assert live.hide_text(secrets[1]) == secrets[1]
    assert live.hide_text(secrets[-1]) == "[redacted]"


def test_no_client_pushes_out_those_of_others(live: live_secrets.LiveSecrets) -> None:
    live.remember([ALICES], "alice@")
    for n in range(2 * live_secrets.MOST):
        live.remember([f"sk-ant-api03-{n:030}"], f"mallory@10.0.0.{n % 40}")
    assert live.hide_text(ALICES) == "[redacted]"


@pytest.mark.parametrize("length", [100, 60_000])
def test_a_client_fills_no_memory(length: int) -> None:
    tracemalloc.start()
    live = live_secrets.LiveSecrets()
    for n in range(100):
        live.remember([f"{n:05}" + random.Random(n).randbytes(length // 2).hex()], "alice@")
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 3_000_000


@pytest.mark.parametrize("secret", ["$" + "1" * 60_000 + "\nx", "x" * 60_000 + "!", "<" * 60_000])
def test_no_credential_takes_long_to_look_at(live: live_secrets.LiveSecrets, secret: str) -> None:
    began = time.process_time()
    live.remember([secret])
    assert time.process_time() - began < 1


@pytest.mark.parametrize("common", ["A" * 400, "B" * 100 + "A" * 400])
def test_credentials_that_end_alike_take_no_longer(common: str) -> None:
    text = common.encode() * (300_000 // len(common))

    def seconds(credentials: int) -> float:
        live = live_secrets.LiveSecrets()
        live.keep(f"{n:012}-ours-0123456789" for n in range(20))
        for n in range(credentials):
            live.remember([f"{n:012}{common}"], "mallory@")
        times = []
        for _ in range(3):
            began = time.process_time()
            live.hide(text)
            times.append(time.process_time() - began)
        return min(times)

    assert seconds(live_secrets.MOST) < 4 * seconds(live_secrets.MOST_EACH)


def test_one_that_a_client_sent_first(live: live_secrets.LiveSecrets) -> None:
    live.remember([OURS])
    live.keep([OURS])
    live.remember([OURS, *(f"sk-ant-api03-{n:030}" for n in range(live_secrets.MOST))])
    assert live.hide_text(OURS) == "[redacted]"


@pytest.mark.parametrize(
    "text",
    [
        "lm-studio",
        "ollama",
        "short",
        "sk-1234",
        "claude-haiku-5-5-20261001",
        "api.anthropic.com",
        "a few words here",
    ],
)
def test_a_client_cannot_hide_words_from_people(live: live_secrets.LiveSecrets, text: str) -> None:
    live.remember([text])
    assert live.hide_text(f"HTTP/1.1 {text} 200") == f"HTTP/1.1 {text} 200"


def test_text_that_only_stands_in_a_keys_place(live: live_secrets.LiveSecrets) -> None:
    live.keep(["lm-studio", "no-key-needed"])
    assert live.hide(b"lm-studio/qwen") == b"lm-studio/qwen"


def test_the_longest_credential_is_remembered(live: live_secrets.LiveSecrets) -> None:
    long = "sk-ant-api03-" + "0123456789abcdef" * 3800
    live.remember([long], "alice@")
    assert live.hide_text(f"<{long}>") == "<[redacted]>"
