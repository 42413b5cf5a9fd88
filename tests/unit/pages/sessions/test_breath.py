from __future__ import annotations

import threading
import time

import pytest

from claude_route.pages.sessions import breath


def test_a_pause_after_each_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    now, pauses = [10.0], list[float]()
    monkeypatch.setattr(time, "thread_time", lambda: now[0])
    monkeypatch.setattr(time, "sleep", pauses.append)
    monkeypatch.setattr(breath, "_began", threading.local())
    breath.take()
    for _ in range(100):
        now[0] += breath.SLICE / 10
        breath.take()
    assert 9 <= len(pauses) <= 11
    assert set(pauses) == {breath.PAUSE}


def test_each_thread_has_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breath, "_began", threading.local())
    breath.take()
    began = breath._began.at
    thread = threading.Thread(target=breath.take)
    thread.start()
    thread.join()
    assert breath._began.at == began
