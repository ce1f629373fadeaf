"""What a path was made of, so that one below a temporary folder is known: it goes with the folder."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bglint import tree as t
from bglint.project import Project
from bglint.values import Birth, Frame, Outside, Value

MOST_SOURCES = 60

_STILL_BELOW = re.compile(
    r"\.(parents?|joinpath|with_name|with_stem|with_suffix|with_segments|resolve|absolute|expanduser|as_posix"
    r"|glob|rglob|iterdir)(\(\)|\[\])*$"
)
"""What of a path is a path in the same place; its size, its name or its text is not."""

_FROM_ARGUMENTS = re.compile(
    r"pathlib\.\w*Path(\.(joinpath|rename|replace))?|os\.fspath|builtins\.str"
    r"|(os\.path|posixpath)\.(join|abspath|realpath|normpath|normcase|expanduser|dirname)"
)
"""Calls that give a path made of their arguments."""


def sources(project: Project, value: Value) -> Iterator[Value]:
    """A value and what its path was made of: `Path(folder) / name`, `os.path.join(...)`, `file.name`."""
    waiting, seen = [value], {value}
    while waiting and len(seen) < MOST_SOURCES:
        current = waiting.pop()
        yield current
        found = [part for part in _made_of(project, current) if part not in seen]
        seen.update(found)
        waiting.extend(found)


def same_path(project: Project, value: Value) -> Iterator[Value]:
    """A value and those that stand for the same file in other words: `str(path)`, `Path(name)`."""
    waiting, seen = [value], {value}
    while waiting and len(seen) < MOST_SOURCES:
        current = waiting.pop()
        yield current
        birth = current.birth
        if birth is not None and isinstance(birth.node, t.Call) and _only_converts(birth.node):
            found = [
                v
                for e in _ingredients(project, birth)
                for v in project.evaluate(e, birth.frame)
                if v not in seen
            ]
            seen.update(found)
            waiting.extend(found)


def _only_converts(call: t.Call) -> bool:
    return len(call.arguments) == 1 and t.last_name(call.func) not in ("dirname", "joinpath")


def is_path(value: Value) -> bool:
    """True for an object of `pathlib`."""
    return isinstance(value, Outside) and value.name.startswith("pathlib.")


def _made_of(project: Project, value: Value) -> Iterator[Value]:
    if not isinstance(value, Outside):
        return
    if isinstance(value.of, Outside) and (_is_still_below(value) or _is_name_of_file(project, value)):
        yield value.of
    if value.birth is not None:
        for part in _ingredients(project, value.birth):
            yield from project.evaluate(part, value.birth.frame)


def _is_still_below(value: Outside) -> bool:
    whole = value.name.startswith("pathlib.") and value.name.count(".") == 1
    return whole or (is_path(value) and bool(_STILL_BELOW.search(value.name)))


def _is_name_of_file(project: Project, value: Outside) -> bool:
    file = value.of
    if not value.name.endswith(".name") or not isinstance(file, Outside):
        return False
    return file.name == "tempfile.TemporaryDirectory" or _is_deleted(project, file)


def _ingredients(project: Project, birth: Birth) -> tuple[t.Expr, ...]:
    """The expressions that a path or text is put together from."""
    node = birth.node
    if isinstance(node, t.Text):
        return () if _is_prose(project.text(node, birth.frame)) else node.parts
    if isinstance(node, t.Operation):
        return node.operands if node.kind in ("/", "+") else ()
    if isinstance(node, t.Call) and _makes_paths(project, node, birth.frame):
        return tuple(argument.value for argument in node.arguments)
    return ()


def _is_prose(text: str) -> bool:
    return " " in re.sub(r"\{[^}]*\}", "", text)


def _makes_paths(project: Project, call: t.Call, frame: Frame) -> bool:
    names = (v.name for v in project.evaluate(call.func, frame) if isinstance(v, Outside))
    return any(map(_FROM_ARGUMENTS.fullmatch, names))


def _is_deleted(project: Project, file: Outside) -> bool:
    """True for a NamedTemporaryFile that a `with` bound and that goes with it."""
    birth = file.birth
    if birth is None or not isinstance(birth.node, t.WithItem) or not isinstance(birth.node.value, t.Call):
        return False
    call = birth.node.value
    made = {v.name for v in project.evaluate(call.func, birth.frame) if isinstance(v, Outside)}
    return "tempfile.NamedTemporaryFile" in made and not is_kept(call)


def is_kept(manager: t.Expr) -> bool:
    """`NamedTemporaryFile(delete=False)` is closed at the end of its block, and stays."""
    kept = manager.keyword("delete") if isinstance(manager, t.Call) else None
    return isinstance(kept, t.Constant) and kept.value is False
