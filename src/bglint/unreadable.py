"""Which files no supported Python can read: found out beside the main work, where there is a second processor."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Collection
from functools import cached_property

from bglint.discover import SourceFile, Sources, decode
from bglint.outline import OutlineProblem, outline, parses

PAYS = 20
"""Files, from which on it is worth a copy of this process."""


class Unreadable:
    """The files among those with these `paths` that cannot be read or parsed; `jobs` are the processes at most."""

    def __init__(self, sources: Sources, paths: Collection[str], jobs: int) -> None:
        self._sources = sources
        self._files = [file for file in sources.files if file.path in paths]
        sources.opened.update((file.absolute, file) for file in self._files)
        beside = jobs != 1 and len(self._files) >= PAYS and can_copy()
        self._copy = _in_a_copy(self._find) if beside else None
        self.known = frozenset() if self._copy is not None else self.paths
        """What is known already, without waiting: all or nothing."""

    @cached_property
    def paths(self) -> frozenset[str]:
        """All of them."""
        told = _all_of(*self._copy) if self._copy is not None else b""
        return frozenset(json.loads(told) if told else self._find())

    def _find(self) -> list[str]:
        return [file.path for file in self._files if not self._reads(file)]

    def _reads(self, file: SourceFile) -> bool:
        try:
            text = decode(self._sources.read(file))
            return parses(text) or bool(outline(text, whole=True))
        except (OSError, ValueError, LookupError, SyntaxError, OutlineProblem):
            return False


def can_copy() -> bool:
    """Can this process be copied as it is?"""
    return sys.platform not in ("win32", "darwin")


def _in_a_copy(find: Callable[[], list[str]]) -> tuple[int, int]:
    """The number of a copy of this process, and where to read what it finds."""
    ours, theirs = os.pipe()
    if copy := os.fork():
        os.close(theirs)
        return copy, ours
    try:
        told = json.dumps(find()).encode()
        while told:
            told = told[os.write(theirs, told) :]
    finally:
        os._exit(0)  # whatever happened: two of us must not go on


def _all_of(copy: int, pipe: int) -> bytes:
    """What was told; nothing where the copy died over it."""
    with os.fdopen(pipe, "rb") as end:
        told = end.read()
    os.waitpid(copy, 0)
    return told if told.endswith(b"]") else b""
