"""`claude-route up --workers N`: starts N processes that share the listeners, and replaces one that dies."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
import uuid
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path

from claude_route import installation
from claude_route.cli import private_redis
from claude_route.cli import worker
from claude_route.ledger import location
from claude_route.patches import reuse_port
from claude_route.profile import files
from claude_route.profile import profiles
from claude_route.store import shared

PAUSES = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds until a process that died is replaced; the last one holds from then on."""

STEADY = 60.0
"""Seconds for which a process has to run, so that its death is the first one again."""

GRACE = 5.0
"""Seconds that a process has after a second signal, before it is killed."""

COMMAND = "import sys; from claude_route.cli import worker; worker.main(sys.argv[1:])"


def run(arguments: Sequence[str], count: int) -> int:
    """Run until a signal ends it. Returns the exit status.

    Raises:
        ValueError: there can't be several workers here.
    """
    if not reuse_port.is_available():
        raise ValueError("--workers: this system can't share a port among processes (SO_REUSEPORT)")
    if not reuse_port.balances():
        say("this system gives all connections to one of the workers; only Linux divides them")
    executable = None
    if state := state_of_redis(arguments):
        executable = private_redis.program()
        if executable is None:
            raise ValueError(
                "--workers: they share what they know in a store. Name one in the profile "
                "(store: redis://…), or install Redis or Valkey: apt-get install redis-server"
            )
    # A socket's path has some 100 characters at most, so not in the folder for state.
    with tempfile.TemporaryDirectory(prefix="claude-route-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        redis = (
            private_redis.PrivateRedis(executable, state, folder) if executable and state else None
        )
        return asyncio.run(Supervisor(arguments, count, redis, folder).run())


def state_of_redis(arguments: Sequence[str]) -> Path | None:
    """The folder of what a Redis of our own keeps, where the profile leaves it to us in what workers share what
    they know. Beside the profile's ledger, so that proxies of other profiles keep theirs elsewhere, if we may write
    there."""
    environ = files.environment(Path.cwd(), os.environ)
    name = profile_name(arguments)
    try:
        profile = profiles.read(files.locate(name, installation.PROFILES), environ)
    except ValueError:
        return None  # the first worker says what is wrong
    if profile.store is not None or environ.get(shared.VARIABLE):
        return None
    ledger = location.file(location.url(profile.ledger.url, os.environ))
    if ledger and _is_ours(beside := ledger.absolute().parent):
        return beside
    return location.folder(os.environ)


def _is_ours(folder: Path) -> bool:
    """Whether we may write into a folder, which is made if there is none."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


def profile_name(arguments: Sequence[str]) -> str:
    names = [each.removeprefix("profile=") for each in arguments if each.startswith("profile=")]
    return names[-1] if names else "default"


def say(line: str) -> None:
    print(f"claude-route up: {line}", file=sys.stderr, flush=True)


class Supervisor:
    def __init__(
        self,
        arguments: Sequence[str],
        count: int,
        redis: private_redis.PrivateRedis | None,
        folder: Path,
    ) -> None:
        """`folder` is for the workers' sockets."""
        self._arguments = arguments
        self._count = count
        self._redis = redis
        self._processes: dict[int, asyncio.subprocess.Process] = {}
        """By number."""
        self._name = uuid.uuid4().hex[:12]
        self._folder = folder
        self._signals = 0
        self._has_to_stop = asyncio.Event()

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._pass_on, number)
        try:
            if self._redis:
                await self._redis.start()
            return await self._run()
        finally:
            if self._redis:
                await self._redis.stop()

    async def _run(self) -> int:
        # Alone: it sees whether the profile is valid and the ports are free.
        process, is_up = await self._start(1, is_first=True)
        if not is_up:
            status = await process.wait()
            return 0 if self._signals else status
        others = [self._keep(number) for number in range(2, self._count + 1)]
        tasks = [asyncio.create_task(each) for each in (self._keep(1, process), *others)]
        if self._redis:
            tasks.append(asyncio.create_task(self._keep_redis(self._redis)))
        await self._has_to_stop.wait()
        await asyncio.gather(*tasks)
        return 0

    async def _keep(self, number: int, process: asyncio.subprocess.Process | None = None) -> None:
        """Have a worker of this number run until the stop."""
        loop = asyncio.get_running_loop()
        deaths = 0
        while not self._has_to_stop.is_set():
            began = loop.time()
            try:
                if process is None:
                    process, _ = await self._start(number)
                end = f"ended with status {await process.wait()}"
            except OSError as e:  # the system has no process left, or no file
                end = f"can't be started: {e.strerror or e}"
            self._processes.pop(number, None)
            process = None
            if self._has_to_stop.is_set():
                return
            if loop.time() - began > STEADY:
                deaths = 0
            pause = PAUSES[min(deaths, len(PAUSES) - 1)]
            deaths += 1
            say(f"worker {number} {end}; another starts in {pause:g} s")
            await self._sleep(pause)

    async def _keep_redis(self, redis: private_redis.PrivateRedis) -> None:
        while not self._has_to_stop.is_set():
            ending = asyncio.create_task(redis.wait())
            stopping = asyncio.create_task(self._has_to_stop.wait())
            await asyncio.wait([ending, stopping], return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            if self._has_to_stop.is_set():
                return
            say(f"Redis ended with status {await ending}; it starts again")
            await self._sleep(PAUSES[0])
            with contextlib.suppress(OSError):
                await redis.start()

    async def _sleep(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._has_to_stop.wait(), seconds)

    async def _start(
        self, number: int, *, is_first: bool = False
    ) -> tuple[asyncio.subprocess.Process, bool]:
        """Start a worker. Returns it once it is up, or has ended.

        Raises:
            OSError: it can't be started.
        """
        reading, writing = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                # -P: import no module from the working directory.
                *(sys.executable, "-P", "-c", COMMAND),
                *("-s", str(installation.SCRIPTS / "worker.py"), *self._arguments),
                env=self._environ(number, writing, is_first=is_first),
                # It holds the other end, and ends when this process does.
                stdin=asyncio.subprocess.PIPE,
                pass_fds=[writing],
                # Ctrl-C in the terminal is for this process, which passes it on.
                start_new_session=True,
            )
        except OSError:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        self._processes[number] = process
        if self._signals:
            process.terminate()
        return process, await _read(reading)

    def _environ(self, number: int, pipe: int, *, is_first: bool) -> Mapping[str, str]:
        environ = {
            **os.environ,
            worker.WORKER: f"{self._name}/{number}/{self._count}",
            worker.READY: str(pipe),
            worker.FOLDER: str(self._folder),
        }
        environ.pop(worker.FIRST, None)
        if is_first:
            environ[worker.FIRST] = "1"
        if self._redis:
            environ[shared.VARIABLE] = self._redis.url
        return environ

    def _pass_on(self, number: signal.Signals) -> None:
        self._signals += 1
        self._has_to_stop.set()
        for process in self._processes.values():
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)
        if self._signals == 2:
            asyncio.get_running_loop().call_later(GRACE, self._kill)

    def _kill(self) -> None:
        for process in self._processes.values():
            with contextlib.suppress(ProcessLookupError):
                process.kill()


async def _read(pipe: int) -> bool:
    """Whether a worker says that it is up, before it closes the pipe."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    with os.fdopen(pipe, "rb") as file:
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), file
        )
        try:
            return bool(await reader.readline())
        finally:
            transport.close()
