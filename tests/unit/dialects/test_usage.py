from __future__ import annotations

import pytest

from claude_route.dialects import usage


def test_prompt_is_all_that_was_read() -> None:
    assert usage.Usage(1, 2, 30, 400, 100).prompt == 431


@pytest.mark.parametrize(
    ("reported", "written", "is_final", "output"),
    [
        (0, 0, False, 0),
        (0, 400, False, 100),
        (1, 400, False, 100),
        (300, 400, False, 300),
        (42, 400, True, 42),
        (0, 400, True, 0),
    ],
)
def test_output_is_estimated_until_it_is_reported(
    reported: int, written: int, is_final: bool, output: int
) -> None:
    meter = usage.Meter()
    meter.usage, meter.written, meter.is_final = usage.Usage(7, reported), written, is_final
    assert meter.output == output
