"""How the process ends: at once. Taking millions of small objects apart would be a tenth of a run.

How to call: `begin()` in a process that ends after one run, `hold(thing)` for what need not be taken apart before,
`leave(code)` instead of `sys.exit(code)`. Without `begin()` nothing is held.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

_held: list[object] | None = None


def begin() -> None:
    """From now on what is held lives until the end."""
    global _held
    _held = []


def stay() -> None:
    """Many runs are to come: what one of them leaves behind is taken apart after all."""
    global _held
    _held = None


def hold(thing: object) -> None:
    """Keep a thing until the process ends, if that is soon."""
    if _held is not None:
        _held.append(thing)


def leave(code: int) -> None:
    """End the process; properly where a profiler, a debugger or a measurement of coverage waits for that."""
    watched = sys.gettrace() or sys.getprofile()
    if watched or "coverage" in sys.modules:
        sys.exit(code)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            with suppress(OSError):  # nobody listens any more
                stream.flush()
    os._exit(code)
