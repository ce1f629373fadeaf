"""The baseline: the findings that a codebase has already, so that a run shows only what is new.

How to call::

    baseline.write(baseline.of(report.findings), path)          # `bglint baseline`: run without a baseline first
    known = baseline.load(path)                                 # raises BaselineError, its text is for the user
    applied = baseline.apply(findings, known)                   # .new, .suppressed, .stale
    baseline.write(baseline.without(known, applied.stale), path)   # --update

Entries are keyed by content (`fingerprint.py`), never by line. A run that looked at a part of the
project or at some rules only passes `asked`, so that what it did not look for is not called stale.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from bglint import atomic
from bglint.fingerprint import fingerprint, normalised
from bglint.frozen import by_value
from bglint.model import Finding, Suppressed

VERSION = 1


class BaselineError(Exception):
    """A baseline file that cannot be used; the text says why and what to do."""


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """A known finding; `count` is how often the same content occurs in that function."""

    path: str
    symbol: str
    code: str
    expression: str
    fingerprint: str
    count: int


@by_value
class Baseline:
    """All known findings, sorted."""

    entries: tuple[Entry, ...] = ()


@by_value
class Applied:
    """What a baseline leaves of a run; `stale` are entries (and how many of each) that are no longer found."""

    new: tuple[Finding, ...]
    suppressed: tuple[Suppressed, ...]
    stale: tuple[Entry, ...]


def of(findings: Iterable[Finding]) -> Baseline:
    """The baseline that silences exactly these findings."""
    counts: Counter[Entry] = Counter(_entry(finding) for finding in findings)
    return Baseline(tuple(sorted(replace(entry, count=count) for entry, count in counts.items())))


def apply(
    findings: Iterable[Finding], known: Baseline, asked: Callable[[Entry], bool] | None = None
) -> Applied:
    """Split findings into new and known; where there are more of a kind than known, the later ones are new."""
    left = {entry.fingerprint: entry.count for entry in known.entries}
    new: list[Finding] = []
    suppressed: list[Suppressed] = []
    for finding in findings:
        mark = fingerprint(finding)
        if left.get(mark, 0) > 0:
            left[mark] -= 1
            suppressed.append(Suppressed(finding, "baseline"))
        else:
            new.append(finding)
    unmatched = (replace(e, count=left[e.fingerprint]) for e in known.entries if left[e.fingerprint])
    stale = tuple(entry for entry in unmatched if asked is None or asked(entry))
    return Applied(tuple(new), tuple(suppressed), stale)


def without(known: Baseline, stale: Iterable[Entry]) -> Baseline:
    """The baseline less what is no longer found; nothing is added."""
    gone = {entry.fingerprint: entry.count for entry in stale}
    kept = (replace(e, count=e.count - gone.get(e.fingerprint, 0)) for e in known.entries)
    return Baseline(tuple(entry for entry in kept if entry.count > 0))


def write(known: Baseline, path: str | os.PathLike[str]) -> None:
    """Write the file in one step; raises BaselineError where the place cannot be written."""
    content = {"version": VERSION, "tool": "bglint", "findings": [_plain(entry) for entry in known.entries]}
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    try:
        atomic.write(path, text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise BaselineError(f"The baseline {os.fspath(path)} cannot be written: {error.strerror}.") from error


def load(path: str | os.PathLike[str]) -> Baseline:
    """Read a file that `write` made; every way it can be wrong has its own sentence."""
    place = os.fspath(path)
    try:
        with open(place, encoding="utf-8") as file:
            text = file.read()
    except FileNotFoundError:
        raise BaselineError(f"There is no baseline {place}. Make one with `bglint baseline`.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BaselineError(f"The baseline {place} cannot be read: {error}.") from error
    return _baseline(_decoded(text, place), place)


def _entry(finding: Finding) -> Entry:
    expression = normalised(finding.expression)
    return Entry(finding.path, finding.symbol, finding.code, expression, fingerprint(finding), 0)


def _plain(entry: Entry) -> dict[str, object]:
    order = ("code", "path", "symbol", "expression", "fingerprint", "count")
    values = asdict(entry)
    return {name: values[name] for name in order}


def _decoded(text: str, place: str) -> Mapping[str, Any]:
    if any(line.startswith(("<<<<<<<", ">>>>>>>")) for line in text.splitlines()):
        raise BaselineError(
            f"The baseline {place} holds merge conflict markers. Take either side, then run `bglint baseline` again."
        )
    try:
        content = json.loads(text)
    except ValueError as error:
        raise BaselineError(f"The baseline {place} is not JSON: {error}.") from error
    if not isinstance(content, dict) or not isinstance(content.get("findings"), list):
        raise BaselineError(f"The baseline {place} was not written by `bglint baseline`.")
    return content


def _baseline(content: Mapping[str, Any], place: str) -> Baseline:
    version = content.get("version")
    if version != VERSION:
        raise BaselineError(
            f"The baseline {place} has version {version!r}, this bglint reads version {VERSION}."
            " Run `bglint baseline` again."
        )
    merged: dict[str, Entry] = {}
    for number, raw in enumerate(content["findings"], 1):
        entry = _read_entry(raw, number, place)
        earlier = merged.get(entry.fingerprint)
        merged[entry.fingerprint] = replace(entry, count=entry.count + earlier.count) if earlier else entry
    return Baseline(tuple(sorted(merged.values())))


def _read_entry(raw: object, number: int, place: str) -> Entry:
    wrong = BaselineError(f"Finding {number} of the baseline {place} is broken. Run `bglint baseline` again.")
    if not isinstance(raw, dict) or not isinstance(raw.get("count"), int) or raw["count"] < 1:
        raise wrong
    texts = {name: raw.get(name) for name in ("path", "symbol", "code", "expression", "fingerprint")}
    if not all(isinstance(value, str) for value in texts.values()):
        raise wrong
    return Entry(**{name: str(value) for name, value in texts.items()}, count=raw["count"])
