"""The newest mitmproxy that the range in pyproject.toml lets people install."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
import warnings
from pathlib import Path

import pytest

from tests import paths

PROJECT = tomllib.loads((paths.ROOT / "pyproject.toml").read_text())

LOOK = """
import json
from mitmproxy import version
from claude_route.patches import digests
print(json.dumps([version.VERSION, [code.name for code in digests.changed()]]))
"""


@pytest.mark.wire
def test_patches_hold_in_the_newest_version(tmp_path: Path) -> None:
    """Other code behind a name is a warning here, as it is at a start: it may do the same. A name
    that is gone, or a patch that no longer does what it is for, fails."""
    uv = shutil.which("uv")
    if uv is None:
        pytest.skip("needs uv")
    libraries = [
        *(line for line in PROJECT["project"]["dependencies"]),
        *("cryptography", "httpx[http2]", "hypothesis", "pytest", "pytest-asyncio", "trustme"),
    ]
    python = tmp_path / "venv" / "bin" / "python"
    # The Python that runs the tests: what comes first on the PATH may be too old.
    run(uv, "venv", "--quiet", "--python", sys.executable, str(tmp_path / "venv"), folder=tmp_path)
    # From another folder: in the repository, uv would keep to the versions that it pins.
    run(uv, "pip", "install", "--quiet", "--python", str(python), *libraries, folder=tmp_path)
    version, changed = json.loads(run(str(python), "-c", LOOK))
    if changed:
        warnings.warn(f"mitmproxy {version} has other code: {', '.join(changed)}", stacklevel=1)
    tests = (
        "tests/unit/patches",
        "tests/unit/proxy",
        "--ignore=tests/unit/patches/test_digests.py",
    )
    run(str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests)


def run(*command: str, folder: Path = paths.ROOT) -> str:
    environ = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    ended = subprocess.run(
        command,
        cwd=folder,
        env=environ | {"PYTHONPATH": str(paths.ROOT / "addons")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout
