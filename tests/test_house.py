"""The shape of the house: one rule a file, one folder of fixtures a rule, names that match, layers that hold."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import bglint.rules
from bglint.rule import Rule, registry

ROOT = Path(__file__).parent.parent
RULES = Path(bglint.rules.__path__[0])
FIXTURES = ROOT / "fixtures"
FILES = sorted(path.stem for path in RULES.glob("[!_]*.py"))


def stem(rule: Rule) -> str:
    return f"{rule.code.lower()}_{rule.name.replace('-', '_')}"


def test_each_file_holds_one_rule_and_bears_its_name() -> None:
    assert sorted(map(stem, registry().values())) == FILES
    assert [Path(inspect.getfile(rule.check)).stem for rule in registry().values()] == FILES


def test_each_folder_of_fixtures_bears_the_name_of_a_rule() -> None:
    assert sorted(path.name for path in FIXTURES.iterdir() if path.is_dir()) == FILES


@pytest.mark.parametrize("rule", registry().values(), ids=stem)
def test_each_rule_has_three_bad_and_three_good_fixtures_and_a_witness(rule: Rule) -> None:
    folder = FIXTURES / stem(rule)
    fixtures = [path for path in folder.iterdir() if ".fixed" not in path.name]
    assert len([path for path in fixtures if path.name.startswith("bad_")]) >= 3
    assert len([path for path in fixtures if path.name.startswith("good_")]) >= 3
    assert (folder / "witness.py").is_file()


def test_what_a_rule_says_of_its_fixes_is_one_of_four_things() -> None:
    assert {rule.fixable for rule in registry().values()} <= {"", "safe", "unsafe", "safe, unsafe"}


def test_the_layers_hold() -> None:
    lint_imports = Path(sys.executable).with_name("lint-imports")
    run = subprocess.run([lint_imports, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize(
    ("parser", "users"),
    [("ast", {"outline", "lowering"}), ("libcst", {"body", "outline_newer", "fix"})],
)
def test_syntax_stays_behind_the_two_readers(parser: str, users: set[str]) -> None:
    statement = re.compile(rf"^\s*(import|from) {parser}\b", re.MULTILINE)
    files = RULES.parent.rglob("*.py")
    assert {path.stem for path in files if statement.search(path.read_text("utf-8"))} == users
