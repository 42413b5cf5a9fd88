"""HAProxy in front of proxies, each request to the next one."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from simulator import ports
from tests.wire import proxies

PROGRAM = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin")

needs_haproxy = pytest.mark.skipif(
    PROGRAM is None, reason="HAProxy is not installed: apt-get install haproxy"
)

CONFIG = """
defaults
    mode http
    timeout connect 2s
    timeout client 600s
    timeout server 600s
    option redispatch
    retries 1

frontend claude
    bind 127.0.0.1:{port}
    default_backend proxies

backend proxies
    balance roundrobin
    option httpchk GET /health
    timeout check 5s
    default-server check inter 200ms fall 2 rise 1 \
        observe layer4 error-limit 1 on-error mark-down on-marked-down shutdown-sessions
{servers}
"""


class HAProxy:
    """The constructor starts it; `close()` ends it."""

    def __init__(self, behind: Sequence[proxies.Proxy]) -> None:
        assert PROGRAM
        self.folder = Path(tempfile.mkdtemp(prefix="haproxy-"))
        self.port = ports.free()
        self.url = f"http://127.0.0.1:{self.port}"
        servers = "\n".join(
            f"    server p{n} 127.0.0.1:{each.reverse_port}" for n, each in enumerate(behind)
        )
        config = self.folder / "haproxy.cfg"
        config.write_text(CONFIG.format(port=self.port, servers=servers))
        with (self.folder / "log.txt").open("wb") as log:
            self.process = subprocess.Popen(
                [PROGRAM, "-db", "-f", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        proxies.wait_until(self._is_up)

    def _is_up(self) -> bool:
        assert self.process.poll() is None, (self.folder / "log.txt").read_text()
        try:
            return httpx.get(f"{self.url}/health", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
