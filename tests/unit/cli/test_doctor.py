from __future__ import annotations

import datetime
import json
import socket
from pathlib import Path

import pytest
import trustme

from claude_route.cli import doctor
from claude_route.cli import probe
from claude_route.cli import status
from claude_route.profile import profiles
from claude_route.proxy.upstream import proxies

NOW = datetime.datetime(2026, 11, 28, tzinfo=datetime.UTC)


def profile(text: str, **environ: str) -> profiles.Profile:
    return profiles.parse(text, environ, "/p/mine.yaml")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other program of test_listeners says nothing."""
    monkeypatch.setattr("claude_route.cli.status.TIMEOUT", 0.2)


@pytest.fixture
def ca(tmp_path: Path) -> Path:
    path = tmp_path / "mitmproxy-ca-cert.pem"
    trustme.CA().cert_pem.write_to_path(str(path))
    return path


def test_an_env_file_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_bytes("A=1".encode("utf-16"))
    found = doctor.findings("default", {}, url="http://127.0.0.1:9", confdir=tmp_path, online=False)
    wrong = next(finding for finding in found if ".env" in finding.what)
    assert wrong.what == f"{tmp_path}/.env: expected UTF-8, got UTF-16: save it as UTF-8"
    assert wrong.mark == "wrong"


def test_env_file(tmp_path: Path) -> None:
    assert doctor.env_file(tmp_path, {}).mark == "note"
    (tmp_path / ".env").write_text("A=1\nB=2\n")
    assert str(doctor.env_file(tmp_path, {})) == f"ok  {tmp_path}/.env: 2 variables"
    assert doctor.env_file(tmp_path, {"B": "3", "C": "4"}).what.endswith("overrides B")
    (tmp_path / ".env").write_text("# nothing\n")
    assert doctor.env_file(tmp_path, {}).mark == "wrong"


def test_routes() -> None:
    text = """
providers: {zai: {base_url: "https://api.z.ai", api_key: "${ZAI_API_KEY}"}}
models: {glm: zai/glm-5}
"""
    assert [one.mark for one in doctor.routes(profile(text, ZAI_API_KEY="x"))] == ["ok"]
    unset = list(doctor.routes(profile(text)))
    assert unset[-1] == doctor.Finding(
        "wrong", "None of its providers can be used", "put ZAI_API_KEY into .env"
    )


def test_claude(tmp_path: Path) -> None:
    environ = {"PATH": str(tmp_path)}
    assert doctor.claude(environ).mark == "wrong"
    program = tmp_path / "claude"
    program.write_text("#!/bin/sh\necho '2.1.330 (Claude Code)'\n")
    program.chmod(0o755)
    assert doctor.claude(environ).what == f"Claude Code 2.1.330 (Claude Code): {program}"
    program.write_text("#!/bin/sh\nexit 3\n")
    assert doctor.claude(environ).mark == "wrong"


def test_listeners() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        marks = {one.what.partition(":")[0]: one.mark for one in doctor.listeners(url(port), None)}
        assert marks["Reverse listener"] == "wrong"
    assert [*doctor.listeners(url(port), None)][-1].mark == "note"


def test_a_proxy_that_requires_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        monkeypatch.setattr("claude_route.cli.status.get", refuse)
        one = next(doctor.listeners(url(port), None))
    assert (one.mark, "requires a key" in one.what) == ("note", True)
    assert one.advice.startswith("PROXY_STATIC_TOKEN=KEY")


def refuse(url: str, path: str, key: str | None) -> tuple[int, bytes]:
    raise status.KeyRequiredError(f"the proxy at {url} requires a key")


def test_the_proposed_address_is_that_of_the_listener() -> None:
    (one,) = doctor.way_in({}, Path("ca.pem"), url="http://127.0.0.1:4001")
    assert one.advice.startswith("ANTHROPIC_BASE_URL=http://127.0.0.1:4001 ")


def url(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def test_authority(ca: Path, tmp_path: Path) -> None:
    assert doctor.authority(tmp_path / "none.pem").mark == "note"
    assert doctor.authority(ca).mark == "ok"
    assert doctor.authority(ca, NOW + datetime.timedelta(days=365 * 1000)).mark == "wrong"
    (tmp_path / "text.pem").write_text("no certificate")
    assert doctor.authority(tmp_path / "text.pem").mark == "wrong"


@pytest.mark.parametrize(
    ("text", "proxy"),
    [
        (json.dumps({"env": {"HTTPS_PROXY": "http://127.0.0.1:8090"}}), "http://127.0.0.1:8090"),
        (json.dumps({"model": "glm"}), "http://127.0.0.1:8080"),
        (json.dumps({"env": []}), "http://127.0.0.1:8080"),
        ("[]", "http://127.0.0.1:8080"),
        ("{", "http://127.0.0.1:8080"),
        (None, "http://127.0.0.1:8080"),
    ],
)
def test_settings_take_precedence(tmp_path: Path, text: str | None, proxy: str) -> None:
    path = tmp_path / "settings.json"
    if text is not None:
        path.write_text(text)
    environ = doctor.client_environment({"HTTPS_PROXY": "http://127.0.0.1:8080"}, path)
    assert environ["HTTPS_PROXY"] == proxy


def test_way_in(ca: Path, tmp_path: Path) -> None:
    def marks(**environ: str) -> list[str]:
        return [one.mark for one in doctor.way_in(environ, ca)]

    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(other.read_bytes() + ca.read_bytes())
    assert marks() == ["note"]
    assert marks(ANTHROPIC_BASE_URL="http://127.0.0.1:4000") == ["ok"]
    assert marks(HTTPS_PROXY="http://127.0.0.1:8080") == ["ok", "wrong"]
    for path, mark in ((ca, "ok"), (bundle, "ok"), (other, "wrong"), (tmp_path, "wrong")):
        proxied = marks(HTTPS_PROXY="http://127.0.0.1:8080", NODE_EXTRA_CA_CERTS=str(path))
        assert proxied == ["ok", mark]


@pytest.mark.parametrize("scheme", ["http://", ""])
def test_passwords_are_not_shown(ca: Path, scheme: str) -> None:
    (first, *_) = doctor.way_in({"HTTPS_PROXY": f"{scheme}me:secret@127.0.0.1:8080"}, ca)
    assert first.what == f"Claude Code uses {scheme}127.0.0.1:8080 (HTTPS_PROXY)"


def test_what_providers_answer() -> None:
    one = profile("""
providers: {zai: {base_url: "https://api.z.ai/api/anthropic", api_key: secret}}
models: {glm: zai/glm-5}
""")
    (question,) = probe.questions(one)
    marks = {
        verdict: doctor.finding(question, probe.Answer(verdict, "why")).mark
        for verdict in ("accepted", "unclear", "refused", "failed", "unreachable")
    }
    assert marks == {
        "accepted": "ok",
        "unclear": "ok",
        "refused": "wrong",
        "failed": "wrong",
        "unreachable": "wrong",
    }


@pytest.mark.parametrize(
    ("environ", "mark", "words"),
    [
        ({}, "ok", "asks http://127.0.0.1:4000"),
        ({"HTTP_PROXY": "http://me:hush@proxy.example"}, "wrong", "http://proxy.example"),
        ({"https_proxy": "http://me:hush@proxy.example"}, "wrong", "http://proxy.example"),
        ({"HTTPS_PROXY": "http://proxy.example", "no_proxy": "a, 127.0.0.1"}, "ok", "asks"),
        ({"HTTPS_PROXY": "http://proxy.example", "NO_PROXY": "127.0.0.0/8"}, "ok", "asks"),
        ({"HTTPS_PROXY": "http://proxy.example", "NO_PROXY": "localhost"}, "wrong", "asks"),
    ],
)
def test_a_proxy_between_claude_code_and_its_base_url(
    environ: dict[str, str], mark: str, words: str
) -> None:
    base_url = {"ANTHROPIC_BASE_URL": "http://127.0.0.1:4000"}
    (one,) = doctor.way_in(base_url | environ, Path("ca.pem"))
    assert one.mark == mark
    assert words in one.what
    assert "hush" not in str(one)
    assert mark == "ok" or one.advice == 'NO_PROXY="$NO_PROXY,127.0.0.1"'


@pytest.mark.parametrize(
    ("proxy", "here", "mark"),
    [
        ("http://proxy.example:8080", "127.0.0.1", "note"),
        ("127.0.0.1:8090", "127.0.0.1", "wrong"),
        ("http://me:key@team.example:8080", "team.example", "wrong"),
    ],
)
def test_only_our_own_proxy_has_to_be_trusted(proxy: str, here: str, mark: str) -> None:
    found = doctor.way_in({"HTTPS_PROXY": proxy}, Path("ca.pem"), here=here)
    assert [*found][-1].mark == mark


def test_the_proxy_does_not_use_itself() -> None:
    environ = {
        "HTTPS_PROXY": "http://claude:key@127.0.0.1:8080",
        "HTTP_PROXY": "http://proxy.example",
        "ALL_PROXY": "socks5://nobody.example",
        "https_proxy": "",
        "PATH": "/bin",
    }
    kept = doctor.for_the_proxy(environ)
    assert kept == {name: environ[name] for name in environ if name != "HTTPS_PROXY"}


@pytest.mark.parametrize(
    ("rules", "verdict", "advice"),
    [
        (proxies.rules({"HTTPS_PROXY": "p.example"}), "unreachable", "HTTPS_PROXY names the right"),
        (proxies.rules({}, "p.example"), "unreachable", "upstream_proxy names the right"),
        (proxies.rules({}), "unreachable", "set HTTPS_PROXY or upstream_proxy"),
        (proxies.rules({}, "p.example"), "barred", "password in upstream_proxy, or have whoever"),
        (proxies.rules({}), "untrusted", "Certificates"),
    ],
)
def test_what_stands_in_the_way(rules: proxies.Rules, verdict: probe.Verdict, advice: str) -> None:
    profile = profiles.parse(
        'providers: {zai: {base_url: "https://api.z.ai", auth: none}}\nmodels: {glm: zai/glm-5}',
        {},
        "p.yaml",
    )
    (question,) = probe.questions(profile)
    assert advice in doctor.finding(question, probe.Answer(verdict, "why"), rules).advice
