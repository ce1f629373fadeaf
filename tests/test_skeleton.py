"""An outline is the same with the bodies of functions and without them."""

from __future__ import annotations

import ast
import asyncio
import typing
from pathlib import Path

import pytest

from bglint.outline import OutlineProblem, outline
from bglint.skeleton import skeleton

ROOT = Path(__file__).parent.parent
LIBRARY = [Path(module.__file__ or "") for module in (ast, typing)]
FILES = sorted([*LIBRARY, *Path(asyncio.__file__ or "").parent.glob("*.py"), *(ROOT / "src").rglob("*.py")])

TEXTS = {
    "plain": "def f(a):\n    return a\n\n\nX = 1\n",
    "comment at the end": "def f():\n    x = 1\n    # said\n# below\nX = 1\n",
    "comment at the margin": "def f():\n    x = 1\n# between\n    y = 2\nX = 1\n",
    "no last line end": "def f():\n    return 1",
    "one line": "def f(): return 1\nclass A: x = 1\nX = 1\n",
    "long header": "async def f(\n    a: int = (1),\n    *,\n    b: str = '('\n) -> None:  # ends\n    g(a)\nX = 1\n",
    "body behind the bracket": "def f(\n    a\n): return a\nX = 1\n",
    "decorated": "@a(1)\n@b\ndef f():\n    def g():\n        pass\n    return g\n",
    "methods": "class A(B):\n    x = 1\n\n    def f(self):\n        if self:\n            pass\n\n    @property\n    def g(self): ...\n\nY = 2\n",
    "text at the margin": "def f():\n    x = '''\nclass B:\n    def g(): pass\n'''\n    return x\n\nclass C:\n    pass\n",
    "text of another kind": 'def f():\n    """It\'s \'\'\' odd."""\n    return 1\n\nclass C:\n    pass\n',
    "def in a text": 'DOC = """\ndef f():\n    x\n    """\nclass A:\n    """Doc."""\n\n    def g(self):\n        pass\n',
    "class in a text": 'DOC = """\nclass F:\n    x\n"""\nclass A:\n    pass\n',
    "bracket at the margin": "def f():\n    x = [\n1, 2\n]\n    return x\nX = 1\n",
    "below if": "if a:\n    def f():\n        return 1\nelse:\n    def f():\n        return 2\nX = 1\n",
    "tabs": "class A:\n\tdef f(self):\n\t\treturn 1\n\n\tx = 2\n",
    "crlf": "def f():\r\n    return 1\r\n\r\nX = 1\r\n",
    "empty": "",
}


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_outline_of_a_file_needs_no_bodies(path: Path) -> None:
    text = path.read_text("utf-8")
    assert outline(text) == outline(text, whole=True)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_the_outline_of_a_text_needs_no_bodies(text: str) -> None:
    assert outline(text) == outline(text, whole=True)


def test_bodies_are_left_out_and_lines_stay() -> None:
    assert skeleton(TEXTS["comment at the end"]) == "def f():\n pass\n\n\nX = 1\n"
    assert skeleton(TEXTS["decorated"]) == "@a(1)\n@b\ndef f():\n\n\n pass\n"
    assert skeleton(TEXTS["one line"]) == TEXTS["one line"]


def test_a_broken_body_is_seen_where_it_is_looked_for() -> None:
    text = "def f():\n    x = = 1\nX = 1\n"
    assert [entry.names for entry in outline(text).entries] == [("f",), ("X",)]
    with pytest.raises(OutlineProblem):
        outline(text, whole=True)
