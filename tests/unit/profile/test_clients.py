from __future__ import annotations

import datetime
import hashlib
import re

import pytest

from claude_route.profile import clients
from claude_route.profile import limits
from claude_route.profile import profiles

BASE = """
providers: {zai: {base_url: "http://127.0.0.1:1"}, anthropic: {base_url: "http://127.0.0.1:2"}}
models: {glm: zai/glm-5, glm-fast: zai/glm-air, claude-*: anthropic/claude-*}
"""
HEX = hashlib.sha256(b"cr-alice").hexdigest()
OTHER = hashlib.sha256(b"cr-bob").hexdigest()
KEY = f"key: 'sha256:{HEX}'"


def parse(text: str, **environ: str) -> profiles.Profile:
    return profiles.parse(f"{BASE}clients: {text}", environ, "p.yaml")


def client(text: str, **environ: str) -> clients.Client:
    return parse(f"{{alice: {{{KEY}, {text}}}}}", **environ).clients["alice"]


def test_all_keys() -> None:
    made = client(
        "models: [glm, claude-*], requests_per_minute: 60, tokens_per_day: 5000000,"
        "budget: {day: 20, week: 60.5, month: 200}, on_budget: glm, token_mode: passthrough,"
        "expires: 2027-01-31, admin: true"
    )
    assert made.name == "alice"
    assert made.digests == (bytes.fromhex(HEX),)
    assert made.limits == limits.Limits(
        60,
        5_000_000,
        (limits.Cap("day", 20), limits.Cap("week", 60.5), limits.Cap("month", 200)),
    )
    assert (made.on_budget, made.token_mode, made.is_admin) == ("glm", "passthrough", True)
    assert made.expires == datetime.date(2027, 1, 31)


def test_the_least() -> None:
    made = parse(f"{{alice: {{{KEY}}}}}").clients["alice"]
    assert made == clients.Client("alice", (bytes.fromhex(HEX),))
    assert not made.limits.are_of_use
    assert made.may_ask("anything")
    assert not made.has_expired(datetime.date(9999, 1, 1))
    assert not parse("").clients
    assert not parse("{}").clients


def test_two_keys_while_one_is_changed() -> None:
    text = f"{{alice: {{key: ['sha256:{HEX}', 'SHA256:{OTHER}']}}}}"
    with pytest.raises(ValueError, match=r"clients\.alice\.key\[1\]: expected sha256:"):
        parse(text)
    made = parse(text.replace("SHA256", "sha256")).clients["alice"]
    assert made.digests == (bytes.fromhex(HEX), bytes.fromhex(OTHER))


def test_a_key_from_the_environment() -> None:
    made = parse("{alice: {key: '${ALICE}'}}", ALICE=f"sha256:{HEX.upper()}").clients["alice"]
    assert made.digests == (bytes.fromhex(HEX),)


@pytest.mark.parametrize(
    ("models", "allowed", "refused"),
    [
        ("[glm]", ["glm", "glm[1m]", "claude-route/glm"], ["glm-fast", "claude-opus-5-5", ""]),
        ("[gl*]", ["glm", "glm-fast"], ["claude-opus-5-5"]),
        ("[claude-haiku-*, glm]", ["claude-haiku-5-5", "glm"], ["claude-opus-5-5"]),
        ("['*']", ["glm", "claude-opus-5-5", "gpt-9"], []),
    ],
)
def test_models(models: str, allowed: list[str], refused: list[str]) -> None:
    made = client(f"models: {models}")
    assert [name for name in allowed if not made.may_ask(name)] == []
    assert [name for name in refused if made.may_ask(name)] == []


@pytest.mark.parametrize(
    ("today", "expected"), [("2027-01-30", False), ("2027-01-31", False), ("2027-02-01", True)]
)
@pytest.mark.parametrize("written", ["2027-01-31", "'2027-01-31'", "'${LAST}'"])
def test_the_last_day(written: str, today: str, expected: bool) -> None:
    made = client(f"expires: {written}", LAST="2027-01-31")
    assert made.has_expired(datetime.date.fromisoformat(today)) is expected


SECRET = "cr-the-key-itself-that-nobody-should-see"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[alice]", "line 4: clients: expected a mapping, got a list"),
        ("{alice: 3}", "line 4: clients.alice: expected a mapping, got a value of type int"),
        ("{alice: {}}", "clients.alice.key: expected sha256: and 64 hexadecimal digits"),
        (f"{{alice: {{key: {SECRET}}}}}", "NAME` prints them, got a string"),
        ("{alice: {key: 'sha256:abc'}}", "got a string"),
        ("{alice: {key: []}}", "clients.alice.key: expected sha256: and 64"),
        ("{alice: {key: '${NO}'}}", "clients.alice.key: ${NO} is not set"),
        (f"{{a b: {{{KEY}}}}}", "expected a name of letters, digits and `._@+-`"),
        (f"{{shared: {{{KEY}}}}}", "clients.shared: shared is the name of whoever has"),
        (f"{{alice: {{{KEY}}}, bob: {{{KEY}}}}}", "clients.bob.key: alice has the same key"),
        (f"{{42: {{{KEY}}}}}", "clients.42: expected a string, got 42"),
        (
            f"{{alice: {{{KEY}, limit: 3}}}}",
            "clients.alice.limit: expected one of the keys key, models",
        ),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as e:
        parse(text)
    assert "\n" not in str(e.value)
    assert SECRET not in str(e.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("models: glm", "models: expected a list of models, got 'glm'"),
        ("models: []", "models: expected at least one model, got a list"),
        ("models: [gpt-9]", "models[0]: expected one of the models glm, glm-fast, claude-*, got"),
        ("models: [gpt-*]", "models[0]: expected one of the models"),
        ("models: [3]", "models[0]: expected a model name, got 3"),
        ("requests_per_minute: 0", "requests_per_minute: expected a whole number above 0, got 0"),
        ("requests_per_minute: 1.5", "requests_per_minute: expected a whole number"),
        ("requests_per_minute: true", "requests_per_minute: expected a whole number"),
        ("tokens_per_day: many", "tokens_per_day: expected a whole number above 0, got 'many'"),
        ("budget: 20", "budget: expected a mapping"),
        ("budget: {}", "budget: expected at least one of day, week, month, got none"),
        ("budget: {year: 3}", "budget.year: expected one of the keys day, week, month"),
        ("budget: {day: 0}", "budget.day: expected a number of dollars above 0, got 0"),
        ("budget: {day: -1}", "budget.day: expected a number of dollars above 0, got -1"),
        ("budget: {day: .inf}", "budget.day: expected a number of dollars above 0"),
        ("budget: {day: .nan}", "budget.day: expected a number of dollars above 0"),
        ("budget: {day: $20}", "budget.day: expected a number of dollars above 0, got '$20'"),
        ("on_budget: glm", "on_budget: needs a budget beside it"),
        ("budget: {day: 1}, on_budget: gpt-9", "on_budget: expected one of the models glm"),
        ("budget: {day: 1}, on_budget: claude-*", "on_budget: expected one of the models glm"),
        ("token_mode: both", "token_mode: expected rotate or passthrough, got 'both'"),
        ("expires: soon", "expires: expected a date such as 2027-01-31, got 'soon'"),
        ("expires: '2027-02-30'", "expires: expected a date such as 2027-01-31, got '2027-02-30'"),
        ("expires: 2027-01-31 10:00:00", "expires: expected a date"),
        ("expires: 20270131", "expires: expected a date"),
        ("admin: maybe", "admin: expected true or false, got 'maybe'"),
    ],
)
def test_what_is_refused_of_a_client(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"clients.alice.{message}")) as e:
        client(text)
    assert "\n" not in str(e.value)


def test_no_key_is_shown() -> None:
    assert HEX not in repr(parse(f"{{alice: {{{KEY}}}}}"))
    assert HEX not in repr(client("admin: true"))
