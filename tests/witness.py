"""Run one fixture under the real FastAPI, in a process of its own, and let its witness judge the harm."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import importlib
import importlib.metadata
import importlib.util
import inspect
import json
import logging
import multiprocessing
import os
import re
import socket
import sys
import threading
import traceback
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any, cast
from unittest.mock import MagicMock

import httpx
import uvicorn

FIXTURES = Path(__file__).parent.parent / "fixtures"
BOUND = 180.0
FASTAPI = importlib.metadata.version("fastapi")
ERAS = ((0, 106), (0, 118), (0, 121))
_watches: list[Callable[[FrameType, str, object], None]] = []


@dataclass(frozen=True)
class Fixture:
    """One app of a fixtures folder: a file, or a folder whose `main.py` holds the app."""

    path: Path

    @property
    def id(self) -> str:
        return f"{self.path.parent.name}/{self.name}"

    @property
    def main(self) -> Path:
        return self.path / "main.py" if self.path.is_dir() else self.path

    @property
    def harmful(self) -> bool:
        return self.path.name.startswith("bad_") and ".fixed" not in self.path.name

    @property
    def request(self) -> Request:
        return Request.parse(_comment("try", self.main.read_text(encoding="utf-8")))

    @property
    def name(self) -> str:
        return self.path.name.removesuffix(".py")

    @property
    def is_at_home(self) -> bool:
        """Whether the installed FastAPI is of the era that the fixture or its witness names; else of the newest."""
        under: dict[str, str] = getattr(judge(self.path.parent), "WITNESSED_UNDER", {})
        named = under.get(self.name) or _comment("fastapi-version", self.main.read_text(encoding="utf-8"))
        return _era(FASTAPI) == (_era(named) if named else len(ERAS))


@dataclass(frozen=True)
class Request:
    """What a `# try:` comment asks for: `POST /path?query`, then json=, data= or `file=name:content`."""

    method: str
    url: str
    body: dict[str, Any]

    @classmethod
    def parse(cls, text: str) -> Request:
        method, url, *rest = text.split(maxsplit=2)
        return cls(method, url, _body(rest[0]) if rest else {})

    async def send(self, client: httpx.AsyncClient) -> httpx.Response:
        return await client.request(self.method, self.url, **self.body)


@dataclass(frozen=True)
class Call:
    """One call seen by a recorder: where it ran, below which functions, and what it was given."""

    thread: int
    on_loop: bool
    stack: tuple[str, ...]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class Calls(list[Call]):
    """The calls a recorder saw, in order."""

    @property
    def on_loop(self) -> list[Call]:
        """Those made in a thread whose event loop was running: they stop every other request."""
        return [call for call in self if call.on_loop]

    def note(self, frame: FrameType, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.append(Call(threading.get_ident(), _loop_is_running(), _callers(frame), args, kwargs))


@dataclass
class Server:
    """The app behind a real uvicorn on a loopback port."""

    client: httpx.AsyncClient
    request: Request
    log: list[logging.LogRecord]

    async def go(self, request: str | None = None) -> httpx.Response:
        """Send the request; the answer comes before the tasks have run."""
        return await (Request.parse(request) if request else self.request).send(self.client)


@dataclass
class Witnessed:
    """A loaded fixture and everything that was noticed about it while it ran."""

    module: ModuleType
    request: Request
    log: list[logging.LogRecord] = field(default_factory=list)
    warnings: list[warnings.WarningMessage] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)

    @property
    def asgi(self) -> Any:
        return self.module.app

    async def go(self, request: str | None = None) -> httpx.Response:
        """Start the app, send the request, wait for its tasks and those they created, stop the app."""
        wanted = Request.parse(request) if request else self.request
        transport = httpx.ASGITransport(self._outlived, raise_app_exceptions=False)
        async with self._started(), httpx.AsyncClient(transport=transport, base_url="http://app") as client:
            before = asyncio.all_tasks()
            response = await wanted.send(client)
            await _rest(asyncio.all_tasks() - before)
        return response

    @contextlib.asynccontextmanager
    async def served(self) -> AsyncIterator[Server]:
        """Serve the app with uvicorn in a thread of its own; leaving waits a few seconds for its tasks."""
        server, port = _uvicorn(self._watched)
        client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=10)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [port.socket]}, daemon=True)
        thread.start()
        try:
            await _until(lambda: server.started or not thread.is_alive())
            yield Server(client, self.request, self.log)
        finally:
            await client.aclose()
            server.should_exit = True
            await _until(lambda: not thread.is_alive())
            gc.collect()

    @contextlib.contextmanager
    def calls(self, name: str, returns: Any = None) -> Iterator[Calls]:
        """Replace the dotted `name` by a recorder that does nothing; see also `observed`."""
        owner, attribute = _resolve(name)
        real, seen = getattr(owner, attribute), Calls()
        recorder = _recorder(real, seen, MagicMock() if returns is None else returns)
        places = [(owner, attribute), *self._bindings(real)]
        for place, key in places:
            setattr(place, key, recorder)
        try:
            yield seen
        finally:
            for place, key in places:
                setattr(place, key, real)

    @contextlib.contextmanager
    def observed(self, name: str) -> Iterator[Calls]:
        """Record the calls of the dotted `name`, builtin or not, in whatever thread, and let them run."""
        owner, attribute = _resolve(name)
        seen = Calls()
        watch = functools.partial(_notice, seen, getattr(owner, attribute))
        _watches.append(watch)
        try:
            yield seen
        finally:
            _watches.remove(watch)

    def _bindings(self, real: object) -> list[tuple[ModuleType, str]]:
        """Where the fixture's own modules hold `real` under a name of theirs (`from time import sleep`)."""
        home = Path(cast(str, self.module.__file__)).parent
        own = [
            m for m in list(sys.modules.values()) if home in Path(getattr(m, "__file__", None) or "/").parents
        ]
        return [(module, key) for module in own for key, value in vars(module).items() if value is real]

    @contextlib.asynccontextmanager
    async def _started(self) -> AsyncIterator[None]:
        router = getattr(self.asgi, "router", None)
        async with router.lifespan_context(self.asgi) if router else contextlib.nullcontext():
            yield

    async def _watched(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await self.asgi(scope, receive, send)
        except BaseException as error:
            self.errors.append(error)
            raise

    async def _outlived(self, scope: Any, receive: Any, send: Any) -> None:
        """As a server does: an exit in a task ends the request, not the process."""
        try:
            await self._watched(scope, receive, send)
        except (SystemExit, KeyboardInterrupt) as error:
            raise RuntimeError("the app asked to exit") from error


def fixtures() -> list[Fixture]:
    """Every app that the installed FastAPI can run, of every folder that has a `harm`."""
    folders = [folder for folder in witness_folders() if hasattr(judge(folder), "harm")]
    return [fixture for folder in folders for fixture in _apps(folder) if _witnessed(fixture)]


def witness_folders() -> list[Path]:
    """The fixture folders, one a rule."""
    return sorted(path.parent for path in FIXTURES.glob("*/witness.py"))


@functools.cache
def judge(folder: Path) -> ModuleType:
    """The folder's `witness.py`: it has `harm`, or says in `RESTS_ON` which framework lines it trusts."""
    return _load(folder / "witness.py", f"witness_of_{folder.name}")


def observe(fixture: Fixture, workdir: Path) -> bool:
    """Whether the harm shows: judged in a fresh process that is killed when it has answered or is late."""
    receiver, sender = _processes().Pipe(duplex=False)
    child = _processes().Process(target=_testify, args=(fixture, workdir, sender))
    child.start()
    sender.close()
    try:
        return _answer(fixture, receiver)
    finally:
        child.kill()
        child.join()


@functools.cache
def _processes() -> Any:
    """A server process that has the framework loaded already forks one child a fixture, where it can."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["fastapi", "httpx", "uvicorn", "tests.witness"])
    return context


def _answer(fixture: Fixture, receiver: Connection) -> bool:
    if not receiver.poll(BOUND):
        raise TimeoutError(f"{fixture.id}: the witness said nothing for {BOUND:.0f} seconds")
    answer = receiver.recv()
    if isinstance(answer, bool):
        return answer
    raise RuntimeError(f"{fixture.id}: the witness failed\n{answer}")


def _testify(fixture: Fixture, workdir: Path, sender: Connection) -> None:
    os.chdir(workdir)
    logging.basicConfig(level=logging.INFO, handlers=[logging.NullHandler()], force=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    threading.setprofile(_profile)
    sys.setprofile(_profile)
    try:
        asyncio.run(_judged(fixture, sender))
    except BaseException:
        sender.send(traceback.format_exc())


async def _judged(fixture: Fixture, sender: Connection) -> None:
    """Answers before the loop closes: closing may wait for a thread that never ends."""
    harm: Callable[[Witnessed], Awaitable[bool]] = judge(fixture.path.parent).harm
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            module = _app(fixture)
        except Exception as error:
            sender.send(_refused(fixture, error))
            return
        app = Witnessed(module, fixture.request, warnings=caught)
        logging.getLogger().addHandler(_Keeper(app.log))
        sender.send(bool(await harm(app)))


def _refused(fixture: Fixture, error: Exception) -> bool:
    """Whether the app that cannot even be loaded is the harm: the witness may say so in `refused`."""
    refused: Callable[[Exception], bool] | None = getattr(judge(fixture.path.parent), "refused", None)
    if refused is None:
        raise error
    return refused(error)


class _Keeper(logging.Handler):
    def __init__(self, records: list[logging.LogRecord]) -> None:
        super().__init__()
        self._records = records

    def emit(self, record: logging.LogRecord) -> None:
        self._records.append(record)


def _app(fixture: Fixture) -> ModuleType:
    if fixture.path.is_dir():
        sys.path.insert(0, str(fixture.path))
        return importlib.import_module("main")
    return _load(fixture.path, fixture.path.stem.replace(".", "_"))


def _load(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None, path
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _apps(folder: Path) -> list[Fixture]:
    entries = [path for path in sorted(folder.iterdir()) if path.name.startswith(("bad_", "good_"))]
    return [Fixture(path) for path in entries if path.is_dir() or path.suffix == ".py"]


def _witnessed(fixture: Fixture) -> bool:
    witness = judge(fixture.path.parent)
    left_out: dict[str, str] = getattr(witness, "NOT_WITNESSED", {})
    elsewhere: dict[str, str] = getattr(witness, "NOT_WITNESSED_ELSEWHERE", {})
    return fixture.name not in left_out and (fixture.is_at_home or fixture.name not in elsewhere)


def _era(version: str) -> int:
    major, minor = version.split(".")[:2]
    return sum((int(major), int(minor)) >= edge for edge in ERAS)


def _comment(key: str, text: str) -> str:
    found = re.search(rf"^# {key}: (.+)$", text, re.MULTILINE)
    return found[1].strip() if found else ""


def _body(text: str) -> dict[str, Any]:
    key, value = text.split("=", 1)
    if key in ("json", "data", "headers"):
        return {key: json.loads(value)}
    name, content = value.split(":", 1)
    return {"files": {key: (name, content.encode())}}


def _resolve(name: str) -> tuple[Any, str]:
    """The module or class that holds the last part of a dotted name."""
    path, attribute = name.rsplit(".", 1)
    with contextlib.suppress(ImportError):
        return importlib.import_module(path), attribute
    owner, part = _resolve(path)
    return getattr(owner, part), attribute


def _recorder(real: object, seen: Calls, result: Any) -> Callable[..., Any]:
    async def record_async(*args: Any, **kwargs: Any) -> Any:
        seen.note(sys._getframe(1), args, kwargs)
        return result

    def record(*args: Any, **kwargs: Any) -> Any:
        seen.note(sys._getframe(1), args, kwargs)
        return result

    return record_async if inspect.iscoroutinefunction(real) else record


def _profile(frame: FrameType, event: str, argument: object) -> None:
    """Set before the app is loaded: a thread that runs already cannot be profiled from outside."""
    for watch in _watches:
        watch(frame, event, argument)


def _notice(seen: Calls, wanted: object, frame: FrameType, event: str, argument: object) -> None:
    """Note the call of one Python function or one builtin."""
    if event == "call" and frame.f_code is _code(wanted):
        seen.note(frame, (), dict(frame.f_locals))
    elif event == "c_call" and _same_builtin(argument, wanted):
        seen.note(frame, (getattr(argument, "__self__", None),), {})


def _callers(frame: FrameType | None) -> tuple[str, ...]:
    """The names of the running functions, the innermost first."""
    names = []
    while frame is not None:
        names.append(frame.f_code.co_name)
        frame = frame.f_back
    return tuple(names)


def _code(function: object) -> CodeType | None:
    return getattr(inspect.unwrap(cast(Any, function)), "__code__", None)


def _same_builtin(called: Any, wanted: Any) -> bool:
    if called is wanted:
        return True
    owner = getattr(wanted, "__objclass__", None)
    return owner is not None and isinstance(called.__self__, owner) and called.__name__ == wanted.__name__


def _loop_is_running() -> bool:
    with contextlib.suppress(RuntimeError):
        return asyncio.get_running_loop() is not None
    return False


async def _rest(created: set[asyncio.Task[Any]]) -> None:
    """Let the tasks that the app created finish, for some seconds, and dropped coroutines complain."""
    if created:
        await asyncio.wait(created, timeout=5)
    gc.collect()


async def _until(done: Callable[[], bool]) -> None:
    for _ in range(800):
        if done():
            return
        await asyncio.sleep(0.01)


class _Port(int):
    """A loopback port that is bound already, so that nobody else can take it."""

    socket: socket.socket


def _uvicorn(app: Any) -> tuple[uvicorn.Server, _Port]:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    port = _Port(listener.getsockname()[1])
    port.socket = listener
    config = uvicorn.Config(
        app, interface="asgi3", log_config=None, access_log=False, timeout_graceful_shutdown=5
    )
    return uvicorn.Server(config), port
