"""README.md is true: each of its commands is known here, and run as written."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import simulator
from tests.wire import claude_code
from tests.wire import proxies

README = (proxies.ROOT / "README.md").read_text()
CI = (proxies.ROOT / ".ci" / "run").read_text()

INSTALL = "pip install uv"
RUN = "uv run mitmdump -s addons/route.py"
TEST = "uv run --dev pytest"
COMMAND = "uv run claude-route run"
DEMO = "uv run mitmdump -s addons/route.py -s demo.py --set profile=demo"
TUNNEL = (
    "HTTPS_PROXY=http://127.0.0.1:8080 "
    "NODE_EXTRA_CA_CERTS=~/.mitmproxy/mitmproxy-ca-cert.pem claude"
)
REVERSE = "ANTHROPIC_BASE_URL=http://127.0.0.1:4000 claude"
HELLO = "ANTHROPIC_BASE_URL=http://127.0.0.1:4000 ANTHROPIC_API_KEY=demo claude -p hello"
CURL = (
    "curl http://127.0.0.1:4000/v1/messages -H 'anthropic-version: 2023-06-01' -d "
    '\'{"model": "sim-529", "max_tokens": 99, '
    '"messages": [{"role": "user", "content": "hello"}]}\''
)

PORTS = (8080, 4000, 9100)
"""The listeners, and the demo's provider."""

SECRETS = ("CLAUDE_OAUTH_TOKENS", "CLAUDE_TOKEN_MODE", "PROXY_STATIC_TOKEN")
"""Set to nothing, for .env is read in the repository's root."""


def commands() -> Iterator[str]:
    for block in re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL):
        for line in re.sub(r"\s*\\\n\s*", " ", block).splitlines():
            yield from line.split(" && ")


def test_every_command_is_known() -> None:
    assert set(commands()) == {*(INSTALL, RUN, TEST, COMMAND, DEMO, TUNNEL, REVERSE, HELLO, CURL)}


def test_it_is_short() -> None:
    assert len(README.splitlines()) < 150


def test_ci_installs_and_tests_as_it_says() -> None:
    """It runs this very test with the second of these."""
    assert re.search(rf"{INSTALL.replace(' uv', '( --quiet)? uv')}$", CI, re.MULTILINE)
    assert re.search(rf"^{TEST}$", CI, re.MULTILINE)


class Started:
    """A command of the README, run in the repository's root with an empty home folder."""

    def __init__(self, command: str, home: Path, *more: str) -> None:
        self.home = home
        self.log_path = home / "log.txt"
        inherited = {key: value for key, value in os.environ.items() if key.startswith("UV_")}
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [*shlex.split(command), *more],
                cwd=proxies.ROOT,
                # The environment is there: these tests run in it.
                env=environ(home) | inherited | dict.fromkeys(SECRETS, "") | {"UV_NO_SYNC": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            proxies.wait_until(self.is_up, seconds=2 * proxies.PATIENCE)
        except AssertionError:
            self.close()
            raise

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def is_up(self) -> bool:
        assert self.process.poll() is None, self.log
        try:
            return httpx.get("http://127.0.0.1:4000/health", trust_env=False).is_success
        except httpx.TransportError:
            return False

    def shell(self, command: str, folder: Path | None = None) -> str:
        """What a command prints, typed in another terminal with the same home folder."""
        if folder is None:
            folder = self.home / "work"
            folder.mkdir(exist_ok=True)
        return claude_code.printed(
            ["sh", "-c", command], folder, environ(self.home) | claude_code.ENVIRON
        )

    def close(self) -> None:
        if self.process.poll() is not None:
            return
        # uv and what it started
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(proxies.PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def environ(home: Path) -> dict[str, str]:
    path = os.environ["PATH"]
    if claude_code.CLAUDE:
        path = f"{Path(claude_code.CLAUDE).parent}{os.pathsep}{path}"
    return {"PATH": path, "HOME": str(home), "PYTHONUNBUFFERED": "1"}


def require_ports_and_uv() -> None:
    if shutil.which("uv") is None:
        pytest.skip("uv is not installed")
    for port in PORTS:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                pytest.skip(f"port {port} is in use, and the README's commands need it")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """Claude Code's own requests to api.anthropic.com reach a simulator, too."""
    require_ports_and_uv()
    home = tmp_path_factory.mktemp("demo")
    with simulator.Simulator(tls=True) as anthropic:
        started = Started(DEMO, home, *proxies.anthropic_here(anthropic.port, home))
        yield started
        started.close()


def test_run(tmp_path: Path) -> None:
    require_ports_and_uv()
    started = Started(RUN, tmp_path)
    try:
        proxies.wait_until(lambda: f"{REVERSE}\n" in started.log)
        certificate = tmp_path / ".mitmproxy" / "mitmproxy-ca-cert.pem"
        line = TUNNEL.replace("~/.mitmproxy/mitmproxy-ca-cert.pem", str(certificate))
        assert f"{line}\n" in started.log
        assert certificate.exists()
        assert "Profile default" in started.log
    finally:
        started.close()


@pytest.mark.client
@claude_code.needs_claude
@pytest.mark.parametrize("command", [HELLO, f"{REVERSE} -p hello", f"{TUNNEL} -p hello"])
def test_claude_is_answered(demo: Started, command: str) -> None:
    assert demo.shell(command) == "You said: hello"


@pytest.mark.client
@claude_code.needs_claude
def test_claude_through_a_proxy_of_its_own(demo: Started) -> None:
    """With --base-url, so that all its requests end at the demo's provider."""
    command = f"UV_NO_SYNC=1 {COMMAND} --base-url --profile demo -p hello"
    assert demo.shell(command, proxies.ROOT) == "You said: hello"


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl(demo: Started) -> None:
    head, _, body = demo.shell(f"{CURL} --silent --include").partition("\n\n")
    headers = dict(line.split(": ", 1) for line in head.splitlines()[1:])
    assert headers["x-route-target"] == "zai/glm-5"
    assert headers["x-route-attempts"] == "3"
    assert json.loads(body)["content"][-1]["text"] == "You said: hello"
