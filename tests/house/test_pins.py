"""One version of each library everywhere: the pins, and what is installed."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from collections.abc import Iterable
from collections.abc import Iterator

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from claude_route import installation
from tests import paths

ROOT = paths.ROOT
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

SYSTEMS = tuple(
    {**system, "python_version": python, "python_full_version": f"{python}.0"}
    for system in (
        {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"},
        {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix"},
        {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt"},
    )
    for python in ("3.12", "3.13")
)

type Versions = dict[str, str]


def pins() -> Versions:
    given = [Requirement(line) for line in PROJECT["tool"]["uv"]["constraint-dependencies"]]
    return {canonicalize_name(each.name): str(each.specifier).removeprefix("==") for each in given}


def asked(*groups: str) -> list[Requirement]:
    """What the project itself names, groups of dependencies included."""
    lines = list(PROJECT["project"]["dependencies"])
    for group in groups:
        lines += PROJECT["dependency-groups"][group]
    return list(map(Requirement, lines))


def needed(requirements: Iterable[Requirement], systems: Iterable[dict[str, str]]) -> set[str]:
    """The libraries that come with these, theirs and so on, on any of the systems, as far as what
    is installed here tells."""
    found: set[tuple[str, str]] = set()
    ahead = [(each, "") for each in requirements]
    while ahead:
        requirement, extra = ahead.pop()
        marker = requirement.marker
        if marker and not any(marker.evaluate({**system, "extra": extra}) for system in systems):
            continue
        name = canonicalize_name(requirement.name)
        for each in ("", *requirement.extras):
            if (name, each) not in found:
                found.add((name, each))
                ahead += [(theirs, each) for theirs in requires(name)]
    return {name for name, _ in found}


def requires(name: str) -> Iterator[Requirement]:
    try:
        lines = importlib.metadata.requires(name)
    except importlib.metadata.PackageNotFoundError:  # for another system
        return
    yield from map(Requirement, lines or ())


def installed() -> Versions:
    return {
        canonicalize_name(each.metadata["Name"]): each.version
        for each in importlib.metadata.distributions()
    }


def test_pins_name_one_version_each() -> None:
    lines = PROJECT["tool"]["uv"]["constraint-dependencies"]
    assert [line for line in lines if not re.fullmatch(r"[a-z0-9-]+==[0-9][\w.]*", line)] == []
    assert len(pins()) == len(lines)


def test_pins_are_within_the_ranges() -> None:
    for requirement in asked("dev"):
        assert requirement.specifier.contains(pins()[canonicalize_name(requirement.name)])


def test_all_that_is_needed_is_pinned() -> None:
    assert needed(asked("dev"), SYSTEMS) - pins().keys() == set()


def test_what_is_installed_is_what_is_pinned() -> None:
    here = installed()
    wanted = {name: pins().get(name) for name in needed(asked("dev"), [{}])}
    assert {name: here.get(name) for name in wanted} == wanted


def test_an_install_brings_no_tools_for_tests() -> None:
    assert PROJECT["tool"]["uv"]["default-groups"] == []
    tools = {"pytest", "mypy", "ruff", "hypothesis"}
    assert tools <= needed(asked("dev"), SYSTEMS)
    assert tools & needed(asked(), SYSTEMS) == set()


def test_the_libraries_that_a_plain_mitmproxy_lacks() -> None:
    brought = needed([Requirement("mitmproxy")], SYSTEMS)
    ours = {canonicalize_name(each.name) for each in asked()}
    assert set(installation.LIBRARIES.values()) == ours - brought
