"""Headless Chromium, for tests of pages as people see them.

playwright-core comes from npm into `.tools`, Chromium from the system; where either is missing, the
tests that need them are skipped. Tests take the fixture `page`. Screenshots go to the test's own
folder, or to the one that SCREENSHOTS names.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import paths
from tests.wire import proxies

TESTS = Path(__file__).parent
PLAYWRIGHT = paths.TOOLS / "playwright-core"

PHONE = (390, 844)
DESKTOP = (1280, 800)


class StepError(Exception):
    """A step that could not be done."""


class Page:
    """One tab. Each step waits for what it needs, up to 15 s, and raises StepError without it."""

    def __init__(self, node: str, chromium: str, screenshots: Path) -> None:
        self._screenshots = screenshots
        self._process = subprocess.Popen(
            [node, str(TESTS / "browser.mjs"), chromium],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def open(
        self,
        url: str,
        size: tuple[int, int] = DESKTOP,
        *,
        dark: bool = False,
        password: str | None = None,
        zone: str | None = None,
    ) -> int:
        """A new tab, without the cookies of the one before. Returns the status of the answer.

        `password` is for HTTP's basic authentication, `zone` the time zone: `Asia/Kolkata`.
        """
        width, height = size
        scheme = "dark" if dark else "light"
        self._do("open", width=width, height=height, scheme=scheme, password=password, zone=zone)
        return self.goto(url)

    def goto(self, url: str) -> int:
        status: int = self._do("goto", url=url)
        return status

    def open_mitmweb(
        self, url: str, password: str, size: tuple[int, int] = DESKTOP, *, dark: bool = False
    ) -> None:
        """Open a page of mitmweb, through its login form."""
        self.open(url, size, dark=dark)
        self.fill("input[type=password]", password)
        self.click("input[type=submit]")

    def click(self, selector: str) -> None:
        self._do("click", selector=selector)

    def fill(self, selector: str, value: str) -> None:
        self._do("fill", selector=selector, value=value)

    def press(self, key: str) -> None:
        self._do("press", key=key)

    def wait(self, selector: str) -> None:
        self._do("wait", selector=selector)

    def wait_for_text(self, text: str) -> None:
        self._do("wait_for_text", text=text)

    def text(self, selector: str = "body") -> str:
        text: str = self._do("text", selector=selector)
        return text

    def texts(self, selector: str) -> list[str]:
        """The texts of all that the selector matches."""
        texts: list[str] = self._do("texts", selector=selector)
        return texts

    def html(self, selector: str = "body") -> str:
        html: str = self._do("html", selector=selector)
        return html

    def aria(self, selector: str = "body") -> str:
        """The accessibility tree, as YAML: roles, names and texts."""
        tree: str = self._do("aria", selector=selector)
        return tree

    def evaluate(self, script: str) -> Any:
        return self._do("evaluate", script=script)

    def screenshot(self, name: str, *, whole: bool = False) -> Path:
        """Of the visible part, or of the `whole` page."""
        path = self._screenshots / f"{name}.png"
        self._do("screenshot", path=str(path), whole=whole)
        return path

    def complaints(self) -> list[str]:
        """Errors in the tab's console, including those of a content security policy."""
        complaints: list[str] = self._do("complaints")
        return complaints

    def requests(self) -> list[str]:
        """The URLs that the tab has requested."""
        requests: list[str] = self._do("requests")
        return requests

    def close(self) -> None:
        try:
            self._process.communicate(timeout=proxies.PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _do(self, step: str, **how: Any) -> Any:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps({"step": step, **how}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise StepError(f"the browser ended with {self._process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise StepError(f"{step} {how}: {answer['error']}")
        return answer["value"]


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Page]:
    """A page whose screenshots go to `folder`, unless SCREENSHOTS names another. Skips the test
    where there is no browser."""
    node = shutil.which("node")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if node is None or chromium is None or not PLAYWRIGHT.is_dir():
        pytest.skip("needs node, chromium, and playwright-core from npm in .tools/node_modules")
    screenshots = Path(os.environ.get("SCREENSHOTS") or folder / "screenshots").resolve()
    screenshots.mkdir(parents=True, exist_ok=True)
    page = Page(node, chromium, screenshots)
    try:
        yield page
    finally:
        page.close()
