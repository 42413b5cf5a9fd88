from __future__ import annotations

import fcntl
import tempfile
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import simulator
from tests.wire import chromium
from tests.wire import pairs
from tests.wire import postgres
from tests.wire import proxies

FOLDER = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests in this folder as `wire`, and those that open pages as `browser`."""
    for item in items:
        if FOLDER not in item.path.parents:
            continue
        item.add_marker(pytest.mark.wire)
        if "page" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="module")
def usual_ports() -> Iterator[None]:
    """Holds the listeners' usual ports for one file of tests: others run in processes beside it."""
    with (Path(tempfile.gettempdir()) / "claude-route-usual-ports").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture
def sim() -> Iterator[simulator.Simulator]:
    with simulator.Simulator() as running:
        yield running


@pytest.fixture(scope="module")
def shared_sim() -> Iterator[simulator.Simulator]:
    """For a proxy that a whole file shares."""
    with simulator.Simulator() as running:
        yield running


@pytest.fixture
def seen(shared_sim: simulator.Simulator) -> simulator.Simulator:
    """The same simulator, with its requests forgotten."""
    shared_sim.clear()
    return shared_sim


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., proxies.Proxy]]:
    """Starts proxies, and ends them with the test."""
    started: list[proxies.Proxy] = []

    def start(profile: Any, **arguments: Any) -> proxies.Proxy:
        folder = tmp_path / f"proxy{len(started)}"
        folder.mkdir()
        started.append(proxies.Proxy(folder, profile, **arguments))
        return started[-1]

    yield start
    for each in started:
        each.close()


@pytest.fixture(scope="module")
def module_pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pairs.Pair]:
    with pairs.running(tmp_path_factory.mktemp("proxy")) as pair:
        yield pair


@pytest.fixture
def pair(module_pair: pairs.Pair) -> pairs.Pair:
    module_pair.sim.clear()
    return module_pair


@pytest.fixture(scope="module")
def module_secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pairs.Pair]:
    with pairs.running(tmp_path_factory.mktemp("secure"), tls=True) as pair:
        yield pair


@pytest.fixture
def secure(module_secure: pairs.Pair) -> pairs.Pair:
    """A pair whose upstreams use HTTP/2 with clients that offer it."""
    module_secure.sim.clear()
    return module_secure


@pytest.fixture(params=[pairs.reverse, pairs.http2])
def client(request: pytest.FixtureRequest, pair: pairs.Pair) -> Iterator[httpx.Client]:
    """Through each of the pair's listeners: HTTP/1.1 on one, HTTP/2 on the other."""
    with request.param(pair) as made:
        yield made


@pytest.fixture
def page(tmp_path: Path) -> Iterator[chromium.Page]:
    """A tab of a headless Chromium."""
    with chromium.running(tmp_path) as page:
        yield page


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=postgres.needs_postgres)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a ledger, of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'ledger.db'}"
        return
    server = postgres.Postgres()
    yield server.url
    server.close()
