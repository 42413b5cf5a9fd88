"""A company's network, in namespaces of Linux: an office that reaches nothing but the company's proxy.

The internet is where the proxy is, with names that only it resolves. Whatever a thread starts while it is
in one of both places, processes and threads alike, is there too.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from simulator import ports
from tests.wire import proxies

GATEWAY, DESK = "10.77.0.1", "10.77.0.2"
NAMES = ("provider.example", "api.anthropic.com", "platform.claude.com")
"""Of the internet: all of them are in the simulators' certificates but the last one."""

HERE = "/proc/thread-self/ns/net"
IP = shutil.which("ip", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
TINYPROXY = shutil.which("tinyproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


class Network:
    def __init__(self, folder: Path) -> None:
        """Raises CalledProcessError where this user may make no namespaces."""
        self.folder = folder
        self.names = {place: f"{place}-{os.getpid()}" for place in ("internet", "office")}
        self.hosts = folder / "hosts"
        self.hosts.write_text(f"127.0.0.1 localhost {' '.join(NAMES)}\n")
        internet, office = self.names.values()
        try:
            for name in (internet, office):
                ip("netns", "add", name)
                ip("-n", name, "link", "set", "lo", "up")
            ip(
                "-n",
                internet,
                "link",
                "add",
                "out",
                "type",
                "veth",
                "peer",
                "desk",
                "netns",
                office,
            )
            for name, device, address in (
                (internet, "out", GATEWAY),
                (office, "desk", DESK),
            ):
                ip("-n", name, "address", "add", f"{address}/24", "dev", device)
                ip("-n", name, "link", "set", device, "up")
        except BaseException:
            self.close()
            raise

    @contextlib.contextmanager
    def place(self, place: str) -> Iterator[None]:
        """This thread, and all that it starts, is in the office or in the internet."""
        before = os.open(HERE, os.O_RDONLY)
        there = os.open(f"/run/netns/{self.names[place]}", os.O_RDONLY)
        try:
            os.setns(there, os.CLONE_NEWNET)
            yield
        finally:
            os.setns(before, os.CLONE_NEWNET)
            os.close(before)
            os.close(there)

    def close(self) -> None:
        for name in self.names.values():
            with contextlib.suppress(subprocess.CalledProcessError):
                ip("netns", "delete", name)


def ip(*arguments: str) -> None:
    assert IP
    subprocess.run([IP, *arguments], check=True, capture_output=True)


@contextlib.contextmanager
def network(folder: Path) -> Iterator[Network]:
    """Skips the test where there can be none."""
    if IP is None or shutil.which("unshare") is None:
        pytest.skip("network namespaces need iproute2 and util-linux")
    if not hasattr(os, "setns") or os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    try:
        made = Network(folder)
    except subprocess.CalledProcessError as e:
        pytest.skip(f"no network namespaces here: {e.stderr.decode().strip()}")
    try:
        yield made
    finally:
        made.close()


class Process:
    """One at the company's gateway, whose log is a file."""

    def __init__(self, network: Network, name: str, port: int, command: Sequence[str]) -> None:
        self.host, self.port = GATEWAY, port
        self.log_path = network.folder / f"{name}.log"
        mapped = f'mount --bind {network.hosts} /etc/hosts && exec "$@"'
        with network.place("internet"), self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                ["unshare", "--mount", "sh", "-c", mapped, "sh", *command],
                cwd=network.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        with network.place("office"):
            proxies.wait_until(self.is_up)

    def is_up(self) -> bool:
        assert self.process.poll() is None, self.log
        try:
            httpx.get(f"http://{self.host}:{self.port}", trust_env=False)
        except httpx.ConnectError:
            return False
        except httpx.HTTPError:
            pass
        return True

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(proxies.PATIENCE)


class Tinyproxy(Process):
    """Debian's. It opens tunnels to port 443 and to those that are given, and none to hosts that are
    blocked."""

    def __init__(
        self,
        network: Network,
        *,
        tunnels_to: Sequence[int] = (),
        blocked: str = "",
        login: str = "",
    ) -> None:
        if TINYPROXY is None:
            pytest.skip("tinyproxy is not installed: apt-get install tinyproxy-bin")
        self.login = login
        port = ports.free()
        names = network.folder / "blocked"
        names.write_text(f"{blocked}\n" if blocked else "")
        lines = [
            f"Port {port}",
            f"Listen {GATEWAY}",
            "Timeout 600",
            "MaxClients 100",
            "LogLevel Info",
            f'Filter "{names}"',
            *(f"ConnectPort {number}" for number in (443, *tunnels_to)),
            *([f"BasicAuth {login.replace(':', ' ')}"] if login else []),
        ]
        configuration = network.folder / "tinyproxy.conf"
        configuration.write_text("\n".join(lines) + "\n")
        super().__init__(network, "tinyproxy", port, [TINYPROXY, "-d", "-c", str(configuration)])

    @property
    def url(self) -> str:
        login = f"{self.login}@" if self.login else ""
        return f"http://{login}{self.host}:{self.port}"

    @property
    def requests(self) -> list[str]:
        """The first lines of what it was asked, in their order."""
        mark = "Request (file descriptor "
        lines = (line.partition(mark)[2] for line in self.log.splitlines() if mark in line)
        asked = [line.partition("): ")[2].removesuffix(" HTTP/1.1") for line in lines]
        return [line for line in asked if line != "GET /"]


class Inspector(Process):
    """One that reads what it passes on: mitmproxy, with a CA of its own that only the company knows."""

    def __init__(self, network: Network) -> None:
        port = ports.free()
        confdir = network.folder / "inspector"
        command = [
            str(Path(sys.executable).parent / "mitmdump"),
            *("--mode", f"regular@{GATEWAY}:{port}"),
            *("--set", f"confdir={confdir}"),
            *("--set", "ssl_insecure=true"),  # of the simulators, which nobody knows here
            *("--set", "connection_strategy=lazy"),
        ]
        super().__init__(network, "inspector", port, command)
        self.url = f"http://{GATEWAY}:{port}"
        self.ca = confdir / "mitmproxy-ca-cert.pem"
