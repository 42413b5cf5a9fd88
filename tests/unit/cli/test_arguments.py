from __future__ import annotations

import pytest

from claude_route.cli import arguments
from claude_route.cli import commands


@pytest.mark.parametrize(
    ("line", "command", "passed_on"),
    [
        ("", "up", ""),
        ("up", "up", ""),
        ("--set profile=team -p 8090", "up", "--set profile=team -p 8090"),
        ("up --web -q", "up", "-q"),
        ("--listen-host 0.0.0.0 --web", "up", "--listen-host 0.0.0.0"),
        ("up ~m GET", "up", "~m GET"),
        ("run", "run", ""),
        ("run -p hello --model glm", "run", "-p hello --model glm"),
        ("run --profile team --web -p hello", "run", "-p hello"),
        ("run --profile=team --base-url --web", "run", ""),
        ("run -- --web", "run", "--web"),
        ("run -p x --web", "run", "-p x --web"),
        ("run --exec curl -sS --web x", "run", "-sS --web x"),
        ("run --web --exec curl -- -sS", "run", "-sS"),
        ("run --exec curl x -- y", "run", "x -- y"),
        ("check team", "check", ""),
    ],
)
def test_what_is_ours_and_what_is_passed_on(line: str, command: str, passed_on: str) -> None:
    asked, rest = arguments.parse(line.split())
    assert asked.command == command
    assert rest == passed_on.split()


def test_the_options_of_run() -> None:
    line = ["run", "--profile", "team", "--base-url", "--web", "--exec", "curl", "x"]
    asked, _ = arguments.parse(line)
    assert (asked.profile, asked.base_url, asked.web, asked.exec) == ("team", True, True, "curl")
    asked, _ = arguments.parse(["run", "-p", "hello"])
    assert (asked.profile, asked.base_url, asked.web, asked.exec) == ("default", False, False, None)


@pytest.mark.parametrize("line", ["usage --sicne 7d", "usage --sinc 7d", "usage sicne=7d"])
def test_a_misspelt_option_is_an_error(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It names it, and the options that there are."""
    with pytest.raises(SystemExit):
        arguments.parse(line.split())
    shown = capsys.readouterr().err
    assert f"unrecognized arguments: {line.partition(' ')[2]}" in shown
    assert "[--since WHEN]" in shown


def test_every_command_is_listed() -> None:
    listed = arguments.make_parser().format_help().partition("COMMAND")[2]
    assert all(f"    {name} " in listed for name in commands.COMMANDS)
    assert listed.count("\n    ") >= len(commands.COMMANDS)
