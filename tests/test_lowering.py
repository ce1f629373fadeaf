"""`lowering` and `body` write the same tree with the same numbers, so that LibCST finds the place of any node."""

from __future__ import annotations

import ast
import asyncio
import dataclasses
import enum
import typing
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from bglint import body, lowering
from bglint import tree as t
from bglint.outline import Entry, outline
from bglint.placing import Places

ROOT = Path(__file__).parent.parent
LIBRARY = [Path(module.__file__ or "") for module in (ast, dataclasses, enum, typing)]
FILES = sorted(
    [
        *LIBRARY,
        *Path(asyncio.__file__ or "").parent.glob("*.py"),
        *(ROOT / "src").rglob("*.py"),
        *(ROOT / "fixtures").rglob("*.py"),
    ]
)

FORMS = """
async def every(a, /, b: int = 1, *args: str, c, d=-2, **kwargs: bool) -> "list[int]":
    'A docstring' ' in two parts'
    global g; import os.path, sys as s; from . import x; from ..y.z import p as q, r; from w import *
    a = b[1:2, ::3] = c[d, *a][(1, 2)][()]
    a.b += 1; a //= 2; a @= 3; a: int; a: int = 3
    del a, b[1]; del (a, b); del c
    f(*a, b=1, *c, **d)(x for x in y if x if z)
    f"{a!r:>{b}}" 'plain' f"{c=}" ; "a" "b"; f""; b"x" b"y"
    [a, *b]; (a,); {a, *b}; {**a, 'b': c}; {k: v for k, v in a async for w in v if k}
    a and b and (c and d) or not e or -f or -1 or ~g or +h
    a < b <= c; a not in b; a is not None; a @ b ** c // d % e << f >> g & h | i ^ j
    lambda x, *y, z=1: (yield)
    x = yield from a; y = await b; (z := c)
    d if e else f
    if a: pass
    elif b: return
    else: raise c from d
    while a: break
    else: continue
    async for i, *j in a, b: assert i, "not counted"
    else: pass
    async with a as b, c() as (d, e), f: nonlocal_ = 1
    try: ...
    except (A, B.c, *D) as e: raise
    except: pass
    else: x
    finally: y
    match a, b:
        case [A(x=1, y=z), *rest] if rest: pass
        case {"k": v, **others} | (v as others): pass
        case None | 1 | -1: pass
        case whole: pass
    def inner(x): return x
    @decorated(1)
    class C(Base[T], *more, metaclass=M, **others):
        field: int = 1
        @property
        def inner(self): yield self; return ...
"""


def slices(path: Path) -> Iterator[tuple[str, t.Source]]:
    """The slices of a file that are read alone."""
    text = path.read_text("utf-8")
    lines = text.splitlines(keepends=True)
    for entry in _entries(outline(text).entries):
        yield "".join(lines[entry.start - 1 : entry.end]), t.Source(path.name, "m", entry.start, entry.end)


def _entries(entries: tuple[Entry, ...]) -> Iterator[Entry]:
    for entry in entries:
        yield from _entries(entry.members) if entry.kind == "class" else (entry,)


def written(node: object) -> object:
    """A tree as plain data."""
    if isinstance(node, t.Content):
        return (written(node.body), node.yields)
    if isinstance(node, t.Source):
        return node.line
    if isinstance(node, t.Node):
        return (type(node).__name__, *((f.name, written(getattr(node, f.name))) for f in fields(node)))
    return tuple(map(written, node)) if isinstance(node, tuple) else (type(node).__name__, node)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_both_write_the_same(path: Path) -> None:
    for text, source in slices(path):
        assert written(lowering.lower(text, source, "A", "A.b")) == written(
            body.lower(text, source, "A", "A.b")
        )


def test_every_form() -> None:
    source = t.Source("forms.py", "forms", 1, 99)
    kinds = {type(node).__name__ for node in t.walk(*_function(FORMS, source).body)}
    assert written(lowering.lower(FORMS, source)) == written(body.lower(FORMS, source))
    assert _below(t.Expr) | _below(t.Statement) == kinds & (_below(t.Expr) | _below(t.Statement)) | {"Other"}


def _function(text: str, source: t.Source) -> t.Function:
    (define,) = lowering.lower(text, source)
    assert isinstance(define, t.Define)
    return define.function


def _below(kind: type) -> set[str]:
    return {below.__name__ for below in kind.__subclasses__()} - {kind.__name__}


def test_the_body_of_a_function_is_read_when_it_is_asked_for() -> None:
    function = _function("def f(a):\n    yield a\n", t.Source("f.py", "f", 1, 2))
    assert function.content._known is None
    assert function.is_generator
    assert [type(node) for node in function.body] == [t.Evaluate]


def test_a_function_without_the_word_yields_nothing_unread() -> None:
    function = _function("def f(a):\n    return a\n", t.Source("f.py", "f", 1, 2))
    assert not function.is_generator
    assert function.content._known is None


def _nodes(node: object) -> Iterator[t.Node]:
    """Every node of a tree, those of inner functions and classes too."""
    if isinstance(node, t.Content):
        yield from _nodes(node.body)
    elif isinstance(node, t.Node) and not isinstance(node, t.Source):
        yield node
        for field in fields(node):
            yield from _nodes(getattr(node, field.name))
    elif isinstance(node, tuple):
        for item in node:
            yield from _nodes(item)


@pytest.mark.parametrize(
    "path", [*LIBRARY, *sorted((ROOT / "src/bglint").glob("*.py"))], ids=lambda path: path.name
)
def test_the_statement_around_a_node_tells_its_place(path: Path) -> None:
    for text, source in slices(path):
        _check_places(text, source)


def test_the_place_of_every_form() -> None:
    _check_places(FORMS, t.Source("forms.py", "forms", 1, FORMS.count("\n")))


def _check_places(text: str, source: t.Source) -> None:
    places, whole = Places(lambda _: text), body.positions(text, source.line)
    for node in _nodes(lowering.lower(text, source)):
        assert places.span(node, source) == whole[node.at]
