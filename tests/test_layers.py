"""The shape of the project: which module may know what, how files are named, what stands in none."""

from __future__ import annotations

import ast
import graphlib
import importlib.metadata
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = {path.stem: path for path in sorted((ROOT / "addons").glob("*.py"))}
TREES = {name: ast.parse(path.read_bytes(), str(path)) for name, path in FILES.items()}

GLUE = {
    "announcement",
    "answers",
    "attempt",
    "capture",
    "coalesce",
    "commands",
    "contract",
    "credentials",
    "doors",
    "exchange",
    "failover",
    "heads",
    "hooktable",
    "memory",
    "pages",
    "readonly",
    "record",
    "redaction",
    "reload",
    "reply",
    "route",
    "rows",
    "sent",
    "settings",
    "startup",
    "status_pages",
    "unclosed",
    "unquoted",
    "views",
}
"""They know mitmproxy or the event loop. All others are pure: what they give depends on what they
are given."""

IMPURE_MODULES = {
    *("asyncio", "concurrent", "multiprocessing", "random", "secrets", "selectors", "signal"),
    *("socket", "ssl", "subprocess", "tempfile", "threading", "time", "uuid"),
}
IMPURE_NAMES = {
    *("os.environ", "os.getenv", "os.urandom", "datetime.now", "datetime.utcnow", "date.today"),
    *("read_bytes", "read_text", "write_bytes", "write_text"),
}
"""Clocks, chance, the environment, the network, files."""

ALLOWED = {
    ("chat", "secrets"): "makes ids for messages; who calls may give another maker",
    ("profiles", "read_text"): "reads the profile, and .env; parse() takes the text",
    ("status_html", "read_text"): "its template, once and at import",
}

TESTED_ELSEWHERE = {
    "contract": "it says what others must have, and does nothing",
    "exchange": "whole requests, over the wire, in test_route.py and test_failover*.py",
    "settings": "options and profiles of the whole proxy, in test_route.py",
    "startup": "starts that are refused, in test_route.py",
}
"""Modules without a test file of their own, and what covers them."""

SECRETS = re.compile(
    r"sk-ant-[a-z]{3}\d\d-(?!demo|bench)\S{4,}"
    r"|\bsk-(?!ant-)(?:or-|proj-)?[A-Za-z0-9_-]{20,}"
    r"|\bgh[a-z]_[A-Za-z0-9]{20,}|\bgsk_[A-Za-z0-9]{20,}|\bAIza[A-Za-z0-9_-]{20,}"
    r"|\bAKIA[A-Z0-9]{16}\b|-----BEGIN [A-Z ]*PRIVATE KEY"
)
"""What keys look like. Those of the demo and the benchmarks say so themselves."""

ELSEWHERE = re.compile(
    r"\bissues? #?\d+\b|(?<![\w.])/(?:home|Users)/(?!me\b)\w+|(?<![\w.])/(?:root|work|workspace|builds)\b(?!-)",
    re.IGNORECASE,
)
"""Numbers of some tracker's, and places on the machine of whoever wrote a line."""


def imports(tree: ast.AST) -> Iterator[str]:
    """The modules that are imported, wherever in the file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def siblings(name: str) -> set[str]:
    return {module for module in imports(TREES[name]) if module in FILES}


def names(tree: ast.AST) -> Iterator[str]:
    """What is used: `read_text`, `datetime.now`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.attr
            if isinstance(node.value, ast.Name):
                yield f"{node.value.id}.{node.attr}"
        elif isinstance(node, ast.Name):
            yield node.id


def impurities(name: str) -> set[str]:
    modules = {module.partition(".")[0] for module in imports(TREES[name])}
    return modules & IMPURE_MODULES | set(names(TREES[name])) & IMPURE_NAMES


@pytest.mark.parametrize("name", sorted(FILES.keys() - GLUE))
def test_pure_modules_know_no_mitmproxy_and_no_clock(name: str) -> None:
    known = {module.partition(".")[0] for module in imports(TREES[name])}
    assert not known & {"mitmproxy", "mitmproxy_rs"}
    assert not siblings(name) & GLUE
    assert {each for each in impurities(name) if (name, each) not in ALLOWED} == set()


def test_what_is_allowed_is_needed() -> None:
    assert FILES.keys() >= GLUE
    assert {key for key in ALLOWED if key[1] not in impurities(key[0])} == set()


@pytest.mark.parametrize("name", sorted(FILES))
def test_siblings_are_imported_as_modules_at_the_top(name: str) -> None:
    """A name that is a hook's would be one in route.py (`from profiles import load`)."""
    tree = TREES[name]
    names = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert [node.module for node in names if node.module in FILES or node.level] == []
    inner = [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom | ast.Global)]
    assert [node.lineno for node in inner if node not in tree.body] == []


def test_nobody_imports_route() -> None:
    assert [name for name in FILES if "route" in siblings(name)] == []


def test_imports_have_no_cycles() -> None:
    order = graphlib.TopologicalSorter({name: siblings(name) for name in FILES})
    assert len(list(order.static_order())) == len(FILES)


def test_no_file_hides_another_module() -> None:
    """These folders come first on sys.path: a file named like a library would be taken for it."""
    folders = (ROOT, ROOT / "addons", ROOT / "tests")
    found = [path.stem for folder in folders for path in folder.glob("*.py")]
    taken = {*sys.stdlib_module_names, *importlib.metadata.packages_distributions()}
    assert set(found) & taken == set()
    assert sorted(found) == sorted(set(found))


def test_each_module_has_its_tests() -> None:
    tests = {path.stem.removeprefix("test_") for path in (ROOT / "tests").glob("test_*.py")}
    assert FILES.keys() - tests == TESTED_ELSEWHERE.keys()


def tracked() -> Iterator[tuple[str, str]]:
    """The path and text of each file in the repository."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is no git repository")
    for name in filter(None, listed.split("\0")):
        content = (ROOT / name).read_bytes() if (ROOT / name).is_file() else b"\0"
        if b"\0" not in content:
            yield name, content.decode()


def test_no_file_holds_a_secret() -> None:
    found = [
        (name, match[0])
        for name, text in tracked()
        if not name.startswith(("tests/", "simulator/"))
        for match in SECRETS.finditer(text)
    ]
    assert found == []


def test_no_file_speaks_of_another_place() -> None:
    found = [(name, match[0]) for name, text in tracked() for match in ELSEWHERE.finditer(text)]
    assert found == []


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (SECRETS, "token: sk-ant-oat01-AbCd12345"),
        (SECRETS, "OPENROUTER_API_KEY=sk-or-v1-0123456789abcdef0123"),
        (ELSEWHERE, f"as in issue {7}"),
        (ELSEWHERE, "see " + "/".join(["", "home", "someone", "notes"])),
    ],
)
def test_the_patterns_find_something(pattern: re.Pattern[str], text: str) -> None:
    assert pattern.search(text)
