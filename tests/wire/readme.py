"""The README's commands, and how tests start them: as written, in the repository's root."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest

from tests.wire import claude_code
from tests.wire import proxies

INSTALL = "pipx install uv"
RUN = "uv run mitmdump -s addons/route.py"
TEST = "uv run --dev pytest -n 3 --dist loadfile"
COMMAND = "uv run claude-route run"
DEMO = "uv run mitmweb -s addons/route.py -s demo.py --set profile=demo"
ZAI = f"ZAI_API_KEY=… {RUN} --set profile=zai"
LOCAL = f"LOCAL_MODEL=ollama/qwen3-coder {RUN} --set profile=local"
LITELLM = f"PROXY_STATIC_TOKEN=… {RUN} --set profile=config.yaml"
TUNNEL = (
    "HTTPS_PROXY=http://127.0.0.1:8080 "
    "NODE_EXTRA_CA_CERTS=~/.mitmproxy/mitmproxy-ca-cert.pem claude"
)
REVERSE = "ANTHROPIC_BASE_URL=http://127.0.0.1:4000 claude"
WITHOUT_LOGIN = "ANTHROPIC_BASE_URL=http://127.0.0.1:4000 ANTHROPIC_AUTH_TOKEN=any claude"
ASK_LOCAL = f"{WITHOUT_LOGIN} --model ollama/qwen3-coder"
HELLO = "ANTHROPIC_BASE_URL=http://127.0.0.1:4000 ANTHROPIC_API_KEY=demo claude -p hello"
CURL = (
    "curl http://127.0.0.1:4000/v1/messages -H 'anthropic-version: 2023-06-01' -d "
    '\'{"model": "sim-529", "max_tokens": 99, '
    '"messages": [{"role": "user", "content": "hello"}]}\''
)

PORTS = (8080, 4000, 8081, 9100)
"""The listeners, mitmweb, and the demo's provider."""

SECRETS = ("CLAUDE_OAUTH_TOKENS", "CLAUDE_TOKEN_MODE", "PROXY_STATIC_TOKEN")
"""Set to nothing, for .env is read in the repository's root."""


class Started:
    """A command of the README, run in the repository's root with an empty home folder."""

    def __init__(
        self, command: str, home: Path, *more: str, environ: Mapping[str, str] | None = None
    ) -> None:
        """`more` are arguments beside those of the command."""
        self.home = home
        self.log_path = home / "log.txt"
        inherited = {key: value for key, value in os.environ.items() if key.startswith("UV_")}
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                # `env`, since the command may begin with variables.
                ["env", *shlex.split(command), *more],
                cwd=proxies.ROOT,
                # The environment is there: these tests run in it.
                env=environment(home)
                | inherited
                | dict.fromkeys(SECRETS, "")
                | {"UV_NO_SYNC": "1"}
                | dict(environ or {}),
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

    def shell(
        self,
        command: str,
        folder: Path | None = None,
        environ: Mapping[str, str] = claude_code.ENVIRON,
    ) -> str:
        """What a command prints, typed in another terminal with the same home folder."""
        if folder is None:
            folder = self.home / "work"
            folder.mkdir(exist_ok=True)
        return claude_code.printed(
            ["sh", "-c", command], folder, environment(self.home) | dict(environ)
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


def environment(home: Path) -> dict[str, str]:
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
