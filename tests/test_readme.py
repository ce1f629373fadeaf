"""The README says what is so: its outputs are real, its lines run, its tables are complete.

After a change on purpose write them anew: `BGLINT_GOLDEN=write pytest tests/test_readme.py`.
"""

from __future__ import annotations

import html
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from rich.console import Console
from rich.text import Text

from bglint.analysis import active_codes
from bglint.config import load
from bglint.knowledge import Knowledge
from bglint.rule import registry

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
SPEED = ROOT / "docs" / "speed.md"
PICTURE = ROOT / "docs" / "finding.svg"
_RUN = re.compile(r"(<!-- run: (.+?) -->\n```console\n)(.*?)(```\n<!-- end -->)", re.DOTALL)
_SPEED = re.compile(r"(<!-- speed -->\n)(.*?)(<!-- end -->)", re.DOTALL)
_RESULTS = re.compile(r"(<!-- results -->\n)(.*?)(<!-- end -->)", re.DOTALL)
_RULES = re.compile(r"(<!-- rules -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def output(command: str) -> str:
    """What a command of the README prints, in the root of the project."""
    program, *arguments = shlex.split(command)
    run = subprocess.run(
        [sys.executable, "-m", program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "COLUMNS": "100", "TERM": "xterm"},
    )  # fmt: skip
    assert run.stderr == ""
    return re.sub(r"in \d+\.\d\d s", "in 0.05 s", run.stdout)


def table() -> str:
    rows = [f"| {r.code} | {r.name} | {r.level} | {r.summary} |" for r in registry().values()]
    return "\n".join(["| Code | Name | Level | What it finds |", "| --- | --- | --- | --- |", *rows, ""])


def results() -> str:
    return (ROOT / "benchmarks" / "results.md").read_text("utf-8").partition("\n\n")[2]


def speed() -> str:
    """Some columns of what the benchmark measured on packages."""
    rows = [
        [cell.strip() for cell in row.strip("|").split("|")] for row in results().split("\n\n")[0].split("\n")
    ]
    wanted = [rows[0].index(name) for name in rows[0] if name.startswith(_COLUMNS)]
    return "".join(f"| {' | '.join(row[place] for place in wanted)} |\n" for row in rows)


_COLUMNS = ("package", "files", "cold", "warm")


def test_figures_are_those_of_the_benchmark() -> None:
    for path, pattern, real in ((README, _SPEED, speed()), (SPEED, _RESULTS, results())):
        text = path.read_text("utf-8")
        new = pattern.sub(lambda found, real=real: f"{found[1]}{real}{found[3]}", text)  # type: ignore[misc]
        if os.environ.get("BGLINT_GOLDEN") == "write":
            path.write_text(new, "utf-8")
            text = new
        assert text == new


def test_outputs_and_tables_are_real() -> None:
    text = README.read_text("utf-8")
    real = _RUN.sub(lambda found: f"{found[1]}$ {found[2]}\n{output(found[2])}{found[4]}", text)
    real = _RULES.sub(lambda found: f"{found[1]}{table()}{found[3]}", real)
    if os.environ.get("BGLINT_GOLDEN") == "write":
        README.write_text(real, "utf-8")
        text = real
    assert text == real
    assert len(_RUN.findall(text)) == 1


def test_the_picture_shows_what_is_printed() -> None:
    command = "bglint examples/article/mail.py --select BG201"
    if os.environ.get("BGLINT_GOLDEN") == "write":
        console = Console(record=True, width=100, file=io.StringIO())
        console.print(Text.from_ansi(output(f"{command} --color always")))
        PICTURE.write_text(console.export_svg(title=command, unique_id="bglint"), "utf-8")
    shown = re.findall(r'<text class="bglint-r\d+"[^>]*>(.*?)</text>', PICTURE.read_text("utf-8"))
    assert "".join(html.unescape("".join(shown)).split()) == "".join(output(command).split())


def test_the_code_in_the_readme_is_that_of_the_example() -> None:
    code = re.search(r"```python\n(async def send_welcome.*?)```", README.read_text("utf-8"), re.DOTALL)
    assert code is not None
    assert code[1] in (ROOT / "examples" / "article" / "mail.py").read_text("utf-8")


def test_the_configuration_in_the_readme_is_right(tmp_path: Path) -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    (tmp_path / "pyproject.toml").write_text(block, "utf-8")
    config = load(tmp_path)
    assert active_codes(config)
    assert Knowledge(config.knowledge).fact("acme.Client.send") is not None
    (hooks,) = re.findall(r"```yaml\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    offered = {hook["id"] for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))}
    assert {hook["id"] for repo in yaml.safe_load(hooks)["repos"] for hook in repo["hooks"]} <= offered


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README.read_text("utf-8")))))
def test_links_lead_somewhere(link: str) -> None:
    assert (ROOT / link).exists()


def test_the_first_line_sets_up_and_runs_on_a_fresh_machine(tmp_path: Path) -> None:
    lines = re.findall(r"```console\n(python3 .*?)\n```", README.read_text("utf-8"))
    assert len(lines) == 2
    ignored = shutil.ignore_patterns(".git", ".venv", ".*_cache", "__pycache__", "ecosystem", "fixtures")
    shutil.copytree(ROOT, tmp_path / "bglint", ignore=ignored)
    line = lines[0].replace("pip install", "pip install --quiet")
    run = subprocess.run(
        line, shell=True, cwd=tmp_path / "bglint", capture_output=True, text=True, check=False
    )
    assert run.returncode == 1, run.stderr
    assert "examples/article/mail.py:11:5  BG201 blocking-sleep" in run.stdout
