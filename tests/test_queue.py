"""Messages name the task queue that is configured, else the one that the project depends on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bglint import Config, lint
from bglint.rule import registry
from tests.apps import Bglint
from tests.test_rules import FIXTURES

CURES = {
    "BG208": "or hand it to {}.",
    "BG301": "Hand it to {}.",
    "BG303": "or hand the waiting to {}.",
    "BG305": "let a scheduler or {} do it.",
    "BG501": "or hand the items to {}.",
    "BG701": "the results of {}.",
    "BG702": "(a row, an outbox, {})",
}
"""What each rule says of a queue, in the cure of one of its findings at least."""


@pytest.fixture(params=CURES)
def code(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A rule whose bad fixtures stand in the working directory, each in a folder of its own."""
    for fixture in (FIXTURES / registry_stem(request.param)).glob("bad_*"):
        if fixture.is_dir():
            shutil.copytree(fixture, tmp_path / fixture.name)
        elif ".fixed" not in fixture.name:
            (tmp_path / fixture.stem).mkdir()
            shutil.copy(fixture, tmp_path / fixture.stem)
    monkeypatch.chdir(tmp_path)
    return str(request.param)


def registry_stem(code: str) -> str:
    return f"{code.lower()}_{registry()[code].name.replace('-', '_')}"


def cures(code: str, config: Config) -> str:
    """The different cures of all findings of a rule, a line each."""
    found = [lint([folder], config).findings for folder in sorted(Path().iterdir()) if folder.is_dir()]
    return "\n".join(sorted({f.cure for findings in found for f in findings if f.code == code}))


def depend_on_dramatiq() -> None:
    for folder in Path().iterdir():
        (folder / "requirements.txt").write_text("fastapi\ndramatiq\n")


def test_any_queue_is_named_where_none_is_known(code: str) -> None:
    words = "a task queue such as Celery or ARQ" if code == "BG301" else "a task queue"
    assert CURES[code].format(words) in cures(code, Config(extend_select=(code,)))


def test_the_queue_that_the_project_depends_on_is_named(code: str) -> None:
    depend_on_dramatiq()
    found = cures(code, Config(extend_select=(code,)))
    own = "Dramatiq, which this project depends on already" if code == "BG301" else "Dramatiq"
    assert CURES[code].format(own) in found
    assert "task queue" not in found


def test_the_queue_of_the_configuration_wins(code: str) -> None:
    depend_on_dramatiq()
    found = cures(code, Config(extend_select=(code,), queue="celery"))
    assert CURES[code].format("Celery") in found
    assert "Dramatiq" not in found


HEAVY = """\
import subprocess

from fastapi import BackgroundTasks, FastAPI

app = FastAPI()


def convert(path: str) -> None:
    subprocess.run(["ffmpeg", "-i", path, "out.mp4"], check=False)


@app.post("/films")
async def film(path: str, tasks: BackgroundTasks) -> dict[str, str]:
    tasks.add_task(convert, path)
    return {"status": "success"}
"""


def test_the_command_line_wins_over_the_file(bglint: Bglint, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(HEAVY)
    (tmp_path / "bglint.toml").write_text("queue = 'arq'\nselect = ['BG301']\n")
    assert "Hand it to ARQ." in bglint().out
    assert "Hand it to Temporal." in bglint("--queue", "Temporal").out
