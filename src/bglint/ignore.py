"""Gitignore patterns, compiled so that a folder of thousands of files is sorted in no time."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import groupby
from typing import Any, NamedTuple

from pathspec import GitIgnoreSpec

Compiled = re.Pattern[str] | None


class _Rule(NamedTuple):
    text: str
    regex: str
    ignored: bool


class _Run(NamedTuple):
    """Neighbouring patterns that say the same; those without a slash look at the name alone."""

    ignored: bool
    names: Compiled
    paths: Compiled


class Ignore:
    """The patterns of one place. Later patterns win over earlier ones, as in git."""

    def __init__(self, folder: str, lines: Iterable[str]) -> None:
        rules = [_rule(line) for line in map(_stripped, lines) if line]
        known = [rule for rule in rules if rule is not None]
        self.folder = folder
        self._skip = len(folder.rstrip("/")) + 1
        self._for_folders = _runs(known)
        self._for_files = _runs([rule for rule in known if _concerns_python(rule.text)])

    def verdict(self, path: str, name: str, is_folder: bool) -> bool | None:
        """True where a path below `folder` is ignored, False where it is kept on purpose, None else."""
        tail = "/" if is_folder else ""
        for ignored, names, paths in self._for_folders if is_folder else self._for_files:
            if (names and names.match(name + tail)) or (paths and paths.match(path[self._skip :] + tail)):
                return ignored
        return None

    def ignores(self, path: str) -> bool:
        """Is a file below `folder`, or one of the folders that hold it, ignored?"""
        if not path.startswith(self.folder.rstrip("/") + "/"):
            return False
        steps = path[self._skip :].split("/")
        ends = [path[: self._skip] + "/".join(steps[: i + 1]) for i in range(len(steps))]
        return any(self.verdict(end, step, end != path) for end, step in zip(ends, steps, strict=True))


def _stripped(line: str) -> str:
    line = line.rstrip("\r\n")
    return "" if line.startswith("#") else line if line.endswith("\\ ") else line.rstrip()


def _rule(line: str) -> _Rule | None:
    try:
        pattern: Any = GitIgnoreSpec.from_lines([line]).patterns[0]
    except ValueError:  # git, too, passes over a pattern that it cannot read
        return None
    if pattern.include is None:
        return None
    # pathspec names a group in each pattern, and a name may stand only once in the joined one
    return _Rule(line.removeprefix("!"), re.sub(r"\(\?P<\w+>", "(?:", pattern.regex.pattern), pattern.include)


def _concerns_python(text: str) -> bool:
    """Could the pattern match a file that ends in .py?"""
    return not text.endswith("/") and (text.endswith(("*", "?", "]", "y", "\\ ")))


def _runs(rules: list[_Rule]) -> tuple[_Run, ...]:
    """The patterns in the order in which they are asked: the last one first."""
    groups = [(ignored, list(group)) for ignored, group in groupby(rules, key=lambda rule: rule.ignored)]
    return tuple(_Run(ignored, *_split(group)) for ignored, group in reversed(groups))


def _split(rules: list[_Rule]) -> tuple[Compiled, Compiled]:
    anywhere = [rule.regex for rule in rules if "/" not in rule.text.rstrip("/")]
    anchored = [rule.regex for rule in rules if "/" in rule.text.rstrip("/")]
    return _joined(anywhere), _joined(anchored)


def _joined(regexes: list[str]) -> Compiled:
    return re.compile("|".join(regexes)) if regexes else None
