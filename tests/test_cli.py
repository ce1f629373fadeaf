"""The command line as a user meets it: what it prints where, and how it exits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bglint import Config, cli, lint
from bglint.model import Problem
from bglint.rule import registry
from tests.apps import CURED, SLEEPY, Bglint, Result


def codes(result: Result) -> list[str]:
    return [finding["code"] for finding in json.loads(result.out)["findings"]]


# -------------------------------------------------------------------- exit codes


def test_nothing_found_is_0(bglint: Bglint, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(CURED)
    result = bglint()
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("All good: nothing found.\n1 task followed; 1 file read in ")


def test_findings_are_1(bglint: Bglint, sleepy: Path) -> None:
    result = bglint(".")
    assert (result.code, result.err) == (1, "")
    assert "app.py:9:5  BG201 blocking-sleep  error" in result.out
    assert "Found 1 error in 1 file." in result.out


def test_exit_zero_forgives_findings_and_nothing_else(bglint: Bglint, sleepy: Path) -> None:
    assert bglint("--exit-zero").code == 0
    assert bglint("--exit-zero", "nowhere").code == 2


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["nowhere"], "there is no file or folder called nowhere"),
        (["empty"], "no Python file in empty"),
        (["--strit"], "No such option '--strit'. Did you mean '--strict'?"),
        (["--select", "BG299"], 'no rule is called "BG299", did you mean '),
        (["--ignore", "blocking-slep"], 'no rule is called "blocking-slep", did you mean "blocking-sleep"?'),
        (["--output-format", "jsn"], 'no output format is called "jsn", did you mean "json"?'),
        (["--output-format", "json,sarif"], "the formats json and sarif would go to the same place"),
        (["--config", "nowhere.toml"], "nowhere.toml: cannot be read: No such file or directory"),
        (["--fastapi-version", "new"], "not a version of FastAPI or Starlette: "),
        (["--baseline", "nowhere.json"], "There is no baseline "),
        (["--changed-since", "main"], "git"),
        (
            ["--stdin-filename", "app.py", "--fix"],
            "a fix has no file to write with --stdin-filename; use --diff.",
        ),
        (
            ["--stdin-filename", "app.py", "--unsafe-fixes"],
            "a fix has no file to write with --stdin-filename; use --diff.",
        ),
        (
            ["--output-format", "json:no/where.json"],
            "no/where.json cannot be written: No such file or directory",
        ),
        (["explain", "BG2O1"], 'no rule is called "BG2O1", did you mean "BG201"?'),
    ],
)
def test_a_wrong_command_line_is_2_and_one_clear_line(
    bglint: Bglint, sleepy: Path, arguments: list[str], complaint: str
) -> None:
    (sleepy / "empty").mkdir()
    result = bglint(*arguments)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("bglint: ")
    assert complaint in result.err
    assert result.err.count("\n") == 1


def test_a_broken_configuration_is_2_and_names_the_file(bglint: Bglint, sleepy: Path) -> None:
    (sleepy / "pyproject.toml").write_text("[tool.bglint]\nselct = ['BG2']\n")
    result = bglint()
    assert result.code == 2
    assert result.err.endswith(
        'pyproject.toml: [tool.bglint] no option is called "selct", did you mean "select"?\n'
    )


def test_a_broken_knowledge_table_is_2_and_names_the_file(bglint: Bglint, sleepy: Path) -> None:
    (sleepy / "bglint.toml").write_text("[knowledge.calls]\n'acme.send' = { efect = 'network' }\n")
    result = bglint()
    assert result.code == 2
    assert "bglint.toml: [knowledge] 'acme.send': unknown key 'efect'" in result.err


@pytest.mark.parametrize("form", ["text", "json", "concise"])
def test_a_file_that_cannot_be_parsed_is_2_and_the_others_are_linted(
    bglint: Bglint, sleepy: Path, form: str
) -> None:
    (sleepy / "broken.py").write_text("tasks.add_task(send\n")
    result = bglint("--output-format", form)
    assert result.code == 2
    assert "BG201" in result.out
    assert "broken.py:1" in (result.out if form == "text" else result.err)


def test_a_file_given_by_name_must_parse_whatever_it_holds(bglint: Bglint, tmp_path: Path) -> None:
    (tmp_path / "plain.py").write_text("def broken(:\n")
    (tmp_path / "routes.py").write_text("from fastapi import FastAPI\ndef broken(:\n")
    result = bglint("plain.py", ".")
    assert result.code == 2
    assert "plain.py:1  cannot be parsed" in result.out
    assert "routes.py:2  cannot be parsed" in result.out


def test_a_rule_that_fails_is_a_problem_and_costs_the_others_nothing(
    sleepy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(project: object) -> None:
        raise ZeroDivisionError("by design")

    rules = {**registry(), "BG102": replace(registry()["BG102"], check=fail)}
    monkeypatch.setattr("bglint.rule.registry", lambda: rules)
    report = lint([sleepy], Config())
    assert [finding.code for finding in report.findings] == ["BG201"]
    assert report.problems == (Problem("bglint", report.problems[0].message),)
    assert "internal error in BG102 (ZeroDivisionError: by design" in report.problems[0].message


# --------------------------------------------------------- the words and the paths


def test_check_may_be_written_out(bglint: Bglint, sleepy: Path) -> None:
    assert bglint("check", ".", "--output-format", "concise") == bglint("--output-format", "concise")


def test_a_folder_that_is_called_like_a_command_is_given_with_its_place(
    bglint: Bglint, tmp_path: Path
) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "app.py").write_text(SLEEPY)
    assert "rules/app.py:9:5: BG201" in bglint("./rules", "--output-format", "concise").out
    assert "Code" in bglint("rules").out


def test_help_fits_one_screen_and_shows_examples(bglint: Bglint) -> None:
    result = bglint("--help")
    assert result.code == 0
    assert 24 <= result.out.count("\n") <= 40
    assert "bglint explain BG201" in result.out
    assert "--changed-since" in bglint("check", "--help").out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["ex"], {"plain,explain", "file,ex"}),
        (["--out"], {"plain,--output-format", "plain,--output-file"}),
        (["app", "--stri"], {"plain,--strict"}),
        (["rules", "--output-format", "j"], {"plain,json"}),
        (["explain", "BG90"], {"plain,BG901", "plain,BG902"}),
        (["explain", "unused"], {"plain,unused-suppression"}),
        (["--select", "BG201,BG90"], {"plain,BG201,BG901", "plain,BG201,BG902"}),
        (["--output-format", "sa"], {"plain,sarif"}),
    ],
)
def test_the_shell_completes_commands_options_and_paths(
    bglint: Bglint, monkeypatch: pytest.MonkeyPatch, words: list[str], expected: set[str]
) -> None:
    monkeypatch.setenv("_BGLINT_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", " ".join(["bglint", *words]))
    monkeypatch.setenv("COMP_CWORD", str(len(words)))
    assert set(bglint().out.split()) == expected


def test_version_is_that_of_the_package(bglint: Bglint) -> None:
    result = bglint("--version")
    assert (result.code, result.out) == (0, f"bglint {cli.__version__}\n")


def test_it_runs_as_a_module_and_from_a_pipe(sleepy: Path) -> None:
    command = [sys.executable, "-m", "bglint", "--output-format", "concise"]
    run = subprocess.run(command, cwd=sleepy, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (1, "")
    assert run.stdout.startswith("app.py:9:5: BG201 ")


def test_an_output_that_knows_only_ascii_gets_the_report_all_the_same(sleepy: Path) -> None:
    (sleepy / "app.py").write_text(SLEEPY.replace("remind", "erinnere_früh"), "utf-8")
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    run = subprocess.run(
        [sys.executable, "-m", "bglint"],
        cwd=sleepy,
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert (run.returncode, run.stderr) == (1, "")
    assert "erinnere_fr\\xfch" in run.stdout


# ---------------------------------------------------------------- what is reported


def test_rules_are_selected_by_code_prefix_and_name(bglint: Bglint, sleepy: Path) -> None:
    form = ("--output-format", "json")
    assert codes(bglint(*form, "--select", "BG2")) == ["BG201"]
    assert codes(bglint(*form, "--select", "BG1,blocking-sleep")) == ["BG201"]
    assert codes(bglint(*form, "--select", "BG1")) == []
    assert codes(bglint(*form, "--select", "BG1", "--extend-select", "BG201")) == ["BG201"]
    assert codes(bglint(*form, "--ignore", "blocking-sleep")) == []


def test_the_command_line_wins_over_the_file_and_isolated_over_both(bglint: Bglint, sleepy: Path) -> None:
    (sleepy / "bglint.toml").write_text('ignore = ["BG201"]\noutput-format = "json"\n')
    assert codes(bglint()) == []
    assert codes(bglint("--ignore", "BG1")) == ["BG201"]
    assert codes(bglint("--isolated", "--output-format", "json")) == ["BG201"]
    (sleepy / "other.toml").write_text('output-format = "json"\n')
    assert codes(bglint("--config", "other.toml")) == ["BG201"]


def test_per_file_ignores_are_counted_as_suppressed(bglint: Bglint, sleepy: Path) -> None:
    (sleepy / "bglint.toml").write_text('[per-file-ignores]\n"app.py" = ["BG2"]\n"other.py" = ["BG1"]\n')
    result = bglint("--show-suppressed")
    assert result.code == 0
    assert "app.py:9:5  BG201 blocking-sleep  (by per-file-ignores)" in result.out


def test_a_comment_suppresses_with_its_reason(bglint: Bglint, sleepy: Path) -> None:
    (sleepy / "app.py").write_text(SLEEPY.replace("sleep(5)", "sleep(5)  # bglint: ignore[BG201] a demo"))
    assert "1 finding suppressed; --show-suppressed lists them." in bglint().out
    assert "app.py:9:5  BG201 blocking-sleep  (by a comment: a demo)" in bglint("--show-suppressed").out


def test_a_comment_on_the_def_speaks_for_the_task(bglint: Bglint, sleepy: Path) -> None:
    text = SLEEPY.replace("-> None:", "-> None:  # bglint: ignore[blocking-sleep] a demo")
    (sleepy / "app.py").write_text(text)
    assert bglint().code == 0


def test_single_files_are_judged_with_the_whole_project_in_view(bglint: Bglint, tmp_path: Path) -> None:
    head, _, tail = SLEEPY.partition("async def remind")
    body, _, route = tail.partition("\n\n\n")
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    (tmp_path / "mail.py").write_text(f"import time\n\n\nasync def remind{body}\n")
    (tmp_path / "main.py").write_text(f"from mail import remind\n{head}\n\n{route}")
    (tmp_path / "other.py").write_text("x = 1\n")
    for given in ("mail.py", "main.py"):
        assert "mail.py:5:5: BG201" in bglint(given, "--output-format", "concise").out
    assert bglint("other.py").code == 0


def test_standard_input_stands_for_a_file(bglint: Bglint, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(CURED)
    result = bglint("--stdin-filename", "app.py", "--output-format", "concise", stdin=SLEEPY.encode())
    assert (result.code, result.out[:18]) == (1, "app.py:9:5: BG201 ")
    new = bglint("--stdin-filename", "not/there.py", "--output-format", "concise", stdin=SLEEPY.encode())
    assert new.out.startswith("not/there.py:9:5: BG201 ")


def test_the_baseline_leaves_what_is_new(bglint: Bglint, sleepy: Path) -> None:
    written = bglint("baseline")
    assert (written.code, written.err) == (0, "")
    assert written.out == "Wrote 1 finding to bglint-baseline.json. Later runs report only what is new.\n"
    assert bglint().code == 0
    assert bglint("--no-baseline").code == 1
    (sleepy / "app.py").write_text(SLEEPY.replace("import time", "import time\n\nX = 1"))
    assert bglint().code == 0
    (sleepy / "more.py").write_text(SLEEPY)
    result = bglint("--output-format", "concise")
    assert (result.code, result.out[:19]) == (1, "more.py:9:5: BG201 ")


def test_the_baseline_holds_wherever_bglint_is_started(
    bglint: Bglint, sleepy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (sleepy / "pyproject.toml").write_text("")
    bglint("baseline")
    (sleepy / "deep").mkdir()
    monkeypatch.chdir(sleepy / "deep")
    assert bglint("..").code == 0


def test_what_is_cured_is_stale_and_update_drops_it(bglint: Bglint, sleepy: Path) -> None:
    (sleepy / "more.py").write_text(SLEEPY)
    bglint("baseline")
    (sleepy / "app.py").write_text(CURED)
    assert "1 entry of the baseline no longer found; bglint baseline --update drops them." in bglint().out
    assert "app.py time.sleep(5)" in bglint("--verbose").out
    assert "Dropped 1 finding" in bglint("baseline", "--update").out
    assert "no longer found" not in bglint().out
    assert bglint().code == 0


def test_changed_since_forgives_what_was_there(bglint: Bglint, sleepy: Path) -> None:
    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=A", "-c", "user.email=a@example.org")
        subprocess.run(["git", *identity, *arguments], cwd=sleepy, check=True, capture_output=True)

    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "a start")
    assert bglint("--changed-since", "HEAD").code == 0
    (sleepy / "more.py").write_text(SLEEPY)
    result = bglint("--changed-since", "HEAD", "--output-format", "concise")
    assert (result.code, result.out[:19]) == (1, "more.py:9:5: BG201 ")


# ------------------------------------------------------------------- fixing


def test_diff_shows_and_changes_nothing(bglint: Bglint, sleepy: Path) -> None:
    result = bglint("--diff")
    assert result.code == 1
    assert "-    time.sleep(5)\n+    await asyncio.sleep(5)\n" in result.out
    assert (sleepy / "app.py").read_text() == SLEEPY


def test_fix_writes_and_reports_what_is_left(bglint: Bglint, sleepy: Path) -> None:
    result = bglint("--fix")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("Fixed 1 finding in 1 file.\nAll good: nothing found.\n")
    assert "await asyncio.sleep(5)" in (sleepy / "app.py").read_text()
    assert bglint("--fix").out.startswith("All good")


CALLING = (
    SLEEPY.replace("async def remind", "def remind")
    .replace("time.sleep(5)", "subprocess.check_call(['true'])")
    .replace("import time", "import subprocess")
)


def test_unsafe_fixes_are_written_where_they_are_asked_for(bglint: Bglint, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(CALLING)
    assert bglint("--fix", "--select", "BG401").code == 1
    assert "except Exception" in bglint("--unsafe-fixes", "--diff", "--select", "BG401").out
    assert (tmp_path / "app.py").read_text() == CALLING
    assert bglint("--unsafe-fixes", "--select", "BG401").code == 0
    assert "except Exception" in (tmp_path / "app.py").read_text()


def test_unsafe_fixes_in_the_file_write_nothing_by_themselves(bglint: Bglint, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(CALLING)
    (tmp_path / "bglint.toml").write_text("unsafe-fixes = true\nselect = ['BG401']\n")
    assert bglint().code == 1
    assert (tmp_path / "app.py").read_text() == CALLING
    assert bglint("--fix").code == 0


def test_what_is_not_saved_is_not_written_whatever_the_file_says(bglint: Bglint, sleepy: Path) -> None:
    (sleepy / "bglint.toml").write_text("fix = true\n")
    assert bglint("--stdin-filename", "app.py", stdin=SLEEPY.replace("5", "7").encode()).code == 1
    assert (sleepy / "app.py").read_text() == SLEEPY


def test_how_it_looks_and_ends_can_be_configured(bglint: Bglint, sleepy: Path) -> None:
    (sleepy / "bglint.toml").write_text("quiet = true\ncolor = 'always'\nexit-zero = true\n")
    result = bglint()
    assert (result.code, "Found" in result.out, "\x1b[" in result.out) == (0, False, True)
    assert "\x1b[" not in bglint("--color", "never").out
    (sleepy / "bglint.toml").write_text("verbose = true\n")
    assert "Notes\n" in bglint().out


def test_diff_of_the_standard_input(bglint: Bglint, sleepy: Path) -> None:
    result = bglint("--diff", "--stdin-filename", "app.py", stdin=SLEEPY.replace("5", "7").encode())
    assert "+    await asyncio.sleep(7)\n" in result.out


# ------------------------------------------------------------------- where it goes


def test_several_formats_in_one_run(bglint: Bglint, sleepy: Path) -> None:
    result = bglint("--output-format", "concise", "--output-format", "json:out.json,sarif:out.sarif")
    assert result.out.startswith("app.py:9:5: BG201 ")
    assert json.loads((sleepy / "out.json").read_text())["findings"][0]["code"] == "BG201"
    assert json.loads((sleepy / "out.sarif").read_text())["runs"][0]["results"][0]["ruleId"] == "BG201"


@pytest.mark.parametrize("form", ["text", "concise", "json", "jsonl", "sarif", "github", "gitlab", "junit"])
def test_every_format_renders_what_is_found(bglint: Bglint, sleepy: Path, form: str) -> None:
    result = bglint("--output-format", form)
    assert (result.code, result.err) == (1, "")
    assert "BG201" in result.out


def test_output_file_holds_the_report(bglint: Bglint, sleepy: Path) -> None:
    result = bglint("--output-file", "report.txt")
    assert (result.code, result.out) == (1, "")
    assert "BG201 blocking-sleep" in (sleepy / "report.txt").read_text()


@pytest.mark.parametrize(
    ("arguments", "environment", "colored"),
    [
        ([], {}, False),
        (["--color", "always"], {}, True),
        (["--color", "always"], {"NO_COLOR": "1"}, True),
        (["--color", "never"], {"FORCE_COLOR": "1"}, False),
        ([], {"FORCE_COLOR": "1"}, True),
        ([], {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
    ],
)
def test_colour_is_for_those_who_want_it(
    bglint: Bglint,
    sleepy: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    environment: dict[str, str],
    colored: bool,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert ("\x1b[" in bglint(*arguments).out) is colored


def test_statistics_verbose_and_quiet(bglint: Bglint, sleepy: Path) -> None:
    assert "     1  BG201 blocking-sleep" in bglint("--statistics").out
    assert "FastAPI version unknown" in bglint("--verbose").out
    assert "Found" not in bglint("--quiet").out


# --------------------------------------------------------------- rules and explain


def test_rules_are_listed_for_people_and_machines(bglint: Bglint) -> None:
    lines = bglint("rules").out.splitlines()
    assert [line.split()[:2] for line in lines[1:] if line.startswith("BG")] == [
        [rule.code, rule.name] for rule in registry().values()
    ]
    listed = json.loads(bglint("rules", "--output-format", "json").out)
    assert [rule["code"] for rule in listed] == list(registry())
    assert set(listed[0]) == {"code", "name", "level", "fixable", "summary", "doc", "url"}


@pytest.mark.parametrize("word", ["BG201", "bg201", "blocking-sleep", "blocking_sleep"])
def test_explain_shows_the_page(bglint: Bglint, word: str) -> None:
    result = bglint("explain", word)
    assert result.code == 0
    assert result.out.startswith("BG201 blocking-sleep  error")
    for heading in ("What it does", "Why is this bad?", "Example", "Use instead", "Verified by"):
        assert heading in result.out


# -------------------------------------------------------------------- start-up


def test_what_is_not_needed_is_not_loaded(tmp_path: Path) -> None:
    (tmp_path / "plain.py").write_text("import time\ntime.sleep(1)\n")
    script = (
        "import sys; sys.argv = ['bglint']\n"
        "from bglint.cli import main\n"
        "try: main()\n"
        "except SystemExit as done: assert done.code == 0\n"
        "heavy = {'libcst', 'rich', 'pathspec', 'asyncio'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
