"""The whole pipeline, from paths to a report. Start reading here."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from bglint import config as configuration
from bglint import manifests, memo
from bglint.analysis import Analysis, active_codes, analyse, def_lines, problems
from bglint.cache import Cache
from bglint.catalogue import names
from bglint.config import Config, selects
from bglint.discover import Sources, decode, discover
from bglint.jobs import Progress
from bglint.model import LEVELS, Finding, Report, Suppressed
from bglint.silence import silence


def lint(
    paths: Sequence[str | Path],
    config: Config | None = None,
    *,
    given: Mapping[str, bytes] | None = None,
    since: str | None = None,
    progress: Progress | None = None,
    cached: bool = False,
    jobs: int = 1,
) -> Report:
    """Lint files and folders and say what was found.

    Without a `config` the nearest configuration file is read, as on the command line. `given` replaces the bytes
    of files by path, for what is edited and not yet saved; `since` leaves only what touches lines that changed
    since a git reference; `cached` uses and keeps results in the project's cache; `jobs` are the processes at most, 0
    for as many as pay. Raises ConfigError for an unusable configuration and PathError for a path that does not exist or
    holds no Python file.
    """
    started = time.perf_counter()
    config = config or configuration.load(Path(paths[0]).absolute())
    manifests.forget()
    memo.forget()
    kept = Cache(config) if cached and not given else None
    sources = discover(paths, config, given)
    active = active_codes(config)
    analysis = kept.find(sources, bool(since)) if kept else None
    if analysis is None:
        analysis = analyse(sources, config, bool(since), progress, jobs)
        if kept:
            kept.keep(sources, analysis)
    return _report(sources, analysis, config, active, since, started)


def _report(
    sources: Sources, analysis: Analysis, config: Config, active: set[str], since: str | None, started: float
) -> Report:
    unread = problems(sources, analysis)
    findings = _unique(finding for finding in analysis.findings if _touches_shown(finding, sources))
    complete = not (unread or analysis.crashes)
    left = silence(findings, sources, config, def_lines(analysis), names(), active, since, complete)
    wanted = tuple(finding for finding in left.findings if _is_wanted(finding, config))
    return Report(
        findings=tuple(sorted(wanted, key=Finding.sort_key)),
        problems=tuple(dict.fromkeys((*unread, *left.problems, *analysis.crashes))),
        unfollowed=analysis.unfollowed,
        suppressed=left.suppressed,
        notes=_notes(sources, config, analysis),
        stale=left.stale,
        files=len(sources.files),
        tasks=analysis.tasks,
        seconds=time.perf_counter() - started,
        sources=_texts(wanted, left.suppressed, sources),
    )


def _touches_shown(finding: Finding, sources: Sources) -> bool:
    """Does the finding or its path stand in a file that was given?"""
    return not {finding.path, *(step.path for step in finding.trace)}.isdisjoint(sources.shown)


def _is_wanted(finding: Finding, config: Config) -> bool:
    """Advice is given only when asked for; it is held back after comments and the baseline had their say."""
    if finding.level != "advice" or config.strict:
        return True
    chosen = [selector for selector in (*config.select, *config.extend_select) if selector != "ALL"]
    return selects(chosen, finding.code, finding.name)


def _unique(findings: Iterable[Finding]) -> list[Finding]:
    """One finding for each rule and place: the worst, then the one with the shortest path."""
    best: dict[tuple[object, ...], Finding] = {}
    for finding in findings:
        key = (finding.code, finding.path, finding.span)
        if key not in best or _weight(finding) < _weight(best[key]):
            best[key] = finding
    return list(best.values())


def _weight(finding: Finding) -> tuple[int, int]:
    return LEVELS.index(finding.level), len(finding.trace)


def _notes(sources: Sources, config: Config, analysis: Analysis) -> tuple[str, ...]:
    """What `--verbose` tells of the run."""
    told = (f"Project: {sources.root}", f"Configuration: {config.source or 'none found'}")
    return (*told, analysis.versions) if analysis.versions else told


def _texts(findings: Iterable[Finding], suppressed: Iterable[Suppressed], sources: Sources) -> dict[str, str]:
    """The text of each file that the report speaks of."""
    every = (*findings, *(silenced.finding for silenced in suppressed))
    paths = {path for f in every for path in (f.path, *(step.path for step in f.trace))}
    return {file.path: decode(sources.read(file)) for file in sources.files if file.path in paths}
