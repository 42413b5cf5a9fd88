from __future__ import annotations

import resource

import pytest

from claude_route.access import files


@pytest.mark.parametrize(
    ("limit", "clients"), [(160, 104), (1024, 722), (4096, 3487), (2**20, 943519)]
)
def test_a_tenth_is_kept_for_upstreams(limit: int, clients: int) -> None:
    assert files.for_clients(limit) == clients


@pytest.mark.parametrize(
    ("soft", "hard", "wanted"),
    [
        (1024, 4096, 4096),
        (4096, 4096, None),
        (1024, resource.RLIM_INFINITY, files.ENOUGH),
        (1024, 2**30, files.ENOUGH),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, None),
    ],
)
def test_the_limit_is_raised(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, wanted: int | None
) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda what: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda what, limits: asked.append(limits))
    limit = files.raise_limit()
    assert asked == ([(wanted, hard)] if wanted else [])
    assert limit == wanted or (not wanted and limit in (soft, files.ENOUGH))


def test_a_system_that_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(what: int, limits: tuple[int, int]) -> None:
        raise ValueError

    monkeypatch.setattr(resource, "getrlimit", lambda what: (256, resource.RLIM_INFINITY))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    assert files.raise_limit() == 256
