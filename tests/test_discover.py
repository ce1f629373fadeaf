"""Which files belong to a project, which are shown, and what a module name means."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from bglint.config import Config
from bglint.discover import PathError, SourceFile, Sources, decode, discover, encoding_of


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, *names: str, text: str = "") -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def paths(sources: Sources) -> list[str]:
    return [file.path for file in sources.files]


def shown(sources: Sources) -> list[str]:
    return [file.path for file in sources.files if file.shown]


def called(sources: Sources, path: str) -> SourceFile:
    return next(file for file in sources.files if file.path == path)


def find(sources: Sources, dotted: str, importer: str) -> str | None:
    found = sources.find_module(dotted, called(sources, importer))
    return found.path if found else None


# -------------------------------------------------------------------- the walk


def test_folders_that_hold_no_code_of_ours_are_not_entered(project: Path) -> None:
    write(project, "app/main.py", ".venv/a.py", "venv/a.py", "node_modules/a.py", "x/site-packages/a.py")
    write(
        project, "__pycache__/a.py", "build/a.py", "dist/a.py", ".git/a.py", "env/pyvenv.cfg", "env/lib/a.py"
    )
    assert paths(discover(["."], Config())) == ["app/main.py"]


def test_gitignore_is_respected_at_every_depth(project: Path) -> None:
    write(project, "main.py", "generated/a.py", "deep/secret.py", "deep/kept.py", "deep/other.py")
    write(project, ".gitignore", text="# comment\ngenerated/\n*ret.py\n")
    write(project, "deep/.gitignore", text="*.py\n!kept.py\n")
    assert paths(discover(["."], Config())) == ["deep/kept.py", "main.py"]
    everything = discover(["."], Config(respect_gitignore=False))
    assert len(everything.files) == 5


def test_gitignore_of_the_repository_counts_in_a_package_below(project: Path) -> None:
    write(project, "services/mail/pyproject.toml", "services/mail/main.py", "services/mail/local.py")
    write(project, ".git/HEAD")
    write(project, ".gitignore", text="/services/*/local.py\n")
    assert paths(discover(["services/mail"], Config())) == ["services/mail/main.py"]


def test_excludes_are_names_or_gitignore_patterns(project: Path) -> None:
    write(project, "main.py", "old/a.py", "app/old.py", "app/v1/a.py", "app/v2/a.py")
    config = Config(extend_exclude=("old", "app/v*/", "!app/v2/"), folder=project.as_posix())
    assert paths(discover(["."], config)) == ["app/old.py", "app/v2/a.py", "main.py"]


def test_a_file_given_by_name_beats_gitignore_and_default_excludes_but_not_the_users(project: Path) -> None:
    write(project, "main.py", "build/made.py", "ignored.py", "legacy/a.py")
    write(project, ".gitignore", text="ignored.py\n")
    config = Config(extend_exclude=("legacy",))
    sources = discover(["build/made.py", "ignored.py", "legacy/a.py"], config)
    assert shown(sources) == ["build/made.py", "ignored.py"]


def test_a_folder_given_is_entered_whatever_excludes_it(project: Path) -> None:
    write(project, "build/made.py", "main.py")
    assert shown(discover(["build"], Config())) == ["build/made.py"]


def test_a_linked_folder_is_not_entered_twice(project: Path) -> None:
    write(project, "app/main.py")
    (project / "again").symlink_to(project / "app")
    assert paths(discover(["."], Config())) == ["app/main.py"]


# ------------------------------------------------------- the project and what is shown


@pytest.mark.parametrize("marker", ["pyproject.toml", ".git/HEAD"])
def test_a_single_file_brings_its_whole_project(project: Path, marker: str) -> None:
    write(project, marker, "app/api.py", "app/mail.py", "lib/x.py")
    sources = discover(["app/mail.py"], Config())
    assert (sources.root, shown(sources)) == (project, ["app/mail.py"])
    assert paths(sources) == ["app/api.py", "app/mail.py", "lib/x.py"]
    assert not sources.whole_project


def test_the_nearest_pyproject_wins_over_the_repository(project: Path) -> None:
    write(project, ".git/HEAD", "one/pyproject.toml", "one/a.py", "two/pyproject.toml", "two/b.py")
    assert paths(discover(["one"], Config())) == ["one/a.py"]
    assert shown(discover(["one", "two"], Config())) == ["one/a.py", "two/b.py"]


def test_a_folder_without_a_project_is_its_own(project: Path) -> None:
    write(project, "a/x.py", "b/y.py")
    sources = discover(["a"], Config())
    assert (sources.root, paths(sources)) == (project / "a", ["a/x.py"])
    assert sources.whole_project


def test_paths_are_relative_inside_the_working_directory_and_absolute_outside(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(project, "pyproject.toml", "in/a.py", "out/b.py")
    monkeypatch.chdir(project / "in")
    assert paths(discover(["."], Config())) == [f"{project.as_posix()}/out/b.py", "a.py"]


def test_tests_are_known_but_not_linted(project: Path) -> None:
    names = ["app.py", "conftest.py", "mail_test.py", "test_mail.py", "tests/helpers.py"]
    write(project, *names)
    sources = discover(["."], Config())
    assert (paths(sources), shown(sources)) == (names, ["app.py"])
    assert sources.whole_project
    word = re.compile(rb"")
    assert [file.path for file in sources.mentioning(word)] == ["app.py"]
    assert [file.path for file in sources.mentioning(word, tests=True)] == names


@pytest.mark.parametrize("given", [["tests"], ["tests/helpers.py", "tests/test_a.py"]])
def test_tests_are_linted_when_given(project: Path, given: list[str]) -> None:
    write(project, "pyproject.toml", "app.py", "tests/helpers.py", "tests/test_a.py")
    assert shown(discover(given, Config())) == ["tests/helpers.py", "tests/test_a.py"]


def test_tests_are_linted_when_asked_for(project: Path) -> None:
    write(project, "app.py", "tests/helpers.py")
    assert shown(discover(["."], Config(include_tests=True))) == ["app.py", "tests/helpers.py"]


def test_a_path_that_does_not_exist_is_an_error(project: Path) -> None:
    with pytest.raises(PathError, match="no file or folder called nowhere"):
        discover(["nowhere"], Config())


def test_a_folder_without_python_is_an_error_one_with_tests_alone_is_not(project: Path) -> None:
    write(project, "docs/readme.md", "tests/test_a.py")
    with pytest.raises(PathError, match="no Python file in docs"):
        discover(["docs"], Config())
    assert shown(discover(["."], Config())) == []


def test_given_bytes_stand_for_a_file_that_is_not_saved(project: Path) -> None:
    write(project, "pyproject.toml", "old.py", text="saved")
    sources = discover(["old.py", "new.py"], Config(), {"old.py": b"edited", "new.py": b"fresh"})
    assert shown(sources) == ["new.py", "old.py"]
    assert [sources.read(file) for file in sources.files] == [b"fresh", b"edited"]
    assert [file.path for file in sources.mentioning(re.compile(rb"edited|fresh"))] == ["new.py", "old.py"]


# ---------------------------------------------------------------------- contents


def test_mentioning_takes_words_and_patterns(project: Path) -> None:
    write(project, "a.py", text="tasks.add_task(f)")
    write(project, "b.py", text="loop.create_task(f)")
    write(project, "c.py", text="pass")
    sources = discover(["."], Config())
    words, pattern = re.compile(rb"add_task|create_task"), re.compile(rb"\b(add|create)_task\(")
    assert [file.path for file in sources.mentioning(words)] == ["a.py", "b.py"]
    assert [file.path for file in sources.mentioning(pattern)] == ["a.py", "b.py"]


@pytest.mark.parametrize(
    "pattern",
    [
        r"add_task", r"add_task|spawn", r"\bbackground\s*=", r"[tT]asks?\.add_task\(", r"(?i)ADD_TASK",
        r"(add|spawn)_task", r"added?_task", r"tasks{1,2}\.add", r"\w+\.a", r"", r"tasks\|x|zzz|add_task",
    ],
)  # fmt: skip
def test_a_pattern_finds_what_a_plain_search_finds(project: Path, pattern: str) -> None:
    texts = ["tasks.add_task(f)", "background = f", "spawn(f)", "task.add_task()", "nothing", "tasks|x"]
    for number, text in enumerate(texts):
        write(project, f"{number}.py", text=text)
    found = discover(["."], Config()).mentioning(re.compile(pattern.encode()))
    assert [file.path for file in found] == [
        f"{n}.py" for n, text in enumerate(texts) if re.search(pattern, text)
    ]


def test_a_file_that_cannot_be_read_is_a_problem_and_no_crash(project: Path) -> None:
    write(project, "a.py", "b.py")
    sources = discover(["."], Config())
    os.remove(project / "a.py")
    sources.mentioning(re.compile(rb"x"))
    sources.mentioning(re.compile(rb"y"))
    assert [(problem.path, problem.message) for problem in sources.problems] == [
        ("a.py", "cannot be read: No such file or directory")
    ]


@pytest.mark.parametrize(
    ("data", "encoding", "text"),
    [
        (b"x = 1\r\n", "utf-8", "x = 1\r\n"),
        ("# ü".encode(), "utf-8", "# ü"),
        (b"\xef\xbb\xbfx = 1", "utf-8-sig", "x = 1"),
        (b"# -*- coding: latin-1 -*-\n# \xfc", "iso-8859-1", "# -*- coding: latin-1 -*-\n# ü"),
        (b"#!/usr/bin/python\n# vim: fileencoding=cp1252\n# \x80", "cp1252", None),
    ],
)
def test_declared_encodings_are_respected(data: bytes, encoding: str, text: str | None) -> None:
    assert encoding_of(data) == encoding
    assert decode(data) == (text or data.decode(encoding))


def test_an_unknown_encoding_is_a_syntax_error() -> None:
    with pytest.raises(SyntaxError):
        decode(b"# coding: klingon\n")


# ------------------------------------------------------------------ module names


@pytest.mark.parametrize(
    ("path", "module"),
    [
        ("main.py", "main"),
        ("app/__init__.py", "app"),
        ("app/mail/__init__.py", "app.mail"),
        ("app/mail/send.py", "app.mail.send"),
        ("src/lib/__init__.py", "lib"),
        ("src/lib/x.py", "lib.x"),
        ("src/plain.py", "plain"),
        ("src/spaced/y.py", "spaced.y"),
        ("spaced/deep/z.py", "spaced.deep.z"),
        ("spaced/pack/__init__.py", "pack"),
    ],
)
def test_modules_are_named_from_above_their_packages(project: Path, path: str, module: str) -> None:
    write(
        project,
        path,
        *(str(parent / "__init__.py") for parent in Path(path).parents if "app" in parent.parts),
    )
    assert called(discover(["."], Config()), path).module == module


def test_a_folder_inside_a_package_knows_its_full_name(project: Path) -> None:
    write(project, "app/__init__.py", "app/api/__init__.py", "app/api/routes.py", "app/api/mail.py")
    sources = discover(["app/api"], Config())
    assert called(sources, "app/api/routes.py").module == "app.api.routes"
    assert find(sources, "app.api.mail", "app/api/routes.py") == "app/api/mail.py"


def test_imports_are_found_from_every_plausible_start(project: Path) -> None:
    write(
        project,
        "pyproject.toml",
        "backend/app/__init__.py",
        "backend/app/mail.py",
        "backend/app/api/__init__.py",
    )
    write(
        project,
        "backend/app/api/routes.py",
        "src/lib/__init__.py",
        "shared/pack/__init__.py",
        "shared/pack/x.py",
    )
    sources = discover(["."], Config())
    routes = "backend/app/api/routes.py"
    assert find(sources, "app.mail", routes) == "backend/app/mail.py"
    assert find(sources, "backend.app.mail", routes) == "backend/app/mail.py"
    assert find(sources, "lib", routes) == "src/lib/__init__.py"
    assert find(sources, "pack.x", routes) == "shared/pack/x.py"
    assert find(sources, "nothing.here", routes) is None


def test_relative_imports_are_exact(project: Path) -> None:
    write(project, "a/__init__.py", "a/mail.py", "a/b/__init__.py", "a/b/mail.py", "a/b/x.py")
    sources = discover(["."], Config())
    assert find(sources, ".mail", "a/b/x.py") == "a/b/mail.py"
    assert find(sources, "..mail", "a/b/x.py") == "a/mail.py"
    assert find(sources, "..", "a/b/x.py") == "a/__init__.py"
    assert find(sources, ".nothing", "a/b/x.py") is None


def test_the_nearest_service_wins_in_a_repository_of_many(project: Path) -> None:
    write(project, ".git/HEAD", "one/main.py", "one/db.py", "two/main.py", "two/db.py", "db.py")
    sources = discover(["."], Config())
    assert find(sources, "db", "one/main.py") == "one/db.py"
    assert find(sources, "db", "two/main.py") == "two/db.py"


def test_a_module_that_shares_the_name_of_a_library_is_not_that_library(project: Path) -> None:
    write(project, "pyproject.toml", "app/__init__.py", "app/core/__init__.py", "app/core/requests.py")
    write(project, "app/core/session.py", "app/core/email.py", "app/main.py", "app/queue.py")
    sources = discover(["."], Config())
    assert find(sources, "requests", "app/core/session.py") is None
    assert find(sources, "email", "app/core/session.py") is None
    assert find(sources, "queue", "app/main.py") is None
    assert find(sources, "app.core.requests", "app/main.py") == "app/core/requests.py"


def test_the_file_name_of_a_knowledge_table_is_no_library(project: Path) -> None:
    write(project, "pyproject.toml", "jobs/send.py", "jobs/mail.py", "jobs/redis.py")
    sources = discover(["."], Config())
    assert find(sources, "mail", "jobs/send.py") == "jobs/mail.py"
    assert find(sources, "redis", "jobs/send.py") is None


def test_a_part_of_a_package_is_not_taken_for_a_top_level_one(project: Path) -> None:
    write(project, "kit/__init__.py", "kit/models/__init__.py", "kit/models/acme/__init__.py", "kit/x.py")
    write(project, "kit/models/acme/chat.py")
    assert find(discover(["."], Config()), "acme.chat", "kit/x.py") is None


def test_an_ambiguous_tail_means_nothing(project: Path) -> None:
    write(project, "main.py", "one/common/__init__.py", "one/common/x.py", "two/common/__init__.py")
    write(project, "two/common/x.py")
    assert find(discover(["."], Config()), "common.x", "main.py") is None


def test_namespace_folders_are_known_as_such(project: Path) -> None:
    write(project, "main.py", "services/mail/send.py", "pack/__init__.py")
    sources = discover(["."], Config())
    main = called(sources, "main.py")
    assert find(sources, "services", "main.py") is None
    assert [
        sources.is_namespace(name, main) for name in ("services", "services.mail", "pack", "nothing")
    ] == [
        True,
        True,
        False,
        False,
    ]
    assert find(sources, "services.mail.send", "main.py") == "services/mail/send.py"


def test_a_file_that_is_gone_by_now_costs_no_other(project: Path) -> None:
    write(project, "main.py", "gone.py")
    sources = discover(["."], Config())
    (project / "gone.py").unlink()
    assert sources.scan(called(sources, "gone.py")) == b""
    assert [(problem.path, problem.message) for problem in sources.problems] == [
        ("gone.py", "cannot be read: No such file or directory")
    ]
