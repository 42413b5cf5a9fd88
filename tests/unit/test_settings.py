from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from mitmproxy.addons import proxyserver
from mitmproxy.test import taddons

from claude_route import settings
from claude_route.access import guard
from claude_route.access import listeners
from claude_route.profile import profiles
from claude_route.proxy import gate
from tests.unit import states

PROFILE = """
providers: {zai: {base_url: "https://api.z.ai:8443/api", auth: bearer, api_key: zai-key-0123456789}}
models: {glm: zai/glm-5}
pool: {tokens: "sk-ant-oat01-pool-0000000001-pol1,sk-ant-oat01-pool-0000000002-pol2"}
intercept: [api.anthropic.com]
"""
ONE_TOKEN = PROFILE.replace("sk-ant-oat01-pool-0000000001-pol1,", "")


def parse(text: str) -> profiles.Profile:
    return profiles.parse(text, {}, "test.yaml")


def test_guard() -> None:
    environ = {"PROXY_STATIC_TOKEN": "static-0123456789-tokn"}
    addresses = frozenset({("api.z.ai", 8443)})
    made = settings.guard_of(parse(PROFILE), environ)
    assert made == guard.Guard("static-0123456789-tokn", False, addresses)
    assert settings.guard_of(parse(PROFILE + "open: true"), {}) == guard.Guard(
        None, True, addresses
    )
    assert settings.guard_of(parse(PROFILE), {"PROXY_STATIC_TOKEN": ""}).key is None
    environ["PROXY_STATIC_TOKEN_NEXT"] = "static-9876543210-next"
    assert settings.guard_of(parse(PROFILE), environ).next_key == "static-9876543210-next"


def test_a_new_profile_keeps_what_was_learnt() -> None:
    before = states.state_of(parse(PROFILE))
    before.pool.rest(2, 600)
    after = settings.next_state(before, parse(ONE_TOKEN), before.gate)
    assert after == dataclasses.replace(before, profile=after.profile, pool=after.pool)
    assert [row.state for row in after.pool.status()] == ["resting"]
    assert len(before.pool) == 2


def test_the_first_state_is_empty() -> None:
    first = settings.next_state(None, parse(ONE_TOKEN), gate.Gate())
    assert [row.state for row in first.pool.status()] == ["available"]


@pytest.fixture
def entry() -> listeners.Listeners:
    return listeners.Listeners()


@pytest.fixture
def addon(
    entry: listeners.Listeners, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[settings.Settings]:
    """In a mitmproxy that is running, in its own folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PROXY_STATIC_TOKEN", raising=False)
    (tmp_path / "p.yaml").write_text(PROFILE)
    server = proxyserver.Proxyserver()
    server.is_running = True
    made = settings.Settings(entry)
    with taddons.context(server, made, loadcore=False) as context:
        context.configure(made, profile="p.yaml")
        yield made


def test_a_profile_comes_into_force(addon: settings.Settings, entry: listeners.Listeners) -> None:
    assert addon.state
    assert addon.state.profile.name == "p"
    assert entry.guard.provider_addresses == {("api.z.ai", 8443)}


def test_a_wrong_profile_changes_nothing(
    addon: settings.Settings, entry: listeners.Listeners, tmp_path: Path
) -> None:
    state, guarded = addon.state, entry.guard
    (tmp_path / "p.yaml").write_text("models: 3")
    addon._reload()
    assert addon.state is state
    assert entry.guard is guarded


async def test_a_change_before_the_start_is_over_is_noticed(
    addon: settings.Settings, entry: listeners.Listeners, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("PROXY_STATIC_TOKEN=static-0123456789-tokn")
    addon.running()
    assert addon._watch
    addon._watch.look()
    addon.done()
    assert entry.guard.key == "static-0123456789-tokn"


def test_a_changed_one_is_in_force(
    addon: settings.Settings, entry: listeners.Listeners, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("PROXY_STATIC_TOKEN=static-0123456789-tokn")
    (tmp_path / "p.yaml").write_text(ONE_TOKEN)
    addon._reload()
    assert addon.state
    assert len(addon.state.pool) == 1
    assert entry.guard.key == "static-0123456789-tokn"


@pytest.mark.parametrize("text", [None, "", "PROXY_STATIC_TOKEN=", "OTHER=1"])
def test_a_key_that_is_gone_stays_in_force(
    addon: settings.Settings,
    entry: listeners.Listeners,
    tmp_path: Path,
    text: str | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = tmp_path / ".env"
    path.write_text("PROXY_STATIC_TOKEN=static-0123456789-tokn")
    addon._reload()
    if text is None:
        path.unlink()
    else:
        path.write_text(text)
    addon._reload()
    assert entry.guard.key == "static-0123456789-tokn"
    assert "PROXY_STATIC_TOKEN is gone" in caplog.text
    assert "static-0123456789" not in caplog.text
    path.write_text("PROXY_STATIC_TOKEN=another-0123456789-tokn")
    addon._reload()
    assert entry.guard.key == "another-0123456789-tokn"


def test_a_changeover(addon: settings.Settings, entry: listeners.Listeners, tmp_path: Path) -> None:
    path = tmp_path / ".env"
    old, new = "static-0123456789-tokn", "static-9876543210-next"
    seen = []
    for lines in (
        f"PROXY_STATIC_TOKEN={old}",
        f"PROXY_STATIC_TOKEN={old}\nPROXY_STATIC_TOKEN_NEXT={new}",
        f"PROXY_STATIC_TOKEN={new}",
        f"PROXY_STATIC_TOKEN_NEXT={old}",
        "",
    ):
        path.write_text(lines)
        addon._reload()
        seen.append((entry.guard.has(old), entry.guard.has(new)))
    assert seen == [(True, False), (True, True), (False, True), (True, False), (True, False)]


def test_the_working_directory_is_removed(
    addon: settings.Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """With it goes its `.env`, and what looks for changes goes on."""
    folder = tmp_path / "removed"
    folder.mkdir()
    monkeypatch.chdir(folder)
    before = addon.state
    folder.rmdir()
    addon._reload()
    assert addon.state is before
    assert "keeping the previous profile" in caplog.text


@pytest.mark.parametrize("data", ["X=1".encode("utf-16"), b"PROXY_STATIC_TOKEN: another"])
def test_an_environment_file_is_never_read_by_half(
    addon: settings.Settings,
    entry: listeners.Listeners,
    tmp_path: Path,
    data: bytes,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = tmp_path / ".env"
    path.write_text("PROXY_STATIC_TOKEN=static-0123456789-tokn")
    addon._reload()
    before = addon.state
    path.write_bytes(data)
    addon._reload()
    assert addon.state is before
    assert entry.guard.key == "static-0123456789-tokn"
    assert f"{path}: " in caplog.text
    assert "keeping the previous profile" in caplog.text


CLIENTS = f"""
clients:
  alice: {{key: "sha256:{hashlib.sha256(b"cr-alice").hexdigest()}"}}
  bob: {{key: "sha256:{hashlib.sha256(b"cr-bob").hexdigest()}"}}
"""


def test_clients_of_the_profile(
    addon: settings.Settings,
    entry: listeners.Listeners,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    seen = []
    without_bob = "\n".join(line for line in CLIENTS.splitlines() if "bob" not in line)
    for text in (CLIENTS, without_bob, "", CLIENTS, "clients: {}"):
        (tmp_path / "p.yaml").write_text(PROFILE + text)
        addon._reload()
        has = (entry.guard.has("cr-alice"), entry.guard.has("cr-bob"))
        seen.append((entry.guard.needs_key, *has))
    nobody = (True, False, False)
    assert seen == [(True, True, True), (True, True, False), nobody, (True, True, True), nobody]
    assert caplog.text.count("The profile has no clients any more") == 2


def test_what_clients_have_used_survives_a_reload(addon: settings.Settings, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(PROFILE + CLIENTS)
    addon._reload()
    assert addon.state
    before = addon.state.gate
    (tmp_path / "p.yaml").write_text(PROFILE + CLIENTS + "open: true")
    addon._reload()
    assert addon.state.gate is before
