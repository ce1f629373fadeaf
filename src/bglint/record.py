"""`bglint baseline`: write down what is there, or drop what is gone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bglint import baseline
from bglint.analysis import active_codes
from bglint.config import BASELINE, Config, ConfigError
from bglint.discover import discover
from bglint.lint import lint
from bglint.model import Report
from bglint.silence import compare, load_baseline, relative_to


def record(paths: Sequence[str | Path], config: Config, file: str | None, update: bool) -> tuple[Report, str]:
    """Write the baseline; return the run that it rests on and what to tell the user."""
    sources = discover(paths, config)
    place = _place(config, file, sources.root)
    report = lint(paths, replace(config, baseline=""))
    folder = place.absolute().parent
    findings = [relative_to(folder, finding) for finding in report.findings]
    if not update:
        _write(baseline.of(findings), place)
        return report, f"Wrote {_count(len(findings))} to {place}. Later runs report only what is new."
    if report.problems:
        raise ConfigError(
            f"{place} is left as it is: not everything could be linted, so nothing is known to be gone"
        )
    known = load_baseline(place)
    stale = compare(findings, known, folder, sources, active_codes(config)).stale
    _write(baseline.without(known, stale), place)
    return report, f"Dropped {_count(sum(entry.count for entry in stale))} no longer found from {place}."


def _place(config: Config, file: str | None, root: Path) -> Path:
    if file is not None:
        return Path(file)
    place = Path(config.folder) / config.baseline if config.baseline else root / BASELINE
    return place.relative_to(Path.cwd()) if place.is_relative_to(Path.cwd()) else place


def _write(known: baseline.Baseline, place: Path) -> None:
    try:
        baseline.write(known, place)
    except baseline.BaselineError as error:
        raise ConfigError(str(error)) from error


def _count(number: int) -> str:
    return f"{number} finding{'' if number == 1 else 's'}"
