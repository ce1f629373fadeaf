"""What the pages claim is what bglint does: each Example fires its rule alone, each cure is silent."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bglint import Config, lint
from bglint.rule import Rule, registry

HEADINGS = ["What it does", "Why is this bad?", "Example", "Use instead", "Verified by"]
RULES = [pytest.param(rule, id=code) for code, rule in registry().items()]


def sections(rule: Rule) -> dict[str, str]:
    """The text under each heading of a rule's page, in order."""
    parts = re.split(r"^## (.+)$", rule.doc, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def found_in(rule: Rule, heading: str, folder: Path) -> set[str]:
    """The codes that bglint reports for the app under a heading; advice counts only for the rule itself.

    As in fixtures, the first line of the app may name the FastAPI version that it is judged by.
    """
    code = re.findall(r"^```python\n(.*?)^```$", sections(rule)[heading], re.MULTILINE | re.DOTALL)
    assert len(code) == 1
    compile(code[0], heading, "exec")
    (folder / "app.py").write_text(code[0], "utf-8")
    version = re.match(r"# fastapi-version: (\S+)", code[0])
    report = lint([folder], Config(strict=True, fastapi_version=version[1] if version else None))
    return {f.code for f in report.findings if f.level != "advice" or f.code == rule.code}


@pytest.mark.parametrize("rule", RULES)
def test_a_page_opens_with_one_sentence_and_has_its_headings_in_order(rule: Rule) -> None:
    assert re.fullmatch(r"[A-Z`].*[^.]\.", rule.summary)
    assert rule.doc.split("\n")[1] == ""
    assert list(sections(rule)) == HEADINGS
    assert all(text.strip() for text in sections(rule).values())


@pytest.mark.parametrize("rule", RULES)
def test_the_example_fires_this_rule_and_no_other(rule: Rule, tmp_path: Path) -> None:
    assert found_in(rule, "Example", tmp_path) == {rule.code}


@pytest.mark.parametrize("rule", RULES)
def test_the_cure_is_silent(rule: Rule, tmp_path: Path) -> None:
    assert found_in(rule, "Use instead", tmp_path) == set()
