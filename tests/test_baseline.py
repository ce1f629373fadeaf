"""The baseline knows a finding again wherever it went, and forgets what was mended."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bglint import baseline
from bglint.baseline import BaselineError
from bglint.fingerprint import fingerprint, fingerprints, normalised
from bglint.model import Finding, Span, Suppressed

SOURCE = """\
import time

def mail(to, subject='hello'):
    time.sleep( 5 )
    time.sleep(timeout_for(to, 'mail'),)
    send(to, subject)

class Report:
    def build(self):
        time.sleep(5)
        time.sleep(5)
"""


def sleeps(source: str, path: str = "app/mail.py") -> list[Finding]:
    """A linter in small: every `time.sleep`, with the function it stands in."""
    return list(_sleeps(ast.parse(source), source, path, ()))


def _sleeps(node: ast.AST, source: str, path: str, names: tuple[str, ...]) -> Iterator[Finding]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Call) and ast.unparse(child.func) == "time.sleep":
            text = ast.get_source_segment(source, child) or ""
            span = Span(
                child.lineno, child.col_offset + 1, child.end_lineno or 0, (child.end_col_offset or 0) + 1
            )
            yield Finding(
                "BG201", "blocking-sleep", "error", "", path, span, symbol=".".join(names), expression=text
            )
        inner = (*names, child.name) if isinstance(child, (ast.FunctionDef, ast.ClassDef)) else names
        yield from _sleeps(child, source, path, inner)


def formatted(source: str) -> str:
    command = [sys.executable, "-m", "ruff", "format", "--isolated", "--line-length=30", "-"]
    return subprocess.run(command, input=source, text=True, capture_output=True, check=True).stdout


def moved(source: str) -> str:
    head, mail, report = (
        source.partition("def mail")[0],
        *source.partition("def mail")[2].split("class Report"),
    )
    return f"{head}class Report{report}\n\ndef mail{mail}"


CHANGES = {
    "nothing": SOURCE,
    "lines above": '"""Mail."""\n\n# new\n' + SOURCE,
    "reformatted": formatted(SOURCE),
    "function moved": moved(SOURCE),
    "unrelated names": SOURCE.replace("subject", "title").replace("send(", "deliver("),
    "another function": SOURCE + "\ndef other():\n    return 3\n",
    "comments": SOURCE.replace("time.sleep( 5 )", "time.sleep( 5 )  # slow\n    # really"),
    "windows": SOURCE.replace("\n", "\r\n"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_elsewhere_leaves_the_baseline_valid(change: str) -> None:
    applied = baseline.apply(sleeps(CHANGES[change]), baseline.of(sleeps(SOURCE)))
    assert applied.new == ()
    assert applied.stale == ()
    assert len(applied.suppressed) == 4


def test_the_reformatted_source_is_another_one() -> None:
    assert {f.expression for f in sleeps(CHANGES["reformatted"])} != {f.expression for f in sleeps(SOURCE)}


def test_suppressed_findings_name_the_baseline() -> None:
    findings = sleeps(SOURCE)
    applied = baseline.apply(findings, baseline.of(findings))
    assert applied.suppressed == tuple(Suppressed(finding, "baseline") for finding in findings)


@pytest.mark.parametrize(
    "new",
    [
        SOURCE.replace("send(to", "time.sleep(7)\n    send(to"),
        SOURCE.replace("send(to", "time.sleep(5)\n    send(to"),
        SOURCE + "        time.sleep(5)\n",
        SOURCE.replace("'mail'", "'post'"),
        SOURCE.replace("def mail", "def letter").replace("time.sleep( 5 )", "pass"),
    ],
)
def test_a_new_finding_is_shown_alone(new: str) -> None:
    applied = baseline.apply(sleeps(new), baseline.of(sleeps(SOURCE)))
    assert len(applied.new) == 1


def test_of_equal_ones_the_last_is_new() -> None:
    findings = sleeps(SOURCE + "        time.sleep(5)\n")
    assert baseline.apply(findings, baseline.of(sleeps(SOURCE))).new == (findings[-1],)


def test_another_file_and_another_rule_are_new() -> None:
    known = baseline.of(sleeps(SOURCE))
    other_rule = [replace(finding, code="BG304") for finding in sleeps(SOURCE)]
    assert len(baseline.apply(sleeps(SOURCE, "app/other.py"), known).new) == 4
    assert len(baseline.apply(other_rule, known).new) == 4


def test_mended_findings_are_stale_and_can_be_dropped() -> None:
    known = baseline.of(sleeps(SOURCE))
    mended = SOURCE.replace("time.sleep( 5 )", "pass").removesuffix("        time.sleep(5)\n")
    stale = baseline.apply(sleeps(mended), known).stale
    assert [(entry.symbol, entry.count) for entry in stale] == [("Report.build", 1), ("mail", 1)]
    assert baseline.without(known, stale) == baseline.of(sleeps(mended))


def test_dropping_the_stale_ones_adds_nothing() -> None:
    known = baseline.of(sleeps(SOURCE))
    findings = sleeps("import time\n\ndef mail():\n    time.sleep(5)\n    time.sleep(99)\n")
    kept = baseline.without(known, baseline.apply(findings, known).stale)
    assert [(entry.expression, entry.count) for entry in kept.entries] == [("time.sleep(5)", 1)]


def test_what_was_not_looked_for_is_not_stale() -> None:
    known = baseline.of(sleeps(SOURCE) + sleeps(SOURCE, "app/other.py"))
    applied = baseline.apply([], known, asked=lambda entry: entry.path == "app/other.py")
    assert {entry.path for entry in applied.stale} == {"app/other.py"}


def test_written_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    known = baseline.of([*sleeps(SOURCE), replace(sleeps(SOURCE)[0], expression="send('é\udc80')")])
    baseline.write(known, path)
    assert baseline.apply(sleeps(SOURCE), baseline.load(path)).new == ()
    baseline.write(baseline.load(path), tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == path.read_bytes()


def test_the_file_is_sorted_and_says_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    baseline.write(baseline.of(reversed(sleeps(SOURCE))), path)
    content = json.loads(path.read_text("utf-8"))
    assert (content["version"], content["tool"]) == (1, "bglint")
    assert [(f["symbol"], f["expression"], f["count"]) for f in content["findings"]] == [
        ("Report.build", "time.sleep(5)", 2),
        ("mail", "time.sleep(5)", 1),
        ("mail", 'time.sleep(timeout_for(to,"mail"))', 1),
    ]
    assert list(content["findings"][0]) == ["code", "path", "symbol", "expression", "fingerprint", "count"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "baseline.json").mkdir()
    with pytest.raises(BaselineError, match="cannot be written"):
        baseline.write(baseline.of([]), tmp_path / "baseline.json")
    assert [path.name for path in tmp_path.iterdir()] == ["baseline.json"]


ENTRY = {"code": "BG201", "path": "a.py", "symbol": "f", "expression": "x", "fingerprint": "00", "count": 1}
BROKEN = {
    "no JSON": ("{", "is not JSON"),
    "another file": ('{"name": "x"}', "was not written by `bglint baseline`"),
    "a list": ("[]", "was not written by `bglint baseline`"),
    "later version": ('{"version": 2, "findings": []}', "has version 2, this bglint reads version 1"),
    "merge conflict": ("<<<<<<< ours\n{}\n=======\n{}\n>>>>>>> theirs\n", "merge conflict markers"),
    "text entry": ('{"version": 1, "findings": ["x"]}', "Finding 1 of the baseline"),
    "no code": (json.dumps({"version": 1, "findings": [ENTRY, {**ENTRY, "code": None}]}), "Finding 2 of"),
    "no count": (json.dumps({"version": 1, "findings": [{**ENTRY, "count": "1"}]}), "Finding 1 of"),
    "count of none": (json.dumps({"version": 1, "findings": [{**ENTRY, "count": 0}]}), "Finding 1 of"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_said_clearly(case: str, tmp_path: Path) -> None:
    text, message = BROKEN[case]
    path = tmp_path / "baseline.json"
    path.write_text(text, "utf-8")
    with pytest.raises(BaselineError, match=message) as caught:
        baseline.load(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_said_clearly(tmp_path: Path) -> None:
    with pytest.raises(BaselineError, match="Make one with `bglint baseline`"):
        baseline.load(tmp_path / "none.json")


def test_an_entry_twice_counts_twice(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    path.write_text(json.dumps({"version": 1, "findings": [ENTRY, ENTRY]}), "utf-8")
    assert [entry.count for entry in baseline.load(path).entries] == [2]


def test_equal_findings_have_fingerprints_of_their_own() -> None:
    findings = sleeps(SOURCE)
    marks = fingerprints(findings)
    assert len(set(marks)) == 4
    assert marks[2] == fingerprint(findings[2]) == fingerprint(findings[3]) != marks[3]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("f(a, b)", "f(\n    a,\n    b,\n)"),
        ("f('a')", 'f("a")'),
        ("f('it\\'s')", 'f("it\'s")'),
        ("f(a)  # why", "f(a)"),
        ("not  x", "not x"),
        ("a + \\\n b", "a + b"),
        ("f(R'a')", 'f(r"a")'),
    ],
)
def test_layout_does_not_count(one: str, other: str) -> None:
    assert normalised(one) == normalised(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("f(a)", "f(b)"),
        ("f('a b')", "f('ab')"),
        ("f('#a')", "f('#b')"),
        ("await x", "awaitx"),
        ("a in b", "ainb"),
    ],
)
def test_content_counts(one: str, other: str) -> None:
    assert normalised(one) != normalised(other)
