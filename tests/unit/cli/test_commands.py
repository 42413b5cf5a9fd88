from __future__ import annotations

import json
from pathlib import Path

import pytest

import claude_route
from claude_route.cli import commands

PROFILE = """
providers:
  anthropic: {base_url: https://api.anthropic.com}
  zai: {base_url: https://api.z.ai/api/anthropic, api_key: "${ZAI_API_KEY}"}
models: {glm: zai/glm-5, claude-*: anthropic/claude-*}
fallbacks: {claude-*: [glm]}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a profile and no variables."""
    (tmp_path / "p.yaml").write_text(PROFILE)
    monkeypatch.chdir(tmp_path)
    for name in ("ZAI_API_KEY", "PROXY_STATIC_TOKEN", "CLAUDE_OAUTH_TOKENS", "CLAUDE_TOKEN_MODE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.mark.parametrize(
    "arguments",
    ["wash", "run --exec", "run --profile", "check a b", "explain", "up --web --console"],
)
def test_what_is_no_command(arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        commands.main(arguments.split())
    assert ended.value.code == 2
    assert "usage: claude-route" in capsys.readouterr().err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        commands.main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(
        f"claude-route {claude_route.__version__} on mitmproxy"
    )


@pytest.mark.parametrize("command", ["", "run", "up"])
def test_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        commands.main([*command.split(), "--help"])
    assert ended.value.code == 0
    assert "claude-route" in capsys.readouterr().out


def test_check(capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.main(["check", "p.yaml"]) == 0
    assert "Profile p (p.yaml)" in capsys.readouterr().out


def test_check_reads_the_env_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / ".env").write_text("ZAI_API_KEY=zai-key-0123456789\n")
    commands.main(["check", "p.yaml"])
    printed = capsys.readouterr().out
    assert "not set" not in printed
    assert "zai-key" not in printed


@pytest.mark.parametrize("command", ["check", "explain glm --profile", "run --profile"])
def test_a_wrong_profile_is_one_line(
    command: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "wrong.yaml").write_text("providers: 3")
    assert commands.main([*command.split(), "wrong.yaml"]) == 1
    printed = capsys.readouterr()
    assert printed.err.startswith(f"claude-route {command.split()[0]}: wrong.yaml: ")
    assert printed.err.count("\n") == 1
    assert printed.out == ""


def test_explain(capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.main(["explain", "claude-x", "--profile", "p.yaml"]) == 0
    printed = capsys.readouterr().out
    assert "1. anthropic/claude-x at https://api.anthropic.com" in printed
    assert "glm is zai/glm-5: ZAI_API_KEY is not set" in printed


@pytest.mark.parametrize(
    ("model", "status", "why"),
    [
        ("claude-x", 0, "goes to these targets"),
        ("glm", 1, "ZAI_API_KEY is not set"),
        ("nope", 1, "is not one of the models"),
    ],
)
def test_explain_fails_for_a_model_that_nobody_answers(
    model: str, status: int, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert commands.main(["explain", model, "--profile", "p.yaml"]) == status
    assert why in capsys.readouterr().out


def test_import_with_an_env_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "config.yaml").write_text(
        json.dumps(
            {"model_list": [{"model_name": "x", "litellm_params": {"model": "anthropic/claude-x"}}]}
        )
    )
    (folder / "litellm.env").write_text("CLAUDE_OAUTH_TOKENS=a,b")
    assert commands.main(["import", "config.yaml", "--env", "litellm.env"]) == 0
    assert "x: anthropic/claude-x" in capsys.readouterr().out
    assert commands.main(["import", "config.yaml", "--env", "none.env"]) == 1
    assert "--env: expected a file, got 'none.env'" in capsys.readouterr().err


def test_key(capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.main(["key", "alice"]) == 0
    assert "alice" in capsys.readouterr().out
    assert commands.main(["key", "a b"]) == 1
    assert capsys.readouterr().out == ""


def test_a_program_that_is_not_there(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(folder))
    assert commands.main(["run", "--profile", "p.yaml"]) == 127
    assert "claude is not installed, or not on PATH" in capsys.readouterr().err
    assert commands.main(["run", "--profile", "p.yaml", "--exec", "nothing"]) == 127
    assert capsys.readouterr().err == "claude-route run: nothing: no such program\n"


def test_what_is_unknown_shows_the_usage_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        commands.main(["check", "--profil", "demo"])
    assert capsys.readouterr().err.startswith("usage: claude-route check ")


def test_check_takes_a_profile_either_way(capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.main(["check", "--profile", "demo"]) == 0
    named = capsys.readouterr().out
    assert commands.main(["check", "demo"]) == 0
    assert capsys.readouterr().out == named


@pytest.mark.parametrize(
    "arguments", [["check", ""], ["check", "--profile", ""], ["explain", "glm", "--profile", ""]]
)
def test_an_unset_variable_is_no_profile(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert commands.main(arguments) == 1
    assert "profile: expected a path or one of" in capsys.readouterr().err
