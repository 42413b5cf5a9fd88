"""The command in a clone: programs with a proxy of their own, signals and exit status."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import claude_route
import simulator
from claude_route.cli import private_proxy
from simulator import ports
from tests.wire import claude_code
from tests.wire import command
from tests.wire import proxies

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
needs_ps = pytest.mark.skipif(shutil.which("ps") is None, reason="ps is not installed")

ANTHROPIC = "https://api.anthropic.com/v1/messages"

TRAPS = """
for signal in INT QUIT TERM HUP WINCH; do trap "echo $signal; trap - EXIT; exit 5" $signal; done
echo "$HTTPS_PROXY" > proxy.part && mv proxy.part proxy.txt
while :; do sleep 0.05; done
"""
"""Says which signal came, and that it is up."""


@pytest.fixture
def cli(tmp_path: Path, sim: simulator.Simulator) -> command.Command:
    made = command.in_clone(tmp_path)
    made.write_profile(sim.url)
    return made


def wait_for_program(cli: command.Command, process: subprocess.Popen[str]) -> int:
    """The port of the proxy that the program of TRAPS uses."""
    path = cli.folder / "proxy.txt"

    def is_up() -> bool:
        assert process.poll() is None, process.communicate()
        return path.exists()

    proxies.wait_until(is_up, seconds=4 * proxies.PATIENCE)
    port = urlsplit(path.read_text().strip()).port
    assert port
    return port


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@needs_curl
def test_a_program_through_the_forward_listener(
    cli: command.Command, sim: simulator.Simulator
) -> None:
    answer = cli.printed(
        *("run", "--profile", "p.yaml", "--exec", *command.CURL, ANTHROPIC), NO_PROXY="*"
    )
    assert json.loads(answer)["content"][-1]["text"] == "You said: hi"
    assert sim.requests
    assert cli.left_behind() == []
    assert not (cli.folder / ".mitmproxy").exists()


@needs_curl
@pytest.mark.parametrize("key", ["", "cr-of-all-clients"])
def test_a_program_through_the_reverse_listener(cli: command.Command, key: str) -> None:
    script = f'{" ".join(map(repr, command.CURL))} -H "$ANTHROPIC_CUSTOM_HEADERS" $ANTHROPIC_BASE_URL/v1/messages'
    answer = cli.printed(
        *("run", "--base-url", "--profile", "p.yaml", "--exec", "sh", "-c", script),
        PROXY_STATIC_TOKEN=key,
        HTTP_PROXY="http://127.0.0.1:1",
    )
    assert json.loads(answer)["content"][-1]["text"] == "You said: hi"


@needs_curl
def test_the_key_goes_along_to_the_forward_listener(cli: command.Command) -> None:
    arguments = ("run", "--profile", "p.yaml", "--exec", *command.CURL, ANTHROPIC)
    answer = cli.printed(*arguments, PROXY_STATIC_TOKEN="cr-of: all/clients")
    assert json.loads(answer)["content"][-1]["text"] == "You said: hi"


@needs_curl
def test_with_mitmweb(cli: command.Command) -> None:
    run = cli.run("run", "--web", "--profile", "p.yaml", "--exec", *command.CURL, ANTHROPIC)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["content"][-1]["text"] == "You said: hi"
    assert run.stderr.startswith("claude-route: watch it at http://127.0.0.1:")
    assert "/sessions?token=" in run.stderr


@needs_curl
def test_mitmweb_opens_the_page_of_the_session(cli: command.Command) -> None:
    opened = cli.folder / "opened"
    browser = cli.folder / "bin" / "wslview"
    browser.parent.mkdir()
    browser.write_text(f'#!/bin/sh\necho "$1" >> {shlex.quote(str(opened))}\n')
    browser.chmod(0o755)
    curl = shlex.join([*command.CURL, "-H", "x-claude-code-session-id: 0f8d-1"])
    script = f"""
    {curl} {ANTHROPIC} && {curl} {ANTHROPIC} || exit 1
    for i in $(seq 100); do [ -s {shlex.quote(str(opened))} ] && exit 0; sleep 0.1; done; exit 2
    """
    path = f"{browser.parent}{os.pathsep}{cli.environ['PATH']}"
    run = cli.run("run", "--web", "--profile", "p.yaml", "--exec", "sh", "-c", script, PATH=path)
    assert run.returncode == 0, run.stderr
    (url,) = opened.read_text().splitlines()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/sessions/0f8d-1\?token=\w+", url)


@pytest.mark.client
@claude_code.needs_claude
@pytest.mark.parametrize("arguments", [[], ["--base-url"]])
def test_claude(cli: command.Command, arguments: list[str]) -> None:
    printed = cli.printed("run", "--profile", "p.yaml", *arguments, "-p", "hello")
    assert printed == "You said: hello"
    assert cli.left_behind() == []


@needs_curl
def test_a_provider_that_fails_is_reported_at_once(cli: command.Command) -> None:
    (cli.folder / "p.yaml").write_text(command.PROFILE.format(url="http://127.0.0.1:9"))
    script = f"""
    {shlex.join([part for part in command.CURL if part != "--fail"])} {ANTHROPIC} > answer.txt
    sleep 1; exit 4
    """
    run = cli.run("run", "--profile", "p.yaml", "--exec", "sh", "-c", script)
    assert run.returncode == 4
    assert "claude-route: claude-x: anthropic/claude-x no connection to 127.0.0.1:9" in (run.stderr)


@pytest.mark.parametrize(
    ("script", "status"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137), ("kill $$", 143)]
)
def test_exit_status(cli: command.Command, script: str, status: int) -> None:
    run = cli.run("run", "--profile", "p.yaml", "--exec", "sh", "-c", script)
    assert (run.returncode, run.stdout, run.stderr) == (status, "", "")
    assert cli.left_behind() == []


def test_the_terminal_is_passed_on(cli: command.Command) -> None:
    process = subprocess.run(
        [*cli.command, "run", "--profile", "p.yaml", "--exec", "cat"],
        cwd=cli.folder,
        env=cli.environ,
        input="what is typed",
        capture_output=True,
        text=True,
        timeout=4 * proxies.PATIENCE,
        check=True,
    )
    assert process.stdout == "what is typed"


def to_group(process: subprocess.Popen[str], number: int) -> None:
    """As the terminal does."""
    os.killpg(process.pid, number)


def to_process(process: subprocess.Popen[str], number: int) -> None:
    process.send_signal(number)


@pytest.mark.parametrize(
    ("send", "name"),
    [
        (to_group, "INT"),
        (to_process, "INT"),
        (to_process, "QUIT"),
        (to_process, "TERM"),
        (to_process, "HUP"),
        (to_process, "WINCH"),
    ],
)
def test_signals_are_the_programs(
    cli: command.Command, send: Callable[[subprocess.Popen[str], int], None], name: str
) -> None:
    process = cli.start("run", "--profile", "p.yaml", "--exec", "sh", "-c", TRAPS)
    port = wait_for_program(cli, process)
    assert is_open(port)
    send(process, signal.Signals[f"SIG{name}"])
    out, err = process.communicate(timeout=proxies.PATIENCE)
    assert (process.returncode, out, err) == (5, f"{name}\n", "")
    assert not is_open(port)
    assert cli.left_behind() == []


def test_a_killed_command_leaves_no_proxy(cli: command.Command) -> None:
    process = cli.start("run", "--profile", "p.yaml", "--exec", "sh", "-c", TRAPS)
    port = wait_for_program(cli, process)
    process.kill()
    process.wait()
    proxies.wait_until(lambda: not is_open(port))
    proxies.wait_until(lambda: cli.left_behind() == [])
    to_group(process, signal.SIGKILL)  # the program, which nobody can have ended
    process.communicate()


def test_a_signal_before_the_program_runs(cli: command.Command) -> None:
    process = cli.start("run", "--profile", "p.yaml", "--exec", "sh", "-c", "echo ran")
    proxies.wait_until(lambda: cli.left_behind() != [])
    process.terminate()
    out, _ = process.communicate(timeout=2 * proxies.PATIENCE)
    assert process.returncode in (143, -signal.SIGTERM)
    assert out == ""
    assert cli.left_behind() == []


@needs_ps
def test_a_proxy_that_dies_is_reported_with_its_log(cli: command.Command) -> None:
    script = """
    for pid in $(ps -A -o ppid=,pid= | awk -v parent=$PPID '$1 == parent {print $2}'); do
        [ $pid = $$ ] || kill -9 $pid
    done
    sleep 0.5; exit 3
    """
    run = cli.run("run", "--profile", "p.yaml", "--exec", "sh", "-c", script)
    assert run.returncode == 3
    first, last = run.stderr.splitlines()
    assert first == "claude-route: the proxy ended while sh ran"
    log = Path(last.removeprefix("claude-route: the proxy's log: "))
    assert claude_route.__version__ in log.read_text()
    assert [path.name for path in log.parent.iterdir()] == [log.name]


def test_a_proxy_that_cannot_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    proxy = private_proxy.PrivateProxy("/none.yaml", "regular", web=False)
    with pytest.raises(ChildProcessError, match="could not start"):
        proxy.wait(lambda: None)
    proxy.close(keep_log=True)
    assert "profile: expected a path or one of" in proxy.log.read_text()
    assert list(proxy.folder.iterdir()) == [proxy.log]


def test_up_and_status(cli: command.Command, sim: simulator.Simulator) -> None:
    port = ports.free()
    url = f"http://127.0.0.1:{port}"
    process = cli.start(
        *("up", "--profile", "p.yaml", "--mode", f"reverse:{sim.url}@127.0.0.1:{port}"),
        PROXY_STATIC_TOKEN="cr-key",
        PYTHONUNBUFFERED="1",
    )
    try:
        proxies.wait_until(lambda: is_open(port), seconds=2 * proxies.PATIENCE)
        printed = cli.printed("status", "--url", url, PROXY_STATIC_TOKEN="cr-key")
        assert printed.startswith("Profile p, up for ")
        report = json.loads(
            cli.printed("status", "--url", url, "--json", PROXY_STATIC_TOKEN="cr-key")
        )
        assert report["profile"] == "p"
        refused = cli.run("status", "--url", url)
        assert refused.returncode == 1
        assert "requires a key: set PROXY_STATIC_TOKEN" in refused.stderr
    finally:
        process.terminate()
        out, _ = process.communicate(timeout=proxies.PATIENCE)
    assert f"claude-route {claude_route.__version__} on mitmproxy" in out


def test_up_without_a_profile_ends_as_mitmdump_does(cli: command.Command) -> None:
    run = cli.run("--set", "profile=none")
    assert run.returncode == 1
    assert "profile: expected a path or one of" in run.stdout + run.stderr
