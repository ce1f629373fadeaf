"""Which files exist, what each is called as a module, and which of them mention a word."""

from __future__ import annotations

import io
import os
import re
import sys
import tokenize
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from bglint.config import DEFAULT_EXCLUDE, Config
from bglint.frozen import by_value
from bglint.model import Problem
from bglint.needles import Haystack, is_plain, needles

if TYPE_CHECKING:
    from bglint.ignore import Ignore

_INIT = "__init__.py"
_TEST_FOLDERS = frozenset({"test", "tests"})
_ENTRIES = ("main.py", "app.py", "asgi.py", "wsgi.py", "manage.py", "server.py", "run.py", "__main__.py")

MOST_KEPT = 8_000_000
"""Bytes of files that are kept for the next time."""

UNREADABLE = (OSError, SyntaxError, ValueError, LookupError)
"""What reading and decoding a file may raise."""


class PathError(Exception):
    """A path on the command line that cannot be linted."""


@by_value
class SourceFile:
    """A Python file of the project.

    `path` is what is shown: relative to the working directory, with forward slashes, absolute outside of it.
    `module` is its dotted name, counted from the folder above its chain of packages.
    `shown` says that it was given on the command line, itself or with its folder.
    """

    path: str
    absolute: str
    module: str
    is_package: bool
    shown: bool

    @property
    def folder(self) -> str:
        return self.absolute.rpartition("/")[0]


def decode(data: bytes) -> str:
    """The text of a Python file: its declared encoding and its byte order mark are respected, CRLF is kept.

    Raises SyntaxError for an unknown encoding, UnicodeDecodeError for bytes that do not fit it.
    """
    return data.decode(encoding_of(data))


def encoding_of(data: bytes) -> str:
    """The encoding that a Python file declares, "utf-8-sig" where it starts with a byte order mark."""
    if not data.startswith(b"\xef\xbb\xbf") and b"coding" not in data[:400]:
        return "utf-8"
    return tokenize.detect_encoding(io.BytesIO(data).readline)[0]


Question = tuple[re.Pattern[bytes], bool]
"""In which files does a pattern occur; in test code, too?"""


class Sources:
    """The Python files of one project, read when they are asked for.

    `mentions` are the questions that `mentioning` was asked, with their answers, `opened` the files that were `read`:
    what comes out of a run depends on these and on the list of files, and on nothing else of the project's Python.
    """

    def __init__(
        self,
        root: str,
        files: Iterable[SourceFile],
        tests: Iterable[str],
        given: Mapping[str, bytes],
        named: frozenset[str],
    ) -> None:
        self.root = Path(root)
        self._named = named
        self.files = tuple(sorted(files, key=lambda file: file.path))
        self.problems: list[Problem] = []
        self._bytes = dict(given)
        self._room = MOST_KEPT
        self._haystack: Haystack | None = None
        self.mentions: dict[Question, tuple[SourceFile, ...]] = {}
        self.opened: dict[str, SourceFile] = {}
        self._tests = frozenset(tests)
        self._code = tuple(file for file in self.files if file.absolute not in self._tests)
        self._by_path = {file.absolute: file for file in self.files if file.absolute.endswith(".py")}
        self._folders = _all_folders(file.folder for file in self._by_path.values())
        self._top = _above_packages(root)
        self._found: dict[tuple[str, str], SourceFile | None] = {}
        self._by_last_name: dict[str, list[SourceFile]] | None = None

    @cached_property
    def shown(self) -> frozenset[str]:
        """The paths of the files that were given."""
        return frozenset(file.path for file in self.files if file.shown)

    def to_be_understood(self, pattern: re.Pattern[bytes]) -> Iterator[SourceFile]:
        """The files that were given by name, and those of the folders that were given that hold the pattern."""
        yield from (file for file in self.files if file.absolute in self._named)
        yield from (file for file in self.mentioning(pattern) if file.shown)

    @property
    def whole_project(self) -> bool:
        """Was everything given that is linted at all?"""
        return all(file.shown or file.absolute in self._tests for file in self.files)

    def read(self, file: SourceFile) -> bytes:
        """The bytes of a file that the result rests on. Raises OSError where it cannot be read."""
        self.opened[file.absolute] = file
        data = self._bytes.get(file.absolute)
        if data is None:
            data = _read(file.absolute)
            self._room -= len(data)
            if self._room > 0:
                self._bytes[file.absolute] = data
        return data

    def scan(self, file: SourceFile) -> bytes:
        """The same, but empty for a file that cannot be read any more, which becomes one of the `problems`."""
        try:
            return self.read(file)
        except OSError as error:
            self._blame(file, f"cannot be read: {error.strerror}")
            return b""

    def mentioning(self, pattern: re.Pattern[bytes], tests: bool = False) -> tuple[SourceFile, ...]:
        """The files in which the pattern occurs; test code that is not to be linted only if asked for."""
        if (pattern, tests) not in self.mentions:
            asked = self.files if tests else self._code
            # Where nothing mentions us, there is but one question, and no index.
            indexed = bool(self.mentions) and not tests and needles(pattern)
            found = self._indexed(pattern) if indexed else (f for f in asked if self._holds(f, pattern))
            self.mentions[pattern, tests] = tuple(found)
        return self.mentions[pattern, tests]

    def _indexed(self, pattern: re.Pattern[bytes]) -> Iterator[SourceFile]:
        """The code in which a pattern occurs, tests left out: only what holds its words is searched."""
        if self._haystack is None:
            self._haystack = Haystack(map(self._peek, self._code))
        sure = is_plain(pattern)
        for number in sorted(self._haystack.holding(needles(pattern))):
            if sure or pattern.search(self._peek(self._code[number])):
                yield self._code[number]

    def is_mentioned_in(self, file: SourceFile, question: Question) -> bool:
        """Would this file be among the answers?"""
        pattern, tests = question
        asked = tests or file.absolute not in self._tests
        return asked and self._holds(file, pattern)

    def listing(self) -> bytes:
        """All that is known of the files before they are read."""
        flags = ((file, file.is_package, file.absolute in self._tests) for file in self.files)
        lines = (f"{file.path}\t{file.module}\t{package:d}{test:d}" for file, package, test in flags)
        return "\n".join((self._top, *lines)).encode("utf-8", "surrogateescape")

    def _holds(self, file: SourceFile, pattern: re.Pattern[bytes]) -> bool:
        data, words = self._peek(file), needles(pattern)
        return (not words or any(word in data for word in words)) and pattern.search(data) is not None

    def _peek(self, file: SourceFile) -> bytes:
        """The bytes of a file that may never be asked for again: reading twice costs less than keeping."""
        data = self._bytes.get(file.absolute)
        if data is None:
            try:
                return _read(file.absolute)
            except OSError as error:
                self._blame(file, f"cannot be read: {error.strerror}")
                self._bytes[file.absolute] = data = b""
        return data

    def _blame(self, file: SourceFile, message: str) -> None:
        problem = Problem(file.path, message)
        if problem not in self.problems:
            self.problems.append(problem)

    def find_module(self, dotted: str, importer: SourceFile) -> SourceFile | None:
        """The file that `import dotted` means in `importer`; None for what comes from outside.

        Leading dots are relative, as in `from .mail import send`. Absolute names are looked up as Python would
        if it were started in one of the folders that may be its start, the most plausible first.
        """
        key = (dotted, importer.folder)
        if key not in self._found:
            self._found[key] = self._find(dotted, importer.folder)
        return self._found[key]

    def is_namespace(self, dotted: str, importer: SourceFile) -> bool:
        """Does the name mean a folder without `__init__.py` that holds Python files?"""
        if self.find_module(dotted, importer) is not None:
            return False
        return any(path in self._folders for path in self._candidates(dotted, importer.folder))

    def _find(self, dotted: str, folder: str) -> SourceFile | None:
        for path in self._candidates(dotted, folder):
            if found := self._module_at(path):
                return found
        return (
            None
            if dotted.startswith(".") or _is_outside(dotted.partition(".")[0])
            else self._unique_suffix(dotted)
        )

    def _module_at(self, path: str) -> SourceFile | None:
        return self._by_path.get(f"{path}/{_INIT}") or self._by_path.get(f"{path}.py")

    def _candidates(self, dotted: str, folder: str) -> Iterator[str]:
        """The paths without suffix at which a module may stand, best first."""
        tail = dotted.lstrip(".").replace(".", "/")
        if dots := len(dotted) - len(dotted.lstrip(".")):
            base = folder
            for _ in range(dots - 1):
                base = base.rpartition("/")[0]
            yield f"{base}/{tail}" if tail else base
        elif dotted not in sys.stdlib_module_names:
            yield from (f"{base}/{tail}" for base in self._starts(dotted, folder))

    def _starts(self, dotted: str, folder: str) -> Iterator[str]:
        """The folders in which Python may have been started: the certain ones before the possible ones."""
        above = list(self._above(folder))
        certain = [base for base in above if self._is_start(base)]
        certain += [f"{base}/src" for base in above if f"{base}/src" in self._folders]
        yield from certain
        if not _is_outside(dotted.partition(".")[0]):
            yield from (base for base in above if base not in certain)

    def _is_start(self, folder: str) -> bool:
        """The project itself, the folder above a package, or a folder with a program to start."""
        if folder in (self.root.as_posix(), self._top):
            return True
        if any(f"{folder}/{entry}" in self._by_path for entry in _ENTRIES):
            return True
        return folder.endswith("/src")

    def _above(self, folder: str) -> Iterator[str]:
        """The folder and those above it, up to the top of the project."""
        while len(folder) >= len(self._top):
            yield folder
            if folder == self._top or "/" not in folder:
                return
            folder = folder.rpartition("/")[0]

    def _unique_suffix(self, dotted: str) -> SourceFile | None:
        """The one file anywhere whose path ends like the name, below a folder that is no package."""
        tail = "/" + dotted.replace(".", "/")
        if self._by_last_name is None:
            self._by_last_name = _index_last_names(self._by_path.values())
        fitting = [
            file
            for file in self._by_last_name.get(tail.rpartition("/")[2], ())
            if (stem := _stem(file)).endswith(tail)
            and ("." in dotted or file.is_package)
            and f"{stem.removesuffix(tail)}/{_INIT}" not in self._by_path
        ]
        return fitting[0] if len(fitting) == 1 else None


def _stem(file: SourceFile) -> str:
    return file.folder if file.is_package else file.absolute.removesuffix(".py")


def _index_last_names(files: Iterable[SourceFile]) -> dict[str, list[SourceFile]]:
    index: dict[str, list[SourceFile]] = {}
    for file in files:
        index.setdefault(_stem(file).rpartition("/")[2], []).append(file)
    return index


@cache
def _is_outside(package: str) -> bool:
    """Is the name that of the standard library or of a known library, which a folder may share by chance?"""
    if package in sys.stdlib_module_names:
        return True
    from bglint.knowledge import table

    stem = table.places().get(package)
    return stem is not None and f'"{package}.' in (table.HERE / f"{stem}.toml").read_text("utf-8")


def _read(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:
        return file.read()


def _all_folders(folders: Iterable[str]) -> frozenset[str]:
    """The folders and all that are above them."""
    known: set[str] = set()
    for folder in folders:
        while folder not in known:
            known.add(folder)
            folder = folder.rpartition("/")[0]
    return frozenset(known)


# ------------------------------------------------------------------- the walk


def discover(
    paths: Sequence[str | Path], config: Config, given: Mapping[str, bytes] | None = None
) -> Sources:
    """Find the project that the paths belong to, and its files. `given` replaces the bytes of files.

    Raises PathError for a path that does not exist, and where no path holds a Python file.
    """
    contents = {_absolute(path): data for path, data in (given or {}).items()}
    targets = {_absolute(path): path for path in paths}
    for absolute, path in targets.items():
        if absolute not in contents and not os.path.exists(absolute):
            raise PathError(f"there is no file or folder called {path}")
    walk = _Walk(project_root(targets), frozenset(targets), config)
    walk.run()
    if not walk.found_given:
        raise PathError(f"no Python file in {', '.join(map(str, paths))}")
    return Sources(walk.root, walk.files, walk.tests, contents, walk.targets)


def _absolute(path: str | Path) -> str:
    return os.path.abspath(path).replace(os.sep, "/")


def project_root(paths: Iterable[str | Path]) -> str:
    """The folder with the nearest pyproject.toml, else the repository, else what the paths have in common."""
    targets = [_absolute(path) for path in paths]
    folders = [path if os.path.isdir(path) else os.path.dirname(path) for path in targets]
    roots = [_nearest(folder, "pyproject.toml") or _nearest(folder, ".git") for folder in folders]
    return os.path.commonpath([root or folder for root, folder in zip(roots, folders, strict=True)])


def _nearest(folder: str, name: str) -> str | None:
    while not os.path.exists(f"{folder}/{name}"):
        parent = os.path.dirname(folder)
        if parent == folder:
            return None
        folder = parent
    return folder


def _above_packages(folder: str) -> str:
    while os.path.exists(f"{folder}/{_INIT}") and os.path.dirname(folder) != folder:
        folder = os.path.dirname(folder)
    return folder


@by_value
class _Folder:
    """A folder on the walk. What is true of it is handed down: `given` on the command line, `test` code,
    and whether `tests_too` are linted. `module` is empty for a folder that is no package."""

    path: str
    given: bool
    test: bool
    tests_too: bool
    module: str = ""


class _Walk:
    """One walk over a project: what is excluded is not entered, what is given always is."""

    def __init__(self, root: str, targets: frozenset[str], config: Config) -> None:
        self.root = root
        self.targets = targets
        self.config = config
        self.files: list[SourceFile] = []
        self.tests: list[str] = []
        self.found_given = False
        self._here = _absolute(".").rstrip("/") + "/"
        self._reached: set[str] = set()
        patterns = (*config.exclude, *config.extend_exclude)
        self._names = frozenset(pattern for pattern in patterns if re.fullmatch(r"[\w.-]+", pattern))
        globs = [pattern for pattern in patterns if pattern not in self._names]
        self._globs = [_ignore(config.folder or root, globs)] if globs else []

    def run(self) -> None:
        self._enter(self._first(self.root), [*self._gitignores_above(), *self._globs])
        for target in sorted(self.targets - self._reached):
            if os.path.isdir(target):
                self._enter(self._first(target), self._globs)
            else:
                self._take_left_out(target)

    def _gitignores_above(self) -> list[Ignore]:
        """Those between the repository's folder and the project's."""
        repository = _nearest(self.root, ".git")
        if repository in (None, self.root) or not self.config.respect_gitignore:
            return []
        folders = [os.path.dirname(self.root)]
        while folders[0] != repository:
            folders.insert(0, os.path.dirname(folders[0]))
        return [_gitignore(folder) for folder in folders if os.path.exists(f"{folder}/.gitignore")]

    def _first(self, path: str) -> _Folder:
        """A folder at which a walk starts."""
        test = not _TEST_FOLDERS.isdisjoint(path[len(self.root) :].split("/"))
        module = path[len(_above_packages(path)) :].strip("/").replace("/", ".")
        return self._marked(_Folder(path, False, test, self.config.include_tests, module))

    def _marked(self, folder: _Folder) -> _Folder:
        """Test code that is given is linted like any other."""
        if folder.path not in self.targets:
            return folder
        return _Folder(folder.path, True, folder.test, folder.tests_too or folder.test, folder.module)

    def _enter(self, folder: _Folder, ignores: list[Ignore]) -> None:
        self._reached.add(folder.path)
        entries = _entries(folder.path)
        if "pyvenv.cfg" in entries:
            return
        if ".gitignore" in entries and self.config.respect_gitignore:
            ignores = [*ignores, _gitignore(folder.path)]
        prefix = self._prefix(folder.path)
        module = folder.module if _INIT in entries else ""
        for name, entry in entries.items():
            if name.endswith(".py"):
                if not self._excludes(entry, ignores, is_folder=False) and entry.is_file():
                    self._take(folder, name, module, prefix)
            elif entry.is_dir(follow_symlinks=False) and not self._excludes(entry, ignores, is_folder=True):
                self._enter(self._below(folder, name, module), ignores)

    def _below(self, folder: _Folder, name: str, module: str) -> _Folder:
        return self._marked(
            _Folder(
                f"{folder.path}/{name}",
                folder.given,
                folder.test or name in _TEST_FOLDERS,
                folder.tests_too,
                f"{module}.{name}" if module else name,
            )
        )

    def _prefix(self, folder: str) -> str:
        """What stands before a file's name where it is shown."""
        inside = f"{folder}/".startswith(self._here)
        return f"{folder}/"[len(self._here) :] if inside else f"{folder}/"

    def _excludes(self, entry: os.DirEntry[str], ignores: list[Ignore], is_folder: bool) -> bool:
        name = entry.name
        if name in self._names or (is_folder and name.startswith(".")):
            return True
        if not ignores:
            return False
        path = entry.path.replace(os.sep, "/")
        verdicts = (ignore.verdict(path, name, is_folder) for ignore in reversed(ignores))
        return next((verdict for verdict in verdicts if verdict is not None), False)

    def _take(self, folder: _Folder, name: str, module: str, prefix: str) -> None:
        path = f"{folder.path}/{name}"
        named = path in self.targets
        given = named or folder.given
        linted = named or folder.tests_too or not (folder.test or _is_test(name))
        stem = name.removesuffix(".py")
        dotted = module if name == _INIT else f"{module or self._namespace(folder.path)}.{stem}".lstrip(".")
        self.files.append(SourceFile(prefix + name, path, dotted, name == _INIT, given and linted))
        self.found_given |= given
        self._reached.add(path)
        if not linted:
            self.tests.append(path)

    def _namespace(self, folder: str) -> str:
        """The dotted name of a folder that is no package."""
        inside = folder[len(self.root) :].strip("/")
        return "" if inside == "src" else inside.removeprefix("src/").replace("/", ".")

    def _take_left_out(self, path: str) -> None:
        """A file that the walk passed over and that was given by its name: only the user's excludes hold."""
        self.found_given = True
        if not self._is_excluded_on_purpose(path):
            folder, _, name = path.rpartition("/")
            module = self._first(folder).module if os.path.exists(f"{folder}/{_INIT}") else ""
            self._take(self._first(folder), name, module, self._prefix(folder))

    def _is_excluded_on_purpose(self, path: str) -> bool:
        chosen = self._names.difference(DEFAULT_EXCLUDE)
        steps = path[len(self.root) :].strip("/").split("/")
        return not chosen.isdisjoint(steps) or any(ignore.ignores(path) for ignore in self._globs)


def _is_test(name: str) -> bool:
    return name.startswith("test_") or name.endswith("_test.py") or name == "conftest.py"


def _entries(folder: str) -> dict[str, os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return {entry.name: entry for entry in found}
    except OSError:  # a folder that may not be entered holds nothing that could be linted
        return {}


def _ignore(folder: str, lines: Iterable[str]) -> Ignore:
    from bglint.ignore import Ignore

    return Ignore(folder, lines)


def _gitignore(folder: str) -> Ignore:
    with open(f"{folder}/.gitignore", encoding="utf-8", errors="replace") as file:
        return _ignore(folder, file)
