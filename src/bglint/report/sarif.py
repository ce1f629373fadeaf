"""`--output-format sarif`: SARIF 2.1.0 for code scanning services and editors; the path of a finding is its code flow."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

import bglint
from bglint.fingerprint import fingerprints
from bglint.model import Edit, Finding, Fix, Level, Problem, Report, Span, Step
from bglint.report.safe import visible
from bglint.report.words import from_root, page_url, sentence
from bglint.rule import Rule, registry

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS: dict[Level, str] = {"error": "error", "warning": "warning", "advice": "note"}
_SEVERITIES: dict[Level, str] = {"error": "error", "warning": "warning", "advice": "recommendation"}
_ROOT = "%SRCROOT%"

Json = dict[str, Any]


def render(report: Report) -> str:
    """One run. Suppressed findings are left out: services would show them as open."""
    known = registry()
    rules = [known[code] for code in sorted({finding.code for finding in report.findings})]
    run = {
        "tool": {"driver": _driver(rules)},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {_ROOT: {"description": {"text": "The folder of the checkout."}}},
        "invocations": [_invocation(report)],
        "results": _results(report.findings, [rule.code for rule in rules]),
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _driver(rules: Iterable[Rule]) -> Json:
    return {
        "name": "bglint",
        "version": bglint.__version__,
        "informationUri": bglint.DOCS,
        "rules": [_rule(rule) for rule in rules],
    }


def _rule(rule: Rule) -> Json:
    return {
        "id": rule.code,
        "name": rule.name,
        "shortDescription": {"text": _plain(rule.summary)},
        "fullDescription": {"text": _plain(_section(rule.doc, "What it does") or rule.summary)},
        "help": {"text": _plain(rule.doc), "markdown": rule.doc},
        "helpUri": page_url(rule.code),
        "defaultConfiguration": {"level": _LEVELS[rule.level]},
        "properties": {"tags": ["fastapi", "background-tasks"], "problem.severity": _SEVERITIES[rule.level]},
    }


def _section(page: str, heading: str) -> str:
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    return found[1].strip() if found else ""


def _plain(markdown: str) -> str:
    """Markdown without its marks, for readers that do not know them."""
    return re.sub(r"^(?:```\w*|#+ )", "", markdown, flags=re.MULTILINE).replace("`", "")


def _invocation(report: Report) -> Json:
    notices = [_notification(problem) for problem in report.problems]
    return {"executionSuccessful": not notices, "toolExecutionNotifications": notices}


def _notification(problem: Problem) -> Json:
    notice: Json = {"level": "error", "message": {"text": visible(problem.message)}}
    if problem.path:
        place: Json = {"artifactLocation": _artifact(problem.path)}
        if problem.line:
            place["region"] = {"startLine": problem.line}
        notice["locations"] = [{"physicalLocation": place}]
    return notice


def _results(findings: Sequence[Finding], codes: Sequence[str]) -> list[Json]:
    marks = fingerprints(findings)
    return [_result(finding, mark, codes) for finding, mark in zip(findings, marks, strict=True)]


def _result(finding: Finding, mark: str, codes: Sequence[str]) -> Json:
    result: Json = {
        "ruleId": finding.code,
        "ruleIndex": codes.index(finding.code),
        "level": _LEVELS[finding.level],
        "message": {"text": sentence(finding)},
        "locations": [_place(finding)],
        "partialFingerprints": {"bglintContent/v1": mark},
    }
    if finding.trace:
        result["codeFlows"] = [{"threadFlows": [{"locations": [_step(step) for step in finding.trace]}]}]
    if finding.fix:
        result["fixes"] = [_fix(finding.fix)]
    return result


def _place(finding: Finding) -> Json:
    location: Json = {"physicalLocation": _physical(finding.path, finding.span)}
    if finding.expression:
        location["physicalLocation"]["region"]["snippet"] = {"text": finding.expression}
    if finding.symbol:
        location["logicalLocations"] = [{"fullyQualifiedName": finding.symbol, "kind": "function"}]
    return location


def _step(step: Step) -> Json:
    location = {
        "physicalLocation": _physical(step.path, step.span),
        "message": {"text": visible(step.message)},
    }
    return {"location": location}


def _fix(fix: Fix) -> Json:
    title = fix.title if fix.safe else f"{fix.title} (may change what the code does)"
    grouped = groupby(sorted(fix.edits, key=lambda edit: edit.path), key=lambda edit: edit.path)
    changes = [
        {"artifactLocation": _artifact(path), "replacements": [_replacement(edit) for edit in edits]}
        for path, edits in grouped
    ]
    return {"description": {"text": title}, "artifactChanges": changes}


def _replacement(edit: Edit) -> Json:
    return {"deletedRegion": _region(edit.span), "insertedContent": {"text": edit.text}}


def _physical(path: str, span: Span) -> Json:
    return {"artifactLocation": _artifact(path), "region": _region(span)}


def _artifact(path: str) -> Json:
    counted = PurePath(from_root(path))
    if counted.is_absolute():
        return {"uri": counted.as_uri()}
    return {"uri": quote(counted.as_posix()), "uriBaseId": _ROOT}


def _region(span: Span) -> Json:
    return {
        "startLine": span.line,
        "startColumn": span.column,
        "endLine": span.end_line,
        "endColumn": span.end_column,
    }
