from __future__ import annotations

import asyncio
import logging

import pytest

from claude_route.patches import cancelled_streams


@pytest.mark.parametrize(
    ("error", "is_logged"),
    [(asyncio.CancelledError(), False), (ValueError("no"), True), (None, True)],
)
def test_only_cancelled_tasks_are_quiet(
    error: BaseException | None, is_logged: bool, caplog: pytest.LogCaptureFixture
) -> None:
    cancelled_streams.install()
    logging.getLogger(cancelled_streams.LOGGER).error("Exception in callback", exc_info=error)
    assert bool(caplog.records) is is_logged
