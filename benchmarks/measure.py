"""Whole processes, measured from outside: seconds on the clock, seconds of processor, peak memory."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

Command = Sequence[str]


@dataclass(frozen=True)
class Run:
    """One run; `finished` is false where it was stopped at the limit, so that its times are lower bounds."""

    wall: float
    cpu: float
    megabytes: float
    finished: bool = True


@dataclass(frozen=True)
class Pair:
    """Two commands run in turn: their median runs, and the median of the ratios of each round."""

    ours: Run
    theirs: Run
    ratio: float


def run(command: Command, folder: Path, limit: float = 300) -> Run:
    """Run a command once; what it prints and how it exits does not matter."""
    started = time.perf_counter()
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        usage = _wait(process, started + limit)
        finished = usage is not None
        if usage is None:
            os.killpg(process.pid, signal.SIGKILL)
            usage = os.wait4(process.pid, 0)[2]
        process.returncode = 0
    wall = time.perf_counter() - started
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, finished)


def _wait(process: subprocess.Popen[bytes], deadline: float) -> os.struct_rusage | None:  # type: ignore[name-defined]
    while time.perf_counter() < deadline:
        pid, _, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            return usage
        time.sleep(0.002)
    return None


def pair(ours: Command, theirs: Command, folder: Path, rounds: int, limit: float = 120) -> Pair:
    """Run both in turn, so that a machine that becomes slower does so for both. A slow rival runs once."""
    run(ours, folder)
    warm_up = run(theirs, folder, limit)
    rounds = 1 if warm_up.wall > limit / 10 else rounds
    runs = [(run(ours, folder), run(theirs, folder, limit) if rounds > 1 else warm_up) for _ in range(rounds)]
    ratios = [mine.wall / other.wall for mine, other in runs]
    return Pair(typical([mine for mine, _ in runs]), typical([other for _, other in runs]), median(ratios))


def typical(runs: Sequence[Run]) -> Run:
    """The run with the median time."""
    return sorted(runs, key=lambda one: one.wall)[len(runs) // 2]


NOISE = 0.2
"""Seconds by which two runs of the same may differ."""


def exponent(sizes: Sequence[int], costs: Sequence[float]) -> float:
    """How cost grows with size, above what the smallest size costs: 1 is linear, 2 the square; least squares."""
    rest = zip(sizes[1:], costs[1:], strict=True)
    points = [(math.log(size), math.log(cost - costs[0])) for size, cost in rest if cost - costs[0] > NOISE]
    if len(points) < 2:
        return math.nan
    middle = sum(x for x, _ in points) / len(points), sum(y for _, y in points) / len(points)
    spread = sum((x - middle[0]) ** 2 for x, _ in points)
    return sum((x - middle[0]) * (y - middle[1]) for x, y in points) / spread
