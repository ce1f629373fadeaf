"""Break every rule on purpose and see whether a test notices: `python -m tests.mutation [--most 40] [BG201 ...]`.

Each mutant of a rule (see mutants.py) is judged by what test_rules, test_said and test_docs ask, on projects that are
read once and in a forked process each. What came out is kept in `.mutation/`, and a rule is judged again when it, or
one of its fixtures, has changed.

mutmut and cosmic-ray start a test run for each mutant: minutes for one rule, where all of its fixtures, once they are
read, are judged in a fraction of a second.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import hashlib
import json
import math
import os
import re
import signal
import sys
import tempfile
import types
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import bglint.rules
from bglint import Config, Finding
from bglint.discover import discover
from bglint.lint import _unique
from bglint.project import Project
from bglint.rule import Rule, registry
from tests.mutants import Mutant, mutants
from tests.mutation_types import TypeChecker
from tests.test_docs import sections
from tests.test_rules import APPS, FIXTURES, Mark, copy_into, marked, own_code, reported, settings
from tests.test_said import said

ROOT = Path(__file__).parent.parent
RULES = Path(bglint.rules.__path__[0])
KEPT = ROOT / ".mutation"
SECONDS = 30
"""How much of a processor a mutant may have."""


@dataclass(frozen=True, slots=True)
class Case:
    """A project that was read, the rule that it is about, and what every rule has to find there.

    A fixture has marks; an app of a page has none, only the rules that must find something in it. What a comment
    silences is asked of nobody.
    """

    folder: Path
    project: Project
    own: str
    marks: dict[Mark, str] | None
    codes: frozenset[str] = frozenset()
    words: tuple[str, ...] = ()

    def holds(self, rule: Rule) -> bool:
        """Whether the rule finds here what it should, and nothing else."""
        os.chdir(self.folder)
        if any(rule.code in comment for comment in _silenced(self.folder)):
            return True
        found = _unique(rule.check(self.project))
        found = [each for each in found if each.level != "advice" or each.code == self.own]
        if self.marks is None:
            return {each.code for each in found} == self.codes & {rule.code}
        if (
            rule.code == self.own
            and tuple(said(sorted(found, key=Finding.sort_key), rule.code)) != self.words
        ):
            return False
        marks = {mark: level for mark, level in self.marks.items() if mark[1] == rule.code}
        levels = {("expect", f.code, f.path, f.span.line): f.level for f in found}
        return reported(tuple(found)) == set(marks) and all(
            levels[mark] == level for mark, level in marks.items() if level
        )


@cache
def _silenced(folder: Path) -> list[str]:
    """What the comments of a project silence."""
    texts = (path.read_text("utf-8") for path in folder.rglob("*.py"))
    return [codes for text in texts for codes in re.findall(r"# bglint: ignore\[(.+?)\]", text)]


@dataclass(frozen=True, slots=True)
class Extent:
    """At most how many mutants of a rule, where not 0; and whether mypy is asked."""

    most: int
    types: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the mutants of one rule; `state` names the rule and fixtures that they were judged with."""

    state: str
    by_tests: int
    by_types: int
    survivors: tuple[str, ...]


def main() -> None:
    """Judge the rules named, or all of them, and say what got through."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutation", description="Break every rule on purpose."
    )
    parser.add_argument(
        "codes", nargs="*", metavar="CODE", help="the rules to break; all where none is given"
    )
    parser.add_argument(
        "--most", type=int, default=0, help="at most so many mutants of a rule, evenly spread"
    )
    parser.add_argument(
        "--types", action="store_true", help="ask mypy, too, of what no test notices: takes long"
    )
    chosen = parser.parse_args()
    rules = [rule for rule in _rules() if not chosen.codes or rule.code in chosen.codes]
    with tempfile.TemporaryDirectory() as folder:
        outcomes = list(_judged(rules, Extent(chosen.most, chosen.types), Path(folder)))
    tests, types = sum(each.by_tests for each in outcomes), sum(each.by_types for each in outcomes)
    total = tests + types + sum(len(each.survivors) for each in outcomes)
    print(f"{total} mutants of {len(rules)} rules: {tests} noticed by tests, {types} by mypy")


def _rules() -> list[Rule]:
    """All but those that judge comments, which stand in `suppress.py`."""
    return [rule for code, rule in registry().items() if not code.startswith("BG9")]


def _judged(rules: Iterable[Rule], extent: Extent, folder: Path) -> Iterator[Outcome]:
    judge: Judge | None = None
    for rule in rules:
        outcome = _kept(rule, extent)
        if outcome is None:
            judge = judge or Judge(folder, extent.types)
            outcome = judge.judge(rule, extent)
            _keep(rule, outcome)
        _print(rule, outcome)
        yield outcome
    if judge and judge.types:
        judge.types.stop()


def _print(rule: Rule, outcome: Outcome) -> None:
    total = outcome.by_tests + outcome.by_types + len(outcome.survivors)
    print(f"{rule.code} {total}: {outcome.by_tests} by tests, {outcome.by_types} by mypy", flush=True)
    for survivor in outcome.survivors:
        print(f"    {survivor}", flush=True)


# ---------------------------------------------------------------------- cases


def _read(folder: Path) -> list[Case]:
    """Every fixture and every app of a page, read by all rules."""
    cases = [*_fixtures(folder), *_pages(folder)]
    for case in cases:
        for rule in _rules():
            assert case.holds(rule), (case.folder, rule.code)
    gc.collect()
    gc.freeze()
    return cases


def _fixtures(home: Path) -> Iterator[Case]:
    known = {rule.code for rule in _rules()}
    for fixture in (path for path in APPS if own_code(path) in known):
        folder = home / fixture.parent.name / fixture.name
        folder.parent.mkdir(exist_ok=True)
        copy_into(folder, fixture)
        project = _project(folder, settings(fixture))
        own = registry()[own_code(fixture)]
        yield Case(folder, project, own.code, marked(folder), words=_words(own, project))


def _words(rule: Rule, project: Project) -> tuple[str, ...]:
    """What `said.txt` of the rule holds."""
    return tuple(said(sorted(_unique(rule.check(project)), key=Finding.sort_key), rule.code))


def _pages(home: Path) -> Iterator[Case]:
    for rule in _rules():
        for heading, codes in (("Example", frozenset({rule.code})), ("Use instead", frozenset[str]())):
            folder = home / f"{rule.code} {heading}"
            folder.mkdir()
            (code,) = re.findall(r"^```python\n(.*?)^```$", sections(rule)[heading], re.MULTILINE | re.DOTALL)
            (folder / "app.py").write_text(code, "utf-8")
            yield Case(folder, _project(folder, settings(folder / "app.py")), rule.code, None, codes)


def _project(folder: Path, config: Config) -> Project:
    os.chdir(folder)
    return Project(discover(["."], config), config)


# -------------------------------------------------------------------- judging


class Judge:
    """All that a mutant has to get past, read once."""

    def __init__(self, folder: Path, types: bool) -> None:
        (folder / "cases").mkdir()
        (folder / "types").mkdir()
        self.types = TypeChecker(folder / "types") if types else None
        self._cases = _read(folder / "cases")

    def judge(self, rule: Rule, extent: Extent) -> Outcome:
        """What becomes of the mutants of a rule."""
        every = list(mutants(_file(rule).read_text("utf-8")))
        every = every[:: math.ceil(len(every) / extent.most) or 1] if extent.most else every
        cases = sorted(self._cases, key=lambda case: case.own != rule.code)
        unseen = [each for each in every if not _noticed(rule, each, cases)]
        types, file = self.types, _file(rule)
        left = [each for each in unseen if types is None or not types.rejects(file, each.source)]
        survivors = tuple(f"{mutant.line}: {mutant.change}" for mutant in left)
        return Outcome(_state(rule, extent), len(every) - len(unseen), len(unseen) - len(left), survivors)


def _noticed(rule: Rule, mutant: Mutant, cases: list[Case]) -> bool:
    """Judged in a process of its own, which must end in time: a rule that never ends is noticed."""
    child = os.fork()
    if child == 0:
        signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
        with contextlib.suppress(BaseException):  # in a report an exception is a problem
            mutated = _load(rule, mutant.source)
            os._exit(not all(case.holds(mutated) for case in cases))
        os._exit(True)
    return os.waitpid(child, 0)[1] != 0


def _load(rule: Rule, source: str) -> Rule:
    """The rule as the mutant has it, in the place of the real one."""
    name = f"bglint.rules.{_stem(rule)}"
    module = types.ModuleType(name)
    sys.modules[name] = module
    exec(compile(source, _file(rule), "exec"), module.__dict__)
    check = getattr(module, rule.name.replace("-", "_"))
    registry()[rule.code] = mutated = Rule(rule.code, rule.name, rule.level, check, rule.doc, rule.fixable)
    return mutated


# ------------------------------------------------------------------ what is kept


def _kept(rule: Rule, extent: Extent) -> Outcome | None:
    file = KEPT / f"{_stem(rule)}.json"
    if not file.exists():
        return None
    kept = json.loads(file.read_text("utf-8"))
    outcome = Outcome(**{**kept, "survivors": tuple(kept["survivors"])})
    return outcome if outcome.state == _state(rule, extent) else None


def _keep(rule: Rule, outcome: Outcome) -> None:
    KEPT.mkdir(exist_ok=True)
    (KEPT / f"{_stem(rule)}.json").write_text(json.dumps(asdict(outcome), indent=1), "utf-8")


def _state(rule: Rule, extent: Extent) -> str:
    files = [_file(rule), *sorted((FIXTURES / _stem(rule)).rglob("*.py"))]
    return f"{hashlib.sha256(b''.join(file.read_bytes() for file in files)).hexdigest()} {extent}"


def _stem(rule: Rule) -> str:
    return f"{rule.code.lower()}_{rule.name.replace('-', '_')}"


def _file(rule: Rule) -> Path:
    return RULES / f"{_stem(rule)}.py"


if __name__ == "__main__":
    main()
