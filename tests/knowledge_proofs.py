"""How each call of the standard library that the tables call blocking is caught blocking, once, in this thread.

Three snares, none of them timed:
- `through(event, call)`: the call reaches an operation that Python announces (opening, connecting, starting a
  process: `sys.addaudithook`), and is stopped there, before it has returned;
- a `Wire` or a `Gate` in the place of a socket or a file: whoever reads or writes it is stopped there;
- `waits(call)`: the call is still inside when an alarm goes off. One that returns at once is not stopped.
"""

# ruff: noqa: SIM115 (these calls are stopped before anything is open)
from __future__ import annotations

import bz2
import concurrent.futures
import contextlib
import dbm
import fileinput
import ftplib
import glob
import gzip
import hashlib
import http.client
import imaplib
import io
import json
import lzma
import marshal
import multiprocessing
import multiprocessing.pool
import os
import pathlib
import pickle
import poplib
import queue
import sched
import select
import selectors
import shelve
import shutil
import signal
import smtplib
import socket
import sqlite3
import ssl
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import urllib.request
import xmlrpc.client
import zipfile
import zlib
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from functools import partial
from typing import Any

Call = Callable[[], object]
PROOFS: dict[str, Call] = {}

# Calls that are one system call, that ask a person, or that run what somebody pickled: nothing of Python stands
# between them and the wait, or nothing of Python's own.
UNPROVED = {
    "os.pread", "os.pwrite", "os.sendfile", "os.copy_file_range", "os.fsync", "os.fdatasync", "os.sync",
    "socket.socket.sendfile", "socket.getnameinfo", "signal.sigwait", "builtins.breakpoint", "pdb.set_trace",
    "ssl.SSLSocket.unwrap", "telnetlib.Telnet.interact", "telnetlib.Telnet.mt_interact",
    "pickle.load().predict", "pickle.load().predict_proba",
}  # fmt: skip


class Caught(BaseException):
    """Raised at the blocking operation; nothing in the libraries catches it."""


class Escaped(AssertionError):
    """The call returned: it did not block."""


_armed: set[str] = set()


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if event in _armed:
        raise Caught(event)


sys.addaudithook(_hook)


def caught(call: Call) -> None:
    """The call does not return, it is stopped where it blocks."""
    try:
        result = call()
    except Caught:
        return
    raise Escaped(f"returned {result!r}")


def through(*events: str) -> Callable[[Call], None]:
    """The call comes to one of these operations."""

    def proof(call: Call) -> None:
        _armed.update(events)
        try:
            caught(call)
        finally:
            _armed.difference_update(events)

    return proof


def waits(call: Call) -> None:
    """The call is still inside when the alarm goes off."""

    def ring(*_: object) -> None:
        raise Caught("alarm")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 0.02)
    try:
        caught(call)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class Gate(io.RawIOBase):
    """A file that stops whoever touches it first; then it lets itself be closed."""

    stops = True

    def _stop(self, *_: object) -> Any:
        if self.stops:
            self.stops = False
            raise Caught("file")
        return 0

    def _ready(self) -> bool:
        return True

    def _take(self, data: Any) -> int:
        return self._stop() or len(data)

    readable = writable = _ready
    readinto = truncate = _stop  # type: ignore[assignment]
    write = _take  # type: ignore[assignment]


class Wire:
    """A socket whose every use is stopped."""

    def __getattr__(self, name: str) -> Any:
        raise Caught(name)

    def close(self) -> None:
        """Closing is free."""


class Memory(io.BytesIO):
    """A file in memory whose every use is stopped once it is armed."""

    armed = False

    def __getattribute__(self, name: str) -> Any:
        if name in ("read", "write", "seek", "tell", "readline") and object.__getattribute__(self, "armed"):
            raise Caught(name)
        return object.__getattribute__(self, name)


def proves(*names: str) -> Callable[[Call], Call]:
    """The function below proves these names."""

    def register(proof: Call) -> Call:
        PROOFS.update(dict.fromkeys(names, proof))
        return proof

    return register


def each(prefix: str, snare: Callable[[Call], None], calls: dict[str, Call]) -> None:
    """Register a proof for each call below a prefix."""
    for name, call in calls.items():
        PROOFS[f"{prefix}.{name}"] = lambda call=call: snare(call)  # type: ignore[misc]


@contextlib.contextmanager
def folder() -> Iterator[pathlib.Path]:
    """A directory with a file and a folder in it."""
    with tempfile.TemporaryDirectory() as name:
        path = pathlib.Path(name)
        (path / "file").write_bytes(b"text")
        (path / "inner").mkdir()
        yield path


# ---------------------------------------------------------------- files


def _in_folder(event: str, call: Callable[[pathlib.Path], object]) -> Call:
    def proof() -> None:
        with folder() as path:
            through(event)(lambda: call(path))

    return proof


PROOFS |= {
    "builtins.open": _in_folder("open", lambda p: open(p / "file")),
    "io.open_code": _in_folder("open", lambda p: io.open_code(str(p / "file"))),
    "os.open": _in_folder("open", lambda p: os.open(p / "file", os.O_RDONLY)),
    "os.truncate": _in_folder("os.truncate", lambda p: os.truncate(p / "file", 0)),
    "os.walk": _in_folder("os.scandir", lambda p: list(os.walk(p))),
    "os.fwalk": _in_folder("open", lambda p: list(os.fwalk(p))),
    "os.removedirs": _in_folder("os.rmdir", lambda p: os.removedirs(p / "inner")),
    "pathlib.Path.read_text": _in_folder("open", lambda p: (p / "file").read_text()),
    "pathlib.Path.read_bytes": _in_folder("open", lambda p: (p / "file").read_bytes()),
    "pathlib.Path.write_text": _in_folder("open", lambda p: (p / "file").write_text("")),
    "pathlib.Path.write_bytes": _in_folder("open", lambda p: (p / "file").write_bytes(b"")),
    "pathlib.Path.open": _in_folder("open", lambda p: (p / "file").open()),
    "pathlib.Path.glob": _in_folder("os.scandir", lambda p: list(p.glob("*"))),
    "pathlib.Path.rglob": _in_folder("os.scandir", lambda p: list(p.rglob("*"))),
    "pathlib.Path.walk": _in_folder("os.scandir", lambda p: list(p.walk())),  # type: ignore[attr-defined]
    "glob.glob": _in_folder("os.scandir", lambda p: glob.glob(str(p / "*"))),
    "glob.iglob": _in_folder("os.scandir", lambda p: list(glob.iglob(str(p / "*")))),
    "shutil.copy": _in_folder("shutil.copyfile", lambda p: shutil.copy(p / "file", p / "new")),
    "shutil.copy2": _in_folder("open", lambda p: shutil.copy2(p / "file", p / "new")),
    "shutil.copyfile": _in_folder("shutil.copyfile", lambda p: shutil.copyfile(p / "file", p / "new")),
    "shutil.copytree": _in_folder("shutil.copytree", lambda p: shutil.copytree(p / "inner", p / "new")),
    "shutil.move": _in_folder("shutil.move", lambda p: shutil.move(p / "file", p / "new")),
    "shutil.rmtree": _in_folder("shutil.rmtree", lambda p: shutil.rmtree(p / "inner")),
    "shutil.make_archive": _in_folder(
        "shutil.make_archive", lambda p: shutil.make_archive(str(p / "a"), "zip", p)
    ),
    "shutil.unpack_archive": _in_folder("shutil.unpack_archive", lambda p: shutil.unpack_archive("a.zip", p)),
    "tempfile.NamedTemporaryFile": _in_folder("open", lambda p: tempfile.NamedTemporaryFile(dir=p)),
    "tempfile.TemporaryFile": _in_folder("open", lambda p: tempfile.TemporaryFile(dir=p)),
    "fileinput.input": _in_folder("open", lambda p: list(fileinput.FileInput(str(p / "file")))),
    "shelve.open": _in_folder("open", lambda p: shelve.open(str(p / "shelf"))),
    "dbm.open": _in_folder("open", lambda p: dbm.open(str(p / "base"), "c")),
    "zipfile.ZipFile": _in_folder("open", lambda p: zipfile.ZipFile(p / "file")),
    "tarfile.open": _in_folder("open", lambda p: tarfile.open(p / "file")),
    "tarfile.TarFile": _in_folder("open", lambda p: tarfile.TarFile(p / "file")),
    "gzip.open": _in_folder("open", lambda p: gzip.open(p / "file")),
    "bz2.open": _in_folder("open", lambda p: bz2.open(p / "file")),
    "lzma.open": _in_folder("open", lambda p: lzma.open(p / "file")),
}


@contextlib.contextmanager
def pipe(full: bool = False) -> Iterator[tuple[int, int]]:
    """The ends of a pipe in which nothing is to be read, or into which nothing more fits."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while full:
            os.write(writing, bytes(65536))
    os.set_blocking(writing, True)
    try:
        yield reading, writing
    finally:
        os.close(reading)
        os.close(writing)


def _at_pipe(call: Callable[[int], object], full: bool = False) -> Call:
    def proof() -> None:
        with pipe(full) as ends:
            waits(lambda: call(ends[1] if full else ends[0]))

    return proof


def _file(end: int, mode: str) -> io.FileIO:
    return io.FileIO(end, mode, closefd=False)


PROOFS |= {
    "os.read": _at_pipe(lambda end: os.read(end, 1)),
    "os.readv": _at_pipe(lambda end: os.readv(end, [bytearray(1)])),
    "os.write": _at_pipe(lambda end: os.write(end, bytes(65536)), full=True),
    "os.writev": _at_pipe(lambda end: os.writev(end, [bytes(65536)]), full=True),
    "io.RawIOBase.readinto": _at_pipe(lambda end: _file(end, "r").readinto(bytearray(1))),
    "io.RawIOBase.write": _at_pipe(lambda end: _file(end, "w").write(bytes(65536)), full=True),
}


def _reader() -> io.BufferedReader:
    return io.BufferedReader(Gate())


def _writer() -> io.BufferedWriter:
    return io.BufferedWriter(Gate())


def _filled() -> io.BufferedWriter:
    writer = _writer()
    writer.write(b"x")
    return writer


each(
    "io",
    caught,
    {
        "TextIOBase.read": lambda: io.TextIOWrapper(_reader()).read(),
        "TextIOBase.write": lambda: io.TextIOWrapper(_writer(), write_through=True).write("x" * 65536),
        "BufferedIOBase.read": lambda: _reader().read(1),
        "BufferedIOBase.read1": lambda: _reader().read1(1),
        "BufferedIOBase.readinto": lambda: _reader().readinto(bytearray(1)),
        "BufferedIOBase.write": lambda: _writer().write(bytes(65536)),
        "RawIOBase.read": lambda: Gate().read(1),
        "RawIOBase.readall": lambda: Gate().readall(),
        "IOBase.readline": lambda: _reader().readline(),
        "IOBase.readlines": lambda: _reader().readlines(),
        "IOBase.writelines": lambda: _writer().writelines([bytes(65536)]),
        "IOBase.flush": lambda: _filled().flush(),
        "IOBase.truncate": lambda: _filled().truncate(0),
    },
)
PROOFS |= {
    "os.ftruncate": lambda: through("os.truncate")(lambda: os.ftruncate(0, 0)),
    "shutil.copyfileobj": lambda: caught(lambda: shutil.copyfileobj(_reader(), io.BytesIO())),
    "hashlib.file_digest": lambda: caught(lambda: hashlib.file_digest(Gate(), "md5")),  # type: ignore[attr-defined]
    "json.load": lambda: caught(lambda: json.load(io.TextIOWrapper(_reader()))),
    "json.dump": lambda: caught(lambda: json.dump(["x" * 65536], io.TextIOWrapper(_writer()))),
    "pickle.load": lambda: caught(lambda: pickle.load(_reader())),
    "pickle.dump": lambda: caught(lambda: pickle.dump(bytes(131072), _writer())),
    "marshal.load": lambda: caught(lambda: marshal.load(_reader())),
    "marshal.dump": lambda: caught(lambda: marshal.dump(bytes(131072), _writer())),
    "tomllib.load": lambda: caught(lambda: __import__("tomllib").load(_reader())),
}


# ---------------------------------------------------------------- archives


def _zipped() -> tuple[Memory, zipfile.ZipFile]:
    memory = Memory()
    with zipfile.ZipFile(memory, "w") as archive:
        archive.writestr("a", b"text")
    return memory, zipfile.ZipFile(memory, "a")


def _tarred() -> tuple[Memory, tarfile.TarFile]:
    memory = Memory()
    with tarfile.open(fileobj=memory, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a"))
    memory.seek(0)
    return memory, tarfile.open(fileobj=memory, mode="r")


def _empty_tar() -> tuple[Memory, tarfile.TarFile]:
    memory = Memory()
    return memory, tarfile.TarFile(fileobj=memory, mode="w")


def _armed_archive(make: Call, call: Callable[[Any], object]) -> Call:
    def proof() -> None:
        memory, archive = make()  # type: ignore[misc]
        memory.armed = True
        caught(lambda: call(archive))
        memory.armed = False

    return proof


for _name, _call in {
    "write": lambda a: a.write(__file__),
    "writestr": lambda a: a.writestr("b", b"text"),
    "read": lambda a: a.read("a"),
    "open": lambda a: a.open("a"),
    "extract": lambda a: a.extract("a", tempfile.gettempdir()),
    "extractall": lambda a: a.extractall(tempfile.gettempdir()),
    "testzip": lambda a: a.testzip(),
}.items():
    PROOFS[f"zipfile.ZipFile.{_name}"] = _armed_archive(_zipped, _call)
for _name, _call in {
    "getmembers": lambda a: a.getmembers(),
    "getnames": lambda a: a.getnames(),
    "extract": lambda a: a.extract("b", tempfile.gettempdir()),
    "extractall": lambda a: a.extractall(tempfile.gettempdir()),
}.items():
    PROOFS[f"tarfile.TarFile.{_name}"] = _armed_archive(_tarred, _call)
PROOFS["tarfile.TarFile.add"] = _armed_archive(_empty_tar, lambda a: a.add(__file__))
PROOFS["tarfile.TarFile.addfile"] = _armed_archive(_empty_tar, lambda a: a.addfile(tarfile.TarInfo("a")))


# ---------------------------------------------------------------- work for the processor: the answer is there, finished


def _finished(call: Call, answer: object) -> Call:
    def proof() -> None:
        assert call() == answer

    return proof


for _module in (gzip, bz2, lzma, zlib):
    PROOFS[f"{_module.__name__}.compress"] = _finished(
        lambda m=_module: m.decompress(m.compress(b"text")), b"text"
    )  # type: ignore[misc]
    PROOFS[f"{_module.__name__}.decompress"] = PROOFS[f"{_module.__name__}.compress"]
PROOFS |= {
    "hashlib.pbkdf2_hmac": _finished(
        lambda: hashlib.pbkdf2_hmac("sha1", b"password", b"salt", 1).hex(),
        "0c60c80f961f0e71f3a9b524af6012062fe037a6",
    ),
    "hashlib.scrypt": _finished(
        lambda: hashlib.scrypt(b"", salt=b"", n=16, r=1, p=1, dklen=64).hex()[:16], "77d6576238657b20"
    ),
}


# ---------------------------------------------------------------- processes

CHILD = [sys.executable, "-c", "import sys; sys.stdin.read()"]


@contextlib.contextmanager
def child() -> Iterator[Any]:
    """A process that lives until its input ends."""
    process = subprocess.Popen(CHILD, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    streams = (process.stdin, process.stdout, process.stderr)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for stream in streams:
            stream.close()  # type: ignore[union-attr]


def _of_child(call: Callable[[Any], object]) -> Call:
    def proof() -> None:
        with child() as process:
            waits(lambda: call(process))

    return proof


each(
    "subprocess",
    through("subprocess.Popen"),
    {
        "run": lambda: subprocess.run(CHILD),
        "call": lambda: subprocess.call(CHILD),
        "check_call": lambda: subprocess.check_call(CHILD),
        "check_output": lambda: subprocess.check_output(CHILD),
        "getoutput": lambda: subprocess.getoutput("true"),
        "getstatusoutput": lambda: subprocess.getstatusoutput("true"),
    },
)
PROOFS |= {
    "subprocess.Popen.wait": _of_child(lambda p: p.wait()),
    "subprocess.Popen.communicate": _of_child(lambda p: subprocess.Popen.communicate(_deaf(p))),
    "os.waitpid": _of_child(lambda p: os.waitpid(p.pid, 0)),
    "os.wait": _of_child(lambda p: os.wait()),
    "os.wait3": _of_child(lambda p: os.wait3(0)),
    "os.wait4": _of_child(lambda p: os.wait4(p.pid, 0)),
    "os.system": lambda: through("os.system")(lambda: os.system("true")),
    "os.popen": lambda: through("subprocess.Popen")(lambda: os.popen("true")),
}


def _deaf(process: Any) -> Any:
    """The process, with an input that `communicate` does not end."""
    process.stdin = None
    return process


for _stream in ("stdout", "stderr"):
    for _read in ("read", "readline", "readlines"):
        PROOFS[f"subprocess.Popen.{_stream}.{_read}"] = _of_child(
            lambda p, s=_stream, r=_read: getattr(getattr(p, s), r)()  # type: ignore[misc]
        )
for _read in ("read", "readline", "readlines", "close"):

    def _popened(read: str = _read) -> None:
        with folder() as path:
            os.mkfifo(path / "fifo")
            kept = os.open(path / "fifo", os.O_RDWR)
            stream = os.popen(f"exec cat {path / 'fifo'}")
            waits(getattr(stream, read))
            os.close(kept)
            stream.close()

    PROOFS[f"os.popen().{_read}"] = _popened
for _spawn in ("spawnl", "spawnle", "spawnv", "spawnve", "spawnlp", "spawnvp"):
    _arguments: list[Any] = ["true"] if _spawn[5] == "l" else [["true"]]
    _arguments += [{}] if _spawn.endswith("e") else []
    PROOFS[f"os.{_spawn}"] = lambda s=_spawn, a=tuple(_arguments): through("os.fork")(  # type: ignore[misc]
        lambda: getattr(os, s)(os.P_WAIT, "/bin/true", *a)
    )


# ---------------------------------------------------------------- the console


def _at_console(call: Call) -> Call:
    def proof() -> None:
        with pipe() as (reading, _):
            before, sys.stdin = sys.stdin, open(reading, closefd=False)
            try:
                waits(call)
            finally:
                sys.stdin = before

    return proof


PROOFS |= {
    "builtins.input": _at_console(input),
    "sys.stdin.read": _at_console(lambda: sys.stdin.read()),
    "sys.stdin.readline": _at_console(lambda: sys.stdin.readline()),
    "sys.stdin.readlines": _at_console(lambda: sys.stdin.readlines()),
}


# ---------------------------------------------------------------- sockets


@contextlib.contextmanager
def pair(kind: int = socket.SOCK_STREAM) -> Iterator[socket.socket]:
    """A connected socket to which nobody speaks, and into which nothing more fits."""
    one, other = socket.socketpair(socket.AF_UNIX, kind)
    one.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            one.send(bytes(1024))
    one.setblocking(True)
    with one, other:
        yield one


def _at_socket(call: Callable[[Any], object]) -> Call:
    def proof() -> None:
        with pair() as one:
            waits(lambda: call(one))

    return proof


def _listening() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        waits(server.accept)


def _connect(call: Callable[[Any], object]) -> Call:
    def proof() -> None:
        with socket.socket() as one:
            through("socket.connect")(lambda: call(one))

    return proof


def _datagram() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as one:
        through("socket.sendto")(lambda: one.sendto(b"", ("127.0.0.1", 9)))


PROOFS |= {
    "socket.socket.connect": _connect(lambda s: s.connect(("127.0.0.1", 9))),
    "socket.socket.connect_ex": _connect(lambda s: s.connect_ex(("127.0.0.1", 9))),
    "socket.socket.accept": _listening,
    "socket.socket.recv": _at_socket(lambda s: s.recv(1)),
    "socket.socket.recv_into": _at_socket(lambda s: s.recv_into(bytearray(1))),
    "socket.socket.recvfrom": _at_socket(lambda s: s.recvfrom(1)),
    "socket.socket.recvfrom_into": _at_socket(lambda s: s.recvfrom_into(bytearray(1))),
    "socket.socket.recvmsg": _at_socket(lambda s: s.recvmsg(1)),
    "socket.socket.send": _at_socket(lambda s: s.send(bytes(65536))),
    "socket.socket.sendall": _at_socket(lambda s: s.sendall(bytes(65536))),
    "socket.socket.sendmsg": _at_socket(lambda s: s.sendmsg([bytes(65536)])),
    "socket.socket.sendto": _datagram,
    "socket.socket.makefile().read": _at_socket(lambda s: s.makefile().read()),
    "socket.socket.makefile().readline": _at_socket(lambda s: s.makefile().readline()),
    "socket.socket.makefile().readlines": _at_socket(lambda s: s.makefile().readlines()),
    "socket.socket.makefile().write": _at_socket(lambda s: s.makefile("wb", 0).write(bytes(65536))),
    "socket.socket.makefile().flush": _at_socket(lambda s: _flushed(s)),
}


def _flushed(one: socket.socket) -> None:
    stream = socket.SocketIO(one, "w")
    stream.write(bytes(65536))
    stream.flush()


each(
    "socket",
    through("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"),
    {
        "create_connection": lambda: socket.create_connection(("localhost", 9)),
        "getaddrinfo": lambda: socket.getaddrinfo("localhost", 9),
        "gethostbyaddr": lambda: socket.gethostbyaddr("127.0.0.1"),
        "gethostbyname": lambda: socket.gethostbyname("localhost"),
        "gethostbyname_ex": lambda: socket.gethostbyname_ex("localhost"),
        "getfqdn": lambda: socket.getfqdn("localhost"),
    },
)


def _secured(call: Callable[[ssl.SSLSocket], object]) -> Call:
    def proof() -> None:
        one, other = socket.socketpair()
        with other, _context().wrap_socket(one, do_handshake_on_connect=False) as secured:
            waits(lambda: call(secured))

    return proof


def _context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _wrapped() -> None:
    one, other = socket.socketpair()
    with one, other:
        waits(lambda: _context().wrap_socket(one))


resolves = through("socket.getaddrinfo")
PROOFS |= {
    "ssl.SSLSocket.do_handshake": _secured(lambda s: s.do_handshake()),
    "ssl.SSLSocket.read": _secured(lambda s: s.read(1)),
    "ssl.SSLSocket.write": _secured(lambda s: s.write(b"x")),
    "ssl.SSLContext.wrap_socket": _wrapped,
    "ssl.get_server_certificate": lambda: resolves(lambda: ssl.get_server_certificate(("localhost", 9))),
}


# ---------------------------------------------------------------- protocols

URL = "http://localhost:9/"


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _request(step: Callable[[http.client.HTTPConnection], object]) -> None:
    connection = http.client.HTTPConnection("localhost", 9)
    connection.putrequest("GET", "/")
    step(connection)


def _answer() -> http.client.HTTPResponse:
    response = http.client.HTTPResponse.__new__(http.client.HTTPResponse)
    response.__dict__.update(fp=_reader(), chunked=False, length=None, _method="GET", will_close=True)
    return response


def _asked() -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection("localhost", 9)
    connection.sock = Wire()
    connection._HTTPConnection__state = "Request-sent"  # type: ignore[attr-defined]
    return connection


each(
    "urllib.request",
    resolves,
    {
        "urlopen": lambda: _opener().open(URL),
        "urlretrieve": lambda: urllib.request.urlretrieve(URL),
        "OpenerDirector.open": lambda: _opener().open(URL),
    },
)
each(
    "http.client.HTTPConnection",
    resolves,
    {
        "connect": lambda: http.client.HTTPConnection("localhost", 9).connect(),
        "request": lambda: http.client.HTTPConnection("localhost", 9).request("GET", "/"),
        "send": lambda: http.client.HTTPConnection("localhost", 9).send(b"x"),
        "endheaders": lambda: _request(lambda c: c.endheaders()),
    },
)
each(
    "http.client",
    caught,
    {
        "HTTPConnection.getresponse": lambda: _asked().getresponse(),
        "HTTPResponse.read": lambda: _answer().read(),
        "HTTPResponse.read1": lambda: _answer().read1(1),
        "HTTPResponse.readinto": lambda: _answer().readinto(bytearray(1)),
        "HTTPResponse.readline": lambda: _answer().readline(),
        "HTTPResponse.readlines": lambda: _answer().readlines(),
    },
)
PROOFS["xmlrpc.client.ServerProxy.**"] = lambda: resolves(lambda: xmlrpc.client.ServerProxy(URL).ping())


def _smtp() -> smtplib.SMTP:
    client = smtplib.SMTP()
    client.sock = Wire()  # type: ignore[assignment]
    return client


def _message() -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"] = "a@example.com", "b@example.com"
    return message


for _name in ("SMTP", "SMTP_SSL", "LMTP"):
    PROOFS[f"smtplib.{_name}"] = lambda n=_name: resolves(lambda: getattr(smtplib, n)("localhost", 9))  # type: ignore[misc]
PROOFS["smtplib.SMTP.connect"] = lambda: resolves(lambda: smtplib.SMTP().connect("localhost", 9))
each(
    "smtplib.SMTP",
    caught,
    {
        "auth": lambda: _smtp().auth("PLAIN", lambda challenge=None: "x"),
        "data": lambda: _smtp().data("x"),
        "docmd": lambda: _smtp().docmd("NOOP"),
        "ehlo": lambda: _smtp().ehlo(),
        "ehlo_or_helo_if_needed": lambda: _smtp().ehlo_or_helo_if_needed(),
        "expn": lambda: _smtp().expn("a"),
        "getreply": lambda: _smtp().getreply(),
        "helo": lambda: _smtp().helo(),
        "help": lambda: _smtp().help(),
        "login": lambda: _smtp().login("a", "b"),
        "mail": lambda: _smtp().mail("a"),
        "noop": lambda: _smtp().noop(),
        "putcmd": lambda: _smtp().putcmd("NOOP"),
        "quit": lambda: _smtp().quit(),
        "rcpt": lambda: _smtp().rcpt("a"),
        "rset": lambda: _smtp().rset(),
        "sendmail": lambda: _smtp().sendmail("a", ["b"], "x"),
        "send_message": lambda: _smtp().send_message(_message()),
        "starttls": lambda: _smtp().starttls(),
        "verify": lambda: _smtp().verify("a"),
        "vrfy": lambda: _smtp().vrfy("a"),
    },
)


def _in_state(state: str) -> imaplib.IMAP4:
    client = imaplib.IMAP4.__new__(imaplib.IMAP4)
    client.__dict__.update(
        debug=0, state=state, literal=None, tagged_commands={}, untagged_responses={}, continuation_response="",
        is_readonly=False, tagnum=0, tagpre=b"A", sock=Wire(), file=Wire(), _file=Wire(), readonly=True, _tls_established=False,
        capabilities=("AUTH=CRAM-MD5", "AUTH=PLAIN", "STARTTLS", "ENABLE", "SORT", "UIDPLUS"), _encoding="ascii", utf8_enabled=False, _cmd_log={}, _cmd_log_idx=0, _cmd_log_len=9,
    )  # fmt: skip
    return client


def _imap(name: str, *arguments: object) -> Call:
    """The method sends its command in one of the states of the protocol."""

    def proof() -> None:
        for state in ("NONAUTH", "AUTH", "SELECTED"):
            with contextlib.suppress(imaplib.IMAP4.error):
                return caught(lambda state=state: getattr(_in_state(state), name)(*arguments))  # type: ignore[misc]
        raise Escaped(name)

    return proof


IMAP = {
    "append": ("box", "", "", b"x"), "authenticate": ("PLAIN", lambda _: b"x"), "capability": (), "check": (), "close": (),
    "copy": ("1", "box"), "create": ("box",), "delete": ("box",), "enable": ("UTF8=ACCEPT",),
    "expunge": (), "fetch": ("1", "ALL"), "list": (), "login": ("a", "b"), "login_cram_md5": ("a", "b"), "logout": (),
    "lsub": (), "noop": (), "partial": ("1", "ALL", "1", "1"), "rename": ("a", "b"), "search": (None, "ALL"), "select": (),
    "send": (b"x",), "sort": ("DATE", "UTF-8", "ALL"), "starttls": (), "status": ("box", "ALL"), "store": ("1", "FLAGS", "x"),
    "subscribe": ("box",), "thread": ("REFERENCES", "UTF-8", "ALL"), "uid": ("FETCH", "1"), "unsubscribe": ("box",),
    "xatom": ("NOOP",),
}  # fmt: skip
PROOFS |= {f"imaplib.IMAP4.{name}": _imap(name, *arguments) for name, arguments in IMAP.items()}
PROOFS["imaplib.IMAP4"] = lambda: resolves(lambda: imaplib.IMAP4("localhost", 9))
PROOFS["imaplib.IMAP4_SSL"] = lambda: resolves(lambda: imaplib.IMAP4_SSL("localhost", 9))


def _pop() -> poplib.POP3:
    client = poplib.POP3.__new__(poplib.POP3)
    client.__dict__.update(
        sock=Wire(), file=Wire(), _debugging=0, _tls_established=False, welcome=b"+OK <1@a>"
    )
    return client


POP = {
    "apop": ("a", "b"), "capa": (), "dele": (1,), "list": (), "noop": (), "pass_": ("a",), "quit": (), "retr": (1,),
    "rset": (), "stat": (), "stls": (), "top": (1, 1), "uidl": (), "user": ("a",), "utf8": (),
}  # fmt: skip
each("poplib.POP3", caught, {name: lambda n=name, a=a: getattr(_pop(), n)(*a) for name, a in POP.items()})  # type: ignore[misc]
PROOFS["poplib.POP3"] = lambda: resolves(lambda: poplib.POP3("localhost", 9))
PROOFS["poplib.POP3_SSL"] = lambda: resolves(lambda: poplib.POP3_SSL("localhost", 9))


def _ftp(kind: type[ftplib.FTP] = ftplib.FTP) -> Any:
    client = kind()
    client.af, client.sock, client.file = socket.AF_INET, Wire(), Wire()  # type: ignore[assignment]
    return client


FTP: dict[str, tuple[object, ...]] = {
    "abort": (), "cwd": ("a",), "delete": ("a",), "dir": (), "login": (), "mkd": ("a",), "nlst": (), "ntransfercmd": ("LIST",),
    "pwd": (), "quit": (), "rename": ("a", "b"), "retrbinary": ("RETR a", print), "retrlines": ("LIST",), "rmd": ("a",),
    "sendcmd": ("NOOP",), "size": ("a",), "storbinary": ("STOR a", None), "storlines": ("STOR a", None),
    "transfercmd": ("LIST",), "voidcmd": ("NOOP",),
}  # fmt: skip
each("ftplib.FTP", caught, {name: lambda n=name, a=a: getattr(_ftp(), n)(*a) for name, a in FTP.items()})  # type: ignore[misc]
PROOFS |= {
    "ftplib.FTP": lambda: resolves(lambda: ftplib.FTP("localhost")),
    "ftplib.FTP_TLS": lambda: resolves(lambda: ftplib.FTP_TLS("localhost")),
    "ftplib.FTP.connect": lambda: resolves(lambda: ftplib.FTP().connect("localhost", 9)),
    "ftplib.FTP.mlsd": lambda: caught(lambda: list(_ftp().mlsd())),
    "ftplib.FTP_TLS.auth": lambda: caught(lambda: _ftp(ftplib.FTP_TLS).auth()),
    "ftplib.FTP_TLS.prot_c": lambda: caught(lambda: _ftp(ftplib.FTP_TLS).prot_c()),
    "ftplib.FTP_TLS.prot_p": lambda: caught(lambda: _ftp(ftplib.FTP_TLS).prot_p()),
    "ftplib.FTP_TLS.ccc": lambda: caught(lambda: _ftp(_Secured).ccc()),
}


class _Secured(ftplib.FTP_TLS):
    """A client whose wire passes for an encrypted one."""

    def ccc(self) -> str:
        self.sock = ssl.SSLSocket.__new__(ssl.SSLSocket)
        self.putcmd = Wire().putcmd  # type: ignore[method-assign]
        return super().ccc()


def _telnet() -> Any:
    client = __import__("telnetlib").Telnet()
    client.sock = Wire()
    return client


each(
    "telnetlib.Telnet",
    caught,
    {
        "read_all": lambda: _telnet().read_all(),
        "read_some": lambda: _telnet().read_some(),
        "read_until": lambda: _telnet().read_until(b"x"),
        "expect": lambda: _telnet().expect([b"x"]),
        "write": lambda: _telnet().write(b"x"),
    },
)
PROOFS["telnetlib.Telnet"] = lambda: resolves(lambda: __import__("telnetlib").Telnet("localhost", 9))
PROOFS["telnetlib.Telnet.open"] = lambda: resolves(
    lambda: __import__("telnetlib").Telnet().open("localhost", 9)
)


# ---------------------------------------------------------------- databases


def _traced(call: Callable[[sqlite3.Connection], object]) -> Call:
    """sqlite3 tells of each statement that it runs: it tells this thread, before the call returns."""

    def proof() -> None:
        connection = sqlite3.connect(":memory:", isolation_level=None)
        connection.execute("create table t (a)")
        connection.execute("begin")
        threads: list[int] = []
        connection.set_trace_callback(lambda _: threads.append(threading.get_ident()))
        call(connection)
        assert set(threads) == {threading.get_ident()}

    return proof


each_database: dict[str, Callable[[Any], object]] = {
    "Connection.execute": lambda c: c.execute("insert into t values (1)"),
    "Connection.executemany": lambda c: c.executemany("insert into t values (?)", [(1,)]),
    "Connection.executescript": lambda c: c.executescript("insert into t values (1);"),
    "Connection.commit": lambda c: c.commit(),
    "Connection.rollback": lambda c: c.rollback(),
    "Connection.iterdump": lambda c: list(c.iterdump()),
    "Cursor.execute": lambda c: c.cursor().execute("insert into t values (1)"),
    "Cursor.executemany": lambda c: c.cursor().executemany("insert into t values (?)", [(1,)]),
    "Cursor.executescript": lambda c: c.cursor().executescript("insert into t values (1);"),
}
PROOFS |= {f"sqlite3.{name}": _traced(call) for name, call in each_database.items()}


def _stepped(call: Callable[[sqlite3.Cursor], object]) -> Call:
    """A row is computed when it is fetched: the function that the second row needs runs then, in this thread."""

    def proof() -> None:
        connection = sqlite3.connect(":memory:")
        threads: list[int] = []
        connection.create_function("here", 1, lambda value: threads.append(threading.get_ident()) or value)
        cursor = connection.execute("with n(i) as (values (1), (2), (3), (4)) select here(i) from n")
        cursor.fetchone()
        before = len(threads)
        call(cursor)
        assert len(threads) > before
        assert set(threads) == {threading.get_ident()}

    return proof


PROOFS |= {
    "sqlite3.Cursor.fetchone": _stepped(lambda c: c.fetchone()),
    "sqlite3.Cursor.fetchmany": _stepped(lambda c: c.fetchmany(2)),
    "sqlite3.Cursor.fetchall": _stepped(lambda c: c.fetchall()),
}


@proves("sqlite3.Connection.backup")
def _backup() -> None:
    threads: list[int] = []
    sqlite3.connect(":memory:").backup(
        sqlite3.connect(":memory:"), progress=lambda *_: threads.append(threading.get_ident())
    )
    assert set(threads) == {threading.get_ident()}


# ---------------------------------------------------------------- waiting for others


@contextlib.contextmanager
def thread(call: Callable[[threading.Event], object]) -> Iterator[threading.Thread]:
    """A thread that is busy with a call until the event that the call is given is set."""
    done, busy = threading.Event(), threading.Event()
    worker = threading.Thread(target=lambda: (busy.set(), call(done)))
    worker.start()
    busy.wait()
    try:
        yield worker
    finally:
        done.set()
        worker.join()


def _of_thread(call: Callable[[threading.Thread], object]) -> Call:
    def proof() -> None:
        with thread(lambda done: done.wait()) as worker:
            waits(lambda: call(worker))

    return proof


def _held(lock: Any, acquire: Callable[[Any], object]) -> Call:
    """Another thread holds the lock."""

    def proof() -> None:
        held = threading.Event()

        def hold(done: threading.Event) -> None:
            with lock:
                held.set()
                done.wait()

        with thread(hold):
            held.wait()
            waits(lambda: acquire(lock))

    return proof


def _in_condition(condition: Any, wait: Callable[[Any], object]) -> Call:
    def proof() -> None:
        with condition:
            waits(lambda: wait(condition))

    return proof


def _pooled(call: Callable[[Any, threading.Event], object]) -> Call:
    def proof() -> None:
        done = threading.Event()
        pool = multiprocessing.pool.ThreadPool(1)
        waits(lambda: call(pool, done))
        done.set()
        pool.terminate()

    return proof


def _put(queued: Any) -> Any:
    queued.put(1)
    return queued


def _goes_through(kind: type[concurrent.futures.Executor]) -> None:
    """The results of a `map` whose work nobody does."""
    idle = type("Idle", (kind,), {"submit": lambda *_, **__: concurrent.futures.Future()})
    results = idle().map(len, [""])
    waits(lambda: list(results))


each(
    "threading",
    waits,
    {
        "Event.wait": lambda: threading.Event().wait(),
        "Barrier.wait": lambda: threading.Barrier(2).wait(),
        "Semaphore.acquire": lambda: threading.Semaphore(0).acquire(),
    },
)
PROOFS |= {
    "threading.Thread.join": _of_thread(lambda worker: worker.join()),
    "threading.Lock.acquire": _held(threading.Lock(), lambda lock: lock.acquire()),
    "threading.RLock.acquire": _held(threading.RLock(), lambda lock: lock.acquire()),
    "threading.Condition.acquire": _held(threading.Condition(), lambda lock: lock.acquire()),
    "threading.Condition.wait": _in_condition(threading.Condition(), lambda c: c.wait()),
    "threading.Condition.wait_for": _in_condition(threading.Condition(), lambda c: c.wait_for(lambda: False)),
    "queue.Queue.get": lambda: waits(queue.Queue().get),
    "queue.SimpleQueue.get": lambda: waits(queue.SimpleQueue().get),
    "queue.Queue.join": lambda: waits(_put(queue.Queue()).join),
    "concurrent.futures.Future.result": lambda: waits(concurrent.futures.Future().result),
    "concurrent.futures.Future.exception": lambda: waits(concurrent.futures.Future().exception),
    "concurrent.futures.wait": lambda: waits(lambda: concurrent.futures.wait([concurrent.futures.Future()])),
    "concurrent.futures.as_completed": lambda: waits(
        lambda: list(concurrent.futures.as_completed([concurrent.futures.Future()]))
    ),
    **{
        f"concurrent.futures.{kind.__name__}.map().__iter__": partial(_goes_through, kind)
        for kind in (
            concurrent.futures.Executor,
            concurrent.futures.ThreadPoolExecutor,
            concurrent.futures.ProcessPoolExecutor,
        )
    },
    "time.sleep": lambda: waits(lambda: time.sleep(60)),
    "sched.scheduler.run": lambda: waits(_scheduled().run),
    "signal.pause": lambda: waits(signal.pause),
    "select.select": _at_pipe(lambda end: select.select([end], [], [])),
    "select.poll().poll": lambda: waits(select.poll().poll),
    "select.epoll.poll": lambda: waits(select.epoll().poll),
    "selectors.*.select": _at_pipe(lambda end: _selector(end).select()),
}


def _scheduled() -> sched.scheduler:
    scheduler = sched.scheduler()
    scheduler.enter(60, 0, print)
    return scheduler


def _selector(end: int) -> selectors.BaseSelector:
    selector = selectors.DefaultSelector()
    selector.register(end, selectors.EVENT_READ)
    return selector


@proves("concurrent.futures.Executor.shutdown")
def _shutdown() -> None:
    done = threading.Event()
    executor = concurrent.futures.ThreadPoolExecutor()
    executor.submit(done.wait)
    waits(executor.shutdown)
    done.set()


@proves("multiprocessing.Process.join")
def _process_join() -> None:
    done = multiprocessing.Event()
    process = multiprocessing.Process(target=done.wait)
    process.start()
    waits(process.join)
    done.set()
    process.join()


@proves("multiprocessing.Pool.join")
def _pool_join() -> None:
    done = threading.Event()
    pool = multiprocessing.pool.ThreadPool(1)
    pool.apply_async(done.wait)
    pool.close()
    waits(pool.join)
    done.set()
    pool.join()


PROOFS |= {
    "multiprocessing.Pool.apply": _pooled(lambda pool, done: pool.apply(done.wait)),
    "multiprocessing.Pool.map": _pooled(lambda pool, done: pool.map(done.wait, [None])),
    "multiprocessing.Pool.starmap": _pooled(lambda pool, done: pool.starmap(done.wait, [(None,)])),
    "multiprocessing.Queue.get": lambda: waits(multiprocessing.Queue().get),
    "multiprocessing.JoinableQueue.get": lambda: waits(multiprocessing.JoinableQueue().get),
    "multiprocessing.SimpleQueue.get": lambda: waits(multiprocessing.SimpleQueue().get),
    "multiprocessing.JoinableQueue.join": lambda: waits(_put(multiprocessing.JoinableQueue()).join),
    "multiprocessing.Event.wait": lambda: waits(multiprocessing.Event().wait),
    "multiprocessing.Barrier.wait": lambda: waits(multiprocessing.Barrier(2).wait),
    "multiprocessing.Condition.wait": _in_condition(multiprocessing.Condition(), lambda c: c.wait()),
    "multiprocessing.Lock.acquire": _held(multiprocessing.Lock(), lambda lock: lock.acquire()),
    "multiprocessing.RLock.acquire": _held(multiprocessing.RLock(), lambda lock: lock.acquire()),
    "multiprocessing.Semaphore.acquire": lambda: waits(multiprocessing.Semaphore(0).acquire),
}
for _start, _argument in {"apply_async": [], "map_async": [[None]], "starmap_async": [[(None,)]]}.items():
    for _ask in ("get", "wait"):
        PROOFS[f"multiprocessing.Pool.{_start}().{_ask}"] = _pooled(
            lambda pool, done, s=_start, a=_argument, k=_ask: getattr(getattr(pool, s)(done.wait, *a), k)()  # type: ignore[misc]
        )
