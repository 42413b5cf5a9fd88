from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from claude_route.routing import health
from claude_route.routing import quota
from claude_route.store import file

NOW = 1_800_000_000.0
ONE, TWO = "sk-ant-oat01-store-00000001-tok1", "sk-ant-oat01-store-00000002-tok2"


def resting(seconds: float) -> health.Health:
    return health.Health((health.Held(quota.Rest(NOW + seconds, None, "429"), NOW),))


DISABLED = health.Health(disabled="401, revoked")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "claude-route" / file.NAME


def test_what_is_written_is_read(path: Path) -> None:
    assert file.read(path, [ONE, TWO], "a") == {}
    file.write(path, {ONE: resting(60), TWO: DISABLED}, "a", NOW)
    assert file.read(path, [ONE, TWO], "a") == {ONE: resting(60), TWO: DISABLED}
    assert file.read(path, [TWO], "b") == {TWO: health.Health()}
    assert file.read(path, ["another"], "a") == {}


def test_only_its_owner_can_read_it_and_it_has_no_secret(path: Path) -> None:
    file.write(path, {ONE: resting(60)}, "a", NOW)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert ONE[-8:] not in path.read_text()
    assert [each.name for each in path.parent.iterdir()] == [file.NAME]


def test_others_tokens_stay_until_they_are_over(path: Path) -> None:
    file.write(path, {ONE: resting(60), TWO: resting(600)}, "a", NOW)
    file.write(path, {"third": resting(600)}, "a", NOW + 100)
    assert len(json.loads(path.read_text())["tokens"]) == 2
    file.write(path, {TWO: health.Health()}, "a", NOW + 100)
    assert file.read(path, [TWO], "a") == {}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"tokens": 1}', "\x00"])
def test_a_file_that_is_none_of_ours(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(ValueError):
        file.read(path, [ONE], "a")
    file.write(path, {ONE: resting(60)}, "a", NOW)
    assert file.read(path, [ONE], "a") == {ONE: resting(60)}


def test_a_file_that_cannot_be_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write(path, {ONE: resting(60)}, "a", NOW)

    def full(descriptor: int) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        file.write(path, {ONE: resting(90)}, "a", NOW)
    assert file.read(path, [ONE], "a") == {ONE: resting(60)}
    assert [each.name for each in path.parent.iterdir()] == [file.NAME]
