"""`--fix` and `--unsafe-fixes` over every bad fixture, and the fixed twins that the witness runs.

After a change on purpose write the twins anew: `BGLINT_GOLDEN=write pytest tests/test_fixing.py`.
"""

from __future__ import annotations

import io
import os
import re
import tokenize
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from bglint import Config, Report, fix, lint
from bglint.fix import Outcome
from bglint.rule import registry
from tests.test_rules import APPS, called, own_code, project

__all__ = ["project"]
BAD = [path for path in APPS if path.name.startswith("bad_")]
SINGLE = [path for path in BAD if path.is_file()]
_MARK = re.compile(r"[ \t]*#\s*(?:expect|via):[^#\n]*")
_VERSION = re.compile(r"#\s*fastapi-version:\s*(\S+)")


def config(fixture: Path) -> Config:
    """The FastAPI version that the fixture names."""
    main = fixture / "main.py" if fixture.is_dir() else fixture
    version = _VERSION.match(main.read_text("utf-8"))
    return Config(fastapi_version=version[1] if version else None)


def fixed(fixture: Path, *, safe_only: bool) -> Outcome:
    """What the fixes make of the copy of a fixture in the working directory; nothing is written."""

    def again(texts: Mapping[str, str]) -> Report:
        return lint(["."], config(fixture), given={path: text.encode() for path, text in texts.items()})

    return fix.until_stable(again, safe_only=safe_only)


def comments(text: str) -> Counter[str]:
    """All comments, with what is ours to remove taken out."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    found = (token.string for token in tokens if token.type == tokenize.COMMENT)
    return Counter(part.strip() for comment in found for part in comment.split("#") if "bglint:" not in part)


@pytest.mark.parametrize("safe_only", [True, False], ids=["safe", "unsafe"])
@pytest.mark.parametrize("project", BAD, ids=called, indirect=True)
def test_fixes_cure_and_keep_the_rest(project: Path, safe_only: bool) -> None:
    before = lint(["."], config(project))
    outcome = fixed(project, safe_only=safe_only)
    assert outcome.fixed.problems == ()
    assert [f for f in outcome.report.findings if f.fix and (f.fix.safe or not safe_only)] == []
    for path, text in outcome.fixed.texts.items():
        assert comments(outcome.fixed.before[path]) - comments(text) == Counter()
    worse = {f.code for f in outcome.report.findings if f.level == "error" or safe_only}
    assert worse <= {f.code for f in before.findings} | {f.code for f in outcome.fixed.applied}
    assert len(outcome.report.findings) <= len(before.findings)


@pytest.mark.parametrize("project", BAD, ids=called, indirect=True)
def test_no_rule_offers_a_fix_that_it_does_not_announce(project: Path) -> None:
    offered = {(f.code, "safe" if f.fix.safe else "unsafe") for f in lint(["."]).findings if f.fix}
    announced = {(code, kind) for code, rule in registry().items() for kind in rule.fixable.split(", ")}
    assert offered <= announced


@pytest.mark.parametrize("project", SINGLE, ids=called, indirect=True)
def test_fixed_twin(project: Path) -> None:
    """`bad_x.fixed.py` is `bad_x.py` cured by `--fix`, or by `--unsafe-fixes` where that alone cures it."""
    twin = project.with_suffix(".fixed.py")
    text = _twin(project)
    if os.environ.get("BGLINT_GOLDEN") == "write" and text:
        twin.write_text(text, "utf-8")
    assert (twin.read_text("utf-8") if twin.exists() else "") == text


def _twin(fixture: Path) -> str:
    for safe_only in (True, False):
        outcome = fixed(fixture, safe_only=safe_only)
        applied, left = (
            {f.code for f in found} for found in (outcome.fixed.applied, outcome.report.findings)
        )
        if own_code(fixture) in applied - left:
            return _MARK.sub("", outcome.fixed.texts[fixture.name])
    return ""
