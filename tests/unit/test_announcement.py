from __future__ import annotations

import dataclasses
import ipaddress
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import claude_route
from claude_route import announcement
from claude_route.access import guard
from claude_route.profile import clients
from claude_route.profile import profiles
from claude_route.routing import rotation
from tests.wire import proxies

PROFILE = profiles.parse(str(proxies.profile("http://127.0.0.1:1")), {}, "/etc/team.yaml")
MODES = ["regular@127.0.0.1:8080", "reverse:https://api.anthropic.com@0.0.0.0:4000"]


def pool(*tokens: str) -> rotation.Pool:
    return rotation.Pool(tokens, clock=lambda: 1000.0)


def announced(
    modes: Sequence[str] = MODES,
    host: str = "",
    port: int | None = None,
    confdir: str = "/home/me/.mitmproxy",
    profile: profiles.Profile = PROFILE,
    tokens: tuple[str, ...] = (),
    *,
    needs_key: bool = False,
) -> list[str]:
    return [
        *announcement.lines(
            modes,
            host,
            port,
            confdir,
            profile,
            pool(*tokens),
            needs_key=needs_key,
            env="2 variables from /home/me/.env",
            machine={"": "192.0.2.7", "0.0.0.0": "192.0.2.7", "::": "2001:db8::7"}.__getitem__,
        )
    ]


def lines(tokens: tuple[str, ...] = (), *, needs_key: bool = False) -> str:
    return "\n".join(announced(tokens=tokens, needs_key=needs_key))


def test_both_ways_to_start_claude() -> None:
    logged = lines()
    ca = "/home/me/.mitmproxy/mitmproxy-ca-cert.pem"
    assert f"HTTPS_PROXY=http://127.0.0.1:8080 NODE_EXTRA_CA_CERTS={ca} claude" in logged
    assert "ANTHROPIC_BASE_URL=http://192.0.2.7:4000 claude" in logged
    assert "Profile team (/etc/team.yaml) is in force; the pool has no tokens" in logged
    assert "\n2 variables from /home/me/.env\n" in logged


@pytest.mark.parametrize(
    ("mode", "host", "port", "address"),
    [
        ("upstream:http://proxy.example:3128@8081", "", None, "192.0.2.7:8081"),
        ("regular", "0.0.0.0", 9090, "192.0.2.7:9090"),
        ("regular", "10.0.0.9", None, "10.0.0.9:8080"),
        ("regular@::1:8080", "", None, "[::1]:8080"),
        ("regular@:::8080", "", None, "[2001:db8::7]:8080"),
        ("regular@localhost:8080", "", None, "localhost:8080"),
    ],
)
def test_addresses(mode: str, host: str, port: int | None, address: str) -> None:
    assert f"HTTPS_PROXY=http://{address} " in "\n".join(announced([mode], host, port))


def test_a_port_that_the_system_chooses() -> None:
    assert not any("HTTPS_PROXY" in line for line in announced(["regular@127.0.0.1:0"]))


@pytest.mark.parametrize("confdir", ["/tmp/Müller & Söhne/conf dir", "/tmp/it's", "/tmp/plain"])
def test_lines_can_be_pasted(confdir: str) -> None:
    (line,) = [line for line in announced(confdir=confdir) if "HTTPS_PROXY" in line]
    words = shlex.split(line.partition(":  ")[2])
    assert words[1] == f"NODE_EXTRA_CA_CERTS={confdir}/mitmproxy-ca-cert.pem"
    assert words[-1] == "claude"


def test_a_profile_without_anthropic() -> None:
    text = "{providers: {a: {base_url: http://x}}, models: {m: a/m}}"
    profile = profiles.parse(text, {}, "local.yaml")
    logged = "\n".join(announced(profile=profile))
    assert "the pool has no tokens, and no model needs any" in logged
    assert logged.count("ANTHROPIC_AUTH_TOKEN=any claude") == 2
    assert "AUTH_TOKEN" not in lines()
    logged = "\n".join(announced(profile=profile, needs_key=True))
    assert ":4000 ANTHROPIC_AUTH_TOKEN=$PROXY_STATIC_TOKEN claude" in logged


def test_the_window_of_models_that_claude_code_does_not_know() -> None:
    assert "CLAUDE_CODE_MAX_CONTEXT_TOKENS" not in lines()
    text = """
providers: {a: {base_url: "http://x", context: 65536}}
models: {m: a/m}
"""
    profile = profiles.parse(text, {}, "local.yaml")
    for line in announced(profile=profile):
        if "listener" in line:
            assert line.endswith(" CLAUDE_CODE_MAX_CONTEXT_TOKENS=65536 claude")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (None, "No variables from {path}: there is no such file"),
        ("A=1", "1 variable from {path}"),
        ("A=1\nB=\n", "2 variables from {path}"),
    ],
)
def test_which_environment_file_is_used(tmp_path: Path, text: str | None, line: str) -> None:
    if text is not None:
        (tmp_path / ".env").write_text(text)
    assert announcement.env_line(tmp_path) == line.format(path=tmp_path / ".env")


def test_the_address_of_this_machine() -> None:
    assert ipaddress.ip_address(announcement.machine_address("")).version == 4
    assert ipaddress.ip_address(announcement.machine_address("::")).version == 6


def test_versions() -> None:
    assert lines().startswith(f"claude-route {claude_route.__version__} on mitmproxy ")


def test_with_a_key_and_tokens() -> None:
    profile = profiles.parse(
        str(proxies.profile("http://127.0.0.1:1", pool={"tokens": proxies.POOL[0]})), {}, "p.yaml"
    )
    logged = "\n".join(announced(profile=profile, tokens=proxies.POOL[:1], needs_key=True))
    assert ":4000 ANTHROPIC_AUTH_TOKEN=$PROXY_STATIC_TOKEN claude" in logged
    passthrough = dataclasses.replace(
        profile, pool=dataclasses.replace(profile.pool, mode="passthrough")
    )
    logged = "\n".join(announced(profile=passthrough, tokens=proxies.POOL[:1], needs_key=True))
    assert ":4000 ANTHROPIC_CUSTOM_HEADERS=" in logged


def test_with_a_key() -> None:
    logged = lines(needs_key=True)
    assert "HTTPS_PROXY=http://claude:$PROXY_STATIC_TOKEN@127.0.0.1:8080" in logged
    assert 'ANTHROPIC_CUSTOM_HEADERS="x-litellm-api-key: $PROXY_STATIC_TOKEN" claude' in logged


@pytest.mark.parametrize(
    ("count", "words"), [(1, "the pool has 1 token"), (3, "the pool has 3 tokens")]
)
def test_tokens_are_counted_not_shown(count: int, words: str) -> None:
    logged = lines(proxies.POOL[:count])
    assert words in logged
    assert "sk-ant" not in logged


def learn(filled: rotation.Pool, **answer: Any) -> None:
    filled.learn(filled.tokens[0], **answer)


@pytest.mark.parametrize(
    ("text", "tokens", "line"),
    [
        ("", "sk-ant-oat01-pool-0000000001-pol1", "claude-haiku-5-5 checks the tool calls of"),
        ("", "", "with the client's own login; without one, Claude Code blocks them"),
        ("safeguards: {classifier: off}", "", "no model here checks the tool calls of models"),
    ],
)
def test_who_checks_tool_calls(text: str, tokens: str, line: str) -> None:
    profile = profiles.parse(
        "providers:\n"
        "  anthropic: {base_url: 'http://127.0.0.1:1', auth: pool}\n"
        "  zai: {base_url: 'http://127.0.0.1:2', auth: none}\n"
        "models: {glm: zai/glm-5, claude-*: anthropic/claude-*}\n"
        f"pool: {{tokens: '{tokens}'}}\n{text}",
        {},
        "p.yaml",
    )
    (logged,) = (line for line in announced(profile=profile) if line.startswith("Auto mode: "))
    assert line in logged


def test_claude_needs_no_other_check() -> None:
    profile = profiles.parse(
        "providers: {anthropic: {base_url: 'http://127.0.0.1:1', auth: pool}}\n"
        "models: {claude-*: anthropic/claude-*}",
        {},
        "p.yaml",
    )
    assert not any("Auto mode" in line for line in announced(profile=profile))


def test_the_key_of_a_named_client() -> None:
    named = (clients.Client("alice", (b"",)),)
    assert announcement.key_variable(guard.Guard(named=named)) == "KEY"
    assert announcement.key_variable(guard.Guard("k", named=named)) == "PROXY_STATIC_TOKEN"
    logged = "\n".join(
        announcement.lines(
            ["reverse:https://api.anthropic.com@127.0.0.1:4000"],
            "",
            None,
            "/conf",
            profiles.parse(
                "{providers: {a: {base_url: http://x}}, models: {m: a/m}}", {}, "p.yaml"
            ),
            rotation.Pool((), clock=lambda: 0.0),
            needs_key=True,
            key="KEY",
            env="",
            machine=str,
        )
    )
    assert ":4000 ANTHROPIC_AUTH_TOKEN=$KEY claude" in logged
    assert "KEY is the client's key, made by `claude-route key NAME`" in logged
    assert "PROXY_STATIC_TOKEN" not in logged
