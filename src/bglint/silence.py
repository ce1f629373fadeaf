"""What is found and yet not reported: by a comment, by per-file-ignores, by the baseline."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bglint.analysis import MARK
from bglint.config import BASELINE, Config, ConfigError, selects
from bglint.discover import UNREADABLE, SourceFile, Sources, decode
from bglint.frozen import by_value
from bglint.model import Finding, Problem, Suppressed

if TYPE_CHECKING:
    from bglint import baseline

Definitions = Mapping[str, tuple[str, int]]
"""The path and line of each task's `def`, by the task's name in findings."""


@by_value
class Silenced:
    """What is left, what is not and why; `stale` names what the baseline knows and nobody finds."""

    findings: tuple[Finding, ...]
    suppressed: tuple[Suppressed, ...] = ()
    problems: tuple[Problem, ...] = ()
    stale: tuple[str, ...] = ()


def silence(
    findings: Iterable[Finding],
    sources: Sources,
    config: Config,
    definitions: Definitions,
    names: Mapping[str, str],
    active: set[str],
    since: str | None,
    complete: bool,
) -> Silenced:
    """Take out what is suppressed. `names` are all rules by code, `active` the codes that were looked for,
    `since` a git reference before which everything is forgiven. A run that is not `complete` cannot tell which
    comments are unused."""
    complete = complete and sources.whole_project
    by_comment = _by_comments(findings, sources, definitions, names, active, complete)
    by_config = _by_config(by_comment.findings, sources, config)
    by_baseline = _by_baseline(by_config.findings, sources, config, active)
    left = by_baseline.findings
    return Silenced(
        _only_changed(left, sources, definitions, since) if since else left,
        (*by_comment.suppressed, *by_config.suppressed, *by_baseline.suppressed),
        by_comment.problems,
        by_baseline.stale,
    )


def _by_comments(
    findings: Iterable[Finding],
    sources: Sources,
    definitions: Definitions,
    names: Mapping[str, str],
    active: set[str],
    complete: bool,
) -> Silenced:
    marked = sources.mentioning(MARK)
    if not marked:
        return Silenced(tuple(findings))
    from bglint import suppress

    texts = {file.path: text for file in marked if (text := _text(file, sources)) is not None}
    outcome = suppress.apply(findings, texts, names, definitions, active, whole_project=complete)
    shown = sources.shown  # a comment in another file is that file's affair
    kept = tuple(f for f in outcome.kept if f.path in shown or any(step.path in shown for step in f.trace))
    return Silenced(kept, outcome.suppressed, tuple(p for p in outcome.problems if p.path in shown))


def _text(file: SourceFile, sources: Sources) -> str | None:
    try:
        return decode(sources.read(file))
    except UNREADABLE:  # reported where it is linted
        return None


def _by_config(findings: Iterable[Finding], sources: Sources, config: Config) -> Silenced:
    if not config.per_file_ignores:
        return Silenced(tuple(findings))
    from bglint.ignore import Ignore

    folder = config.folder or sources.root.as_posix()
    patterns = [(Ignore(folder, [glob]), codes) for glob, codes in config.per_file_ignores.items()]
    kept, suppressed = [], []
    for finding in findings:
        path = os.path.abspath(finding.path).replace(os.sep, "/")
        codes = [code for ignore, several in patterns if ignore.ignores(path) for code in several]
        if selects(codes, finding.code, finding.name):
            suppressed.append(Suppressed(finding, "config"))
        else:
            kept.append(finding)
    return Silenced(tuple(kept), tuple(suppressed))


def baseline_file(sources: Sources, config: Config) -> Path | None:
    """The baseline that the configuration names, else the one that `bglint baseline` wrote for the project."""
    if config.baseline == "":
        return None
    if config.baseline is not None:
        return Path(config.folder) / config.baseline
    usual = sources.root / BASELINE
    return usual if usual.exists() else None


def relative_to(folder: Path, finding: Finding) -> Finding:
    """The finding as a baseline in that folder knows it, wherever bglint was started."""
    return replace(finding, path=os.path.relpath(finding.path, folder).replace(os.sep, "/"))


def compare(
    findings: Iterable[Finding], known: baseline.Baseline, folder: Path, sources: Sources, active: set[str]
) -> baseline.Applied:
    """Hold findings against a baseline; only what this run looked for can be called stale."""
    from bglint import baseline

    shown = {os.path.relpath(f.absolute, folder).replace(os.sep, "/") for f in sources.files if f.shown}

    def asked(entry: baseline.Entry) -> bool:
        return entry.code in active and (entry.path in shown or sources.whole_project)

    return baseline.apply(findings, known, asked)


def _by_baseline(
    findings: tuple[Finding, ...], sources: Sources, config: Config, active: set[str]
) -> Silenced:
    file = baseline_file(sources, config)
    if file is None:
        return Silenced(findings)
    folder = file.absolute().parent
    originals = {relative_to(folder, finding): finding for finding in findings}
    applied = compare(originals, load_baseline(file), folder, sources, active)
    return Silenced(
        tuple(originals[finding] for finding in applied.new),
        tuple(replace(silenced, finding=originals[silenced.finding]) for silenced in applied.suppressed),
        stale=tuple(f"{entry.code} {entry.path} {entry.expression}" for entry in applied.stale),
    )


def _only_changed(
    findings: Iterable[Finding], sources: Sources, definitions: Definitions, since: str
) -> tuple[Finding, ...]:
    """The findings that touch a line changed since a git reference."""
    from bglint import changed

    try:
        changes = changed.changed_lines(since, sources.root)
    except changed.ChangedError as error:
        raise ConfigError(str(error)) from error
    return tuple(finding for finding in findings if changed.touches(finding, changes, definitions))


def load_baseline(file: Path) -> baseline.Baseline:
    """Read a baseline; a broken one is an error of the configuration."""
    from bglint import baseline

    try:
        return baseline.load(file)
    except baseline.BaselineError as error:
        raise ConfigError(str(error)) from error
