"""Which FastAPI and Starlette a project uses, and what those versions do with background tasks.

Two things depend on the version. A dependency with `yield` and an upload are closed after the tasks up to
FastAPI 0.105 (era A), before them in 0.106 to 0.117 (era B), after them again from 0.118 (era C). And
`BaseHTTPMiddleware` delays the connection below Starlette 0.29 and loses a task's exception in 0.29 to 0.45.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import reduce
from pathlib import Path
from typing import Literal

from bglint import manifests
from bglint.frozen import by_value
from bglint.manifests import QUEUES, Declared
from bglint.versions import UNKNOWN, Release, VersionRange, parse

Era = Literal["A", "B", "C"]

B: Release = (0, 106, 0)
C: Release = (0, 118, 0)
_STARLETTE_OF: tuple[tuple[VersionRange, VersionRange], ...] = (
    # these FastAPI releases require these Starlette releases
    (VersionRange(None, (0, 107, 0)), VersionRange(None, (0, 28, 0))),
    (VersionRange((0, 107, 0), (0, 108, 0)), VersionRange((0, 28, 0), (0, 29, 0))),
    (VersionRange((0, 108, 0), (0, 115, 10)), VersionRange((0, 29, 0), (0, 46, 0))),
    (VersionRange((0, 115, 10), (0, 134, 0)), VersionRange((0, 40, 0), None)),
    (VersionRange((0, 134, 0), None), VersionRange((0, 46, 0), None)),
)


@by_value
class Framework:
    """The versions that a project runs, where they were read ("uv.lock:123"), and what they do.

    Each question answers True, False, or None where the version is unknown or its bounds allow both.
    """

    fastapi: VersionRange = UNKNOWN
    starlette: VersionRange = UNKNOWN
    source: str = ""
    starlette_source: str = ""

    @property
    def era(self) -> Era | None:
        """A, B or C; None where the version is unknown or its bounds span two of them."""
        if self.closes_before_tasks:
            return "B"
        if self.closes_before_tasks is None:
            return None
        return "A" if self.fastapi.inside(None, B) else "C" if self.fastapi.inside(C, None) else None

    @property
    def closes_before_tasks(self) -> bool | None:
        """Are yield dependencies and uploads closed before the tasks run? (0.106 to 0.117)"""
        return self.fastapi.inside(B, C)

    @property
    def function_scope(self) -> bool | None:
        """Does `Depends(..., scope="function")` exist, which closes before the tasks? (from 0.121)"""
        return self.fastapi.inside((0, 121, 0), None)

    @property
    def depends_provider_injects(self) -> bool | None:
        """May `tasks: BackgroundTasks = Depends(provider)` be written at all? (from 0.128.2)"""
        return self.fastapi.inside((0, 128, 2), None)

    @property
    def middleware_delays_connection(self) -> bool | None:
        """Does the next request wait for the tasks behind a BaseHTTPMiddleware? (Starlette below 0.29)"""
        return self.starlette.inside(None, (0, 29, 0))

    @property
    def middleware_swallows_errors(self) -> bool | None:
        """Does an exception of a task vanish behind a BaseHTTPMiddleware? (Starlette 0.29 to 0.45)"""
        return self.starlette.inside((0, 29, 0), (0, 46, 0))

    def describe(self) -> str:
        """The versions and where they were found, for `--verbose`."""
        if not self.fastapi.known and not self.starlette.known:
            return "FastAPI version unknown: no lock file, requirements or pyproject.toml gives it"
        parts = (
            ("FastAPI", self.fastapi, self.source),
            ("Starlette", self.starlette, self.starlette_source),
        )
        return ", ".join(f"{name} {found} ({source})" for name, found, source in parts if found.known)


def detect(
    folder: Path, root: Path, override_fastapi: str | None = None, override_starlette: str | None = None
) -> Framework:
    """Find the versions in the nearest manifest from `folder` up to `root`; the overrides win.

    Raises ValueError where an override is not a version.
    """
    levels = manifests.above(folder, root)
    fastapi = _told(override_fastapi) or _nearest("fastapi", levels, root)
    # A Starlette found next to another FastAPI than ours says nothing.
    beside = levels if not fastapi.allowed.known else (fastapi.folder,) if fastapi.folder else ()
    starlette = _told(override_starlette) or _inferred(fastapi, _nearest("starlette", beside, root))
    return Framework(fastapi.allowed, starlette.allowed, fastapi.source, starlette.source)


def queues(folder: Path, root: Path) -> tuple[str, ...]:
    """The task queues that the nearest project depends on: "Celery", "ARQ" ... in a fixed order."""
    for level in manifests.above(folder, root):
        names = {declared.name for declared in manifests.read(level).declared}
        if names & QUEUES.keys():
            return tuple(title for name, title in QUEUES.items() if name in names)
    return ()


@by_value
class _Stated:
    """What is said of a package, where, and in which folder's manifests."""

    allowed: VersionRange = UNKNOWN
    source: str = ""
    folder: Path | None = None


def _told(override: str | None) -> _Stated | None:
    return _Stated(parse(_padded(override)), "configuration") if override else None


def _padded(override: str) -> str:
    """ "0.115" means any 0.115."""
    plain = override.strip()
    return f"=={plain}.*" if plain.replace(".", "").isdigit() and plain.count(".") < 2 else plain


def _nearest(name: str, levels: tuple[Path, ...], root: Path) -> _Stated:
    found = ((level, pair) for level in levels for pair in _stated(name, level, root))
    for level, (declared, allowed) in found:
        return _Stated(allowed, _place(declared, root), level)
    return _Stated()


def _stated(name: str, level: Path, root: Path) -> Iterator[tuple[Declared, VersionRange]]:
    """What is said of a package in one folder, best first: lock, pin, lock of the workspace, bounds."""
    here = manifests.read(level)
    declared = list(_ranges(name, here.declared))
    yield from _whole(_ranges(name, here.locked))
    yield from (pair for pair in declared if pair[1].exact)
    for outer in map(manifests.read, manifests.above(level, root)):
        if level in outer.members:
            yield from _whole(_ranges(name, outer.locked))
    yield from declared


def _ranges(name: str, stated: tuple[Declared, ...]) -> Iterator[tuple[Declared, VersionRange]]:
    for declared in stated:
        if declared.name == name:
            with suppress(ValueError):
                allowed = parse(declared.bounds)
                if allowed.known:
                    yield declared, allowed


def _whole(
    pairs: Iterator[tuple[Declared, VersionRange]],
) -> Iterator[tuple[Declared, VersionRange]]:
    """One range for the lock file that counts: it locks several versions for several platforms."""
    locked = list(pairs)
    if locked:
        first = locked[0][0]
        same = [allowed for declared, allowed in locked if declared.path == first.path]
        yield first, reduce(VersionRange.spans, same)


def _inferred(fastapi: _Stated, starlette: _Stated) -> _Stated:
    """Narrow what is said of Starlette by what the project's FastAPI requires."""
    implied = [
        needs for ours, needs in _STARLETTE_OF if fastapi.allowed.inside(ours.low, ours.below) is not False
    ]
    narrowed = starlette.allowed.meets(reduce(VersionRange.spans, implied))
    if narrowed.empty or narrowed == starlette.allowed:
        return starlette
    return _Stated(narrowed, "as FastAPI requires")


def _place(declared: Declared, root: Path) -> str:
    path = declared.path
    inside = path.relative_to(root.resolve()) if path.is_relative_to(root.resolve()) else path
    return f"{inside.as_posix()}:{declared.line}"
