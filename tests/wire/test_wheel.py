"""The wheel, installed without a clone, as `uvx claude-route` and pipx install it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

import claude_route
import simulator
from tests import paths
from tests.wire import claude_code
from tests.wire import command
from tests.wire import test_cli

pytestmark = pytest.mark.skipif(shutil.which("uv") is None, reason="uv is not installed")


def uv(*arguments: str | Path) -> None:
    run = subprocess.run(
        ["uv", *map(str, arguments)],
        cwd=paths.ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that is built from it."""
    folder = tmp_path_factory.mktemp("dist")
    uv("build", "--quiet", "--out-dir", folder)
    return folder


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts' folder of an environment with the wheel and no tools for tests."""
    folder = tmp_path_factory.mktemp("installed")
    project = tomllib.loads((paths.ROOT / "pyproject.toml").read_text())
    pins = folder / "pins.txt"
    pins.write_text("\n".join(project["tool"]["uv"]["constraint-dependencies"]))
    uv("venv", "--quiet", "--python", sys.executable, folder / "venv")
    scripts = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
    [wheel] = built.glob("*.whl")
    uv("pip", "install", "--quiet", "--python", scripts / "python", "--constraint", pins, wheel)
    return scripts


@pytest.fixture
def cli(installed: Path, tmp_path: Path, sim: simulator.Simulator) -> command.Command:
    made = command.Command(tmp_path, [installed / "claude-route"])
    made.write_profile(sim.url)
    return made


def test_what_is_in_the_wheel(built: Path) -> None:
    [path] = built.glob("*.whl")
    assert path.name == f"claude_route-{claude_route.__version__}-py3-none-any.whl"
    with zipfile.ZipFile(path) as wheel:
        names = set(wheel.namelist())
    assert {name.partition("/")[0] for name in names} == {
        "claude_route",
        f"claude_route-{claude_route.__version__}.dist-info",
    }
    package = paths.ROOT / "addons" / "claude_route"
    expected = {
        f"claude_route/{file.relative_to(package).as_posix()}"
        for file in package.rglob("*")
        if file.is_file() and file.suffix != ".pyc"
    }
    expected |= {
        f"claude_route/profiles/{file.name}" for file in (paths.ROOT / "profiles").iterdir()
    }
    assert {name for name in names if name.startswith("claude_route/")} == expected


def test_what_is_in_the_sdist(built: Path) -> None:
    [path] = built.glob("*.tar.gz")
    with tarfile.open(path) as sdist:
        entries = {name.split("/")[1] for name in sdist.getnames() if "/" in name}
    assert {"addons", "profiles", "README.md", "LICENSE", "pyproject.toml"} <= entries
    assert entries & {"tests", "simulator", ".tools", "uv.lock"} == set()


def test_no_tools_for_tests_are_installed(installed: Path) -> None:
    assert (installed / "mitmdump").exists()
    assert [tool for tool in ("pytest", "ruff", "mypy") if (installed / tool).exists()] == []


def test_version(cli: command.Command) -> None:
    printed = cli.printed("--version")
    assert printed.startswith(f"claude-route {claude_route.__version__} on mitmproxy ")


def test_check(cli: command.Command, installed: Path) -> None:
    printed = cli.printed("check", "demo")
    assert printed.startswith(f"Profile demo ({installed.parent}")
    wrong = cli.run("check", "none")
    assert wrong.returncode == 1
    assert wrong.stderr.startswith(
        "claude-route check: profile: expected a path or one of default, demo"
    )
    assert wrong.stderr.count("\n") == 1


def test_explain(cli: command.Command) -> None:
    printed = cli.printed("explain", "sim-529", "--profile", "demo")
    assert "1. anthropic/sim-529 at http://127.0.0.1:9100" in printed
    assert "2. zai/glm-5" in printed


@test_cli.needs_curl
def test_run_a_program(cli: command.Command, sim: simulator.Simulator) -> None:
    answer = cli.printed("run", "--profile", "p.yaml", "--exec", *command.CURL, test_cli.ANTHROPIC)
    assert json.loads(answer)["content"][-1]["text"] == "You said: hi"
    assert len(sim.requests) == 1
    assert cli.left_behind() == []


@pytest.mark.client
@claude_code.needs_claude
def test_run_claude(cli: command.Command, sim: simulator.Simulator) -> None:
    assert cli.printed("run", "--profile", "p.yaml", "-p", "hello") == "You said: hello"
    assert sim.requests
    assert cli.left_behind() == []


def test_up(cli: command.Command) -> None:
    run = cli.run("--set", "profile=none")
    assert run.returncode == 1
    assert "profile: expected a path or one of default, demo" in run.stdout + run.stderr
