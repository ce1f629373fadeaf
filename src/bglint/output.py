"""Where each report goes: `--output-format`, `--output-file`, colours and width."""

from __future__ import annotations

import importlib
import os
import shutil
import sys
from collections.abc import Sequence

from bglint.config import FORMATS, ConfigError, suggest
from bglint.frozen import by_value
from bglint.model import Report
from bglint.report.text import Look


@by_value
class Output:
    """One report to write; `file` is empty for the standard output."""

    format: str
    file: str = ""


def outputs(formats: Sequence[str], file: str | None) -> tuple[Output, ...]:
    """Read `text`, `sarif:out.sarif` ...; what names no file of its own goes to `file` or the standard output."""
    found = tuple(_output(written, file or "") for written in formats)
    shared = [output for output in found if output.file == (file or "")]
    if len(shared) > 1:
        raise ConfigError(
            f"the formats {' and '.join(output.format for output in shared)} would go to the same place;"
            " name a file for one of them, as in sarif:out.sarif"
        )
    return found


def _output(written: str, file: str) -> Output:
    name, _, own = written.partition(":")
    if name not in FORMATS:
        way_out = suggest(name, FORMATS) or f"; they are {', '.join(FORMATS)}"
        raise ConfigError(f'no output format is called "{name}"{way_out}')
    return Output(name, own or file)


def write(report: Report, output: Output, look: Look) -> None:
    """Render the report and put it where it belongs."""
    text = _render(report, output.format, look)
    if not output.file:
        sys.stdout.write(text)
        return
    from bglint import atomic

    try:
        atomic.write(output.file, text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise ConfigError(f"{output.file} cannot be written: {error.strerror}") from error


def _render(report: Report, name: str, look: Look) -> str:
    module = importlib.import_module(f"bglint.report.{name}")
    rendered: str = module.render(report, look) if name == "text" else module.render(report)
    return rendered


def wants_color(choice: str, is_terminal: bool) -> bool:
    """`--color` decides; with auto the environment, then whether a person is looking."""
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return is_terminal and os.environ.get("TERM") != "dumb"


def width() -> int:
    """The columns of the terminal; where there is none, room for the longest line of most code."""
    return max(shutil.get_terminal_size((160, 24)).columns, 40)
