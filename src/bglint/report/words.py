"""What several formats say of a finding in the same words, and the paths that their readers expect."""

from __future__ import annotations

import os

import bglint
from bglint.model import Finding
from bglint.report.safe import visible

_ROOTS = ("GITHUB_WORKSPACE", "CI_PROJECT_DIR")


def page_url(code: str) -> str:
    """Where the page of a rule stands on the web."""
    return f"{bglint.DOCS}rules/{code}/"


def sentence(finding: Finding) -> str:
    """What happens and what to write instead, on one line."""
    return visible(
        " ".join(part for part in (finding.message, others(finding.other_tasks), finding.cure) if part)
    )


def others(count: int) -> str:
    """How many more tasks reach the place; empty where none does."""
    if not count:
        return ""
    return "(Another task gets here, too.)" if count == 1 else f"({count} other tasks get here, too.)"


def journey(finding: Finding) -> list[str]:
    """One line for each step from the registration to the guilty line; none where that is the registration."""
    if len(finding.trace) < 2:
        return []
    return [visible(f"{step.path}:{step.span.line}: {step.message}") for step in finding.trace]


def from_root(path: str) -> str:
    """The path as the service that runs us counts it, from the folder of its checkout; as it is elsewhere."""
    root = next((os.environ[name] for name in _ROOTS if os.environ.get(name)), None)
    if root is None:
        return path
    below = os.path.relpath(os.path.realpath(path), os.path.realpath(root)).replace(os.sep, "/")
    return path if below.startswith("../") else below
