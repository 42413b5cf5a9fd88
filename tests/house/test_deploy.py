"""What deploy/ says about metrics is true of those that there are."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator

import pytest
from prometheus_client import parser

from claude_route.metrics import meters
from claude_route.profile import profiles
from claude_route.proxy import records
from tests import paths
from tests.unit import states
from tests.unit.ledger.examples import record
from tests.wire import proxies

ALERTS = paths.ROOT / "deploy" / "prometheus" / "alerts.yaml"
DASHBOARD = paths.ROOT / "deploy" / "grafana" / "claude-route.json"

USED = re.compile(r"\b((?:claude_route|process)_\w+)(?:\{([^}]*)\})?")

LIMITED = {"key": f"sha256:{'0' * 64}", "budget": {"day": 20}, "tokens_per_day": 1000}

PROFILE = profiles.parse(
    str(
        proxies.profile(
            "http://127.0.0.1:1", pool={"tokens": proxies.POOL[0]}, clients={"alice": LIMITED}
        )
    ),
    {},
    "p.yaml",
)


def series() -> dict[str, set[str]]:
    """The names of all series, with their labels, once something of each kind has happened."""
    in_force = states.state_of(PROFILE)
    token = in_force.pool.tokens[0]
    in_force.pool.learn(
        token,
        200,
        {
            "anthropic-ratelimit-unified-5h-utilization": "0.1",
            "anthropic-ratelimit-unified-5h-reset": "9999999999",
        },
    )
    made = meters.Meters(lambda: in_force, limits=lambda: {"head_size": 1})
    failed = records.Failure("zai/glm-5", "529", "zai/glm-5")
    made.take(record(failures=(failed,), attempts=2), None)
    made.take(record(cost=record().cost._replace(dollars=None)), None)
    found: dict[str, set[str]] = {}
    for family in parser.text_string_to_metric_families(made.text().decode()):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def expressions() -> Iterator[tuple[str, str]]:
    rules = re.split(r"^ +- alert: ", ALERTS.read_text(), flags=re.MULTILINE)[1:]
    yield from ((rule.partition("\n")[0], rule) for rule in rules)
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


SERIES = series()


@pytest.mark.parametrize(("name", "text"), list(expressions()))
def test_each_metric_and_label_exists(name: str, text: str) -> None:
    used = USED.findall(text)
    assert used or "up{" in text
    for metric, labels in used:
        assert metric in SERIES
        for label in re.findall(r"(\w+)(?:=~|!~|!=|=)\"", labels):
            assert label in SERIES[metric] | {"instance", "job"}


def test_each_metric_of_ours_is_on_the_dashboard() -> None:
    shown = " ".join(expression for _, expression in expressions())
    names = {re.sub(r"_(bucket|sum|count)$", "", name) for name in SERIES}
    missing = {name for name in names if name.startswith("claude_route_") and name not in shown}
    assert missing == set()


def test_panels_dont_overlap() -> None:
    taken = set()
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        place = panel["gridPos"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in taken
                taken.add((x, y))
        assert place["x"] + place["w"] <= 24


@pytest.mark.skipif(shutil.which("promtool") is None, reason="apt-get install prometheus")
def test_prometheus_can_read_the_rules_and_the_metrics() -> None:
    subprocess.run(["promtool", "check", "rules", str(ALERTS)], check=True, timeout=60)
    in_force = states.state_of(PROFILE)
    made = meters.Meters(lambda: in_force)
    made.take(record(), None)
    check = ["promtool", "check", "metrics"]
    ended = subprocess.run(check, input=made.text(), capture_output=True, timeout=60, check=False)
    assert ended.returncode in (0, 3), ended.stderr  # 3: matters of taste
    assert b"error" not in ended.stderr.lower(), ended.stderr
