from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import pytest
from mitmproxy import http
from mitmproxy import io
from mitmproxy.addons import save
from mitmproxy.addons import savehar
from mitmproxy.test import taddons
from mitmproxy.test import tflow

from claude_route.patches import saved_files


@pytest.fixture(autouse=True)
def installed() -> Iterator[Callable[[], None]]:
    undo = [saved_files.install()]

    def uninstall() -> None:
        while undo:
            undo.pop()()

    yield uninstall
    uninstall()


def flow_of(size: int) -> http.HTTPFlow:
    made = tflow.tflow(resp=True)
    made.request.raw_content = b"a" * size
    return made


def ids(path: Path) -> list[str]:
    with path.open("rb") as file:
        return [flow.id for flow in io.FlowReader(file).stream()]


@pytest.mark.parametrize("sizes", [(1, 1), (saved_files.LARGE, 1), (1, 200_000, 1, 1)])
def test_all_are_written_in_order(tmp_path: Path, sizes: tuple[int, ...]) -> None:
    saving, path = save.Save(), tmp_path / "flows"
    flows = [flow_of(size) for size in sizes]
    with taddons.context(saving) as tctx:
        tctx.configure(saving, save_stream_file=str(path))
        for each in flows:
            saving.request(each)
            saving.response(each)
        saving.request(unanswered := flow_of(1))
        saving.done()
    assert ids(path) == [each.id for each in (*flows, unanswered)]


def test_a_large_one_holds_nobody_up(tmp_path: Path) -> None:
    saving, path, may_go_on = save.Save(), tmp_path / "flows", threading.Event()
    large = flow_of(saved_files.LARGE)
    with taddons.context(saving) as tctx:
        tctx.configure(saving, save_stream_file=str(path))
        saved_files.SAVING.add(1, may_go_on.wait)  # type: ignore[arg-type]
        saving.response(large)
        large.comment = "changed since"
        assert path.read_bytes() == b""
        may_go_on.set()
        saved_files.SAVING.drain()
        assert ids(path) == [large.id]
        assert b"changed since" not in path.read_bytes()


def test_where_the_disk_is_slow_those_who_send_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saved_files, "MOST_WAITING", 10)
    saving, written = saved_files.Saving(), list[int]()
    for n in range(3):
        saving.add(20, functools.partial(written.append, n))
        assert written[-1] == n
    assert not saving.is_busy


def test_a_disk_that_is_full_ends_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saving = save.Save()

    def fail() -> None:
        raise OSError("no space left on device")

    with taddons.context(saving) as tctx:
        tctx.configure(saving, save_stream_file=str(tmp_path / "flows"))
        saved_files.SAVING.add(saved_files.LARGE, fail)
        saved_files.SAVING.drain()
        with pytest.raises(SystemExit):
            saving.response(flow_of(saved_files.LARGE))
        saving.done()
    assert "no space left" in capsys.readouterr().err


@pytest.mark.parametrize("mode", [None, 0o640])
def test_files_are_for_their_user(tmp_path: Path, mode: int | None) -> None:
    saving, har = save.Save(), savehar.SaveHar()
    names = [tmp_path / name for name in ("stream", "saved", "saved.har", "exit.har")]
    if mode:
        for name in names:
            name.touch()
            name.chmod(mode)
    with taddons.context(saving, har) as tctx:
        tctx.configure(saving, save_stream_file=str(names[0]))
        saving.save([flow_of(1)], str(names[1]))
        har.export_har([flow_of(1)], str(names[2]))
        tctx.configure(har, hardump=str(names[3]))
        har.response(flow_of(1))
        har.done()
        saving.done()
    # A mode that somebody chose stays.
    assert [name.stat().st_mode & 0o777 for name in names] == [mode or 0o600] * 4


@pytest.mark.parametrize(("umask", "expected"), [(0o022, 0o600), (0o002, 0o600), (0o027, 0o640)])
def test_a_umask_that_somebody_chose_stays(tmp_path: Path, umask: int, expected: int) -> None:
    saving, path = save.Save(), tmp_path / "flows"
    before = os.umask(umask)
    try:
        with taddons.context(saving) as tctx:
            tctx.configure(saving, save_stream_file=str(path))
            saving.done()
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == expected


@pytest.mark.parametrize(("before", "mode"), [(None, 0o600), (b"flows", 0o644)])
def test_the_file_that_is_open_before_the_script(
    tmp_path: Path, installed: Callable[[], None], before: bytes | None, mode: int
) -> None:
    saving, path = save.Save(), tmp_path / "flows"
    if before:
        path.write_bytes(before)
    installed()
    with taddons.context(saving) as tctx:
        tctx.configure(saving, save_stream_file=f"+{path}")
        assert path.stat().st_mode & 0o777 == 0o644
        uninstall = saved_files.install()
        assert path.stat().st_mode & 0o777 == mode
        uninstall()
        saving.done()
