"""Fixes change what they say and nothing else, whatever the file looks like."""

from __future__ import annotations

import os
import re
import stat
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from bglint import atomic, fix
from bglint.edits import add_import, insert, lines_of, replace
from bglint.fix import Fixed
from bglint.model import Edit, Finding, Fix, Problem, Report, Span

SLEEP = re.compile(r"\btime\.sleep")


def finding(*edits: Edit, safe: bool = True, line: int = 1, code: str = "BG201") -> Finding:
    path = edits[0].path
    cure = Fix("Cure it", edits, safe)
    return Finding(code, "blocking-sleep", "error", "It sleeps.", path, Span(line, 1, line, 2), fix=cure)


def lint_sleeps(text: str, path: str = "app.py") -> list[Finding]:
    """A rule in small: `time.sleep` becomes `await asyncio.sleep`, with its import."""
    found = []
    for number, line in enumerate(lines_of(text), 1):
        for match in SLEEP.finditer(line):
            span = Span(number, match.start() + 1, number, match.end() + 1)
            edits = [replace(path, span, "await asyncio.sleep"), add_import(text, path, "import asyncio")]
            found.append(finding(*[edit for edit in edits if edit], line=number))
    return found


def linter(root: Path) -> Callable[[Mapping[str, str]], Report]:
    def lint(texts: Mapping[str, str]) -> Report:
        found = []
        for place in sorted(root.glob("*.py")):
            text = texts.get(place.name) or fix._read(place.name, root)
            assert isinstance(text, str)
            found += lint_sleeps(text, place.name)
        return Report(tuple(found))

    return lint


def cure(root: Path) -> Fixed:
    outcome = fix.until_stable(linter(root), root)
    assert outcome.report.findings == ()
    assert fix.write(outcome.fixed, root) == ()
    return outcome.fixed


APP = 'import time\n\n\nasync def task():\n    time.sleep(5)  # "ü"\n    time.sleep(6)\n'
CURED = (
    "import asyncio\nimport time\n\n\n"
    'async def task():\n    await asyncio.sleep(5)  # "ü"\n    await asyncio.sleep(6)\n'
)

FILES = {
    "plain": (APP.encode(), CURED.encode()),
    "windows": (APP.replace("\n", "\r\n").encode(), CURED.replace("\n", "\r\n").encode()),
    "old mac": (APP.replace("\n", "\r").encode(), CURED.replace("\n", "\r").encode()),
    "byte order mark": (b"\xef\xbb\xbf" + APP.encode(), b"\xef\xbb\xbf" + CURED.encode()),
    "latin-1": (
        b"# -*- coding: latin-1 -*-\n" + APP.encode("latin-1"),
        b"# -*- coding: latin-1 -*-\n" + CURED.encode("latin-1"),
    ),
    "tabs": (APP.replace("    ", "\t").encode(), CURED.replace("    ", "\t").encode()),
    "no newline at the end": (APP.rstrip("\n").encode(), CURED.rstrip("\n").encode()),
    "form feed": (
        APP.replace("\n\n\n", "\n\x0c\n\n").encode(),
        CURED.replace("\n\n\n", "\n\x0c\n\n").encode(),
    ),
    "odd layout": (
        b"import time\nasync def task( ) :\n  x = {'a':1,\n     }\n  time.sleep( 5 );time.sleep(6) # no newline",
        b"import asyncio\nimport time\nasync def task( ) :\n  x = {'a':1,\n     }\n"
        b"  await asyncio.sleep( 5 );await asyncio.sleep(6) # no newline",
    ),
    "wide letters": (
        "import time\nasync def task():\n    x = '🙂é'; time.sleep(5)\n".encode(),
        "import asyncio\nimport time\nasync def task():\n    x = '🙂é'; await asyncio.sleep(5)\n".encode(),
    ),
    "mixed line endings": (
        b"import time\r\nasync def task():\r\n    time.sleep(5)\n    x = 1\r\n",
        b"import asyncio\r\nimport time\r\nasync def task():\r\n    await asyncio.sleep(5)\n    x = 1\r\n",
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_every_other_byte_stays(case: str, tmp_path: Path) -> None:
    before, after = FILES[case]
    (tmp_path / "app.py").write_bytes(before)
    cure(tmp_path)
    assert (tmp_path / "app.py").read_bytes() == after


@pytest.mark.parametrize("case", FILES)
def test_a_second_run_changes_nothing(case: str, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_bytes(FILES[case][0])
    cure(tmp_path)
    assert cure(tmp_path).texts == {}


def test_mode_and_symlink_stay(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    (real / "app.py").write_text(APP, "utf-8")
    os.chmod(real / "app.py", 0o754)
    os.symlink(real / "app.py", tmp_path / "app.py")
    cure(tmp_path)
    assert (tmp_path / "app.py").is_symlink()
    assert (real / "app.py").read_text("utf-8") == CURED
    assert stat.S_IMODE((real / "app.py").stat().st_mode) == 0o754
    assert [path.name for path in real.iterdir()] == ["app.py"]


def test_several_files(tmp_path: Path) -> None:
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text(APP, "utf-8")
    (tmp_path / "c.py").write_text("x = 1\n", "utf-8")
    fixed = cure(tmp_path)
    assert sorted(fixed.texts) == ["a.py", "b.py"]
    assert fixed.before == {"a.py": APP, "b.py": APP}
    assert len(fixed.applied) == 4


def one(tmp_path: Path, text: str, *findings: Finding, safe_only: bool = True) -> Fixed:
    (tmp_path / "app.py").write_bytes(text.encode())
    return fix.apply(findings, tmp_path, safe_only=safe_only)


def put(text: str, start: int, end: int | None = None) -> Edit:
    return Edit("app.py", Span(1, start, 1, end or start), text)


def test_unsafe_fixes_are_applied_only_if_asked(tmp_path: Path) -> None:
    unsafe = finding(put("y", 1, 2), safe=False)
    assert one(tmp_path, "x\n", unsafe).texts == {}
    assert one(tmp_path, "x\n", unsafe, safe_only=False).texts == {"app.py": "y\n"}
    assert fix.apply([unsafe], tmp_path).texts == {}
    assert fix.until_stable(lambda texts: Report((unsafe,)), tmp_path).fixed.texts == {}


def test_where_two_overlap_the_first_wins(tmp_path: Path) -> None:
    first, second = finding(put("abc", 1, 5)), finding(put("xyz", 4, 8))
    fixed = one(tmp_path, "aaa + bbb\n", first, second)
    assert fixed.texts == {"app.py": "abc+ bbb\n"}
    assert fixed.applied == (first,)
    assert fixed.left == (second,)


def test_a_fix_is_applied_whole_or_not_at_all(tmp_path: Path) -> None:
    first = finding(put("q", 1, 2))
    second = finding(put("r", 1, 2), put("s", 5, 6))
    fixed = one(tmp_path, "a + b\n", first, second)
    assert fixed.texts == {"app.py": "q + b\n"}
    assert (fixed.applied, fixed.left) == ((first,), (second,))


def test_the_same_edit_twice_is_one(tmp_path: Path) -> None:
    imported = put("import asyncio\n", 1)
    first, second = finding(imported, put("q", 1, 2)), finding(imported, put("s", 5, 6))
    fixed = one(tmp_path, "a + b\n", first, second)
    assert fixed.texts == {"app.py": "import asyncio\nq + s\n"}
    assert fixed.applied == (first, second)


@pytest.mark.parametrize("second", [put("await ", 1), put("await ", 2), put("(0)", 2), put("yy", 1, 2)])
def test_touching_another_fix_waits(second: Edit, tmp_path: Path) -> None:
    fixed = one(tmp_path, "f()\n", finding(put("g", 1, 2)), finding(second))
    assert fixed.texts == {"app.py": "g()\n"}
    assert len(fixed.left) == 1


def test_neighbours_do_not_touch(tmp_path: Path) -> None:
    fixed = one(tmp_path, "f+g\n", finding(put("x", 1, 2)), finding(put("-", 2, 3)), finding(put("y", 3, 4)))
    assert fixed.texts == {"app.py": "x-y\n"}


def test_edits_of_one_fix_at_one_place_keep_their_order(tmp_path: Path) -> None:
    fixed = one(tmp_path, "x\n", finding(put("1\n", 1), put("2\n", 1), put("3\n", 1)))
    assert fixed.texts == {"app.py": "1\n2\n3\nx\n"}


@pytest.mark.parametrize("text", ["f(", "await f()", "'", "return 1", "\0"])
def test_what_does_not_parse_is_left_alone(text: str, tmp_path: Path) -> None:
    broken = finding(put(text, 1, 2), line=1)
    fixed = one(tmp_path, "x\n", broken)
    assert fixed.texts == {}
    assert [(p.path, p.line) for p in fixed.problems] == [("app.py", 1)]
    assert "BG201" in fixed.problems[0].message


def test_one_broken_fix_does_not_stop_the_others(tmp_path: Path) -> None:
    good, broken, better = finding(put("a", 1, 2)), finding(put(")", 5, 6)), finding(put("c", 9, 10))
    fixed = one(tmp_path, "x + y + z\n", good, broken, better)
    assert fixed.texts == {"app.py": "a + y + c\n"}
    assert fixed.applied == (good, better)
    assert len(fixed.problems) == 1


def test_of_two_fixes_that_do_not_go_together_the_second_waits(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("async def f():\n    g()\n")
    plain = finding(replace("app.py", Span(1, 1, 1, 7), ""), line=1)
    awaited = finding(insert("app.py", 2, 5, "await "), line=2)
    fixed = fix.apply([plain, awaited], tmp_path)
    assert (fixed.applied, fixed.left, fixed.problems) == ((plain,), (awaited,), ())
    assert fixed.texts == {"app.py": "def f():\n    g()\n"}


def test_a_fix_over_two_files_breaks_neither(tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text("x\n", "utf-8")
    fixed = one(tmp_path, "x\n", finding(put("y", 1, 2), insert("other.py", 1, 1, "(")))
    assert fixed.texts == {}
    assert [problem.path for problem in fixed.problems] == ["other.py"]


def test_syntax_newer_than_the_running_python(tmp_path: Path) -> None:
    text = "async def f():\n    yield 1\n    return 2\nx = 1\n"
    edit = Edit("app.py", Span(4, 5, 4, 6), "2")
    assert one(tmp_path, text, finding(edit)).texts == {"app.py": text.replace("x = 1", "x = 2")}
    broken = Edit("app.py", Span(4, 5, 4, 6), "(")
    assert one(tmp_path, text, finding(broken)).texts == {}


def test_a_file_that_is_gone_is_a_problem(tmp_path: Path) -> None:
    fixed = fix.apply([finding(put("y", 1, 2))], tmp_path)
    assert fixed.texts == {}
    assert [problem.path for problem in fixed.problems] == ["app.py"]


def test_a_letter_that_the_encoding_lacks_is_a_problem(tmp_path: Path) -> None:
    data = b"# coding: latin-1\nx = 1\n"
    (tmp_path / "app.py").write_bytes(data)
    fixed = fix.apply([finding(Edit("app.py", Span(2, 5, 2, 6), "'\N{SNOWMAN}'"))], tmp_path)
    assert [problem.path for problem in fix.write(fixed, tmp_path)] == ["app.py"]
    assert (tmp_path / "app.py").read_bytes() == data


def test_an_unwritable_place_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: str, target: str) -> None:
        raise PermissionError(13, "Permission denied")

    fixed = one(tmp_path, "x\n", finding(put("y", 1, 2)))
    monkeypatch.setattr(os, "replace", refuse)
    assert fix.write(fixed, tmp_path) == (Problem("app.py", "Not fixed: Permission denied."),)
    assert [path.name for path in tmp_path.iterdir()] == ["app.py"]
    assert (tmp_path / "app.py").read_text("utf-8") == "x\n"


def test_fixes_that_wait_come_in_a_later_pass(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("f(g(x))\n", "utf-8")

    def lint(texts: Mapping[str, str]) -> Report:
        text = texts.get("app.py", "f(g(x))\n")
        outer = [finding(put("h", 1, 2), put("k", 3, 4))] if text.startswith("f(g") else []
        inner = [finding(put("q", 3, 4))] if text[2] in "gk" else []
        return Report((*outer, *inner))

    outcome = fix.until_stable(lint, tmp_path)
    assert outcome.fixed.texts == {"app.py": "h(q(x))\n"}
    assert outcome.fixed.before == {"app.py": "f(g(x))\n"}
    assert outcome.report.findings == ()


def test_what_is_given_counts_and_not_what_is_on_disk(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("on = disk\n", "utf-8")
    given = {"app.py": "x\n"}

    def lint(texts: Mapping[str, str]) -> Report:
        return Report(() if texts else (finding(put("y", 1, 2)),))

    outcome = fix.until_stable(lint, tmp_path, given=given)
    assert outcome.fixed.before == given
    assert outcome.fixed.texts == {"app.py": "y\n"}


def test_a_fix_without_end_is_stopped_and_told(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("x\n", "utf-8")
    outcome = fix.until_stable(lambda texts: Report((finding(put("y", 1)),)), tmp_path)
    assert outcome.fixed.texts == {"app.py": "y" * fix.PASSES + "x\n"}
    assert f"After {fix.PASSES} passes" in outcome.fixed.problems[-1].message


def test_a_broken_fix_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("x\n", "utf-8")

    def lint(texts: Mapping[str, str]) -> Report:
        good = () if texts else (finding(put("y", 1, 2)),)
        return Report((finding(Edit("app.py", Span(2, 1, 2, 1), "(")), *good))

    outcome = fix.until_stable(lint, tmp_path)
    assert outcome.fixed.texts == {"app.py": "y\n"}
    assert len(outcome.fixed.problems) == 1


@pytest.mark.parametrize("case", ["plain", "no newline at the end", "odd layout", "windows"])
def test_git_takes_the_diff(case: str, tmp_path: Path) -> None:
    before, after = FILES[case]
    (tmp_path / "app.py").write_bytes(before)
    text = fix.diff(before.decode(), after.decode(), "app.py")
    subprocess.run(["git", "apply", "-"], input=text.encode(), cwd=tmp_path, check=True)
    assert (tmp_path / "app.py").read_bytes() == after


def test_diff_reads_as_people_know_it() -> None:
    assert fix.diff("a\nb", "a\nc", "app/x.py") == (
        "--- a/app/x.py\n+++ b/app/x.py\n@@ -1,2 +1,2 @@\n a\n"
        "-b\n\\ No newline at end of file\n+c\n\\ No newline at end of file\n"
    )
    assert fix.diff("a\n", "a\n", "x.py") == ""


def test_atomic_write_makes_new_files_like_any_other(tmp_path: Path) -> None:
    (tmp_path / "usual").write_text("")
    atomic.write(tmp_path / "new", b"x")
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "usual").stat().st_mode
