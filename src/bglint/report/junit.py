"""`--output-format junit`: for services that show test results. A finding is a failed test, a problem an error."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import groupby
from xml.etree import ElementTree as xml

from bglint.model import Finding, Problem, Report
from bglint.report.safe import visible
from bglint.report.words import journey, sentence

_FORBIDDEN = re.compile("[\ufffe\uffff]")


def render(report: Report) -> str:
    """One suite a file; a run without findings is one test that passed."""
    suites = [*_suites(report.problems, "errors"), *_suites(report.findings, "failures")]
    root = xml.Element("testsuites", name="bglint", time=f"{report.seconds:.3f}")
    root.extend(suites or [_passed()])
    for count in ("tests", "failures", "errors"):
        root.set(count, str(sum(int(suite.get(count, "0")) for suite in root)))
    xml.indent(root)
    text = _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", xml.tostring(root, encoding="unicode"))
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'


def _passed() -> xml.Element:
    suite = xml.Element("testsuite", name="bglint", tests="1", failures="0", errors="0")
    xml.SubElement(suite, "testcase", name="no findings", classname="bglint")
    return suite


def _suites(outcomes: Iterable[Finding | Problem], kind: str) -> list[xml.Element]:
    suites = []
    for path, group in groupby(outcomes, lambda outcome: outcome.path):
        cases = [_case(outcome) for outcome in group]
        suite = xml.Element(
            "testsuite", name=visible(path or "bglint"), tests=str(len(cases)), failures="0", errors="0"
        )
        suite.set(kind, str(len(cases)))
        suite.extend(cases)
        suites.append(suite)
    return suites


def _case(outcome: Finding | Problem) -> xml.Element:
    if isinstance(outcome, Problem):
        case = _empty_case(outcome.path, "not linted", outcome.line)
        _add(case, "error", "problem", visible(outcome.message), [])
        return case
    span = outcome.span
    name = f"{outcome.code} {outcome.name} at {span.line}:{span.column}"
    case = _empty_case(outcome.path, name, span.line)
    _add(case, "failure", outcome.level, sentence(outcome), journey(outcome))
    return case


def _empty_case(path: str, name: str, line: int) -> xml.Element:
    case = xml.Element("testcase", name=name, classname=visible(path or "bglint"))
    if path:
        case.set("file", visible(path))
    if line:
        case.set("line", str(line))
    return case


def _add(case: xml.Element, tag: str, kind: str, message: str, lines: list[str]) -> None:
    outcome = xml.SubElement(case, tag, type=kind, message=message)
    outcome.text = "\n".join([message, *lines])
