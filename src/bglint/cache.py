"""What was found the last time, for as long as everything that it rests on is unchanged.

How to call::

    kept = cache.Cache(config)          # before the files are listed
    analysis = kept.find(sources)       # None where anything that matters has changed
    kept.keep(sources, analysis)        # never fails: a folder that cannot be written is a project without cache

An analysis rests on the settings, on this bglint, on the list of files, on the bytes of those that it opened, on which
files mention which words, and on the manifests. A file is the same if its times and size are; where they are not, or are
too young to be trusted, its content decides. What is kept is JSON that can be thrown away at any time, and anything odd
in it is as good as nothing: it is checked like any other input.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import bglint
from bglint import atomic, manifests
from bglint.analysis import Analysis
from bglint.catalogue import names
from bglint.config import Config
from bglint.discover import Question, SourceFile, Sources, decode
from bglint.frozen import by_value
from bglint.model import Span
from bglint.plain import plain, restored

FOLDER = ".bglint_cache"
FORMAT = 1
KEPT = 16
"""So many results are kept: one for each combination of settings."""

_LARGEST = 64_000_000
_RACY = 2_000_000_000
"""Nanoseconds: the coarsest clock of a file system. What changed that shortly before a run may change unseen after it."""

_TAG = (
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# This folder holds what bglint found the last time. It can be removed at any time, as by `bglint clean`.\n"
)
_OWN = re.compile(r"[0-9a-f]{32}\.json|\.bglint-\w+")
_UNIMPORTANT = {
    "cache", "cache_dir", "output_format", "output_file", "baseline", "fix", "unsafe_fixes", "show_suppressed",
    "statistics", "strict", "verbose", "quiet", "exit_zero",
}  # fmt: skip
_ODD = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    RecursionError,
    OverflowError,
    MemoryError,
)

Stat = tuple[int, int, int]
"""When a file was written, when anything about it changed, how large it is."""


@by_value
class Evidence:
    """What an analysis rests on. Files stand in the order of `Sources.files`; `opened` are the hashes of contents."""

    started: int
    stats: tuple[int, ...]
    opened: dict[str, str]
    folders: dict[str, list[str]]
    manifests: dict[str, str]


class Cache:
    """The results kept for one configuration. Nothing that goes wrong in here is the user's concern."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._started = time.time_ns()
        self._stats: tuple[int, ...] = ()

    def find(self, sources: Sources, define: bool = False) -> Analysis | None:
        """What was kept for these files, if it holds; its definitions are asked for by `define`."""
        try:
            self._stats = _stats(sources)
            found = self._find(sources)
        except (*_ODD, re.error):
            return None
        return None if define and found is not None and found.definitions is None else found

    def keep(self, sources: Sources, analysis: Analysis) -> None:
        """Keep a complete analysis for the next time."""
        try:
            if self._stats and not sources.problems and not analysis.crashes:
                opened = {file.path: _hash(sources.read(file)) for file in sources.opened.values()}
                folders, files = manifests.asked()
                listed = {str(folder): list(manifests.listed(folder)) for folder in folders}
                hashes = {str(file): _hash_of(str(file)) for file in files}
                self._write(sources, analysis, Evidence(self._started, self._stats, opened, listed, hashes))
        except _ODD:
            return

    # ------------------------------------------------------------------ reading

    def _find(self, sources: Sources) -> Analysis | None:
        head, found, questions, evidence = self._read(sources)
        settled = head["settled"] is True and head["stats"] == _hash(repr(self._stats).encode())
        answers = dict(_answers(questions, sources.files))
        rests_on = _evidence(evidence)
        if not _same_manifests(rests_on) or not (settled or self._unchanged(sources, rests_on, answers)):
            return None
        analysis = restored(Analysis, found)
        if not _fits(analysis, sources):
            return None
        sources.mentions.update(answers)
        if not settled:
            self._write(sources, analysis, replace(rests_on, started=self._started, stats=self._stats))
        return analysis

    def _read(self, sources: Sources) -> tuple[Any, Any, Any, Any]:
        with open(self._file(sources), "rb") as file:
            if os.fstat(file.fileno()).st_size > _LARGEST:
                raise ValueError("too large to be ours")
            lines = file.read().split(b"\n")
        first, *rest = lines
        head = json.loads(first)
        if (head["listing"], head["rest"]) != (_hash(sources.listing()), _hash(b"\n".join(rest))):
            raise ValueError("of other files, or half written")
        found, questions, evidence = map(json.loads, rest)
        return head, found, questions, evidence

    def _unchanged(
        self, sources: Sources, then: Evidence, answers: dict[Question, tuple[SourceFile, ...]]
    ) -> bool:
        """True where no file that looks changed has changed in a way that matters."""
        for file in self._suspicious(sources, then):
            if file.path in then.opened:
                same = _hash(sources.read(file)) == then.opened[file.path]
            else:
                same = all(
                    sources.is_mentioned_in(file, question) == (file in found)
                    for question, found in answers.items()
                )
            if not same or sources.problems:
                return False
        return True

    def _suspicious(self, sources: Sources, then: Evidence) -> Iterator[SourceFile]:
        """The files whose times or size differ, and those that were young when they were read."""
        young = then.started - _RACY
        for number, file in enumerate(sources.files):
            here = slice(3 * number, 3 * number + 3)
            now, before = self._stats[here], then.stats[here]
            if now != before or max(before[:2]) >= young:
                yield file

    # ------------------------------------------------------------------ writing

    def _write(self, sources: Sources, analysis: Analysis, evidence: Evidence) -> None:
        place = self._file(sources)
        _prepare(place.parent)
        body = (plain(analysis), _questions(sources), plain(evidence))
        rest = b"\n".join(json.dumps(part, separators=(",", ":")).encode() for part in body)
        times = (time for number, time in enumerate(evidence.stats) if number % 3 != 2)
        head = {
            "listing": _hash(sources.listing()),
            "stats": _hash(repr(evidence.stats).encode()),
            "settled": max(times, default=0) < evidence.started - _RACY,
            "rest": _hash(rest),
        }
        atomic.write(place, json.dumps(head).encode() + b"\n" + rest)
        _forget_the_oldest(place.parent)

    def _file(self, sources: Sources) -> Path:
        return folder(self._config, sources.root) / f"{_key(self._config, sources.root)}.json"


def folder(config: Config, root: Path) -> Path:
    """Where the results of a project are kept."""
    return Path(config.folder, config.cache_dir) if config.cache_dir else root / FOLDER


def clean(place: Path) -> bool:
    """Remove a cache and nothing else; False where there is none."""
    if not _is_ours(place):
        return False
    for entry in [*_results(place), place / ".gitignore", place / "CACHEDIR.TAG"]:
        entry.unlink(missing_ok=True)
    if not any(place.iterdir()):
        place.rmdir()
    return True


def _is_ours(place: Path) -> bool:
    tag = place / "CACHEDIR.TAG"
    return not place.is_symlink() and tag.is_file() and tag.read_text("utf-8", "replace") == _TAG


def _prepare(place: Path) -> None:
    """Make the folder; one that holds anything else is left alone."""
    place.mkdir(parents=True, exist_ok=True)
    if _is_ours(place):
        return
    if place.is_symlink() or any(place.iterdir()):
        raise ValueError(f"{place} is in use")
    atomic.write(place / "CACHEDIR.TAG", _TAG.encode())
    atomic.write(place / ".gitignore", b"*\n")


def _results(place: Path) -> list[Path]:
    return [entry for entry in place.iterdir() if _OWN.fullmatch(entry.name) and not entry.is_dir()]


def _forget_the_oldest(place: Path) -> None:
    oldest = sorted(_results(place), key=lambda entry: entry.stat().st_mtime_ns)[:-KEPT]
    for entry in oldest:
        entry.unlink(missing_ok=True)


# ------------------------------------------------------------------------ keys


def _key(config: Config, root: Path) -> str:
    """What tells results apart that must not be taken for each other: the program, the place, the settings."""
    chosen = [
        (option.name, getattr(config, option.name))
        for option in fields(Config)
        if option.name not in _UNIMPORTANT
    ]
    parts = (FORMAT, bglint.__version__, sys.version, _program(), str(root), os.getcwd(), chosen)
    return _hash(repr(parts).encode("utf-8", "surrogateescape"))


def _program() -> list[tuple[str, int, int]]:
    """The files that this bglint is made of: a version under development changes without a new number."""
    from importlib.util import find_spec

    here = Path(__file__).parent
    places = [here, here / "rules", here / "knowledge"] if here.is_dir() else []
    entries = [entry for place in places for entry in os.scandir(place) if entry.is_file()]
    parser = find_spec("libcst")
    files = [*(entry.path for entry in entries), *([parser.origin] if parser and parser.origin else [])]
    return sorted((file, *_stat(file)[::2]) for file in files)


# ------------------------------------------------------------------------ files


def _stats(sources: Sources) -> tuple[int, ...]:
    return tuple(number for file in sources.files for number in _stat(file.absolute))


def _stat(path: str) -> Stat:
    found = os.stat(path)
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size


def _hash(data: bytes) -> str:
    return blake2b(data, digest_size=16).hexdigest()


def _hash_of(path: str) -> str:
    """The hash of a file's content, empty where there is no such file."""
    if not os.path.isfile(path):
        return ""
    with open(path, "rb") as file:
        return _hash(file.read())


def _same_manifests(then: Evidence) -> bool:
    listings = (list(manifests.listed(Path(place))) == listed for place, listed in then.folders.items())
    return all(listings) and all(_hash_of(place) == known for place, known in then.manifests.items())


# ------------------------------------------------------------------- questions


def _questions(sources: Sources) -> list[list[object]]:
    numbers = {file: number for number, file in enumerate(sources.files)}
    return [
        [pattern.pattern.decode("latin-1"), pattern.flags, tests, [numbers[file] for file in found]]
        for (pattern, tests), found in sources.mentions.items()
    ]


def _answers(
    raw: list[list[Any]], files: Sequence[SourceFile]
) -> Iterator[tuple[Question, tuple[SourceFile, ...]]]:
    for pattern, flags, tests, numbers in raw:
        if tests not in (True, False) or not all(0 <= number < len(files) for number in numbers):
            raise ValueError("no answer of ours")
        found = tuple(files[number] for number in numbers)
        yield (re.compile(pattern.encode("latin-1"), flags), tests), found


def _evidence(raw: list[Any]) -> Evidence:
    """The evidence as it was written: numbers, and texts by texts."""
    started, stats, opened, folders, kept = raw
    if not all(type(number) is int for number in (started, *stats)):
        raise ValueError("no times of ours")
    if not all(isinstance(table, dict) for table in (opened, folders, kept)):
        raise ValueError("no files of ours")
    return Evidence(started, tuple(stats), opened, folders, kept)


# ---------------------------------------------------------------------- checks


def _fits(analysis: Analysis, sources: Sources) -> bool:
    """Does it speak of the project's files only, of places that exist and of rules that there are?"""
    known = {file.path: file for file in sources.files}
    told = {*analysis.understood, *(problem.path for problem in (*analysis.problems, *analysis.unreadable))}
    defined = {definition.path for definition in analysis.definitions or ()}
    if not told | defined <= known.keys() or analysis.crashes:
        return False
    if any(names().get(finding.code) != finding.name for finding in analysis.findings):
        return False
    spans: dict[str, list[Span]] = {}
    for path, span in _places(analysis):
        spans.setdefault(path, []).append(span)
    return spans.keys() <= known.keys() and all(
        _inside(found, decode(sources.read(known[path]))) for path, found in spans.items()
    )


def _places(analysis: Analysis) -> Iterator[tuple[str, Span]]:
    for finding in analysis.findings:
        yield finding.path, finding.span
        yield from ((step.path, step.span) for step in finding.trace)
        yield from ((edit.path, edit.span) for edit in (finding.fix.edits if finding.fix else ()))
    yield from ((site.path, site.span) for site in analysis.unfollowed)


def _inside(spans: Iterable[Span], text: str) -> bool:
    last = text.count("\n") + text.count("\r") + 1
    return all(
        1 <= span.line <= span.end_line <= last and min(span.column, span.end_column) >= 1 for span in spans
    )
