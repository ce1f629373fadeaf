"""The public contract of `--output-format json`, and its page docs/json.md."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from bglint.model import Report
from bglint.report import json as report_json
from tests.report_sample import EMPTY, REPORT

GOLDEN = Path(__file__).parent / "golden" / "report.json"
PAGE = Path(__file__).parent.parent / "docs" / "json.md"


def content(report: Report = REPORT) -> Any:
    return json.loads(report_json.render(report))


def test_golden_file() -> None:
    rendered = report_json.render(REPORT)
    if os.environ.get("BGLINT_GOLDEN") == "write":
        GOLDEN.write_text(rendered, "utf-8")
    assert rendered == GOLDEN.read_text("utf-8")


def test_the_promised_keys_are_there() -> None:
    finding = next(found for found in content()["findings"] if found["code"] == "BG201")
    place = {"path": "app/mail.py", "line": 2, "column": 15, "end_line": 2, "end_column": 28}
    assert (
        finding.items()
        >= {"name": "blocking-sleep", "level": "error", "task": "app.mail:send", **place}.items()
    )
    assert finding["trace"][1].items() >= {**place, "message": "`time.sleep(5)` stops the event loop"}.items()


def test_equal_findings_have_fingerprints_of_their_own() -> None:
    marks = [finding["fingerprint"] for finding in content()["findings"]]
    assert len(set(marks)) == len(marks)


@pytest.mark.parametrize("report", [REPORT, EMPTY])
def test_the_schema_of_the_page_holds(report: Report) -> None:
    jsonschema.validate(content(report), schema())


def test_the_page_names_every_key_and_no_other() -> None:
    described = set(re.findall(r"^\| `(\w+)`", PAGE.read_text("utf-8"), re.MULTILINE))
    assert described == keys(content())


def schema() -> Any:
    return json.loads(PAGE.read_text("utf-8").partition("```json schema\n")[2].partition("```")[0])


def keys(value: Any) -> set[str]:
    if isinstance(value, list):
        return {key for item in value for key in keys(item)}
    return (
        {key for name, part in value.items() for key in ({name} | keys(part))}
        if isinstance(value, dict)
        else set()
    )
