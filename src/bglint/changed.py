"""`--changed-since REF`: which lines of the work tree differ from a git reference.

How to call::

    changed = changed_lines("origin/main", folder)        # raises ChangedError, its text is for the user
    kept = [f for f in findings if touches(f, changed, def_lines)]

Compared is with the point where the branch left the reference, so that what others merged since does not
count; work that is not committed counts, and so do files that git does not know yet. `def_lines` maps a task
to the path and line of its `def`: where that line changed, every line below it may have become guilty.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence

from bglint.frozen import by_value
from bglint.model import Finding, Span

_HUNK = re.compile(r"@@ -\S+ \+(\d+)(?:,(\d+))? @@")
_ESCAPE = re.compile(rb'\\([0-7]{3}|[abtnvfr"\\])')
_ESCAPED = {b"a": b"\a", b"b": b"\b", b"t": b"\t", b"n": b"\n", b"v": b"\v", b"f": b"\f", b"r": b"\r"}
_DIFF = ("--unified=0", "--no-color", "--no-ext-diff", "--no-textconv", "--find-renames", "--diff-filter=d")
_PREFIX = ("--src-prefix=a/", "--dst-prefix=b/")


class ChangedError(Exception):
    """The difference cannot be told; the text says why."""


@by_value
class Changed:
    """What is new in a file: lines, and cuts (after line n something was taken out). A new file is new throughout."""

    lines: frozenset[int] = frozenset()
    cuts: frozenset[int] = frozenset()
    throughout: bool = False

    def touches(self, span: Span) -> bool:
        """Does any of its lines differ, or was anything taken out between them?"""
        inside = range(span.line, span.end_line + 1)
        return self.throughout or any(line in self.lines for line in inside) or self._cut(span)

    def _cut(self, span: Span) -> bool:
        return any(line in self.cuts for line in range(span.line, span.end_line))


Changes = Mapping[str, Changed]


def changed_lines(reference: str, folder: str | os.PathLike[str] = ".") -> dict[str, Changed]:
    """What differs from the reference, by absolute path."""
    top = os.fsdecode(_git(folder, "rev-parse", "--show-toplevel")).rstrip("\r\n")
    base = _base(reference, top)
    diff = _git(top, "-c", "core.quotePath=false", "diff", *_DIFF, *_PREFIX, base, "--")
    untracked = _git(top, "ls-files", "--others", "--exclude-standard", "-z")
    changed = dict(_read(diff))
    changed.update({os.fsdecode(name): Changed(throughout=True) for name in untracked.split(b"\0") if name})
    return {os.path.realpath(os.path.join(top, path)): found for path, found in changed.items()}


def touches(
    finding: Finding,
    changed: Changes,
    def_lines: Mapping[str, tuple[str, int]] | None = None,
    folder: str | os.PathLike[str] = ".",
) -> bool:
    """Does the guilty place, a step of its path or the `def` of its task stand on a changed line?"""
    places = [(finding.path, finding.span), *((step.path, step.span) for step in finding.trace)]
    if def_lines and finding.task in def_lines:
        path, line = def_lines[finding.task]
        places.append((path, Span(line, 1, line, 1)))
    real = ((os.path.realpath(os.path.join(folder, path)), span) for path, span in places)
    return any(path in changed and changed[path].touches(span) for path, span in real)


def _base(reference: str, top: str) -> str:
    found = _run(top, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{reference}^{{commit}}")
    if found.returncode:
        raise ChangedError(f"git knows no commit {reference!r}: fetch it, or name another.")
    commit = os.fsdecode(found.stdout).strip()
    base = _run(top, "merge-base", commit, "HEAD")
    if base.returncode:
        raise ChangedError(
            f"{reference!r} and the work tree have no commit in common."
            " In a shallow clone fetch the history first (actions/checkout: `fetch-depth: 0`)."
        )
    return os.fsdecode(base.stdout).split()[0]


def _git(folder: str | os.PathLike[str], *arguments: str) -> bytes:
    done = _run(folder, *arguments)
    if done.returncode:
        said = os.fsdecode(done.stderr).strip().removeprefix("fatal: ")
        raise ChangedError(f"git cannot tell what changed in {os.fspath(folder)}: {said}.")
    return done.stdout


def _run(folder: str | os.PathLike[str], *arguments: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(["git", "-C", os.fspath(folder), *arguments], capture_output=True, check=False)
    except FileNotFoundError:
        raise ChangedError("`--changed-since` needs git, and there is none on the PATH.") from None


def _read(diff: bytes) -> Iterator[tuple[str, Changed]]:
    """The files of a diff without context: `+++ b/path`, then one `@@` line a change."""
    path = ""
    hunks: list[tuple[int, int]] = []
    for raw in diff.split(b"\n"):
        if raw.startswith(b"diff --git "):
            if path:
                yield path, _changed(hunks)
            path, hunks = "", []
        elif raw.startswith(b"+++ ") and not hunks:
            path = _path(raw[4:])
        elif found := _HUNK.match(raw.decode("ascii", "replace")):
            hunks.append((int(found[1]), int(found[2] or 1)))
    if path:
        yield path, _changed(hunks)


def _path(name: bytes) -> str:
    name = name.rstrip(b"\t")
    if name.startswith(b'"'):
        name = _ESCAPE.sub(_unescaped, name[1:-1])
    return os.fsdecode(name.removeprefix(b"b/"))


def _unescaped(found: re.Match[bytes]) -> bytes:
    escape = found[1]
    if len(escape) == 3:
        return bytes([int(escape, 8)])
    return _ESCAPED.get(escape, escape)


def _changed(hunks: Sequence[tuple[int, int]]) -> Changed:
    lines = (line for start, count in hunks for line in range(start, start + count))
    return Changed(frozenset(lines), frozenset(start for start, count in hunks if count == 0))
