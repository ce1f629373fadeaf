"""What is kept between runs: never another result than without it, and no trust in what was written there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bglint import Config, Report, cache, lint
from bglint.analysis import analyse
from tests.apps import CURED, SLEEPY, Bglint

LONG_AGO = 1_600_000_000
MAIL = "import time\n\n\nasync def remind(email: str) -> None:\n    time.sleep(5)\n"
APP = """\
from fastapi import BackgroundTasks, FastAPI

from mail import remind

app = FastAPI()


@app.post("/signup")
async def signup(email: str, tasks: BackgroundTasks) -> dict[str, str]:
    tasks.add_task(remind, email)
    return {"status": "success"}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An app, the module of its task, and a file that has nothing to do with them; all written long ago."""
    root = tmp_path / "shop"
    root.mkdir()
    for name, text in {
        "pyproject.toml": "",
        "app.py": APP,
        "mail.py": MAIL,
        "prices.py": "VAT = 19\n",
    }.items():
        write(root / name, text)
    monkeypatch.chdir(root)
    return root


def write(file: Path, text: str, when: int = LONG_AGO) -> None:
    file.write_text(text)
    os.utime(file, (when, when))


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The analyses that were made."""
    made: list[str] = []

    def counted(*arguments: Any) -> Any:
        made.append("analysis")
        return analyse(*arguments)

    monkeypatch.setattr(sys.modules["bglint.lint"], "analyse", counted)
    return made


def check(config: Config | None = None, *paths: str) -> Report:
    """The report with the cache, which is the one without."""
    report = lint(paths or ["."], config or Config(), cached=True)
    plain = lint(paths or ["."], config or Config())
    assert replace(report, seconds=0) == replace(plain, seconds=0)
    return report


def codes(report: Report) -> list[str]:
    return [finding.code for finding in report.findings]


def kept(root: Path) -> Path:
    (file,) = (root / cache.FOLDER).glob("*.json")
    return file


# ------------------------------------------------------------------ what is reused


def test_nothing_is_analysed_twice(project: Path, runs: list[str]) -> None:
    first, second = lint(["."], Config(), cached=True), lint(["."], Config(), cached=True)
    assert (codes(first), replace(second, seconds=0)) == (["BG201"], replace(first, seconds=0))
    assert len(runs) == 1


@pytest.mark.parametrize(("text", "heavy"), [(CURED, {"libcst", "rich"}), (SLEEPY, {"libcst"})])
def test_a_warm_run_loads_neither_the_parser_nor_what_draws_nothing(
    project: Path, text: str, heavy: set[str]
) -> None:
    write(project / "app.py", text)
    program = (
        "import atexit, sys; from bglint.cli import main;"
        "atexit.register(lambda: print(*sys.modules, file=sys.stderr)); sys.argv = ['bglint']; main()"
    )
    cold, warm = (
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False).stderr
        for _ in range(2)
    )
    assert "libcst" in cold.split()
    assert heavy.isdisjoint(warm.split())
    assert "bglint.project" not in warm.split()


def test_other_files_to_lint_share_what_was_found(project: Path, runs: list[str]) -> None:
    check()
    runs.clear()
    report = lint(["mail.py", "prices.py"], Config(), cached=True)
    assert (codes(report), runs) == (["BG201"], [])
    assert (codes(lint(["prices.py"], Config(), cached=True)), runs) == ([], [])


def test_what_only_changes_the_report_shares_what_was_found(project: Path, runs: list[str]) -> None:
    check()
    runs.clear()
    lint(["."], Config(strict=True, statistics=True, output_format=("json",)), cached=True)
    assert runs == []


def test_a_touched_file_is_still_the_same(project: Path, runs: list[str]) -> None:
    check()
    os.utime(project / "mail.py")
    runs.clear()
    assert codes(lint(["."], Config(), cached=True)) == ["BG201"]
    assert runs == []


def test_a_changed_file_that_nobody_asked_for_does_not_matter(project: Path, runs: list[str]) -> None:
    check()
    write(project / "prices.py", "VAT = 7\n", LONG_AGO + 9)
    runs.clear()
    assert codes(lint(["."], Config(), cached=True)) == ["BG201"]
    assert runs == []


# ---------------------------------------------------------------- what is analysed anew


def cure(root: Path) -> None:
    write(root / "mail.py", MAIL.replace("async def", "def").replace("5", "0.1"), LONG_AGO + 9)


def cure_unseen_by_the_clock(root: Path) -> None:
    """The same size, at the same time, as a file system with a coarse clock tells it."""
    write(root / "mail.py", MAIL.replace("time.sleep(5)", "str(email)   "))


def hide_the_module(root: Path) -> None:
    """`mail` is now a package."""
    (root / "mail").mkdir()
    write(root / "mail" / "__init__.py", "async def remind(email: str) -> None:\n    return\n")


def begin_to_matter(root: Path) -> None:
    write(root / "prices.py", SLEEPY, LONG_AGO + 9)


def break_it(root: Path) -> None:
    write(root / "mail.py", "def (", LONG_AGO + 9)


def suppress_it(root: Path) -> None:
    write(root / "mail.py", MAIL.replace("(5)", "(5)  # bglint: ignore[BG201] short"), LONG_AGO + 9)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (cure, []),
        (cure_unseen_by_the_clock, []),
        (hide_the_module, []),
        (lambda root: (root / "mail.py").unlink(), []),
        (lambda root: (root / "mail.py").rename(root / "post.py"), []),
        (begin_to_matter, ["BG201", "BG201"]),
        (break_it, []),
        (suppress_it, []),
        (lambda root: write(root / ".gitignore", "mail.py\n"), []),
        (lambda root: write(root / "new.py", SLEEPY), ["BG201", "BG201"]),
    ],
)
def test_what_matters_is_seen(project: Path, change: Callable[[Path], None], expected: list[str]) -> None:
    check()
    change(project)
    assert codes(check()) == expected
    assert codes(check()) == expected


def test_a_change_during_the_run_is_seen_by_the_next(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but the content tells the file from the one that was read: the clock stands still."""
    now = os.stat(project / "mail.py").st_ctime_ns

    def slow(*arguments: Any) -> Any:
        found = analyse(*arguments)
        cure_unseen_by_the_clock(project)
        return found

    monkeypatch.setattr("bglint.cache._stat", lambda path: (now, now, os.stat(path).st_size))
    monkeypatch.setattr(sys.modules["bglint.lint"], "analyse", slow)
    assert codes(lint(["."], Config(), cached=True)) == ["BG201"]
    assert codes(lint(["."], Config(), cached=True)) == []


@pytest.mark.parametrize(
    ("manifest", "text"),
    [
        ("requirements.txt", "fastapi==0.110.0\n"),
        ("requirements/base.txt", "fastapi==0.110.0\n"),
        ("uv.lock", 'name = "fastapi"\nversion = "0.110.0"\n'),
        ("pyproject.toml", '[project]\nname = "shop"\ndependencies = ["fastapi==0.110.0"]\n'),
    ],
)
def test_another_version_of_the_framework_is_seen(project: Path, manifest: str, text: str) -> None:
    assert "version unknown" in check().notes[-1]
    (project / manifest).parent.mkdir(exist_ok=True)
    write(project / manifest, text)
    assert "0.110.0" in check().notes[-1]


def test_a_manifest_that_another_one_includes_is_seen(project: Path) -> None:
    write(project / "requirements.txt", "-r base.in\n")
    assert "version unknown" in check().notes[-1]
    write(project / "base.in", "fastapi==0.110.0\n")
    assert "0.110.0" in check().notes[-1]
    write(project / "base.in", "fastapi==0.120.0\n")
    assert "0.120.0" in check().notes[-1]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (Config(select=("BG4",)), []),
        (Config(ignore=("BG201",)), []),
        (Config(knowledge={"calls": {"time.sleep": {}}}), []),
        (Config(per_file_ignores={"mail.py": ("BG201",)}), []),
        (Config(exclude=("mail.py",)), []),
    ],
)
def test_other_settings_have_results_of_their_own(project: Path, config: Config, expected: list[str]) -> None:
    assert codes(check()) == ["BG201"]
    assert codes(check(config)) == expected
    assert codes(check()) == ["BG201"]


def test_a_file_that_cannot_be_parsed_is_told_every_time(project: Path) -> None:
    write(project / "prices.py", "import fastapi (\n")
    for _ in range(2):
        assert [problem.path for problem in check().problems] == ["prices.py"]
    assert check(None, "mail.py").problems == ()
    assert [problem.path for problem in check(None, "prices.py").problems] == ["prices.py"]


def test_a_file_without_our_words_is_parsed_when_it_is_named(project: Path) -> None:
    write(project / "prices.py", "VAT = (\n")
    check()
    assert [problem.path for problem in check(None, "prices.py").problems] == ["prices.py"]


def test_a_new_folder_to_stand_in_has_results_of_its_own(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [finding.path for finding in check().findings] == ["mail.py"]
    monkeypatch.chdir(project.parent)
    assert [finding.path for finding in check(None, "shop").findings] == ["shop/mail.py"]


def test_another_bglint_has_results_of_its_own(
    project: Path, runs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    check()
    runs.clear()
    monkeypatch.setattr("bglint.__version__", "99.0")
    check()
    assert len(runs) == 2


def test_what_a_git_reference_needs_is_found_out_when_it_is_asked_for(project: Path) -> None:
    for command in (
        ["init"],
        ["add", "."],
        ["-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-m", "x"],
    ):
        subprocess.run(["git", *command], check=True, capture_output=True)
    check()
    write(project / "app.py", APP.replace("signup(", "sign_up("), LONG_AGO + 9)
    for _ in range(2):
        assert codes(lint(["."], Config(), since="HEAD", cached=True)) == codes(
            lint(["."], Config(), since="HEAD")
        )


# --------------------------------------------------------------------- where it is kept


def test_the_folder_is_hidden_from_git_and_from_backups(project: Path) -> None:
    check()
    folder = project / ".bglint_cache"
    assert (folder / ".gitignore").read_text() == "*\n"
    assert (folder / "CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55")


def test_the_command_line_keeps_and_cleans(bglint: Bglint, sleepy: Path) -> None:
    folder = sleepy / cache.FOLDER
    assert bglint("--no-cache").code == 1
    assert not folder.exists()
    assert (bglint().code, bglint().code) == (1, 1)
    assert folder.is_dir()
    assert bglint("clean").out == f"Removed {folder}.\n"
    assert not folder.exists()
    assert bglint("clean").out == f"There is no cache in {folder}.\n"


def test_another_folder_may_be_chosen(bglint: Bglint, sleepy: Path) -> None:
    (sleepy / "pyproject.toml").write_text("[tool.bglint]\ncache-dir = 'made/cache'\n")
    bglint()
    bglint("--cache-dir", "other")
    assert (sleepy / "made" / "cache" / "CACHEDIR.TAG").is_file()
    assert (sleepy / "other" / "CACHEDIR.TAG").is_file()
    assert not (sleepy / cache.FOLDER).exists()


def test_a_folder_with_other_things_in_it_is_left_alone(bglint: Bglint, sleepy: Path) -> None:
    (sleepy / "src").mkdir()
    (sleepy / "src" / "precious.txt").write_text("")
    assert bglint("--cache-dir", "src").code == 1
    assert "There is no cache" in bglint("clean", "--cache-dir", "src").out
    assert [path.name for path in (sleepy / "src").iterdir()] == ["precious.txt"]


def test_cleaning_leaves_what_bglint_did_not_write(bglint: Bglint, sleepy: Path) -> None:
    bglint()
    (sleepy / cache.FOLDER / "precious.txt").write_text("")
    bglint("clean")
    assert [path.name for path in (sleepy / cache.FOLDER).iterdir()] == ["precious.txt"]


def test_a_link_to_elsewhere_is_not_followed(project: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (project / cache.FOLDER).symlink_to(elsewhere)
    assert codes(check()) == ["BG201"]
    assert list(elsewhere.iterdir()) == []


def test_a_place_that_cannot_be_written_is_a_project_without_cache(project: Path) -> None:
    (project / cache.FOLDER).write_text("a file where the folder would be")
    assert (codes(check()), codes(check())) == (["BG201"], ["BG201"])


def test_old_results_are_forgotten(project: Path) -> None:
    for number in range(cache.KEPT + 3):
        lint(["."], Config(queue=f"queue {number}"), cached=True)
    assert len(list((project / cache.FOLDER).glob("*.json"))) == cache.KEPT


def test_two_runs_at_once_do_not_disturb_each_other(project: Path) -> None:
    command = [sys.executable, "-m", "bglint", "-q", "--output-format", "json"]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    found = [json.loads(run.communicate()[0])["findings"] for run in started]
    assert found == [found[0]] * 4
    assert codes(check()) == ["BG201"]
    assert {path.suffix for path in (project / cache.FOLDER).iterdir()} == {".json", ".TAG", ""}


# ----------------------------------------------------------------------- no trust in it


def rewritten(file: Path, change: Callable[[list[Any]], None]) -> None:
    """Change the parts of a result and sign it as it should be signed."""
    parts = [json.loads(line) for line in file.read_bytes().split(b"\n")]
    change(parts)
    rest = b"\n".join(json.dumps(part).encode() for part in parts[1:])
    parts[0]["rest"] = cache._hash(rest)
    file.write_bytes(json.dumps(parts[0]).encode() + b"\n" + rest)


def put(*way: Any) -> Callable[[list[Any]], None]:
    """Put the last of these where the others lead to."""

    def change(parts: Any) -> None:
        *steps, last, value = way
        for step in steps:
            parts = parts[step]
        parts[last] = value

    return change


FINDING = (1, 0, 0)
HOSTILE = {
    "another version of the format": put(0, {}),
    "findings that are no list": put(1, 0, "none"),
    "too few fields": put(1, []),
    "a path outside": put(*FINDING, 4, "/etc/passwd"),
    "a path above": put(*FINDING, 4, "../secret.py"),
    "a step outside": put(*FINDING, 8, 0, 0, "/etc/passwd"),
    "a fix outside": put(*FINDING, 9, ["Fix", [["/etc/passwd", [1, 1, 1, 1], "x"]], True]),
    "a place that is not there": put(*FINDING, 5, [1, 1, 10**9, 1]),
    "a column before the first": put(*FINDING, 5, [5, -3, 5, 1]),
    "true for a number": put(*FINDING, 5, [True, 1, 5, 1]),
    "a rule that is not there": put(*FINDING, 0, "BG999"),
    "a rule of another name": put(*FINDING, 1, "harmless"),
    "an unknown level": put(*FINDING, 2, "fatal"),
    "a problem elsewhere": put(1, 1, [["/etc/passwd", "cannot be read", 0]]),
    "a definition elsewhere": put(1, 6, [["mail:remind", "/etc/passwd", 1]]),
    "numbers of no file": put(2, 0, 3, [10**6]),
    "numbers below": put(2, 0, 3, [-1]),
    "no pattern": put(2, 0, 0, "("),
    "no flags": put(2, 0, 1, "x"),
    "no times": put(3, 1, ["x"]),
    "no files": put(3, 2, []),
    "manifests of no text": put(3, 4, {"/dev/zero": 5}),
    "deeply nested": put(1, 0, json.loads("[" * 500 + "]" * 500)),
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_a_result_that_is_odd_is_none(
    project: Path, runs: list[str], change: Callable[[list[Any]], None]
) -> None:
    lint(["."], Config(), cached=True)
    rewritten(kept(project), change)
    runs.clear()
    assert codes(check()) == ["BG201"]
    assert len(runs) == 2


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\0" * 100,
        b"null\nnull\nnull\nnull",
        b"[" * 100_000,
        b'{"listing": 1}\n[]\n[]\n[]',
        b"\xff\xfe\n\n\n",
        b"9" * 5000 + b"\n1\n1\n1",
    ],
)
def test_rubbish_is_none(project: Path, content: bytes) -> None:
    lint(["."], Config(), cached=True)
    kept(project).write_bytes(content)
    assert codes(check()) == ["BG201"]


def test_every_half_of_a_result_is_none(project: Path, runs: list[str]) -> None:
    lint(["."], Config(), cached=True)
    whole = kept(project).read_bytes()
    for length in range(0, len(whole), 97):
        kept(project).write_bytes(whole[:length])
        runs.clear()
        assert codes(lint(["."], Config(), cached=True)) == ["BG201"]
        assert len(runs) == 1


def test_a_result_of_another_project_is_none(project: Path, tmp_path: Path, runs: list[str]) -> None:
    lint(["."], Config(), cached=True)
    name, text = kept(project).name, kept(project).read_bytes()
    cure(project)
    write(project / "more.py", "")
    lint(["."], Config(), cached=True)
    (project / cache.FOLDER / name).write_bytes(text)
    assert codes(check()) == []


def test_a_folder_where_a_result_would_be_is_none(project: Path) -> None:
    lint(["."], Config(), cached=True)
    name = kept(project).name
    shutil.rmtree(project / cache.FOLDER)
    (project / cache.FOLDER / name).mkdir(parents=True)
    assert codes(check()) == ["BG201"]
