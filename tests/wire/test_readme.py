"""README.md is true: each of its commands is known here, and run as written."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import simulator
from tests.wire import claude_code
from tests.wire import proxies
from tests.wire import readme

pytestmark = pytest.mark.usefixtures("usual_ports")

README = (proxies.ROOT / "README.md").read_text()
CI = (proxies.ROOT / ".ci" / "run").read_text()


def commands() -> Iterator[str]:
    for block in re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL):
        for line in re.sub(r"\s*\\\n\s*", " ", block).splitlines():
            if not line.startswith("#"):
                yield line


def test_every_command_is_known() -> None:
    assert set(commands()) == {
        *(
            readme.INSTALL,
            readme.RUN,
            readme.TEST,
            readme.COMMAND,
            readme.DEMO,
            readme.TUNNEL,
            readme.REVERSE,
            readme.HELLO,
            readme.CURL,
        ),
        *(readme.ZAI, readme.LOCAL, readme.LITELLM, readme.WITHOUT_LOGIN, readme.ASK_LOCAL),
    }


def test_it_is_short() -> None:
    assert len(README.splitlines()) < 150


def test_ci_installs_and_tests_as_it_says() -> None:
    """It runs this very test with the second of these."""
    assert re.search(rf"^{readme.INSTALL}$", CI, re.MULTILINE)
    assert re.search(rf"^{readme.TEST}$", CI, re.MULTILINE)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[readme.Started]:
    """Nothing reaches Anthropic: what Claude Code itself asks there is answered, too."""
    readme.require_ports_and_uv()
    home = tmp_path_factory.mktemp("demo")
    with simulator.Simulator(tls=True) as anthropic:
        started = readme.Started(
            readme.DEMO,
            home,
            *proxies.anthropic_here(anthropic.port, home),
            "--set",
            "web_open_browser=false",
        )
        yield started
        started.close()
        assert not anthropic.requests


def test_run(tmp_path: Path) -> None:
    readme.require_ports_and_uv()
    started = readme.Started(readme.RUN, tmp_path)
    try:
        proxies.wait_until(lambda: f"{readme.REVERSE}\n" in started.log)
        certificate = tmp_path / ".mitmproxy" / "mitmproxy-ca-cert.pem"
        line = readme.TUNNEL.replace("~/.mitmproxy/mitmproxy-ca-cert.pem", str(certificate))
        assert f"{line}\n" in started.log
        assert certificate.exists()
        assert "Profile default" in started.log
    finally:
        started.close()


@pytest.mark.client
@claude_code.needs_claude
@pytest.mark.parametrize(
    "command", [readme.HELLO, f"{readme.REVERSE} -p hello", f"{readme.TUNNEL} -p hello"]
)
def test_claude_is_answered(demo: readme.Started, command: str) -> None:
    assert demo.shell(command) == "You said: hello"


@pytest.mark.client
@claude_code.needs_claude
def test_claude_through_a_proxy_of_its_own(demo: readme.Started) -> None:
    """With --base-url, so that all its requests end at the demo's provider."""
    command = f"UV_NO_SYNC=1 {readme.COMMAND} --base-url --profile demo -p hello"
    assert demo.shell(command, proxies.ROOT) == "You said: hello"


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl(demo: readme.Started) -> None:
    head, _, body = demo.shell(f"{readme.CURL} --silent --include").partition("\n\n")
    headers = dict(line.split(": ", 1) for line in head.splitlines()[1:])
    assert headers["x-route-target"] == "zai/glm-5"
    assert headers["x-route-attempts"] == "3"
    assert json.loads(body)["content"][-1]["text"] == "You said: hello"
