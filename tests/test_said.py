"""What a rule says of its bad fixtures, word for word: `said.txt` beside them.

After a change on purpose write it anew: `BGLINT_GOLDEN=write pytest tests/test_said.py`, and read what has changed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from bglint import Finding
from bglint.model import Edit
from bglint.rule import Rule, registry
from tests.test_rules import APPS, FIXTURES, copy_into, linted, own_code

RULES = [pytest.param(rule, id=code) for code, rule in registry().items()]


def said(findings: Iterable[Finding], code: str) -> Iterator[str]:
    """Level, message, cure and fix of each finding of a rule, with all that the fix writes."""
    for finding in findings:
        if finding.code == code:
            yield f"    {finding.level}: {finding.message}"
            yield f"        {finding.cure}"
            if finding.fix:
                yield f"        {'safe' if finding.fix.safe else 'unsafe'} fix: {finding.fix.title}"
                yield from (f"            {_place(edit)}: {edit.text!r}" for edit in finding.fix.edits)


def _place(edit: Edit) -> str:
    span = edit.span
    return f"{edit.path} {span.line}:{span.column} to {span.end_line}:{span.end_column}"


@pytest.mark.parametrize("rule", RULES)
def test_words(rule: Rule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = []
    for fixture in (app for app in APPS if app.name.startswith("bad_") and own_code(app) == rule.code):
        copy_into(tmp_path / fixture.stem, fixture)
        monkeypatch.chdir(tmp_path / fixture.stem)
        lines += [fixture.stem, *said(linted(fixture).findings, rule.code)]
    text = "\n".join(lines) + "\n"
    file = FIXTURES / f"{rule.code.lower()}_{rule.name.replace('-', '_')}" / "said.txt"
    if os.environ.get("BGLINT_GOLDEN") == "write":
        file.write_text(text, "utf-8")
    assert text == file.read_text("utf-8")
