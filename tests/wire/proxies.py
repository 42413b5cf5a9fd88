"""A real mitmdump process with our addons, for tests over the wire."""

from __future__ import annotations

import json
import os
import re
import resource
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from simulator import ports
from tests import paths

ROOT = paths.ROOT
ADDONS = ROOT / "addons" / "route.py"

API_KEY = "sk-ant-api03-client-0000000000-cLnt"
"""The credentials of the tests' clients."""

PATIENCE = 60.0
"""Seconds within which all that is waited for comes, on a slow and busy machine too."""

EVERY_CONNECTION = httpx.Limits(max_connections=None, max_keepalive_connections=None)
"""For clients of many threads. A pool that closes what it has too many of closes, now and then, a connection that
another thread is about to use (EBADF)."""

NOWHERE = "http://127.0.0.1:9"
"""What passes through goes there unless a test says otherwise: it never leaves the machine."""

POOL = tuple(f"sk-ant-oat01-pool-000000000{n}-pol{n}" for n in range(1, 6))


def profile(url: str, **changes: Any) -> dict[str, Any]:
    """Anthropic and two others, all of them one simulator; changes replace top-level keys."""
    return {
        "providers": {
            "anthropic": {"base_url": url, "auth": "pool"},
            "zai": {
                "base_url": f"{url}/provider/zai",
                "auth": "bearer",
                "api_key": "zai-key-0123456789",
            },
            "kimi": {
                "base_url": f"{url}/provider/kimi",
                "auth": "x-api-key",
                "api_key": "kimi-key-98765432",
            },
        },
        "models": {
            "glm": "zai/glm-5",
            "kimi": "kimi/kimi-for-coding",
            "claude-*": "anthropic/claude-*",
        },
        **changes,
    }


def anthropic_here(port: int, folder: Path) -> list[str]:
    """Arguments that make connections to api.anthropic.com reach a TLS simulator instead."""
    script = folder / "anthropic_here.py"
    script.write_text(f"""
def server_connect(data):
    if data.server.address == ("api.anthropic.com", 443):
        data.server.address = ("127.0.0.1", {port})
""")
    return ["-s", str(script), "--set", "ssl_insecure=true"]


def patient_with_redis(folder: Path) -> list[str]:
    """Arguments that make a proxy wait for Redis' answers, which may be late on a busy machine, rather than go
    on without it."""
    script = folder / "patient.py"
    script.write_text("from claude_route.store import link\nlink.PATIENCE = link.TIMEOUT = 10.0\n")
    return ["-s", str(script)]


class Proxy:
    """The constructor starts it; `close()` ends it. Its log is a file, so that no pipe fills up."""

    def __init__(
        self,
        folder: Path,
        profile: Mapping[str, Any] | str,
        *,
        profile_name: str | None = None,
        environ: Mapping[str, str] | None = None,
        behind: str = NOWHERE,
        arguments: Sequence[str] = (),
        modes: Sequence[str] | None = None,
        upstream: str | None = None,
        tool: str = "mitmdump",
        script: Path = ADDONS,
        wait: bool = True,
        files: int | None = None,
    ) -> None:
        """`files` limits how many it may open."""
        self.folder = folder
        self.profile_path = folder / "profile.yaml"
        self.write_profile(profile)
        self.reverse_port, self.proxy_port = ports.free(), ports.free()
        self.url = f"http://127.0.0.1:{self.reverse_port}"
        self.proxy_url = f"http://127.0.0.1:{self.proxy_port}"
        self.log_path = folder / "log.txt"
        self.confdir = folder / "mitmproxy"
        if modes is None:
            modes = (
                f"{f'upstream:{upstream}' if upstream else 'regular'}@127.0.0.1:{self.proxy_port}",
                f"reverse:{behind}@127.0.0.1:{self.reverse_port}",
            )
        command = [
            str(Path(sys.executable).parent / tool),
            *("-s", str(script)),
            *("--set", f"profile={profile_name or self.profile_path}"),
            *("--set", f"confdir={self.confdir}"),
            *(part for mode in modes for part in ("--mode", mode)),
            *arguments,
        ]
        inherited = {
            key: os.environ[key] for key in ("PATH", "LANG", "PYTHONPATH") if key in os.environ
        }
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                cwd=folder,
                env={**inherited, "HOME": str(folder), "PYTHONUNBUFFERED": "1", **(environ or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            if files:
                resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE, (files, files))
        if wait:
            self.wait_until_up()

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def write_profile(self, profile: Mapping[str, Any] | str) -> None:
        text = profile if isinstance(profile, str) else json.dumps(dict(profile))
        self.profile_path.write_text(text)

    def wait_until_up(self) -> None:
        """Returns when the proxy has closed the connection that was to find out: some tests count them."""
        wire = b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"

        def is_up() -> bool:
            assert self.process.poll() is None, self.log
            try:
                with socket.create_connection(("127.0.0.1", self.reverse_port), 5) as probe:
                    probe.sendall(wire)
                    return b" 200 " in b"".join(iter(lambda: probe.recv(65536), b""))[:20]
            except OSError:
                return False

        wait_until(is_up, seconds=2 * PATIENCE)

    def wait_for_log(self, pattern: str, seconds: float = PATIENCE) -> None:
        try:
            wait_until(lambda: re.search(pattern, self.log) is not None, seconds=seconds)
        except AssertionError:
            pytest.fail(f"{pattern!r} is not in the log within {seconds} s:\n{self.log}")

    def client(self, **arguments: Any) -> httpx.Client:
        """A client of the reverse listener, with its own credential."""
        headers = {"x-api-key": API_KEY, "anthropic-version": "2023-06-01"}
        headers.update(arguments.pop("headers", {}))
        return httpx.Client(
            base_url=self.url,
            headers=headers,
            trust_env=False,
            timeout=PATIENCE,
            limits=EVERY_CONNECTION,
            **arguments,
        )

    def tunnel_client(self, **arguments: Any) -> httpx.Client:
        """A client that uses us as its HTTPS proxy, and trusts our certificates."""
        ca = self.confdir / "mitmproxy-ca-cert.pem"
        wait_until(ca.exists)
        proxy = arguments.pop("proxy", self.proxy_url)
        trusts = ssl.create_default_context(cafile=str(ca))
        return httpx.Client(
            proxy=proxy, verify=trusts, trust_env=False, timeout=PATIENCE, **arguments
        )

    def close(self) -> str:
        """End it, and return its log."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.log


def wait_until(condition: Any, seconds: float = PATIENCE) -> None:
    """Poll, because processes don't report when they are ready."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.02)


def message(model: str = "claude-opus-5-5", text: str = "hello", **fields: Any) -> dict[str, Any]:
    """A request to the Messages API."""
    return {
        "model": model,
        "max_tokens": 100,
        "messages": [{"role": "user", "content": text}],
        **fields,
    }
