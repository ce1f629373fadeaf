"""Comments silence what they name, where they stand; those that do nothing are told."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bglint import suppress
from bglint.edits import lines_of
from bglint.model import Finding, Span, Step
from bglint.suppress import Outcome

KNOWN = {
    "BG201": "blocking-sleep",
    "BG202": "blocking-network",
    "BG405": "print-instead-of-logging",
    "BG901": "unused-suppression",
    "BG902": "unknown-code-in-suppression",
}


def finding(
    line: int, code: str = "BG201", path: str = "app.py", *steps: tuple[str, int], task: str = ""
) -> Finding:
    trace = tuple(Step(where, Span(at, 5, at, 9), "") for where, at in steps)
    return Finding(
        code, KNOWN[code], "error", "It sleeps.", path, Span(line, 5, line, 9), trace=trace, task=task
    )


def run(source: str, *findings: Finding, active: frozenset[str] = frozenset(KNOWN), **more: str) -> Outcome:
    sources = {"app.py": source, **{f"{name}.py": text for name, text in more.items()}}
    return suppress.apply(findings, sources, KNOWN, {"app:task": ("app.py", 2)}, active)


def fixed(source: str, outcome: Outcome) -> str:
    lines = lines_of(source)
    for found in reversed(outcome.kept):
        for edit in found.fix.edits if found.fix else ():
            text = "".join(lines)
            starts = [sum(map(len, lines[:i])) for i in range(len(lines) + 1)]
            start = starts[edit.span.line - 1] + edit.span.column - 1
            end = starts[edit.span.end_line - 1] + edit.span.end_column - 1
            lines = lines_of(text[:start] + edit.text + text[end:])
    return "".join(lines)


def codes(outcome: Outcome) -> list[str]:
    return [found.code for found in outcome.kept]


SILENCED = {
    "the guilty line": "import time\ntime.sleep(5)  # bglint: ignore[BG201] short\n",
    "by name": "import time\ntime.sleep(5)  # bglint: ignore[blocking-sleep] short\n",
    "any case": "import time\ntime.sleep(5)  # bglint: ignore[bg201] short\n",
    "no spaces": "import time\ntime.sleep(5)  #bglint:ignore[BG201]short\n",
    "after noqa": "import time\ntime.sleep(5)  # noqa: E501  # bglint: ignore[BG201] short\n",
    "before noqa": "import time\ntime.sleep(5)  # bglint: ignore[BG201] short  # noqa: E501\n",
    "line above": "# bglint: ignore[BG201] short\ntime.sleep(5)\n",
    "end of a long call": "x\ntime.sleep(\n    5\n)  # bglint: ignore[BG201] short\n",
    "inside a long call": "x\ntime.sleep(\n    5  # bglint: ignore[BG201] short\n)\n",
    "windows": "import time\r\ntime.sleep(5)  # bglint: ignore[BG201] short\r\n",
    "old mac": "import time\rtime.sleep(5)  # bglint: ignore[BG201] short\r",
}


@pytest.mark.parametrize("case", SILENCED)
def test_a_comment_silences_its_statement(case: str) -> None:
    outcome = run(SILENCED[case], finding(2))
    assert outcome.kept == ()
    assert [(s.finding.code, s.by, s.reason) for s in outcome.suppressed] == [("BG201", "comment", "short")]


DECORATED = [
    "# bglint: ignore[BG201] short\n@d(1)\n# more\n@e\ndef f(): ...\n",
    "x\n@d(1)  # bglint: ignore[BG201] short\n@e\n\ndef f(): ...\n",
    "x\n@d(1)\n@e\n\ndef f(): ...  # bglint: ignore[BG201] short\n",
]


@pytest.mark.parametrize("line", [2, 5])
@pytest.mark.parametrize("source", DECORATED)
def test_decorators_belong_to_their_def(source: str, line: int) -> None:
    assert run(source, finding(line)).kept == ()


NOT_SILENCED = {
    "other rule": "x\ntime.sleep(5)  # bglint: ignore[BG202]\n",
    "line above a long call": "time.sleep(5)\nf(\n    1,\n)  # bglint: ignore[BG201]\n",
    "line below a long call": "f(\n    1,  # bglint: ignore[BG201]\n)\ntime.sleep(5)\n",
    "below the decorated def": "@d\ndef f():  # bglint: ignore[BG201]\n    time.sleep(5)\n",
    "other line": "x  # bglint: ignore[BG201]\ntime.sleep(5)\n",
    "in a string": "x\ntime.sleep('# bglint: ignore[BG201]')\n",
    "in a docstring": '"""\n# bglint: ignore[BG201]\n"""\n',
    "another block": "if x:\n    y\n    # bglint: ignore[BG201]\ntime.sleep(5)\n",
    "far above": "# bglint: ignore[BG201]\n\n\ntime.sleep(5)\n",
    "line below": "x\ntime.sleep(5)\n# bglint: ignore[BG201]\n",
    "broken file": "x = (\ntime.sleep(5)  # bglint: ignore[BG202]\n",
}


@pytest.mark.parametrize("case", NOT_SILENCED)
def test_a_comment_elsewhere_silences_nothing(case: str) -> None:
    source = NOT_SILENCED[case]
    line = next(i for i, text in enumerate(source.splitlines(), 1) if "sleep" in text or "bglint" in text)
    line = source[: source.find("time.sleep")].count("\n") + 1 if "time.sleep" in source else line
    assert "BG201" in codes(run(source, finding(line)))


def test_on_any_step_of_the_path() -> None:
    main = "x\ntasks.add_task(send)  # bglint: ignore[BG201] fine here\n"
    found = finding(7, "BG201", "mail.py", ("app.py", 2), ("mail.py", 7))
    outcome = run(main, found, mail="\n" * 9)
    assert outcome.kept == ()
    assert outcome.suppressed[0].reason == "fine here"


def test_on_the_def_of_the_task() -> None:
    source = (
        "x\nasync def task(  # bglint: ignore[BG201] runs alone\n    a,\n):\n    time.sleep(5)\n    g()\n"
    )
    outcome = run(source, finding(5, task="app:task"), finding(6, "BG202", task="app:task"))
    assert codes(outcome) == ["BG202"]
    assert outcome.suppressed[0].reason == "runs alone"


def test_another_task_of_that_line_is_not_meant() -> None:
    source = "x\nasync def task():  # bglint: ignore[BG201]\n    time.sleep(5)\n"
    assert "BG201" in codes(run(source, finding(3, task="app:other")))


def test_a_whole_file() -> None:
    source = "# bglint: ignore-file[BG405, blocking-sleep] a script\nprint()\ntime.sleep(5)\n"
    outcome = run(source, finding(2, "BG405"), finding(3), finding(3, "BG202"))
    assert codes(outcome) == ["BG202"]
    assert {(s.by, s.reason) for s in outcome.suppressed} == {("file", "a script")}


def test_a_whole_file_speaks_for_its_own_lines_only() -> None:
    source = "# bglint: ignore-file[BG201]\ntasks.add_task(send)\n"
    found = finding(3, "BG201", "mail.py", ("app.py", 2))
    assert codes(run(source, found, mail="\n")) == ["BG901", "BG201"]


def test_several_codes() -> None:
    source = "x\ntime.sleep(get())  # bglint: ignore[BG201, blocking-network] both\n"
    outcome = run(source, finding(2), finding(2, "BG202"))
    assert outcome.kept == ()
    assert len(outcome.suppressed) == 2


def test_several_comments_in_a_row() -> None:
    source = "x\nf()  # bglint: ignore[BG201] one # bglint: ignore[BG202] see #12\n"
    outcome = run(source, finding(2), finding(2, "BG202"))
    assert [s.reason for s in outcome.suppressed] == ["one", "see #12"]


@pytest.mark.parametrize("reason", ["short", ": short", " - short", "— short"])
def test_what_parts_the_reason_from_the_bracket_is_no_part_of_it(reason: str) -> None:
    outcome = run(f"x\nf()  # bglint: ignore[BG201]{reason}\n", finding(2))
    assert [s.reason for s in outcome.suppressed] == ["short"]


def test_the_nearest_comment_gives_the_reason() -> None:
    source = "# bglint: ignore-file[BG201] file\nf()  # bglint: ignore[BG201] line\n"
    outcome = run(source, finding(2))
    assert [(s.by, s.reason) for s in outcome.suppressed] == [("comment", "line")]
    assert outcome.kept == ()


PROBLEMS = {
    "# bglint: ignore": "`# bglint: ignore` does not say what to ignore: name the rule, as in `# bglint: ignore[BG201]",
    "# bglint: ignore because": "does not say what to ignore",
    "# bglint: ignore[]": "does not say what to ignore",
    "# bglint: ignore[ , ] x": "does not say what to ignore",
    "# bglint: ignore-file": "as in `# bglint: ignore-file[BG201] reason`",
    "# bglint: ignore[BG201 x": "lacks its closing bracket",
    "# bglint: disable=BG201": "is not understood: bglint reads `ignore[...]` and `ignore-file[...]`",
    "# bglint: ignore_file[BG201]": "is not understood",
}


@pytest.mark.parametrize("comment", PROBLEMS)
def test_what_cannot_be_understood_is_a_problem(comment: str) -> None:
    outcome = run(f"x\nf()  {comment}  # noqa\n", finding(2))
    assert codes(outcome) == ["BG201"]
    assert [(p.path, p.line) for p in outcome.problems] == [("app.py", 2)]
    assert PROBLEMS[comment] in outcome.problems[0].message
    assert "noqa" not in outcome.problems[0].message


def test_talk_about_bglint_is_no_problem() -> None:
    assert run("x  # checked with bglint: fine\n").problems == ()


REMOVED = {
    "end of line": ("x = 1  # bglint: ignore[BG201] why\n", "x = 1\n"),
    "no newline": ("x = 1  # bglint: ignore[BG201] why", "x = 1"),
    "alone": ("def f():\n    # bglint: ignore[BG201] why\n    x()\n", "def f():\n    x()\n"),
    "alone at the end": ("x = 1\n# bglint: ignore[BG201]", "x = 1\n"),
    "noqa before": ("x = 1  # noqa: E501  # bglint: ignore[BG201]\n", "x = 1  # noqa: E501\n"),
    "noqa behind": ("x = 1  # bglint: ignore[BG201] why  # noqa: E501\n", "x = 1  # noqa: E501\n"),
    "alone before another": ("    # bglint: ignore[BG201] # fmt: off\n", "    # fmt: off\n"),
    "between": ("x = 1  # a # bglint: ignore[BG201] why # type: ignore\n", "x = 1  # a # type: ignore\n"),
    "whole file": ("# bglint: ignore-file[BG201] why\n\nx = 1\n", "\nx = 1\n"),
    "windows": ("x = 1  # bglint: ignore[BG201]\r\ny = 2\r\n", "x = 1\r\ny = 2\r\n"),
    "wide letters": ("x = '🙂'  # bglint: ignore[BG201] ü\n", "x = '🙂'\n"),
    "unknown stays": ("x = 1  # bglint: ignore[BG999, BG201] why\n", "x = 1  # bglint: ignore[BG999] why\n"),
}


@pytest.mark.parametrize("case", REMOVED)
def test_the_unused_is_told_and_removed(case: str) -> None:
    before, after = REMOVED[case]
    outcome = run(before)
    unused = [found for found in outcome.kept if found.code == "BG901"]
    assert len(unused) == 1
    assert unused[0].fix is not None and unused[0].fix.safe
    assert fixed(before, outcome) == after


def test_of_two_codes_the_idle_one_goes() -> None:
    source = "x\nf()  # bglint: ignore[BG202, BG201] why\n"
    outcome = run(source, finding(2))
    assert codes(outcome) == ["BG901"]
    assert "blocking-network is not reported here" in outcome.kept[0].message
    assert fixed(source, outcome) == "x\nf()  # bglint: ignore[BG201] why\n"


def test_the_unused_stands_on_the_comment() -> None:
    outcome = run("x = 1  # a # bglint: ignore[BG201, BG202] why\n")
    assert outcome.kept[0].span == Span(1, 12, 1, 46)
    assert outcome.kept[0].message == (
        "`# bglint: ignore[BG201, BG202] why` silences nothing:"
        " blocking-sleep and blocking-network are not reported here."
    )


def test_what_was_not_looked_for_is_not_unused() -> None:
    source = "x = 1  # bglint: ignore[BG201]\n"
    assert codes(run(source, active=frozenset({"BG202", "BG901"}))) == []
    assert codes(run(source, active=frozenset({"BG201"}))) == []
    assert suppress.apply([], {"app.py": source}, KNOWN, {}, KNOWN, whole_project=False).kept == ()


UNKNOWN = {
    "BG2": "Name each rule in full: `BG2` begins BG201 (blocking-sleep) and 1 more.",
    "blocking-slep": "Did you mean BG201 (blocking-sleep)?",
    "BG20": "Name each rule in full",
    "bg211": "Did you mean BG201 (blocking-sleep)?",
    "E501": "Write the code or the name of a rule",
}


@pytest.mark.parametrize("text", UNKNOWN)
def test_a_code_that_is_no_rule(text: str) -> None:
    outcome = run(f"x\nf()  # bglint: ignore[{text}, BG201]\n", finding(2))
    assert codes(outcome) == ["BG902"]
    assert UNKNOWN[text] in outcome.kept[0].cure
    assert outcome.kept[0].fix is None


def test_unknown_codes_are_told_only_if_asked() -> None:
    assert codes(run("x  # bglint: ignore[BG999]\n", active=frozenset({"BG201"}))) == []


def test_the_unknown_is_told_in_words() -> None:
    outcome = run("x  # bglint: ignore[BG999] why\n")
    assert (
        outcome.kept[0].message
        == "`BG999` in `# bglint: ignore[BG999] why` names no rule, so it silences nothing."
    )


def test_nothing_is_called_unused_where_that_is_not_asked() -> None:
    source = "x  # bglint: ignore[BG902]\ny  # bglint: ignore[BG201]\n"
    assert codes(run(source, active=frozenset({"BG201", "BG902"}))) == []
    assert suppress.apply([], {"app.py": source}, KNOWN, {}, KNOWN, whole_project=False).kept == ()


def test_a_comment_may_keep_a_comment() -> None:
    source = "x\nf()  # bglint: ignore[BG201, BG901] only on Windows\n"
    outcome = run(source)
    assert outcome.kept == ()
    assert [(s.finding.code, s.reason) for s in outcome.suppressed] == [("BG901", "only on Windows")]


def test_keeping_what_is_used_is_unused() -> None:
    source = "x\nf()  # bglint: ignore[BG201, BG901]\n"
    outcome = run(source, finding(2))
    assert codes(outcome) == ["BG901"]
    assert fixed(source, outcome) == "x\nf()  # bglint: ignore[BG201]\n"


def test_findings_stay_sorted() -> None:
    outcome = run("x = 1  # bglint: ignore[BG202]\n\nf()\n", finding(3))
    assert codes(outcome) == ["BG901", "BG201"]


LONG = """\
import time


async def task(first_argument, second_argument):
    time.sleep(first_argument + second_argument)  # bglint: ignore[BG201] a reason that is a little too long here  # noqa: F401
"""


def test_ruff_takes_its_noqa_and_leaves_ours() -> None:
    cleaned = _ruff(LONG, "check", "--select=RUF100,ERA,E,PGH", "--fix", "--unsafe-fixes", "--quiet")
    assert "noqa" not in cleaned
    assert run(cleaned, finding(5)).kept == ()


def test_a_formatter_may_spread_the_line() -> None:
    spread = _ruff(LONG, "format", "--line-length=40")
    line = next(number for number, text in enumerate(spread.splitlines(), 1) if "time.sleep" in text)
    assert "bglint" not in spread.splitlines()[line - 1]
    assert run(spread, finding(line)).kept == ()


def _ruff(source: str, *arguments: str) -> str:
    command = [sys.executable, "-m", "ruff", *arguments, "--isolated", "--stdin-filename=app.py", "-"]
    return subprocess.run(command, input=source, text=True, capture_output=True, check=False).stdout
