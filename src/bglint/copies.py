"""Work that copies of this process do beside it: a copy knows all that the process knew, and tells what it found.

How to call: `Copy(work)` begins, `result()` waits for the bytes that `work` gave, None where the copy died over it.
`Counter(count)` hands out the numbers below `count`, the last first, each to one of the processes that ask.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator

_DONE = b"."


def possible() -> bool:
    """Can this process be copied as it is?"""
    return sys.platform not in ("win32", "darwin")


class Copy:
    """A copy of this process at work."""

    def __init__(self, work: Callable[[], bytes | None]) -> None:
        self._pipe, end = os.pipe()
        self._process = os.fork()
        if self._process == 0:
            _tell(end, work)
        os.close(end)

    def result(self) -> bytes | None:
        """What the work gave; None where it came to no end."""
        with os.fdopen(self._pipe, "rb") as pipe:
            told = pipe.read()
        os.waitpid(self._process, 0)
        return told.removesuffix(_DONE) if told.endswith(_DONE) else None


def _tell(end: int, work: Callable[[], bytes | None]) -> None:
    try:
        with os.fdopen(end, "wb") as pipe:
            pipe.write((work() or b"") + _DONE)
    finally:
        os._exit(0)  # whatever happened: two of us must not go on


class Counter:
    """The numbers below `count` (256 at most); made before the copies, asked by all."""

    def __init__(self, count: int) -> None:
        self._numbers, end = os.pipe()
        with os.fdopen(end, "wb") as pipe:
            pipe.write(bytes(reversed(range(count))))

    def __iter__(self) -> Iterator[int]:
        while number := os.read(self._numbers, 1):
            yield number[0]

    def close(self) -> None:
        os.close(self._numbers)
