"""The shape of the project: which module may know what, how files are named, what stands in none."""

from __future__ import annotations

import ast
import graphlib
import importlib.metadata
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests import paths

ADDONS = paths.ROOT / "addons"
PACKAGE = ADDONS / "claude_route"
FILES = {
    ".".join(path.relative_to(ADDONS).with_suffix("").parts): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if path.name != "__init__.py"
}
"""Module name -> file: `claude_route.wire.sse`."""

TREES = {name: ast.parse(path.read_bytes(), str(path)) for name, path in FILES.items()}

PURE = ("wire", "text", "targets", "dialects", "pricing", "profile", "routing", "sessions")
"""Packages that know neither mitmproxy nor the event loop: what they give depends on what they are
given."""

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
    ("claude_route.dialects.dialect", "secrets"): "makes ids for answers and calls",
    ("claude_route.pricing.listed", "read_bytes"): "reads the list that the package brings",
    ("claude_route.profile.profiles", "read_text"): "reads the profile; parse() takes the text",
}

TESTED_ELSEWHERE = {
    "claude_route.dialects.dialect": "it says what each dialect must have, and does nothing",
    "claude_route.__main__": "the command, in tests/wire/test_cli.py",
    "claude_route._script.route": "the command of a wheel, in tests/wire/test_wheel.py",
    "claude_route._script.run": "the command, in tests/wire/test_cli.py",
    "claude_route.app": "the whole proxy, in tests/wire",
    "claude_route.cli.companion": "the command, in tests/wire/test_cli.py",
    "claude_route.cli.private_proxy": "the command, in tests/wire/test_cli.py",
    "claude_route.cli.program": "signals and exit status, in tests/wire/test_cli.py",
    "claude_route.cli.run": "the command, in tests/wire/test_cli.py",
    "claude_route._script.worker": "workers, in tests/wire/test_workers.py",
    "claude_route.cli.worker": "workers, in tests/wire/test_workers.py",
    "claude_route.store.budget_scripts": "what sends them, in test_counters.py",
    "claude_route.store.scripts": "what sends them, in test_tokens.py and test_seats.py",
    "claude_route.cli.up": "the command, in tests/wire/test_cli.py",
    "claude_route.proxy.contract": "it says what others must have, and does nothing",
    "claude_route.proxy.state": "it holds what others make and test",
}
"""Modules without a unit test of their own, and what covers them."""

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


def imports(name: str) -> set[str]:
    """The modules that a module of ours imports, by their full names, wherever in the file."""
    modules = set()
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules |= {f"{node.module}.{alias.name}" for alias in node.names}
    return modules


def box(module: str) -> str:
    """The folder of the package, or the module directly in it: `wire`, `settings`."""
    return module.split(".")[1]


def siblings(name: str) -> set[str]:
    return imports(name) & FILES.keys()


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
    modules = {module.partition(".")[0] for module in imports(name)}
    return modules & IMPURE_MODULES | set(names(TREES[name])) & IMPURE_NAMES


def test_addons_holds_three_files_and_the_package() -> None:
    entries = {path.name for path in ADDONS.iterdir()} - {"__pycache__"}
    assert entries == {"route.py", "rotation.py", "scrub.py", "claude_route"}


def test_packages_have_no_cycles() -> None:
    graph: dict[str, set[str]] = {box(name): set() for name in FILES}
    for name in FILES:
        graph[box(name)] |= {box(each) for each in siblings(name)} - {box(name)}
    assert len(list(graphlib.TopologicalSorter(graph).static_order())) == len(graph)


def test_the_documented_order_is_the_one_of_the_imports() -> None:
    """docs/architecture.md lists each folder and module below all that it imports. Those of one row
    may import each other from left to right."""
    page = (paths.ROOT / "docs" / "architecture.md").read_text()
    rows = page.partition("| folder or module |")[2].partition("\n\n")[0].splitlines()[2:]
    order = [name for row in rows for name in re.findall(r"`(\w+)/?`", row.split("|")[1])]
    scripts = {"_script", "__main__"}
    assert sorted(order) == sorted({box(name) for name in FILES} - scripts)
    upwards = [
        (name, imported)
        for name in FILES
        for imported in siblings(name)
        if box(name) not in scripts and order.index(box(name)) < order.index(box(imported))
    ]
    assert upwards == []


def test_modules_have_no_cycles() -> None:
    order = graphlib.TopologicalSorter({name: siblings(name) for name in FILES})
    assert len(list(order.static_order())) == len(FILES)


@pytest.mark.parametrize("name", [name for name in FILES if box(name) in PURE])
def test_pure_packages_know_no_mitmproxy_and_no_clock(name: str) -> None:
    libraries = {module.partition(".")[0] for module in imports(name)}
    assert not libraries & {"mitmproxy", "mitmproxy_rs"}
    assert {box(each) for each in siblings(name)} <= set(PURE)
    assert {each for each in impurities(name) if (name, each) not in ALLOWED} == set()


@pytest.mark.parametrize("name", [name for name in FILES if ".proxy.upstream." in name])
def test_the_upstream_client_knows_no_mitmproxy_and_nothing_of_ours(name: str) -> None:
    assert not {module.partition(".")[0] for module in imports(name)} & {
        "mitmproxy",
        "mitmproxy_rs",
    }
    assert [each for each in siblings(name) if ".proxy.upstream." not in each] == []


def test_what_is_allowed_is_needed() -> None:
    assert {key for key in ALLOWED if key[1] not in impurities(key[0])} == set()


def compared(tree: ast.AST) -> Iterator[ast.expr]:
    """What decides by its value: in a comparison, a match, or as the key of a table."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            yield from (node.left, *node.comparators)
        elif isinstance(node, ast.Match):
            yield node.subject
        elif (
            isinstance(node, ast.Subscript) and ast.unparse(node.value).split(".")[-1] != "BY_NAME"
        ):
            yield node.slice


def is_dialects_name(value: ast.expr) -> bool:
    """`provider.api`, `api`, `deployment.dialect`, `dialect.name`."""
    match value:
        case ast.Attribute(attr="api" | "dialect") | ast.Name(id="api" | "dialect"):
            return True
        case ast.Attribute(
            attr="name", value=ast.Name(id="dialect") | ast.Attribute(attr="dialect")
        ):
            return True
    return False


@pytest.mark.parametrize("name", sorted(FILES))
def test_nobody_asks_which_dialect_it_is(name: str) -> None:
    """What depends on it is a method of `dialects.dialect.Dialect`."""
    assert [each.lineno for each in compared(TREES[name]) if is_dialects_name(each)] == []


@pytest.mark.parametrize(
    "source",
    [
        "if provider.api == 'openai': pass",
        "x = 1 if 'a' != api else 2",
        "match p.api:\n case 'a': pass",
        "is_keyed = deployment.dialect == 'anthropic' and key",
        "ends = ENDS[api.dialect]",
    ],
)
def test_who_asks_which_dialect_it_is_would_be_seen(source: str) -> None:
    assert any(is_dialects_name(each) for each in compared(ast.parse(source)))


@pytest.mark.parametrize("name", sorted(FILES))
def test_modules_are_imported_whole_absolutely_and_at_the_top(name: str) -> None:
    """`from claude_route.wire import sse`, used as `sse.Decoder`."""
    tree = TREES[name]
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    ours = [node for node in froms if (node.module or "").partition(".")[0] == "claude_route"]
    assert [node.lineno for node in froms if node.level] == []
    assert [
        f"{node.module}.{alias.name}"
        for node in ours
        for alias in node.names
        if f"{node.module}.{alias.name}" not in FILES and alias.name not in packages()
    ] == []
    inner = [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom | ast.Global)]
    assert [node.lineno for node in inner if node not in tree.body] == []


def bound(function: ast.AST) -> Iterator[tuple[int, str]]:
    """The lines where a function, or one inside it, gives something a name; and that name."""
    for node in ast.walk(function):
        match node:
            case ast.arg(arg=str(name)) | ast.Name(id=str(name), ctx=ast.Store()):
                yield node.lineno, name
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield node.lineno, name


def shadows(tree: ast.AST) -> list[tuple[int, str]]:
    """The lines where a function gives another meaning to the name of one of our modules."""
    modules = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("claude_route")
        for alias in node.names
    }
    return [
        (line, name)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for line, name in bound(function)
        if name in modules
    ]


@pytest.mark.parametrize("name", sorted(FILES))
def test_in_a_file_a_modules_name_means_the_module(name: str) -> None:
    assert shadows(TREES[name]) == []


@pytest.mark.parametrize(
    "source",
    [
        "def f(sse): pass",
        "def f():\n  sse = 1",
        "def f():\n  return [1 for sse in ()]",
        "f = lambda sse: 1",
        "async def f(x):\n  match x:\n    case [sse]: pass",
    ],
)
def test_a_modules_name_with_another_meaning_would_be_seen(source: str) -> None:
    assert shadows(ast.parse(f"from claude_route.wire import sse\n{source}"))


def packages() -> set[str]:
    return {path.parent.name for path in PACKAGE.rglob("__init__.py")}


def test_the_engine_knows_nobody_who_watches() -> None:
    """It reports what happens; see `contract.Observer`."""
    watching = {"watch", "pages", "commands", "announcement"}
    assert [
        (name, module)
        for name in FILES
        if box(name) in ("proxy", "routing", "access")
        for module in siblings(name)
        if box(module) in watching
    ] == []


def test_one_module_names_the_keys_of_a_flows_metadata() -> None:
    keys = re.compile(
        r"route_(model|target|attempts|token|session|state|tokens_\w+|comment|rewritten)"
    )
    assert [
        (name, node.value)
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if keys.fullmatch(node.value)
    ] == []


def test_only_scripts_import_app() -> None:
    importers = [name for name in FILES if "claude_route.app" in imports(name)]
    assert {box(name) for name in importers} <= {"_script"}


def test_no_file_hides_another_module() -> None:
    """These folders come first on sys.path: a file named like a library would be taken for it."""
    found = [path.stem for folder in (paths.ROOT, ADDONS) for path in folder.glob("*.py")]
    taken = {*sys.stdlib_module_names, *importlib.metadata.packages_distributions()}
    assert set(found) & taken == set()
    assert sorted(found) == sorted(set(found))


def test_each_module_has_its_tests() -> None:
    """tests/unit mirrors the package."""
    untested = {
        name
        for name, path in FILES.items()
        if not (
            paths.ROOT
            / "tests"
            / "unit"
            / path.relative_to(PACKAGE).with_name(f"test_{path.stem}.py")
        ).exists()
    }
    assert untested == TESTED_ELSEWHERE.keys()


def tracked() -> Iterator[tuple[str, str]]:
    """The path and text of each file in the repository."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=paths.ROOT, capture_output=True, check=True, text=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is no git repository")
    for name in filter(None, listed.split("\0")):
        content = (paths.ROOT / name).read_bytes() if (paths.ROOT / name).is_file() else b"\0"
        if b"\0" not in content:
            # The inputs of tests/fuzz are of any bytes.
            yield name, content.decode("utf-8", "replace")


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
