"""`python -m benchmarks`: how long bglint takes beside other linters, and how that grows.

Released packages are downloaded once, into `.ecosystem/`, the other linters into `.benchmarks/`. What comes out is
printed and written to `benchmarks/results.md` and `benchmarks/growth.svg`. Only ratios mean anything on another machine.
"""

from __future__ import annotations

import argparse
import math
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import plot, projects
from benchmarks.measure import Pair, Run, exponent, pair, run
from benchmarks.rivals import ROOT, RUFF, Rival, installed
from bglint import __version__

PACKAGES = ("bentoml", "inference", "agno", "sglang")
"""Of 2, 3, 21 and 68 megabytes."""

OURS = (sys.executable, "-m", "bglint", "--quiet")
COLD = (*OURS, "--no-cache", ".")
WARM = (*OURS, ".")
ALONE = (*COLD, "--jobs", "1")
"""A second process makes the run shorter, but not the sum of their times: growth would show a step."""

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Measure, print, write."""
    options = _options()
    parts = [
        f"# Measured with bglint {__version__}, {platform.python_implementation()} {platform.python_version()}\n"
    ]
    if "packages" in options.parts:
        parts += _say(_packages(options.packages, options.rounds))
    if "growth" in options.parts:
        parts += _say(_growth(options.largest, options.write))
    if options.write:
        (HERE / "results.md").write_text("\n".join(parts) + "\n", "utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=["packages", "growth"], default=["packages", "growth"])
    parser.add_argument(
        "--packages", nargs="+", default=PACKAGES, help="packages pinned in ecosystem/packages.toml"
    )
    parser.add_argument("--rounds", type=int, default=5, help="runs of each command on each package")
    parser.add_argument(
        "--largest", type=int, default=50_000, help="no generated project is larger than this"
    )
    parser.add_argument("--write", action="store_true", help="write results.md and growth.svg, too")
    return parser.parse_args()


def _say(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        print(line, flush=True)
        yield line


# ------------------------------------------------------------------- packages


def _packages(names: Sequence[str], rounds: int) -> Iterator[str]:
    there, missing = installed()
    titles = [f"cold / {rival.title}" for rival in there]
    yield from _row("package", "files", "MB", "cold", "warm", "peak MB", *titles, "warm / ruff")
    yield from _row(*["---"] * (7 + len(there)))
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            yield from _package(name, Path(folder) / name, there, rounds)
    yield ""
    for rival in missing:
        yield f"{rival.title} cannot be installed here."


def _package(name: str, folder: Path, rivals: Sequence[Rival], rounds: int) -> Iterator[str]:
    from ecosystem.run import read_pins, unpacked

    pin = read_pins()[name]
    shutil.copytree(unpacked(name, pin), folder)
    (folder / "pyproject.toml").touch()  # so that the folder is a project of its own
    files = list(folder.rglob("*.py"))
    cold = {rival: pair(COLD, rival.command, folder, rounds) for rival in rivals}
    warm = pair(WARM, RUFF.command, folder, rounds)
    ours: Run = cold[RUFF].ours
    size = sum(file.stat().st_size for file in files) / 1e6
    yield from _row(
        f"{name} {pin}", f"{len(files):,}", f"{size:.1f}", f"{ours.wall:.2f} s", f"{warm.ours.wall:.2f} s",
        f"{ours.megabytes:.0f}", *(_ratio(found) for found in cold.values()), _ratio(warm),
    )  # fmt: skip


def _ratio(found: Pair) -> str:
    below = "" if found.theirs.finished else "< "
    return f"{below}{found.ratio:.2g}" if found.ratio < 10 else f"{found.ratio:.0f}"


def _row(*cells: str) -> Iterator[str]:
    yield f"| {' | '.join(cells)} |"


# --------------------------------------------------------------------- growth


def _growth(largest: int, write: bool) -> Iterator[str]:
    curves: dict[str, list[tuple[float, float]]] = {}
    yield from _row("what grows", "sizes", "seconds of processor", "peak MB", "exponent")
    yield from _row(*["---"] * 5)
    for growth in projects.GROWTHS:
        sizes = [size for size in growth.sizes if size <= largest]
        runs = [_made(growth, size) for size in sizes]
        steep = exponent(sizes, [one.cpu for one in runs])
        curves[growth.what] = [(size, one.cpu) for size, one in zip(sizes, runs, strict=True)]
        yield from _row(
            growth.what, ", ".join(f"{size:,}" for size in sizes), ", ".join(f"{one.cpu:.2f}" for one in runs),
            f"{runs[-1].megabytes:.0f}", "flat" if math.isnan(steep) else f"{steep:.2f}",
        )  # fmt: skip
    if write:
        (HERE / "growth.svg").write_text(plot.svg(curves, "how many", "seconds of processor"), "utf-8")


def _made(growth: projects.Growth, size: int) -> Run:
    with tempfile.TemporaryDirectory() as folder:
        projects.write(growth.make(size), Path(folder))
        return min((run(ALONE, Path(folder)) for _ in range(3)), key=lambda one: one.cpu)


if __name__ == "__main__":
    if not (ROOT / "ecosystem").is_dir():
        sys.exit("run it from the folder of the project")
    main()
