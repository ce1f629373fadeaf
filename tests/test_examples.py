"""The article's examples give the findings that an expert would expect, and no other."""

from __future__ import annotations

from pathlib import Path

from bglint import Config, lint

ARTICLE = Path(__file__).parent.parent / "examples" / "article"

EXPECTED = {
    ("before.py", "BG001", "time.sleep(3)  # stands for writing the welcome letter"),
    ("mail.py", "BG201", "time.sleep(5)  # stands for the mail server"),
    ("mail.py", "BG405", 'print(f"welcome letter sent to {email}")'),
    ("unheard.py", "BG401", "def tell_partner(email: str) -> None:"),
    ("in_a_row.py", "BG303", "time.sleep(10)  # stands for a slow library"),
    ("in_a_row.py", "BG502", "tasks.add_task(write_summary, month)"),
    ("in_a_row.py", "BG502", "tasks.add_task(warm_cache, month)"),
}


def test_the_article_is_judged_as_an_expert_would() -> None:
    report = lint([ARTICLE], Config(strict=True))
    found = {
        (Path(f.path).name, f.code, report.sources[f.path].splitlines()[f.span.line - 1].strip())
        for f in report.findings
    }
    assert found == EXPECTED
    assert (report.problems, report.unfollowed, report.tasks) == ((), (), 5)
