"""`--output-format concise`: one line a finding."""

from __future__ import annotations

from bglint.model import Report
from bglint.report.safe import visible


def render(report: Report) -> str:
    """`path:line:column: CODE message`, sorted as the report is."""
    lines = (f"{f.path}:{f.span.line}:{f.span.column}: {f.code} {f.message}" for f in report.findings)
    return "".join(f"{visible(line)}\n" for line in lines)
