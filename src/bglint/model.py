"""The nouns that travel from the rules to the reports: plain, frozen, comparable."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Level = Literal["error", "warning", "advice"]
LEVELS: tuple[Level, ...] = ("error", "warning", "advice")


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A piece of a file: lines and columns count characters from 1, the end column is exclusive."""

    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(frozen=True, slots=True)
class Step:
    """One place on the path from the registration of a task to the guilty line."""

    path: str
    span: Span
    message: str


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace the text of `span` by `text`; an empty span inserts."""

    path: str
    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Fix:
    """Edits that cure a finding. Safe: the harm is gone and nothing else changes."""

    title: str
    edits: tuple[Edit, ...]
    safe: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """One harm, at one place.

    `message` is one sentence in the reader's words, `cure` says what to write instead.
    `task` is the qualified name of the task ("app.mail:send_welcome"), "" where there is none.
    `trace` leads from the registration to the guilty line; the guilty line itself is its last step.
    `symbol` is the enclosing function, `expression` the guilty source text: both feed the fingerprint.
    `other_tasks` counts the further tasks that reach the same place.
    """

    code: str
    name: str
    level: Level
    message: str
    path: str
    span: Span
    cure: str = ""
    task: str = ""
    trace: tuple[Step, ...] = ()
    fix: Fix | None = None
    symbol: str = ""
    expression: str = ""
    other_tasks: int = 0

    def sort_key(self) -> tuple[str, Span, str]:
        return (self.path, self.span, self.code)


@dataclass(frozen=True, slots=True)
class Problem:
    """A file that could not be linted, and why; `line` is 0 where no line is to blame."""

    path: str
    message: str
    line: int = 0


@dataclass(frozen=True, slots=True)
class Unfollowed:
    """A registration whose task could not be resolved, for the summary and `--verbose`."""

    path: str
    span: Span
    expression: str
    reason: str


@dataclass(frozen=True, slots=True)
class Suppressed:
    """A finding that a comment or the baseline silences; `reason` is what the comment says."""

    finding: Finding
    by: Literal["comment", "file", "baseline", "config"]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of a run. Findings are sorted by path, place and code; paths use forward slashes.

    `seconds` is wall-clock time. `notes` are the facts that `--verbose` shows (FastAPI version and its source ...).
    `tasks` counts the registrations that were followed. `stale` names what the baseline knows and nobody finds.
    """

    findings: tuple[Finding, ...] = ()
    problems: tuple[Problem, ...] = ()
    unfollowed: tuple[Unfollowed, ...] = ()
    suppressed: tuple[Suppressed, ...] = ()
    notes: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    files: int = 0
    tasks: int = 0
    seconds: float = 0.0
    sources: dict[str, str] = field(default_factory=dict)
