"""The GitHub Action: its own steps, run by the shell that the runner uses, in a scratch project."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.apps import SLEEPY

ROOT = Path(__file__).parents[1]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
EXPRESSION = re.compile(r"\$\{\{ ([\w.-]+) \}\}")


@dataclass
class Runner:
    """Does with a composite action what GitHub's runner does: defaults, expressions, bash."""

    workspace: Path
    temporary: Path
    path: str
    inputs: dict[str, str] = field(default_factory=dict)

    def value(self, expression: re.Match[str]) -> str:
        context, _, name = expression[1].partition(".")
        if context == "inputs":
            return self.inputs.get(name, ACTION["inputs"][name]["default"])
        assert expression[1] == "runner.temp"
        return str(self.temporary)

    def step(self, number: int, **inputs: str) -> subprocess.CompletedProcess[str]:
        self.inputs = {name.replace("_", "-"): value for name, value in inputs.items()}
        step = ACTION["runs"]["steps"][number]
        assert step["shell"] == "bash"
        assert "${{" not in step["run"], "an input inside a script would be run as code"
        environment = {name: EXPRESSION.sub(self.value, text) for name, text in step["env"].items()}
        script = self.temporary / "step.sh"
        script.write_text(step["run"], "utf-8")
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", str(script)],
            cwd=self.workspace,
            env={**self.surroundings(), **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    def surroundings(self) -> dict[str, str]:
        kept = {name: text for name, text in os.environ.items() if name.startswith(("HOME", "PIP_", "LANG"))}
        own = {"RUNNER_TEMP": self.temporary, "GITHUB_ACTION_PATH": ROOT, "GITHUB_WORKSPACE": self.workspace}
        return {**kept, "PATH": self.path, **{name: str(value) for name, value in own.items()}}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder for temporary files after the first step, which is run once."""
    runner = Runner(tmp_path_factory.mktemp("empty"), tmp_path_factory.mktemp("temp"), _path())
    done = runner.step(0)
    assert done.returncode == 0, done.stderr
    return runner.temporary


@pytest.fixture
def runner(installed: Path, tmp_path: Path) -> Runner:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "main.py").write_text(SLEEPY, "utf-8")
    (tmp_path / "clean.py").write_text("x = 1\n", "utf-8")
    return Runner(tmp_path, installed, _path())


def _path() -> str:
    """The Python of the tests first, under the name that the steps use."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


def test_findings_become_annotations_and_fail_the_step(runner: Runner) -> None:
    done = runner.step(1)
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith(
        "::error file=app/main.py,line=9,endLine=9,col=5,endColumn=18,title=BG201 blocking-"
    )


def test_a_clean_project_passes(runner: Runner) -> None:
    done = runner.step(1, paths="clean.py")
    assert (done.returncode, done.stdout) == (0, "")


def test_several_paths_and_options(runner: Runner) -> None:
    done = runner.step(1, paths="clean.py app", args="--ignore BG201 --isolated")
    assert (done.returncode, done.stdout) == (0, "")


def test_sarif_besides_the_annotations(runner: Runner) -> None:
    done = runner.step(1, sarif_file="out.sarif")
    assert done.stdout.startswith("::error ")
    log = json.loads((runner.workspace / "out.sarif").read_text("utf-8"))
    assert [result["ruleId"] for result in log["runs"][0]["results"]] == ["BG201"]


def test_a_wrong_option_fails_otherwise(runner: Runner) -> None:
    done = runner.step(1, args="--no-such-option")
    assert done.returncode == 2
    assert "--no-such-option" in done.stderr


@pytest.mark.parametrize("evil", ["$(touch evil)", "; touch evil", "`touch evil`", "\n touch evil"])
def test_inputs_are_never_run(evil: str, runner: Runner) -> None:
    runner.step(1, paths=evil, args=evil, sarif_file=evil)
    assert not (runner.workspace / "evil").exists()


def test_paths_are_no_patterns(runner: Runner) -> None:
    assert runner.step(1, paths="*.py").returncode == 2


@pytest.mark.parametrize(("version", "asked"), [("1.2.3", "bglint==1.2.3"), ("", str(ROOT))])
def test_the_version_is_the_one_asked_for(version: str, asked: str, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(f'#!{shutil.which("bash")}\nprintf "%q " "$@" > "$RUNNER_TEMP/called"\n', "utf-8")
    python.chmod(0o755)
    done = Runner(tmp_path, tmp_path, f"{tmp_path}{os.pathsep}{os.environ['PATH']}").step(0, version=version)
    assert done.returncode == 0
    called = shlex.split((tmp_path / "called").read_text("utf-8"))
    assert called[:3] == ["-m", "pip", "install"]
    assert called[-1] == asked


def test_the_page_of_the_action_is_complete() -> None:
    assert {"name", "description", "branding", "inputs", "runs"} <= set(ACTION)
    assert ACTION["runs"]["using"] == "composite"
    assert all(entry["description"] and "default" in entry for entry in ACTION["inputs"].values())
