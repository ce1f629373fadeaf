"""`--output-format text`: what a person reads, on a terminal or in a log."""

from __future__ import annotations

from collections import Counter

from bglint.frozen import by_value
from bglint.model import LEVELS, Report


@by_value
class Look:
    """How the report is to look, and how much of it is wanted."""

    color: bool = False
    width: int = 100
    verbose: bool = False
    quiet: bool = False
    show_suppressed: bool = False
    statistics: bool = False
    safe_fixes: bool = True


def render(report: Report, look: Look | None = None) -> str:
    """The findings grouped by file, each with its path and its cure, and a summary."""
    look = look or Look()
    body = _body(report, look)
    summary = "" if look.quiet else "\n".join(summary_lines(report, look)) + "\n"
    return body + summary


def _body(report: Report, look: Look) -> str:
    """Everything above the summary. rich is worth its start-up time only where there is something to draw."""
    verbose = look.verbose and (report.unfollowed or report.notes or report.stale)
    suppressed = look.show_suppressed and report.suppressed
    if not (report.findings or report.problems or verbose or suppressed):
        return ""
    from bglint.report.drawing import draw

    return draw(report, look)


def summary_lines(report: Report, look: Look) -> list[str]:
    """Findings by level; tasks followed and not followed, files, seconds."""
    return [*_verdict(report, look), *_silenced(report, look), _effort(report, look)]


def _verdict(report: Report, look: Look) -> list[str]:
    if not report.findings:
        found = "nothing new found." if report.suppressed else "nothing found."
        words = found.capitalize() if report.problems else f"All good: {found}"
        return [_painted(words, "33" if report.problems else "32", look)]
    levels = Counter(finding.level for finding in report.findings)
    parts = [_count(levels[level], _NOUNS[level]) for level in LEVELS if levels[level]]
    files = _count(len({finding.path for finding in report.findings}), "file")
    lines = [_painted(f"Found {_listed(parts)} in {files}.", "1;31" if levels["error"] else "1;33", look)]
    return lines + _fixable(report)


def _fixable(report: Report) -> list[str]:
    fixes = [finding.fix for finding in report.findings if finding.fix]
    safe = sum(fix.safe for fix in fixes)
    lines = []
    if safe:
        lines.append(f"{_count(safe, 'finding')} can be fixed with --fix.")
    if len(fixes) > safe:
        more = " more" if safe else ""
        lines.append(f"{len(fixes) - safe}{more} with --unsafe-fixes, which may change what the code does.")
    return [" ".join(lines)] if lines else []


def _silenced(report: Report, look: Look) -> list[str]:
    lines = []
    if report.suppressed and not look.show_suppressed:
        lines.append(f"{_count(len(report.suppressed), 'finding')} suppressed; --show-suppressed lists them.")
    if report.stale:
        entries = _count(len(report.stale), "entry")
        lines.append(f"{entries} of the baseline no longer found; bglint baseline --update drops them.")
    return lines


def _effort(report: Report, look: Look) -> str:
    followed = f"{_count(report.tasks, 'task')} followed"
    lost = len(report.unfollowed)
    if lost:
        listed = "" if look.verbose else f" (--verbose lists {'it' if lost == 1 else 'them'})"
        followed += f", {lost} could not be followed{listed}"
    return _painted(f"{followed}; {_count(report.files, 'file')} read in {report.seconds:.2f} s.", "2", look)


_NOUNS = {"error": "error", "warning": "warning", "advice": "piece of advice"}


def _count(number: int, noun: str) -> str:
    plural = {"piece of advice": "pieces of advice", "entry": "entries"}.get(noun, f"{noun}s")
    return f"{number:,} {noun if number == 1 else plural}"


def _listed(parts: list[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]


def _painted(text: str, style: str, look: Look) -> str:
    return f"\x1b[{style}m{text}\x1b[0m" if look.color else text
