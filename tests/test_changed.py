"""What a branch changed, told by git itself in repositories made here."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from bglint.changed import Changed, ChangedError, changed_lines, touches
from bglint.model import Finding, Span, Step

LINES = "".join(f"line {number}\n" for number in range(1, 21))


def git(folder: Path, *arguments: str) -> str:
    settings = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(
        ["git", *settings, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout


def commit(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text, "utf-8")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "a commit")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q", "-b", "main")
    commit(tmp_path, app=LINES, other=LINES)
    git(tmp_path, "checkout", "-q", "-b", "branch")
    return tmp_path


def changes(folder: Path, reference: str = "main") -> dict[str, Changed]:
    root = os.path.realpath(git(folder, "rev-parse", "--show-toplevel").strip())
    return {os.path.relpath(path, root): found for path, found in changed_lines(reference, folder).items()}


def edited(**replaced: str) -> str:
    text = LINES
    for number, new in replaced.items():
        text = text.replace(f"line {number[1:]}\n", new)
    return text


def test_nothing_changed(repository: Path) -> None:
    assert changes(repository) == {}


def test_changed_added_and_taken_out(repository: Path) -> None:
    commit(repository, app=edited(_3="new 3\n", _7="line 7\nadded\nadded\n", _12="", _13=""))
    assert changes(repository) == {"app.py": Changed(frozenset({3, 8, 9}), frozenset({13}))}


def test_work_that_is_not_committed_counts(repository: Path) -> None:
    commit(repository, app=edited(_3="new 3\n"))
    (repository / "app.py").write_text(edited(_3="new 3\n", _5="new 5\n"), "utf-8")
    (repository / "other.py").write_text(edited(_1="new 1\n"), "utf-8")
    git(repository, "add", "other.py")
    assert changes(repository) == {"app.py": Changed(frozenset({3, 5})), "other.py": Changed(frozenset({1}))}


def test_what_others_merged_since_does_not_count(repository: Path) -> None:
    commit(repository, app=edited(_3="mine\n"))
    git(repository, "checkout", "-q", "main")
    commit(repository, app=edited(_9="theirs\n"), theirs="x\n")
    git(repository, "checkout", "-q", "branch")
    assert changes(repository) == {"app.py": Changed(frozenset({3}))}


def test_new_files_count_as_a_whole(repository: Path) -> None:
    (repository / ".gitignore").write_text("build/\n")
    git(repository, "add", ".gitignore")
    (repository / "new.py").write_text("x\n")
    (repository / "build").mkdir()
    (repository / "build" / "made.py").write_text("x\n")
    commit_free = changes(repository)
    assert commit_free["new.py"].touches(Span(9, 1, 9, 2))
    assert set(commit_free) == {".gitignore", "new.py"}


def test_deleted_and_moved_files(repository: Path) -> None:
    git(repository, "rm", "-q", "other.py")
    git(repository, "mv", "app.py", "moved.py")
    (repository / "moved.py").write_text(edited(_3="new 3\n"), "utf-8")
    git(repository, "add", "-A")
    assert changes(repository) == {"moved.py": Changed(frozenset({3}))}


@pytest.mark.parametrize(
    "name", ["with space.py", "ünïcode.py", 'quo"te.py', "tab\there.py", "b/deep.py", "-x.py"]
)
def test_odd_names(name: str, repository: Path) -> None:
    (repository / "b").mkdir()
    (repository / name).write_text(LINES, "utf-8")
    commit(repository)
    git(repository, "branch", "-f", "main")
    (repository / name).write_text(edited(_2="new\n"), "utf-8")
    assert changes(repository) == {name: Changed(frozenset({2}))}


def test_lines_that_look_like_a_diff(repository: Path) -> None:
    commit(repository, app=edited(_3="++ b/trap.py\n@@ -1 +1,9 @@\n-- a/x\n"))
    assert changes(repository) == {"app.py": Changed(frozenset({3, 4, 5}))}


def test_below_a_folder_and_with_odd_settings(repository: Path) -> None:
    (repository / "sub").mkdir()
    commit(repository, app=edited(_3="new\n"))
    for setting in ("diff.noprefix=true", "diff.mnemonicPrefix=true", "diff.context=9", "color.ui=always"):
        git(repository, "config", *setting.split("="))
    assert changes(repository / "sub") == {"app.py": Changed(frozenset({3}))}


def test_the_reference_may_be_any_commit(repository: Path) -> None:
    commit(repository, app=edited(_3="new\n"))
    assert changes(repository, "HEAD~1") == {"app.py": Changed(frozenset({3}))}
    assert changes(repository, "HEAD") == {}


@pytest.mark.parametrize("reference", ["origin/main", "--all", "", "main:app.py"])
def test_an_unknown_reference_is_said_clearly(reference: str, repository: Path) -> None:
    with pytest.raises(ChangedError, match="git knows no commit"):
        changed_lines(reference, repository)


def test_no_commit_in_common_is_said_clearly(repository: Path) -> None:
    git(repository, "checkout", "-q", "--orphan", "lonely")
    commit(repository, app="alone\n")
    with pytest.raises(ChangedError, match=r"no commit in common.*fetch-depth: 0"):
        changed_lines("main", repository)


def test_outside_of_a_repository_is_said_clearly(tmp_path: Path) -> None:
    with pytest.raises(ChangedError, match="not a git repository"):
        changed_lines("main", tmp_path)


def test_without_git_is_said_clearly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ChangedError, match="needs git"):
        changed_lines("main", tmp_path)


def finding(*steps: tuple[str, int, int]) -> Finding:
    trace = tuple(Step(path, Span(first, 1, last, 5), "") for path, first, last in steps)
    return Finding(
        "BG201", "blocking-sleep", "error", "", "app.py", Span(10, 1, 11, 5), task="app:t", trace=trace
    )


@pytest.mark.parametrize(
    ("changed", "touched"),
    [
        (Changed(frozenset({10})), True),
        (Changed(frozenset({11})), True),
        (Changed(frozenset({9, 12})), False),
        (Changed(cuts=frozenset({10})), True),
        (Changed(cuts=frozenset({9, 11})), False),
        (Changed(throughout=True), True),
        (Changed(), False),
    ],
)
def test_a_finding_touches_its_own_lines(changed: Changed, touched: bool, tmp_path: Path) -> None:
    place = os.path.realpath(tmp_path / "app.py")
    assert touches(finding(), {place: changed}, folder=tmp_path) is touched


def test_a_finding_touches_the_lines_of_its_path(tmp_path: Path) -> None:
    changed = {os.path.realpath(tmp_path / "main.py"): Changed(frozenset({3}))}
    assert touches(finding(("main.py", 2, 4), ("app.py", 10, 11)), changed, folder=tmp_path)
    assert not touches(finding(("main.py", 4, 4), ("app.py", 10, 11)), changed, folder=tmp_path)
    assert not touches(finding(), changed, folder=tmp_path)


def test_a_def_that_became_async_touches_what_is_below(tmp_path: Path) -> None:
    changed = {os.path.realpath(tmp_path / "app.py"): Changed(frozenset({8}))}
    assert touches(finding(), changed, {"app:t": ("app.py", 8)}, tmp_path)
    assert not touches(finding(), changed, {"app:other": ("app.py", 8)}, tmp_path)


def test_absolute_paths_are_found_too(tmp_path: Path) -> None:
    place = os.path.realpath(tmp_path / "main.py")
    assert touches(finding((place, 3, 3)), {place: Changed(frozenset({3}))}, folder="/")
