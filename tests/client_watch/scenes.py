"""Has Claude Code do what users have it do, and keeps what it sends."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import subprocess
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import simulator
from simulator import answers
from simulator import recorded
from tests.client_watch import traits
from tests.wire import claude_code
from tests.wire import proxies
from tests.wire import test_claude
from tests.wire import test_claude_refusals

MODEL = "claude-opus-5-5"


class Scene(NamedTuple):
    name: str
    prompt: str
    arguments: tuple[str, ...] = ()
    environ: Mapping[str, str] = MappingProxyType({})


AGENT = {"description": "Hello", "prompt": "run: echo hello", "subagent_type": "general-purpose"}
SCHEMA = {"type": "object", "properties": {"answer": {"type": "string"}}}
SEARCH = "look it up"

SCENES = (
    Scene("a plain turn", "good morning"),
    Scene("a second turn", "good evening", ("--continue",)),
    Scene(
        "tool calls, two of them at once",
        "run: echo one\nboth: run: echo two, run: echo three",
        ("--allowedTools", "Bash"),
    ),
    Scene("a summary", "/compact", ("--continue",)),
    Scene("the size of the context", "/context"),
    Scene("an image", "read: {folder}/dot.png", ("--allowedTools", "Read")),
    Scene("a document", "read: {folder}/page.pdf", ("--allowedTools", "Read")),
    Scene("much effort", "think hard", ("--effort", "max")),
    Scene("no thinking", "quick", environ={"MAX_THINKING_TOKENS": "0"}),
    Scene("a subagent", f"call: Agent {json.dumps(AGENT)}", ("--allowedTools", "Agent,Bash")),
    Scene("a search", SEARCH, ("--allowedTools", "WebSearch")),
    Scene("a tool that is loaded later", 'call: ToolSearch {"query": "select:WebFetch"}'),
    Scene("an answer by a schema", "good night", ("--json-schema", json.dumps(SCHEMA))),
    Scene("a small model", "hello", ("--model", "haiku")),
    Scene("a model that it doesn't know", "hello", ("--model", "claude-unheard-of")),
    Scene("fast mode", "faster", ("--settings", json.dumps({"fastMode": True}))),
    Scene(
        "threads",
        "run: echo one\nrun: echo two",
        ("--allowedTools", "Bash"),
        {"CLAUDE_CODE_TETHER_LIVE": "1"},
    ),
    Scene(
        "what is off at a base URL",
        "run: echo one",
        ("--allowedTools", "Bash"),
        {"ENABLE_TOOL_SEARCH": "true", "CLAUDE_CODE_ENABLE_FINE_GRAINED_TOOL_STREAMING": "1"},
    ),
    Scene("no experiments", "hello", environ={"CLAUDE_CODE_DISABLE_EXPERIMENTAL_BETAS": "1"}),
    Scene(
        "a login",
        "run: echo one",
        ("--allowedTools", "Bash"),
        {"ANTHROPIC_API_KEY": "", "CLAUDE_CODE_OAUTH_TOKEN": proxies.POOL[0]},
    ),
)
"""What Claude Code does, one after the other in one home. Whatever needs a terminal is missing: titles,
and the checks of auto mode."""

REVERSE, FORWARD = "reverse", "forward"


def version(claude: Path) -> str:
    """Raises subprocess.CalledProcessError, ValueError."""
    run = subprocess.run(
        [claude, "--version"], check=True, capture_output=True, text=True, timeout=60
    )
    number = re.match(r"\d+(?:\.\d+)+", run.stdout)
    if not number:
        raise ValueError(f"{claude} --version: expected a number, got {run.stdout!r}")
    return number[0]


def sent(
    claude: Path, listener: str, folder: Path, report: Callable[[str], None]
) -> set[traits.Trait]:
    """What a client sends through a listener in all scenes."""
    with running(claude, listener, folder) as stage:
        for scene in SCENES:
            stage.play(scene, report)
        return {*stage.traits()}


class Stage:
    """A client at one of a proxy's listeners, in front of a simulator."""

    def __init__(
        self, claude: Path, folder: Path, environ: Mapping[str, str], provider: simulator.Simulator
    ) -> None:
        home = folder / "home"
        self._claude = claude
        self._folder = home / "work"
        self._folder.mkdir(parents=True)
        (self._folder / "dot.png").write_bytes(base64.b64decode(test_claude.DOT))
        (self._folder / "page.pdf").write_bytes(test_claude_refusals.PDF)
        self._environ = {"PATH": os.environ["PATH"], "HOME": str(home), **environ}
        self._provider = provider
        self._arrivals = folder / ARRIVALS

    def play(self, scene: Scene, report: Callable[[str], None]) -> None:
        """How a scene ends is another test's business."""
        prompt = scene.prompt.replace("{folder}", str(self._folder))
        run = subprocess.run(
            [self._claude, "-p", prompt, "--model", MODEL, *scene.arguments],
            cwd=self._folder,
            env={**self._environ, **scene.environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=claude_code.TIMEOUT,
            check=False,
        )
        report(f"{scene.name}: {(run.stdout or run.stderr).strip()[:100]!r}")

    def traits(self) -> Iterator[traits.Trait]:
        for request in self._provider.requests:
            yield from traits.of_request(request)
        for line in self._arrivals.read_text().splitlines():
            method, target = line.split(" ", 1)
            if method == "CONNECT":
                yield traits.Trait("hosts", target)
            else:
                yield traits.of_path(method, target)


@contextlib.contextmanager
def running(claude: Path, listener: str, folder: Path) -> Iterator[Stage]:
    """The provider gets what the client sent as it is: the credential is the client's own."""
    with simulator.Simulator() as provider, simulator.Simulator(tls=True) as anthropic:
        profile = proxies.profile(provider.url)
        profile["providers"]["anthropic"]["auth"] = "client"
        provider.when(is_search, answers.text("Nothing found."))
        provider.when(wants_search, answers.tool("WebSearch", {"query": "mitmproxy"}))
        script = folder / "arrivals.py"
        script.write_text(SCRIPT.format(listener=listener, port=anthropic.port))
        proxy = proxies.Proxy(
            folder,
            profile,
            behind=provider.url,
            arguments=["-s", str(script), "--set", "ssl_insecure=true"],
        )
        try:
            environ = claude_code.through_the_tunnel(proxy)
            if listener == REVERSE:
                # Its requests to other hosts must not leave the machine, either.
                environ |= {
                    **claude_code.through_the_reverse_listener(proxy),
                    "NO_PROXY": "127.0.0.1",
                    "CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY": "1",
                }
            environ["ANTHROPIC_API_KEY"] = proxies.API_KEY
            yield Stage(claude, folder, environ, provider)
        finally:
            proxy.close()


def is_search(request: recorded.Recorded) -> bool:
    return "web search for the query" in str(request.json["messages"])


def wants_search(request: recorded.Recorded) -> bool:
    messages = str(request.json["messages"])
    return SEARCH in messages and "tool_result" not in messages and "tools" in request.json


ARRIVALS = "arrivals.txt"

SCRIPT = """
MODES = {{"reverse": "ReverseMode", "forward": "RegularMode"}}


def arrived(line):
    with open("arrivals.txt", "a") as file:
        print(line, file=file)


def http_connect(flow):
    arrived(f"CONNECT {{flow.request.host}}")


def requestheaders(flow):
    if type(flow.client_conn.proxy_mode).__name__ == MODES["{listener}"]:
        if flow.request.path != "/health":
            arrived(f"{{flow.request.method}} {{flow.request.path}}")


def server_connect(data):
    host, _ = data.server.address
    if host != "127.0.0.1":
        data.server.address = ("127.0.0.1", {port} if host == "api.anthropic.com" else 9)
"""
"""Notes what the client asks for, and has the proxy reach api.anthropic.com on this machine and nothing
else."""
