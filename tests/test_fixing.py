"""`--fix` and `--unsafe-fixes` over every bad fixture."""

from __future__ import annotations

import io
import re
import tokenize
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from bglint import Config, Report, fix, lint
from bglint.fix import Outcome
from tests.test_rules import APPS, called, project

__all__ = ["project"]
BAD = [path for path in APPS if path.name.startswith("bad_")]
_VERSION = re.compile(r"#\s*fastapi-version:\s*(\S+)")


def fixed(fixture: Path, *, safe_only: bool) -> Outcome:
    """What the fixes make of the copy of a fixture in the working directory; nothing is written."""
    main = fixture / "main.py" if fixture.is_dir() else fixture
    version = _VERSION.match(main.read_text("utf-8"))
    config = Config(fastapi_version=version[1] if version else None)

    def again(texts: Mapping[str, str]) -> Report:
        return lint(["."], config, given={path: text.encode() for path, text in texts.items()})

    return fix.until_stable(again, safe_only=safe_only)


def comments(text: str) -> Counter[str]:
    """All comments, with what is ours to remove taken out."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    found = (token.string for token in tokens if token.type == tokenize.COMMENT)
    return Counter(part.strip() for comment in found for part in comment.split("#") if "bglint:" not in part)


@pytest.mark.parametrize("safe_only", [True, False], ids=["safe", "unsafe"])
@pytest.mark.parametrize("project", BAD, ids=called, indirect=True)
def test_fixes_cure_and_keep_the_rest(project: Path, safe_only: bool) -> None:
    before = lint(["."], Config())
    outcome = fixed(project, safe_only=safe_only)
    assert outcome.fixed.problems == ()
    assert [f for f in outcome.report.findings if f.fix and (f.fix.safe or not safe_only)] == []
    for path, text in outcome.fixed.texts.items():
        assert comments(outcome.fixed.before[path]) - comments(text) == Counter()
    worse = {f.code for f in outcome.report.findings if f.level == "error" or safe_only}
    assert worse <= {f.code for f in before.findings} | {f.code for f in outcome.fixed.applied}
    assert len(outcome.report.findings) <= len(before.findings)
