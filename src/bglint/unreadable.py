"""Which files no supported Python can read: found out beside the main work, where there is a second processor."""

from __future__ import annotations

import json
from collections.abc import Collection
from functools import cached_property

from bglint import copies
from bglint.copies import Copy
from bglint.discover import UNREADABLE, SourceFile, Sources, decode
from bglint.outline import OutlineProblem, outline, parses

PAYS = 20
"""Files, from which on it is worth a copy of this process."""


class Unreadable:
    """The files among those with these `paths` that cannot be read or parsed; `jobs` are the processes at most."""

    def __init__(self, sources: Sources, paths: Collection[str], jobs: int) -> None:
        self._sources = sources
        self._files = [file for file in sources.files if file.path in paths]
        sources.opened.update((file.absolute, file) for file in self._files)
        beside = jobs != 1 and len(self._files) >= PAYS and copies.possible()
        self._copy = Copy(lambda: json.dumps(self._find()).encode()) if beside else None
        self.known = frozenset() if self._copy is not None else self.paths
        """What is known already, without waiting: all or nothing."""

    @cached_property
    def paths(self) -> frozenset[str]:
        """All of them."""
        told = self._copy.result() if self._copy is not None else None
        return frozenset(self._find() if told is None else json.loads(told))

    def _find(self) -> list[str]:
        return [file.path for file in self._files if not self._reads(file)]

    def _reads(self, file: SourceFile) -> bool:
        try:
            text = decode(self._sources.read(file))
            if not parses(text):
                outline(text, whole=True)
        except (*UNREADABLE, OutlineProblem):
            return False
        return True
