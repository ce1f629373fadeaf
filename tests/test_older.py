"""Type parameters and type aliases are read as if they were not there, on every Python; each character keeps its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from bglint import body, lint, lowering, outline_newer
from bglint import tree as t
from bglint.older import older, oldest
from bglint.outline import Outline, outline, parses
from tests.test_lowering import written

WRITTEN = {
    "def first[T](items: list[T]) -> T: ...": "def first   (items: list[T]) -> T: ...",
    "async def first[T: int = dict[str, int]](x): ...": "async def first                         (x): ...",
    "class Box[T]:\n    pass": "class Box   :\n    pass",
    "class Box[*Ts, **P](Base[Ts]):\n    pass": "class Box          (Base[Ts]):\n    pass",
    "def first[\n    T,\n](x): ...": "def first\\\n     \\\n (x): ...",
    "type Name = str": "Name      = str",
    "    type Names[T] = list[T]": "    Names         = list[T]",
    "type = 1": "type = 1",
    "type == other": "type == other",
    "names[0] = 1": "names[0] = 1",
    "def first[T": "def first[T",
}
FORMATTED = {
    "x = f\"{names['a']}\" # it's": 'x = "             " # it\'s',
    "x = f'{names['a']}'": 'x = "             "',
    'x = f"{"}"}" + \'"\'': """x = "      " + '"'""",
    'x = "f" + f"{1}"': 'x = "f" + "    "',
    'x = rf"{{" f"a"': 'x = "    " "  "',
    "x = f'{\n1}'": 'x = """\n"""',
    'x = f"""a\n{"""b"""}\n"""': 'x = """  \n         \n"""',
    "x = f'a": "x = f'a",
    'x = "it\'s" + f"{1}"': 'x = "it\'s" + "    "',
    'x = "\\"" + f"{1}"': 'x = "\\"" + "    "',
}
MODULE = '''\
from fastapi import FastAPI

type Names = list[str]


class Box[T]:
    def first[U](self, other: U) -> T | U:
        return other

    type Inner = int


@decorated
def plain[T](
    x: T,
) -> T:
    TEXT = """
at the margin"""
    return f"{x["a"]} {
        x}"


if True:
    async def late[*Ts](): ...
'''


@pytest.mark.parametrize(("text", "expected"), WRITTEN.items())
def test_each_character_keeps_its_place(text: str, expected: str) -> None:
    assert older(text) == expected
    assert len(expected) == len(text)


@pytest.mark.parametrize(("text", "expected"), FORMATTED.items())
def test_formatted_texts_are_emptied(text: str, expected: str) -> None:
    assert oldest(text) == expected


def test_the_outline_is_that_of_libcst() -> None:
    entries = outline_newer.outline_newer(MODULE)
    assert entries is not None
    assert outline(MODULE) == Outline(entries)


def test_libcst_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outline_newer, "outline_newer", lambda text: pytest.fail("read by LibCST"))
    assert [entry.name for entry in outline(MODULE)] == ["FastAPI", "Names", "Box", "plain", "late"]
    assert parses(MODULE)


@pytest.mark.parametrize(
    "text",
    [
        "def first[T: int](x: T) -> T:\n    return call(x)\n",
        "    async def run[T](self):\n        await self.go()\n",
    ],
)
def test_the_tree_is_that_of_libcst(text: str) -> None:
    source = t.Source("a.py", "a", 1, text.count("\n"))
    assert written(lowering.lower(text, source, "A", "A")) == written(body.lower(text, source, "A", "A"))


def test_a_task_with_type_parameters_is_followed(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(
        "import time\nfrom fastapi import BackgroundTasks, FastAPI\napp = FastAPI()\n\n"
        "async def work[T](item: T) -> None:\n    time.sleep(5)\n\n"
        "@app.post('/')\nasync def start(tasks: BackgroundTasks) -> None:\n    tasks.add_task(work, 1)\n"
    )
    places = {(finding.code, finding.span.line, finding.span.column) for finding in lint([tmp_path]).findings}
    assert ("BG201", 6, 5) in places


@pytest.mark.parametrize("text", ["def first[T](x:", "class Box[T] pass", "type Name ="])
def test_what_is_broken_stays_broken(text: str) -> None:
    assert not parses(text)
