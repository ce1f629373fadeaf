"""The rules, one after the other or side by side in copies of this process.

What tasks reach is found out before the first rule asks: it is the larger part, all rules share it, and no rule's answer
then depends on which other rules ran before. The copies are made after that, where the system can copy a process, and
each takes the next rule as soon as it is done with one. The outcome is the same for any number of them, in the order of
the rules.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bglint import manifests
from bglint.discover import Question, SourceFile
from bglint.frozen import by_value
from bglint.model import Finding, Problem
from bglint.unreadable import can_copy

if TYPE_CHECKING:
    from bglint.project import Project
    from bglint.rule import Rule

Progress = Callable[[int, int, str], None]
"""Called before each step with the steps done, the steps in all and the name of the step."""

PAYS = 0.5
"""Seconds that the shared part takes, from which on the rest is worth another process."""


@by_value
class Outcome:
    """What one rule found, or how it failed; and what it read for that, so far as the others do not know."""

    findings: tuple[Finding, ...]
    crash: Problem | None = None
    problems: tuple[Problem, ...] = ()
    opened: tuple[SourceFile, ...] = ()
    mentions: tuple[tuple[Question, tuple[SourceFile, ...]], ...] = ()
    folders: tuple[Path, ...] = ()


def run(rules: Sequence[Rule], project: Project, jobs: int, progress: Progress | None) -> list[Outcome]:
    """Run every rule; `jobs` are the processes at most, 0 for as many as pay."""
    started = time.process_time()
    for site in project.sites:
        project.visits(site)
    jobs = _useful(jobs, time.process_time() - started, len(rules))
    outcomes = _side_by_side(rules, project, jobs) if jobs > 1 else (_outcome(r, project) for r in rules)
    done = []
    for number, rule in enumerate(rules):
        if progress:
            progress(number, len(rules), rule.name)
        done.append(next(outcomes))
    return done


def _useful(jobs: int, seconds: float, rules: int) -> int:
    """As many processes as there are processors, where there is enough to do and processes can be copied."""
    if not can_copy():
        return 1
    wanted = jobs or (len(os.sched_getaffinity(0)) if seconds > PAYS else 1)
    return min(wanted, rules)


def _outcome(rule: Rule, project: Project) -> Outcome:
    try:
        return Outcome(tuple(rule.check(project)))
    except Exception as error:
        return Outcome((), _crash(rule, error))


def _crash(rule: Rule, error: Exception) -> Problem:
    import traceback

    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(frame.filename).name}:{frame.lineno}"
    words = f"internal error in {rule.code} ({type(error).__name__}: {error}, at {place}); please report it"
    return Problem("bglint", words)


# ---------------------------------------------------------------- side by side

_shared: tuple[Sequence[Rule], Project] | None = None
"""What the copies find when they are made."""


def _side_by_side(rules: Sequence[Rule], project: Project, jobs: int) -> Iterator[Outcome]:
    """The outcomes in the order of the rules; a copy that dies leaves its work to this process."""
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import get_context

    global _shared
    _shared = rules, project
    done = 0
    try:
        with ProcessPoolExecutor(jobs, get_context("fork")) as pool:
            for outcome in pool.map(_in_a_copy, range(len(rules))):
                _learn(project, outcome)
                done += 1
                yield outcome
    except (BrokenProcessPool, OSError):
        yield from (_outcome(rule, project) for rule in rules[done:])
    finally:
        _shared = None


def _in_a_copy(number: int) -> Outcome:
    """Run one rule and tell what this process knows after it and did not before."""
    assert _shared is not None
    rules, project = _shared
    sources, program = project.sources, project.program
    before = len(sources.opened), len(sources.mentions), len(program.problems), len(manifests.asked()[0])
    outcome = _outcome(rules[number], project)
    return Outcome(
        outcome.findings,
        outcome.crash,
        tuple(program.problems[before[2] :]),
        tuple(sources.opened.values())[before[0] :],
        tuple(sources.mentions.items())[before[1] :],
        manifests.asked()[0][before[3] :],
    )


def _learn(project: Project, outcome: Outcome) -> None:
    """What a copy read is what a result rests on."""
    sources = project.sources
    sources.opened.update((file.absolute, file) for file in outcome.opened)
    sources.mentions.update(outcome.mentions)
    project.program.problems.extend(outcome.problems)
    for folder in outcome.folders:
        manifests.read(folder)
