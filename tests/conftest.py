from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import live
import simulator


@pytest.fixture
def sim() -> Iterator[simulator.Simulator]:
    with simulator.Simulator() as running:
        yield running


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., live.Proxy]]:
    """Starts proxies that end with the test."""
    started: list[live.Proxy] = []

    def start(profile: Any, **arguments: Any) -> live.Proxy:
        folder = tmp_path / f"proxy{len(started)}"
        folder.mkdir()
        started.append(live.Proxy(folder, profile, **arguments))
        return started[-1]

    yield start
    for each in started:
        each.close()
