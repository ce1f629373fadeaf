"""The whole pipeline, from paths to a report. Start reading here."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bglint import config as configuration
from bglint.config import Config, ConfigError, selects, unknown_selector
from bglint.discover import Sources, decode, discover
from bglint.model import LEVELS, Finding, Problem, Report, Suppressed

if TYPE_CHECKING:
    from bglint.project import Project
    from bglint.rule import Rule

_OURS = re.compile(rb"fastapi|starlette|BackgroundTask|add_task|create_task|ensure_future|bglint:")
"""Without one of these words there is nothing to find, and the rules need not even be loaded."""

Progress = Callable[[int, int, str], None]
"""Called before each step with the steps done, the steps in all and the name of the step."""


def lint(
    paths: Sequence[str | Path],
    config: Config | None = None,
    *,
    given: Mapping[str, bytes] | None = None,
    since: str | None = None,
    progress: Progress | None = None,
) -> Report:
    """Lint files and folders and say what was found.

    Without a `config` the nearest configuration file is read, as on the command line. `given` replaces the bytes
    of files by path, for what is edited and not yet saved; `since` leaves only what touches lines that changed
    since a git reference. Raises ConfigError for an unusable configuration and
    PathError for a path that does not exist or holds no Python file.
    """
    started = time.perf_counter()
    config = config or configuration.load(Path(paths[0]).absolute())
    sources = discover(paths, config, given)
    if config == Config() and not any(sources.to_be_understood(_OURS)):
        return Report(files=len(sources.files), seconds=time.perf_counter() - started)

    from bglint.rule import registry
    from bglint.silence import silence

    rules = registry()
    active = active_rules(rules, config)
    project = _understand(sources, config)
    for file in sources.to_be_understood(_OURS):
        project.program.module(file.path)  # one that cannot be parsed becomes a problem, whatever it holds
    found, crashes = _run(active, project, progress)
    findings = _unique(finding for finding in found if _touches_shown(finding, sources))
    names = {rule.code: rule.name for rule in rules.values()}
    complete = not (sources.problems or project.problems or crashes)
    left = silence(findings, project, config, names, {rule.code for rule in active}, since, complete)
    wanted = tuple(finding for finding in left.findings if _is_wanted(finding, config))
    problems = dict.fromkeys((*sources.problems, *project.problems, *left.problems, *crashes))
    unfollowed = project.unfollowed()
    return Report(
        findings=tuple(sorted(wanted, key=Finding.sort_key)),
        problems=tuple(problems),
        unfollowed=unfollowed,
        suppressed=left.suppressed,
        notes=_notes(project, config),
        stale=left.stale,
        files=len(sources.files),
        tasks=project.task_count - len(unfollowed),
        seconds=time.perf_counter() - started,
        sources=_texts(wanted, left.suppressed, sources),
    )


def active_rules(rules: Mapping[str, Rule], config: Config) -> list[Rule]:
    """The rules that the configuration selects. Raises ConfigError for a selector that means none."""
    several = (*config.per_file_ignores.values(), config.select, config.extend_select, config.ignore)
    names = {rule.code: rule.name for rule in rules.values()}
    for selectors in several:
        if complaint := unknown_selector(selectors, names):
            raise ConfigError(f"{config.source}: {complaint}" if config.source else complaint)
    chosen = (*config.select, *config.extend_select)
    return [
        rule
        for rule in rules.values()
        if selects(chosen, rule.code, rule.name) and not selects(config.ignore, rule.code, rule.name)
    ]


def _understand(sources: Sources, config: Config) -> Project:
    """The project, with the user's knowledge table and versions tried before they are needed."""
    from bglint.project import Project

    place = f"{config.source}: " if config.source else ""
    try:
        project = Project(sources, config)
    except ValueError as error:
        raise ConfigError(f"{place}[knowledge] {error}") from error
    try:
        project.framework(sources.files[0].path)
    except ValueError as error:
        raise ConfigError(f"{place}not a version of FastAPI or Starlette: {error}") from error
    return project


def _run(
    rules: Sequence[Rule], project: Project, progress: Progress | None
) -> tuple[list[Finding], list[Problem]]:
    """Run every rule; one that fails is a problem of its own and costs the others nothing."""
    found: list[Finding] = []
    crashes = []
    for number, rule in enumerate(rules):
        if progress:
            progress(number, len(rules), rule.name)
        try:
            found.extend(rule.check(project))
        except Exception as error:
            crashes.append(_crash(rule, error))
    return found, crashes


def _crash(rule: Rule, error: Exception) -> Problem:
    import traceback

    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(frame.filename).name}:{frame.lineno}"
    words = f"internal error in {rule.code} ({type(error).__name__}: {error}, at {place}); please report it"
    return Problem("bglint", words)


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


def _notes(project: Project, config: Config) -> tuple[str, ...]:
    """What `--verbose` tells of the run."""
    sources = project.sources
    versions = project.framework(next(file.path for file in sources.files))
    return (
        f"Project: {sources.root}",
        f"Configuration: {config.source or 'none found'}",
        versions.describe(),
    )


def _texts(findings: Iterable[Finding], suppressed: Iterable[Suppressed], sources: Sources) -> dict[str, str]:
    """The text of each file that the report speaks of."""
    every = (*findings, *(silenced.finding for silenced in suppressed))
    paths = {path for f in every for path in (f.path, *(step.path for step in f.trace))}
    return {file.path: decode(sources.read(file)) for file in sources.files if file.path in paths}
