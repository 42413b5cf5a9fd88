from __future__ import annotations

from pathlib import Path

import pytest

from claude_route.profile import files


def test_locate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "profiles"
    folder.mkdir()
    (folder / "default.yaml").touch()
    (folder / "team.yml").touch()
    (tmp_path / "team").touch()
    (tmp_path / "config.yaml").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert files.locate("default", folder) == folder / "default.yaml"
    assert files.locate("default.yaml", folder) == folder / "default.yaml"
    assert files.locate("team", folder) == folder / "team.yml"
    assert files.locate("team.yml", folder) == folder / "team.yml"
    (tmp_path / "team.yml").touch()
    assert files.locate("team", folder) == folder / "team.yml"
    assert files.locate("team.yml", folder) == Path("team.yml")
    assert files.locate("./team", folder) == Path("team")
    assert files.locate("config.yaml", folder) == Path("config.yaml")
    assert files.locate("profiles/default.yaml", folder) == Path("profiles/default.yaml")
    assert files.locate("~/config.yaml", folder) == tmp_path / "config.yaml"
    for name in ("nope", "", ".", "profiles", "../x.yaml", "/", "a\0b", "~nobody-here/x"):
        with pytest.raises(ValueError, match=r"^profile: expected a path or one of default, team"):
            files.locate(name, folder)


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("./nope.yaml", "got './nope.yaml': there is no such file"),
        ("nope.yml", "got 'nope.yml': there is no such file"),
        ("../nope", "got '../nope': there is no such file"),
        ("teem", "got 'teem': did you mean team?"),
        ("unlike", "got 'unlike'"),
    ],
)
def test_a_profile_that_is_not_there(tmp_path: Path, name: str, end: str) -> None:
    for existing in ("default", "team"):
        (tmp_path / f"{existing}.yaml").touch()
    with pytest.raises(ValueError) as refused:
        files.locate(name, tmp_path)
    assert str(refused.value) == f"profile: expected a path or one of default, team, {end}"


def test_environment(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    real = {"ZAI_API_KEY": "real", "EMPTY": ""}
    assert files.environment(tmp_path, real) == real
    path = tmp_path / ".env"
    path.write_text(
        "\ufeffZAI_API_KEY=file\nEMPTY=file\n# no\nexport KIMI_API_KEY='k#1' # a comment\n"
        'DOLLAR=a${HOME}$b\nBARE\nTOKENS=a,b\nQUOTED="é"\n',
        encoding="utf-8",
    )
    assert files.environment(tmp_path, real) == {
        **real,
        "KIMI_API_KEY": "k#1",
        "DOLLAR": "a${HOME}$b",
        "TOKENS": "a,b",
        "QUOTED": "é",
    }
    assert not caplog.records


def test_an_odd_environment_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / ".env"
    path.write_bytes(b"A=1\nB=2\n'\n")
    with pytest.raises(ValueError, match=rf"^{path}: line 3: expected NAME=value$"):
        files.environment(tmp_path, {"E": "5"})
    path.unlink()
    path.mkdir()
    assert files.environment(tmp_path, {"E": "5"}) == {"E": "5"}
    assert f"Cannot read {path}: Is a directory" in caplog.text
