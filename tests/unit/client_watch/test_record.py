from __future__ import annotations

from pathlib import Path

import pytest

from tests.client_watch import record
from tests.client_watch import traits

EFFORT = traits.Trait("fields", "effort")


def of_span(span: str) -> record.Record:
    return {"fields": {"effort": {"forward": span}}}


@pytest.mark.parametrize(
    ("span", "version", "sent", "expected"),
    [
        ("2.1.330-", "2.1.330", True, ""),
        ("2.1.330-", "2.1.1000", True, ""),
        ("2.1.330-", "2.1.329", False, ""),
        ("2.1.330-", "2.1.332", False, "no longer sends fields: effort"),
        ("2.1.330-", "2.1.329", True, "now sends fields: effort"),
        ("2.1.330-2.1.332", "2.1.331", True, ""),
        ("2.1.330-2.1.332", "2.1.332", False, ""),
        ("2.1.330-2.1.332", "2.1.332", True, "now sends fields: effort"),
        ("~2.1.330-", "2.1.332", False, ""),
        ("~2.1.330-", "2.1.332", True, ""),
    ],
)
def test_differences(span: str, version: str, sent: bool, expected: str) -> None:
    differences = record.differences(of_span(span), "forward", version, [EFFORT] * sent)
    lines = [f"forward listener: the client {expected}"] if expected else []
    assert [str(difference) for difference in differences] == lines


def test_each_listener_has_its_own() -> None:
    (difference,) = record.differences(of_span("2.1.330-"), "reverse", "2.1.330", [EFFORT])
    assert str(difference) == "reverse listener: the client now sends fields: effort"


@pytest.mark.parametrize(
    ("span", "version", "sent", "expected"),
    [
        ("2.1.330-", "2.1.332", True, "2.1.330-"),
        ("2.1.330-", "2.1.329", True, "2.1.329-"),
        ("2.1.330-", "2.1.332", False, "2.1.330-2.1.332"),
        ("2.1.330-2.1.332", "2.1.335", True, "2.1.330-"),
        # One version that does both: it comes and goes.
        ("2.1.330-", "2.1.330", False, "~2.1.330-"),
        ("2.1.330-2.1.332", "2.1.332", True, "~2.1.330-"),
    ],
)
def test_an_update(span: str, version: str, sent: bool, expected: str) -> None:
    before = of_span(span)
    after = record.updated(before, "forward", version, [EFFORT] * sent)
    assert after == of_span(expected)
    assert before == of_span(span)
    assert record.differences(after, "forward", version, [EFFORT] * sent) == []


def test_an_update_adds_what_is_new() -> None:
    after = record.updated({}, "reverse", "2.1.332", [EFFORT])
    assert after == {"fields": {"effort": {"reverse": "2.1.332-"}}}


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "known.json"
    record.write(of_span("2.1.330-"), path)
    assert record.read(path) == of_span("2.1.330-")


def test_the_record_has_what_every_client_sends() -> None:
    committed = record.read()
    assert committed["betas"]["claude-code-20250219"].keys() == {"reverse", "forward"}
    assert committed["headers"]["x-claude-code-session-id"].keys() == {"reverse", "forward"}
