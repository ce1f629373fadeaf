"""A finding in whole sentences: each begins with a capital and ends with a full stop."""

from __future__ import annotations

from typing import Any

from bglint import tree as t
from bglint.model import Finding
from bglint.project import Project
from bglint.rule import finding
from bglint.values import Frame


def sentence(text: str) -> str:
    """The text as a sentence."""
    return f"{text[:1].upper()}{text[1:]}."


def told(
    project: Project, code: str, node: t.Node, frame: Frame, message: str, cure: str, **rest: Any
) -> Finding:
    """`bglint.rule.finding` with its message and cure as sentences."""
    return finding(project, code, node, frame, sentence(message), sentence(cure), **rest)
