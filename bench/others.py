"""Other proxies for Claude Code, measured beside ours where they are installed.

Each gets the settings that make it do least, the provider of the measurement as its only one, and an
environment in which it finds nobody else: what it would fetch, it asks a closed port of this machine for.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench import measure
from simulator import ports

KEY = "sk-ant-api03-bench-000000-bnch"
"""The clients' and the provider's."""

NOWHERE = {
    **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9"),
    "NO_PROXY": "127.0.0.1,localhost",
    "NODE_USE_ENV_PROXY": "1",
    "NO_COLOR": "1",
}


class Settings(NamedTuple):
    arguments: list[str]
    environ: dict[str, str]


def litellm(folder: Path, port: int, behind: int) -> Settings:
    target = {"model": "anthropic/*", "api_base": f"http://127.0.0.1:{behind}", "api_key": KEY}
    config = {
        "model_list": [{"model_name": "*", "litellm_params": target}],
        "general_settings": {"master_key": KEY},
        "litellm_settings": {"telemetry": False, "num_retries": 0},
    }
    (folder / "config.yaml").write_text(json.dumps(config))
    arguments = ["--config", f"{folder}/config.yaml", "--host", "127.0.0.1", "--port", str(port)]
    return Settings(
        [*arguments, "--telemetry", "False"],
        {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"},
    )


def claude_code_router(folder: Path, port: int, behind: int) -> Settings:
    provider = {
        "name": "bench",
        "api_base_url": f"http://127.0.0.1:{behind}/v1/messages",
        "api_key": KEY,
        "models": ["glm"],
        "transformer": {"use": ["Anthropic"]},
    }
    config = {
        "HOST": "127.0.0.1",
        "PORT": port,
        "LOG": False,
        "NON_INTERACTIVE_MODE": True,
        "Providers": [provider],
        "Router": {"default": "bench,glm"},
    }
    place = folder / ".claude-code-router"
    place.mkdir()
    (place / "config.json").write_text(json.dumps(config))
    return Settings(["start"], {"HOME": str(folder), "SERVICE_PORT": str(port)})


def teamclaude(folder: Path, port: int, behind: int) -> Settings:
    config = {
        "proxy": {"port": port, "apiKey": KEY},
        "upstream": f"http://127.0.0.1:{behind}",
        "accounts": [{"name": "bench", "type": "apikey", "apiKey": KEY}],
    }
    path = folder / "teamclaude.json"
    path.write_text(json.dumps(config))
    environ = {"TEAMCLAUDE_CONFIG": str(path), "TEAMCLAUDE_DISABLE_AUTOUPDATE": "1"}
    return Settings(["server"], {"HOME": str(folder), **environ})


class Other(NamedTuple):
    name: str
    program: str
    settings: Callable[[Path, int, int], Settings]
    model: str
    """What it is asked for. LiteLLM logs a traceback for each answer of a model whose price it doesn't
    know, which is not what is to be measured."""


OTHERS = (
    Other("LiteLLM", "litellm", litellm, "claude-sonnet-4-5-20250929"),
    Other("claude-code-router", "ccr", claude_code_router, "bench,glm"),
    Other("teamclaude", "teamclaude", teamclaude, "claude-opus-5-5"),
)


@contextlib.contextmanager
def running(other: Other, behind: int) -> Iterator[tuple[int, int]]:
    """Its port and the id of its process. Raises OSError if it can't be started."""
    program = shutil.which(other.program)
    if not program:
        raise FileNotFoundError(f"{other.program} is not installed")
    port = ports.free()
    with tempfile.TemporaryDirectory() as folder:
        settings = other.settings(Path(folder), port, behind)
        environ = {**NOWHERE, **settings.environ}
        with measure.running(
            [program, *settings.arguments], port, stderr=subprocess.DEVNULL, **environ
        ) as process:
            yield port, process.pid


def processor_seconds(pid: int) -> float:
    """What a process has used, and those that it has started."""
    children = "".join(
        path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")
    ).split()
    return measure.processor_seconds(pid) + sum(processor_seconds(int(each)) for each in children)
