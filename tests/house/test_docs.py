"""What README.md and docs/ show can be used: profiles are read, keys known, links lead somewhere."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mitmproxy import flowfilter

from claude_route.profile import profiles
from claude_route.profile import yaml_loader
from tests.house import test_layers
from tests.wire import proxies

PAGES = {
    path.relative_to(proxies.ROOT).as_posix(): path.read_text()
    for path in (proxies.ROOT / "README.md", *sorted((proxies.ROOT / "docs").glob("*.md")))
}

REST: dict[str, Any] = {
    "providers": {"anthropic": {"base_url": "https://api.anthropic.com"}},
    "models": {"claude-*": "anthropic/claude-*"},
}
"""What an example that shows a few keys leaves out."""

VARIABLE = re.compile(r"(?:\$\{|os\.environ/)(\w+)(?!:-)\b")


def fences(language: str) -> Iterator[Any]:
    for page, text in PAGES.items():
        for found in re.finditer(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            line = text.count("\n", 0, found.start()) + 1
            yield pytest.param(found[1], id=f"{page}:{line}")


def whole(text: str) -> str:
    """An example with the models that its fallbacks name, and all else that a profile needs."""
    shown = yaml_loader.load(text).raw
    if "model_list" in shown:
        return text
    named = {name for names in shown.get("fallbacks", {}).values() for name in names}
    models = dict.fromkeys(named, "anthropic/claude-x")
    added = {"models": {**REST["models"], **models, **shown.get("models", {})}}
    providers = {**REST["providers"], **shown.get("providers", {})}
    for target in added["models"].values():
        name = target.partition("/")[0]
        providers.setdefault(name, {"base_url": "https://provider.example"})
    return json.dumps({**shown, **added, "providers": providers}, default=str)


@pytest.mark.parametrize("text", list(fences("yaml")))
def test_examples_are_profiles(text: str) -> None:
    """With the variables that they name unset, and set."""
    profiles.parse(whole(text), {}, "example.yaml")
    values = dict.fromkeys(VARIABLE.findall(text), "https://value.example")
    profile = profiles.parse(whole(text), values, "example.yaml")
    assert [each.name for each in profile.providers.values() if each.missing] == []


def test_there_are_examples() -> None:
    assert len(list(fences("yaml"))) > 15


@pytest.mark.parametrize(
    ("place", "profile"),
    [
        ("the top", {}),
        ("a provider", {"providers": {"zai": {"base_url": "https://x.example", "what": 1}}}),
        (
            "thinking",
            {"providers": {"zai": {"base_url": "https://x.example", "thinking": {"what": 1}}}},
        ),
        ("the pool", {"pool": {"what": 1}}),
    ],
)
def test_every_key_is_explained(place: str, profile: dict[str, Any]) -> None:
    """An unknown key is refused with a list of those that are known."""
    text = json.dumps({"what": 1} if place == "the top" else {**REST, **profile})
    with pytest.raises(ValueError, match="expected one of the keys") as refused:
        profiles.parse(text, {}, "example.yaml")
    listed = re.search(r"one of the keys (.*), got", str(refused.value))
    assert listed
    page = PAGES["docs/profiles.md"]
    unexplained = [
        key
        for key in listed[1].split(", ")
        if f"### {key}\n" not in page and f"## {key}\n" not in page and f"| `{key}` |" not in page
    ]
    assert unexplained == []


def test_the_error_that_is_shown_is_the_one_that_comes() -> None:
    """For the first example of the page, once its key is an `auth` with a mistake in it."""
    page = PAGES["docs/profiles.md"]
    example = page.partition("```yaml\n")[2].partition("```")[0]
    text = example.replace("api_key: ${ZAI_API_KEY}", "auth: baerer")
    with pytest.raises(ValueError) as refused:
        profiles.parse(text, {}, "profiles/mine.yaml")
    assert f"\n    {refused.value}\n" in page


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    text = re.sub(r"^```.*?^```", "", PAGES[page], flags=re.MULTILINE | re.DOTALL)
    folder = (proxies.ROOT / page).parent
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        name, _, anchor = link.partition("#")
        if "://" in link:
            continue
        path = (folder / name).resolve() if name else proxies.ROOT / page
        if not path.exists() or (anchor and anchor not in anchors(path)):
            broken.append(link)
    assert broken == []


def anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}


def section(page: str, title: str) -> str:
    return PAGES[page].partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_filters_can_be_read() -> None:
    shown = re.findall(r"^\| `(.*?)` \|", section("docs/inspecting.md", "Filters"), re.MULTILINE)
    assert shown
    for each in shown:
        flowfilter.parse(each)


@pytest.mark.wire
def test_options_exist() -> None:
    ours = [
        name
        for path in test_layers.FILES.values()
        for name in re.findall(r'add_option\(\s*"(\w+)"', path.read_text())
    ]
    known = {*ours, *options("mitmdump"), *options("mitmweb")}
    table = section("docs/inspecting.md", "Options")
    named = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    named += re.findall(r"--set '?([a-z_]+)=", "\n".join(PAGES.values()))
    assert set(named) - known == set()
    assert set(ours) - set(named) == set()


def options(tool: str) -> list[str]:
    """mitmproxy's own."""
    command = [str(Path(sys.executable).parent / tool), "--options"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return re.findall(r"^(\w+):", listed, re.MULTILINE)
