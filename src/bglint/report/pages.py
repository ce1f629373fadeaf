"""The rules for people who read about them: `bglint rules` and `bglint explain`."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence

from rich.console import Console, RenderableType
from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text

from bglint.report.precision import precision
from bglint.report.words import page_url
from bglint.rule import Rule

_COLORS = {"error": "red", "warning": "yellow", "advice": "cyan"}


def page(rule: Rule, color: bool, width: int) -> str:
    """A rule's whole page, with its precision and its address."""
    head = Text.assemble((f"{rule.code} {rule.name}", "bold"), "  ", (rule.level, _COLORS[rule.level]))
    if rule.fixable:
        head.append(f"  {rule.fixable} fix", "dim")
    return _drawn(color, min(width, 100), head, Text(), Markdown(f"{rule.doc}\n{_end(rule.code)}"), Text())


def _end(code: str) -> str:
    return f"\n## Precision\n{precision(code)}\n\nWith the apps that it is tested with: {page_url(code)}"


def table(rules: Sequence[Rule], color: bool, width: int) -> str:
    """One line a rule."""
    listed = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for title in ("Code", "Name", "Level", "Fix", "What it finds"):
        listed.add_column(title, no_wrap=title != "What it finds")
    for rule in rules:
        level = Text(rule.level, _COLORS[rule.level])
        listed.add_row(rule.code, rule.name, level, rule.fixable, Text(rule.summary))
    return _drawn(color, width, listed)


def as_json(rules: Sequence[Rule]) -> str:
    """The rules as a JSON list."""
    listed = [
        {
            "code": rule.code,
            "name": rule.name,
            "level": rule.level,
            "fixable": rule.fixable,
            "summary": rule.summary,
            "doc": rule.doc,
            "url": page_url(rule.code),
        }
        for rule in rules
    ]
    return json.dumps(listed, indent=2) + "\n"


def _drawn(color: bool, width: int, *parts: RenderableType) -> str:
    out = io.StringIO()
    console = Console(
        file=out,
        force_terminal=color,
        color_system="standard" if color else None,
        width=width,
        legacy_windows=False,
        _environ={},
    )
    for part in parts:
        console.print(part)
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())
