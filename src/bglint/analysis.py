"""What a project's tasks do wrong: from its files to the findings, before anything is silenced.

It depends on the files and the settings alone, not on which of the files were given: so it can be kept (see cache.py).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from bglint import leaving
from bglint.catalogue import names
from bglint.config import Config, ConfigError, selects, unknown_selector
from bglint.discover import Sources
from bglint.frozen import by_value
from bglint.jobs import Progress, run
from bglint.model import Finding, Problem, Unfollowed

if TYPE_CHECKING:
    from bglint.project import Project
    from bglint.rule import Rule
    from bglint.unreadable import Unreadable

OURS = re.compile(rb"fastapi|starlette|BackgroundTask|add_task|create_task|ensure_future|bglint:")
"""Without one of these words there is nothing to find, and the rules need not even be loaded."""

MARK = re.compile(rb"bglint:")
"""What a comment to us begins with."""


@by_value
class Definition:
    """Where a task is defined, by its name in findings."""

    task: str
    path: str
    line: int


@by_value
class Analysis:
    """All findings of the selected rules; `crashes` are rules that failed, `versions` is a note for `--verbose`.

    `problems` are files that tasks lead to and that cannot be read; `understood` are the files that were tried because
    they were given, `unreadable` what came out. `definitions` are told where a comment or a git reference may ask.
    """

    findings: tuple[Finding, ...] = ()
    problems: tuple[Problem, ...] = ()
    understood: tuple[str, ...] = ()
    unreadable: tuple[Problem, ...] = ()
    crashes: tuple[Problem, ...] = ()
    unfollowed: tuple[Unfollowed, ...] = ()
    definitions: tuple[Definition, ...] | None = ()
    tasks: int = 0
    versions: str = ""


def analyse(
    sources: Sources, config: Config, define: bool, progress: Progress | None = None, jobs: int = 1
) -> Analysis:
    """Run the selected rules over a project. Raises ConfigError for settings that mean nothing."""
    active = active_codes(config)
    to_be_tried = config.knowledge or config.fastapi_version or config.starlette_version
    if not to_be_tried and not sources.mentioning(OURS):
        sources.mentions[MARK, False] = ()  # it is one of ours
        return Analysis()
    given = {file.path for file in sources.to_be_understood(OURS)}
    unreadable = _unreadable(sources, given, jobs)
    project = _understand(sources, config, unreadable.known)
    outcomes = run(_rules(active), project, jobs, progress)
    if project.program.mistook(unreadable.paths):
        project = _understand(sources, config, unreadable.paths)
        outcomes = run(_rules(active), project, jobs, progress)
    unfollowed, unread = project.unfollowed(), project.problems
    define = bool(sources.mentioning(MARK)) or define
    return Analysis(
        tuple(finding for outcome in outcomes for finding in outcome.findings),
        unread,
        tuple(sorted(given)),
        _problems(sources, unreadable.paths),
        tuple(outcome.crash for outcome in outcomes if outcome.crash),
        unfollowed,
        tuple(_definitions(project)) if define else None,
        project.task_count - len(unfollowed),
        project.framework(sources.files[0].path).describe(),
    )


def problems(sources: Sources, analysis: Analysis) -> tuple[Problem, ...]:
    """The files that cannot be read: those that tasks lead to, and those given that mention us at all."""
    given = {file.path for file in sources.to_be_understood(OURS)}
    known = (problem for problem in analysis.unreadable if problem.path in given)
    others = _unread(sources, given.difference(analysis.understood))
    every = {*sources.problems, *analysis.problems, *known, *others}
    return tuple(sorted(every, key=lambda problem: (problem.path, problem.line, problem.message)))


def _unread(sources: Sources, paths: Collection[str]) -> tuple[Problem, ...]:
    """What cannot be read among these files."""
    return _problems(sources, _unreadable(sources, paths, 1).paths) if paths else ()


def _unreadable(sources: Sources, paths: Collection[str], jobs: int) -> Unreadable:
    from bglint.unreadable import Unreadable

    return Unreadable(sources, paths, jobs)


def _problems(sources: Sources, paths: Collection[str]) -> tuple[Problem, ...]:
    """Why these files cannot be read."""
    from bglint.program import Program

    program = Program(sources, broken=paths)
    for path in sorted(paths):
        program.module(path)
    return tuple(program.problems)


def active_codes(config: Config) -> set[str]:
    """The codes of the rules that are selected. Raises ConfigError for a selector that means none."""
    known = names()
    for selectors in (*config.per_file_ignores.values(), config.select, config.extend_select, config.ignore):
        if complaint := unknown_selector(selectors, known):
            raise ConfigError(f"{config.source}: {complaint}" if config.source else complaint)
    chosen = (*config.select, *config.extend_select)
    return {
        code
        for code, name in known.items()
        if selects(chosen, code, name) and not selects(config.ignore, code, name)
    }


def _rules(codes: set[str]) -> list[Rule]:
    from bglint.rule import registry

    return [rule for code, rule in registry().items() if code in codes]


def _understand(sources: Sources, config: Config, broken: Collection[str]) -> Project:
    """The project, with the user's knowledge table and versions tried before they are needed."""
    from bglint.project import Project

    place = f"{config.source}: " if config.source else ""
    try:
        project = Project(sources, config, broken)
        leaving.hold(project)
    except ValueError as error:
        raise ConfigError(f"{place}[knowledge] {error}") from error
    try:
        project.framework(sources.files[0].path)
    except ValueError as error:
        raise ConfigError(f"{place}not a version of FastAPI or Starlette: {error}") from error
    return project


def _definitions(project: Project) -> Iterator[Definition]:
    from bglint.project import task_function

    functions = {
        project.task_id(site): task_function(value) for site in project.sites for value in site.targets
    }
    for task, function in functions.items():
        if function is not None:
            line = project.program.span(function, function.source).line
            yield Definition(task, function.source.path, line)


def def_lines(analysis: Analysis) -> Mapping[str, tuple[str, int]]:
    """Where each task is defined."""
    return {known.task: (known.path, known.line) for known in analysis.definitions or ()}
