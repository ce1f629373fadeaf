"""`python -m benchmarks.overlap`: which places of the bad fixtures ruff and mypy report for a reason that is akin.

ruff runs with all its rules, preview rules too, on every bad app; mypy with `--strict` on the apps of one file. With
`--write` the table goes into docs/comparison.md.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from bglint.catalogue import names

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
PAGE = Path(__file__).resolve().parent.parent / "docs/comparison.md"

AKIN = {
    "BG101": {"arg-type", "func-returns-value"},
    "BG102": {"func-returns-value"},
    "BG103": {"call-arg", "arg-type"},
    "BG104": {"unused-coroutine"},
    "BG111": {"B023"},
    "BG112": {"attr-defined"},
    "BG201": {"ASYNC251"},
    "BG202": {"ASYNC210", "ASYNC212"},
    "BG204": {"ASYNC230"},
    "BG205": {"ASYNC220", "ASYNC221", "ASYNC222"},
    "BG304": {"S113"},
    "BG402": {"BLE001", "S110", "S112"},
    "BG405": {"T201"},
    "BG406": {"RUF006"},
}
"""Our rule -> what others call something that hints at the same harm."""

_EXPECTED = re.compile(r"#\s*expect:\s*([^#]+)")
_MYPY = re.compile(r"^(?P<path>[^:]+):(?P<line>\d+): error: .*\[(?P<code>[\w-]+)\]$", re.MULTILINE)

Place = tuple[str, int]
"""A file and a line of it, from 1."""


def main() -> None:
    """Count, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overlap", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the table into docs/comparison.md, too")
    table = "\n".join(_table())
    print(table)
    if parser.parse_args().write:
        text = PAGE.read_text("utf-8")
        kept = re.sub(
            r"(<!-- overlap -->\n).*(<!-- end -->)", lambda m: f"{m[1]}{table}\n{m[2]}", text, flags=re.DOTALL
        )
        PAGE.write_text(kept, "utf-8")


def _table() -> Iterator[str]:
    apps = sorted(FIXTURES.glob("*/bad_*"))
    apps = [app for app in apps if ".fixed" not in app.name and app.suffix in ("", ".py")]
    marks = list(_marks(apps))
    by_ruff, by_mypy = _ruff(apps), _mypy([app for app in apps if app.suffix])
    total = Counter(code for code, _ in marks)
    yield f"The bad apps mark {len(marks)} places.\n"
    yield "| Rule | Others at the same places |"
    yield "| --- | --- |"
    for code, name in names().items():
        for tool, told in (("ruff", by_ruff), ("mypy", by_mypy)):
            hints = [
                told[place] & AKIN.get(code, set()) for own, place in marks if own == code and place in told
            ]
            found = [codes for codes in hints if codes]
            if found:
                listed = ", ".join(f"`{each}`" for each in sorted(set().union(*found)))
                yield f"| {code} {name} | {tool} {len(found)} of {total[code]} ({listed}) |"
    yield "| all other rules | none |"


def _marks(apps: list[Path]) -> Iterator[tuple[str, Place]]:
    for app in apps:
        for path in sorted(app.rglob("*.py")) if app.is_dir() else [app]:
            for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
                for listed in _EXPECTED.findall(line):
                    for entry in filter(None, re.split(r"[,\s]+", listed)):
                        yield entry.partition("=")[0], (str(path), number)


def _ruff(apps: list[Path]) -> dict[Place, set[str]]:
    options = ("check", "--isolated", "--select", "ALL", "--preview", "--quiet", "--output-format", "json")
    told: dict[Place, set[str]] = {}
    for found in json.loads(_output("ruff", *options, *map(str, apps))):
        told.setdefault((found["filename"], found["location"]["row"]), set()).add(found["code"])
    return told


def _mypy(apps: list[Path]) -> dict[Place, set[str]]:
    """One run for all of them, under names of their own."""
    told: dict[Place, set[str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        copies = {f"{app.parent.name}__{app.name}": app for app in apps}
        for name, app in copies.items():
            shutil.copy(app, Path(folder) / name)
        options = ("--strict", "--config-file=", "--no-error-summary", "--hide-error-context")
        for found in _MYPY.finditer(_output("mypy", *options, folder)):
            place = str(copies[Path(found["path"]).name]), int(found["line"])
            told.setdefault(place, set()).add(found["code"])
    return told


def _output(module: str, *arguments: str) -> str:
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


if __name__ == "__main__":
    main()
