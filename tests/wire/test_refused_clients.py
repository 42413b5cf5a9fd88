"""The real Claude Code client, refused by the proxy: it shows why, and doesn't wait."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from pathlib import Path

import pytest

import simulator
from tests.wire import claude_code
from tests.wire import proxies

pytestmark = [pytest.mark.client, claude_code.needs_claude]

Start = Callable[..., proxies.Proxy]

KEY = "static-0123456789-tokn"


def refused(home: Path, environ: Mapping[str, str], *, within: float = claude_code.SOON) -> str:
    return claude_code.Claude(home, environ).failure(within=within)


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({}, "the API key is a different one"),
        (
            {"ANTHROPIC_CUSTOM_HEADERS": "x-litellm-api-key: wrong"},
            "the one in x-litellm-api-key is a different one",
        ),
        (
            {"ANTHROPIC_API_KEY": "", "ANTHROPIC_AUTH_TOKEN": "wrong"},
            "the credential in Authorization is a different one",
        ),
    ],
)
@pytest.mark.parametrize(
    "through", [claude_code.through_the_reverse_listener, claude_code.through_the_tunnel]
)
def test_a_wrong_key(
    start: Start,
    sim: simulator.Simulator,
    tmp_path: Path,
    through: Callable[[proxies.Proxy], dict[str, str]],
    headers: dict[str, str],
    words: str,
) -> None:
    with simulator.Simulator(tls=True) as anthropic:
        proxy = start(
            proxies.profile(sim.url),
            environ={"PROXY_STATIC_TOKEN": KEY},
            arguments=proxies.anthropic_here(anthropic.port, tmp_path),
        )
        printed = refused(tmp_path / "home", through(proxy) | headers)
    assert words in printed
    assert "ANTHROPIC_CUSTOM_HEADERS" in printed
    assert not sim.requests


def test_a_base_url_at_the_forward_listener(
    start: Start, sim: simulator.Simulator, tmp_path: Path
) -> None:
    proxy = start(proxies.profile(sim.url))
    printed = refused(tmp_path / "home", {"ANTHROPIC_BASE_URL": proxy.proxy_url})
    assert "is this proxy's forward listener, for HTTPS_PROXY" in printed


def test_https_proxy_at_the_reverse_listener(
    start: Start, sim: simulator.Simulator, tmp_path: Path
) -> None:
    proxy = start(proxies.profile(sim.url))
    printed = refused(tmp_path / "home", {"HTTPS_PROXY": proxy.url}, within=40)
    assert "the proxy refused the tunnel" in printed
    assert "A client has the reverse listener as HTTPS_PROXY" in proxy.log
    assert "Traceback" not in proxy.log


def test_a_model_that_the_profile_lacks(
    start: Start, sim: simulator.Simulator, tmp_path: Path
) -> None:
    proxy = start(proxies.profile(sim.url))
    environ = {"ANTHROPIC_BASE_URL": proxy.url, "ANTHROPIC_MODEL": "gpt-5"}
    # Claude Code shows words of its own for every 404.
    assert "issue with the selected model (gpt-5)" in refused(tmp_path / "home", environ)


def test_a_local_server_that_does_not_run(start: Start, tmp_path: Path) -> None:
    profile = proxies.profile(proxies.NOWHERE)
    del profile["providers"]["anthropic"], profile["models"]["claude-*"]
    environ = {"ANTHROPIC_BASE_URL": start(profile).url, "ANTHROPIC_MODEL": "glm"}
    words = "zai/glm-5: no connection to 127.0.0.1:9: no server is running there"
    assert words in refused(tmp_path / "home", environ)


def test_a_key_that_is_not_set(start: Start, sim: simulator.Simulator, tmp_path: Path) -> None:
    profile = proxies.profile(sim.url)
    profile["providers"]["zai"]["api_key"] = "${NO_SUCH_KEY}"
    environ = {"ANTHROPIC_BASE_URL": start(profile).url, "ANTHROPIC_MODEL": "glm"}
    assert "NO_SUCH_KEY" in refused(tmp_path / "home", environ)
