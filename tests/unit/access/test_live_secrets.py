from __future__ import annotations

import pytest

from claude_route.access import live_secrets

OURS = "sk-ant-oat01-ours-0123456789"


@pytest.fixture
def live() -> live_secrets.LiveSecrets:
    return live_secrets.LiveSecrets()


def test_the_operators_stay(live: live_secrets.LiveSecrets) -> None:
    live.keep([OURS, None, "", OURS])
    live.keep(["another-key-0123456789"])
    live.remember([f"sk-ant-api03-{n:030}" for n in range(2 * live_secrets.MOST)])
    assert live.hide_text(f"{OURS} another-key-0123456789") == "[redacted] [redacted]"


def test_the_last_clients_are_remembered(live: live_secrets.LiveSecrets) -> None:
    secrets = [f"sk-ant-api03-{n:030}" for n in range(live_secrets.MOST + 1)]
    live.remember(secrets[:2])
    live.remember([secrets[0]])
    live.remember(secrets[2:])
    assert live.hide_text(secrets[0]) == "[redacted]"
    assert live.hide_text(secrets[1]) == secrets[1]
    assert live.hide_text(secrets[-1]) == "[redacted]"


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
