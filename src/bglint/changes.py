"""`--changed-since REF`: only what touches the lines that changed since a git reference."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from bglint.config import ConfigError
from bglint.model import Finding, Report

Changes = Mapping[str, range | frozenset[int]]
_HUNK = re.compile(r"^@@ -\S+ \+(\d+)(?:,(\d+))? @@")
_EVERY_LINE = range(1, 1 << 31)


def only_changed(report: Report, reference: str, folder: Path) -> Report:
    """The report with the findings whose guilty lines or path touch a changed line."""
    changes = changed_lines(reference, folder)
    return replace(report, findings=tuple(f for f in report.findings if _touches(f, changes)))


def changed_lines(reference: str, folder: Path) -> Changes:
    """The lines, by absolute path, that differ from where the branch left the reference; new files as a whole."""
    top = _git(folder, "rev-parse", "--show-toplevel").rstrip("\n")
    _git(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{reference}^{{commit}}")
    base = _git(folder, "merge-base", reference, "HEAD").strip()
    diff = _git(Path(top), "diff", "--unified=0", "--no-color", "--no-ext-diff", "--no-prefix", base)
    fresh = _git(Path(top), "ls-files", "--others", "--exclude-standard", "-z").split("\0")
    changes: dict[str, range | frozenset[int]] = {**_hunks(diff, top)}
    changes.update({os.path.realpath(f"{top}/{name}"): _EVERY_LINE for name in fresh if name})
    return changes


def _git(folder: Path, *arguments: str) -> str:
    command = ("git", "-c", "core.quotePath=false", *arguments)
    try:
        run = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    except FileNotFoundError:
        raise ConfigError("--changed-since needs git, which is not installed") from None
    if run.returncode:
        words = run.stderr.decode("utf-8", "replace").strip().splitlines() or ["there is no such commit"]
        raise ConfigError(f"--changed-since: {words[0]}")
    return run.stdout.decode("utf-8", "surrogateescape")


def _hunks(diff: str, top: str) -> dict[str, frozenset[int]]:
    """The lines on the new side of a diff without context."""
    lines: dict[str, set[int]] = {}
    current: set[int] = set()
    for line in diff.split("\n"):
        if line.startswith("+++ "):
            name = line[4:].rstrip("\t").strip('"')
            current = lines.setdefault(os.path.realpath(f"{top}/{name}"), set())
        elif found := _HUNK.match(line):
            first, count = int(found[1]), int(found[2] or 1)
            current.update(range(first, first + count))
    return {path: frozenset(numbers) for path, numbers in lines.items()}


def _touches(finding: Finding, changes: Changes) -> bool:
    spans = [(finding.path, finding.span), *((step.path, step.span) for step in finding.trace)]
    for path, span in spans:
        changed = changes.get(os.path.realpath(path), frozenset())
        if any(line in changed for line in range(span.line, span.end_line + 1)):
            return True
    return False
