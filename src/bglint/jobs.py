"""The rules, one after the other or side by side in this process and copies of it.

What tasks reach is found out before the first rule asks: it is the larger part, all rules share it, and no rule's answer
then depends on which other rules ran before. The copies are made after that, where the system can copy a process, and
each process takes the next rule as soon as it is done with one. The outcome is the same for any number of them, in the
order of the rules.
"""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bglint import copies, manifests
from bglint.discover import Question, SourceFile
from bglint.frozen import by_identity, by_value
from bglint.model import Finding, Problem

if TYPE_CHECKING:
    from bglint.project import Project
    from bglint.rule import Rule

Progress = Callable[[int, int, str], None]
"""Called before each step with the steps done, the steps in all and the name of the step."""

PAYS = 0.5
"""Seconds that the shared part takes, from which on the rest is worth another process."""


@by_value
class Outcome:
    """What one rule found, or how it failed."""

    findings: tuple[Finding, ...]
    crash: Problem | None = None


@by_identity
class Told:
    """What a copy found out, by the number of the rule, and what it read for that, so far as others do not know."""

    outcomes: dict[int, Outcome]
    problems: tuple[Problem, ...]
    opened: tuple[SourceFile, ...]
    mentions: tuple[tuple[Question, tuple[SourceFile, ...]], ...]
    folders: tuple[Path, ...]


def run(rules: Sequence[Rule], project: Project, jobs: int, progress: Progress | None) -> list[Outcome]:
    """Run every rule; `jobs` are the processes at most, 0 for as many as pay."""
    started = time.process_time()
    for site in project.sites:
        project.visits(site)
    jobs = _useful(jobs, time.process_time() - started, len(rules))
    found: dict[int, Outcome] = {}
    if jobs > 1:
        _side_by_side(rules, project, jobs, found, progress)
    for number in range(len(rules)):
        if number not in found:
            found[number] = _outcome(number, rules, project, progress)
    return [found[number] for number in range(len(rules))]


def _useful(jobs: int, seconds: float, rules: int) -> int:
    """As many processes as there are processors, where there is enough to do and processes can be copied."""
    if not copies.possible():
        return 1
    wanted = jobs or (len(os.sched_getaffinity(0)) if seconds > PAYS else 1)
    return min(wanted, rules)


def _outcome(number: int, rules: Sequence[Rule], project: Project, progress: Progress | None) -> Outcome:
    rule = rules[number]
    if progress:
        progress(number, len(rules), rule.name)
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


def _side_by_side(
    rules: Sequence[Rule], project: Project, jobs: int, found: dict[int, Outcome], progress: Progress | None
) -> None:
    """Fill in what was found; a copy that dies leaves its rules out. The rules of state, which take longest, come first."""
    numbers = copies.Counter(len(rules))
    at_work = [
        copies.Copy(lambda: pickle.dumps(_in_a_copy(numbers, rules, project))) for _ in range(jobs - 1)
    ]
    found.update((number, _outcome(number, rules, project, progress)) for number in numbers)
    for copy in at_work:
        told = copy.result()
        if told is not None:
            _learn(project, found, pickle.loads(told))
    numbers.close()


def _in_a_copy(numbers: copies.Counter, rules: Sequence[Rule], project: Project) -> Told:
    sources, program = project.sources, project.program
    before = len(sources.opened), len(sources.mentions), len(program.problems), len(manifests.asked()[0])
    outcomes = {number: _outcome(number, rules, project, None) for number in numbers}
    return Told(
        outcomes,
        tuple(program.problems[before[2] :]),
        tuple(sources.opened.values())[before[0] :],
        tuple(sources.mentions.items())[before[1] :],
        manifests.asked()[0][before[3] :],
    )


def _learn(project: Project, found: dict[int, Outcome], told: Told) -> None:
    """What a copy read is what a result rests on."""
    sources = project.sources
    found.update(told.outcomes)
    sources.opened.update((file.absolute, file) for file in told.opened)
    sources.mentions.update(told.mentions)
    project.program.problems.extend(told.problems)
    for folder in told.folders:
        manifests.read(folder)
