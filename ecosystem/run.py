"""Lint released packages and compare what is found with the recorded verdicts.

`python ecosystem/run.py [PACKAGE...]` downloads the pinned wheels once, into `.ecosystem/`.
The exit code is 1 where a finding has no verdict.

With `--fixes` the packages are fixed instead, in memory, once by the safe fixes and once by all of them. The exit
code is 1 where a fix fails, a result does not compile, or a second run would change it again.
"""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

import tomllib

from bglint import Config, Finding, Report, fix, lint
from bglint.fingerprint import fingerprints

HERE = Path(__file__).resolve().parent
CACHE = HERE.parent / ".ecosystem"
VERDICTS = ("true", "false", "debatable")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a reader of the code said of one finding. `path` counts from the top of the wheel."""

    package: str
    code: str
    path: str
    symbol: str
    expression: str
    fingerprint: str
    verdict: str
    reason: str

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS:
            raise ValueError(f"{self.fingerprint}: the verdict {self.verdict!r} is none of {VERDICTS}")


def main(arguments: list[str]) -> int:
    """Run the packages named, or all of them; 1 where a finding is not judged yet, or a fix fails."""
    pins = read_pins()
    names = [argument for argument in arguments if argument != "--fixes"]
    if unknown := sorted(set(names) - set(pins)):
        print(f"not in packages.toml: {', '.join(unknown)}", file=sys.stderr)
        return 2
    chosen = {name: pins[name] for name in names or sorted(pins)}
    return fix_all(chosen) if "--fixes" in arguments else judge_all(chosen)


def judge_all(pins: Mapping[str, str]) -> int:
    """Compare what is found in each package with the verdicts."""
    verdicts = read_verdicts()
    found: list[Verdict] = []
    unjudged = 0
    for name in pins:
        judged = {verdict.fingerprint: verdict for verdict in verdicts if verdict.package == name}
        kept, new = compare(name, lint_package(name, pins[name]), judged)
        found += kept
        unjudged += new
    print_precision(found)
    return 1 if unjudged else 0


def read_pins() -> dict[str, str]:
    """The version of each package."""
    table = tomllib.loads((HERE / "packages.toml").read_text(encoding="utf-8"))
    return {name: str(version) for name, version in table["packages"].items()}


def read_verdicts() -> list[Verdict]:
    """Every recorded verdict."""
    table = tomllib.loads((HERE / "verdicts.toml").read_text(encoding="utf-8"))
    return [Verdict(**entry) for entry in table.get("verdict", ())]


def lint_package(name: str, version: str) -> Report:
    """Lint the unpacked wheel from its top, so that the paths hold wherever the cache stands."""
    with chdir(unpacked(name, version)):
        return lint_here({})


def lint_here(texts: Mapping[str, str]) -> Report:
    """Lint the working directory with other texts in place of some files."""
    given = {path: text.encode() for path, text in texts.items()}
    return lint(["."], Config(respect_gitignore=False), given=given)


def unpacked(name: str, version: str) -> Path:
    """The folder with the files of a wheel: a project of its own, so that nothing of ours is read."""
    folder = CACHE / f"{name}-{version}"
    manifest = folder / "pyproject.toml"
    if not manifest.exists():
        with zipfile.ZipFile(downloaded(name, version)) as wheel:
            wheel.extractall(folder)
        manifest.write_text(f'[project]\nname = "{name}"\nversion = "{version}"\n', encoding="utf-8")
    return folder


def downloaded(name: str, version: str) -> Path:
    """The wheel of a package, from the cache or from the index."""
    pattern = f"{name.replace('-', '_')}-{version}-*.whl"
    wheels = CACHE / "wheels"
    if not any(wheels.glob(pattern)):
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        subprocess.run([*pip, "--dest", str(wheels), f"{name}=={version}"], check=True)
    return next(wheels.glob(pattern))


def compare(name: str, report: Report, judged: Mapping[str, Verdict]) -> tuple[list[Verdict], int]:
    """Print what differs from the verdicts; the verdicts that still hold, and the number of new findings."""
    found = dict(zip(fingerprints(report.findings), report.findings, strict=True))
    new = [mark for mark in found if mark not in judged]
    gone = [verdict for mark, verdict in judged.items() if mark not in found]
    total = report.tasks + len(report.unfollowed)
    print(f"{name}: {len(found)} findings, {report.tasks} of {total} tasks followed, {report.seconds:.0f} s")
    for mark in new:
        print(f"  new  {described(found[mark])} {mark}")
    for verdict in gone:
        print(
            f"  gone {verdict.code} {verdict.path} {verdict.symbol} ({verdict.verdict}) {verdict.fingerprint}"
        )
    return [judged[mark] for mark in found if mark in judged], len(new)


def fix_all(pins: Mapping[str, str]) -> int:
    """Fix each package, safely and then by all fixes; 1 where something is wrong."""
    wrong = [line for name, version in pins.items() for line in fix_package(name, version)]
    return 1 if wrong else 0


def fix_package(name: str, version: str) -> list[str]:
    """Fix the unpacked wheel in memory and print what came of it; what is wrong."""
    wrong = []
    with chdir(unpacked(name, version)):
        first = lint_here({})
        for safe_only in (True, False):
            outcome = fix.until_stable(
                lambda texts: lint_here(texts) if texts else first, safe_only=safe_only
            )
            fixes = Counter(finding.code for finding in outcome.fixed.applied)
            told = ", ".join(f"{code} {count}" for code, count in sorted(fixes.items())) or "nothing"
            kind = "safe fixes" if safe_only else "all fixes"
            print(f"{name}, {kind}: {told}, in {len(outcome.fixed.texts)} files", flush=True)
            wrong += list(faults(outcome, safe_only))
    for line in wrong:
        print(f"  wrong {line}")
    return wrong


def faults(outcome: fix.Outcome, safe_only: bool) -> Iterator[str]:
    """What is wrong with fixed texts: problems, texts that do not compile, what a second run would change."""
    texts = outcome.fixed.texts
    yield from (f"{problem.path}:{problem.line}: {problem.message}" for problem in outcome.fixed.problems)
    for path, text in texts.items():
        try:
            compile(text, path, "exec", dont_inherit=True)
        except SyntaxError as error:
            yield f"{path}:{error.lineno}: {error.msg}"
    if texts:
        again = fix.until_stable(lambda more: lint_here({**texts, **more}), safe_only=safe_only, given=texts)
        yield from (f"{path}: a second run changes it again" for path in again.fixed.texts)


def described(finding: Finding) -> str:
    """One finding on one line."""
    return f"{finding.code} {finding.path}:{finding.span.line} {finding.symbol}: {finding.message}"


def print_precision(found: Iterable[Verdict]) -> None:
    """Print for each rule how many of its findings are true; what is debatable counts for neither side."""
    counts: dict[str, Counter[str]] = {}
    for verdict in found:
        for code in (verdict.code, "all"):
            counts.setdefault(code, Counter())[verdict.verdict] += 1
    print(f"{'rule':6}" + "".join(f"{verdict:>11}" for verdict in VERDICTS) + "  precision")
    for code, count in sorted(counts.items()):
        print(
            f"{code:6}" + "".join(f"{count[verdict]:>11}" for verdict in VERDICTS) + f"  {precision(count)}"
        )


def precision(count: Mapping[str, int]) -> str:
    """The share of the true ones among those judged true or false."""
    decided = count["true"] + count["false"]
    return f"{count['true'] / decided:9.0%}" if decided else "        -"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
