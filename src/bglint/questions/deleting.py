"""Files and folders that a handler deletes itself: `os.unlink(path)`, `shutil.rmtree(folder)`, `folder.cleanup()`."""

from __future__ import annotations

from collections.abc import Iterator

from bglint import tree as t
from bglint.memo import memo
from bglint.project import Project, dotted
from bglint.questions.deeds import way_to
from bglint.questions.parents import parent
from bglint.questions.temporary import same_path, sources
from bglint.scope import Chain, scope
from bglint.sites import TaskSite
from bglint.values import Frame, Outside, Value

_FILES = {"os.unlink", "os.remove", "pathlib.Path.unlink"}
_FOLDERS = {"shutil.rmtree", "tempfile.TemporaryDirectory.cleanup"}


def deletions(project: Project, site: TaskSite, value: Value) -> Iterator[tuple[t.Call, Frame]]:
    """The calls after the registration with which the handler deletes a path that the task is given."""
    itself, around = set(same_path(project, value)), set(sources(project, value))
    for frame, node in way_to(site):
        if frame.function is None or frame.function.is_generator:
            continue
        for call, whole, target in _deleting(project, frame):
            gone = set(project.evaluate(target, frame))
            known = {each for each in gone if isinstance(each, Outside) and _is_told_apart(each)}
            if known & (around if whole else itself) and _comes_after(project, call, target, node, frame):
                yield call, frame


def let_go(project: Project, site: TaskSite, value: Value) -> Iterator[Outside]:
    """The `TemporaryDirectory` of a path that only a name of the handler holds: it goes when the handler returns."""
    passed = [frame for frame, _ in way_to(site)]
    for source in sources(project, value):
        birth = source.birth
        if not isinstance(source, Outside) or source.name != "tempfile.TemporaryDirectory" or birth is None:
            continue
        if birth.kind == "call" and birth.frame in passed and _is_held_by_name(birth.node, birth.frame):
            yield source


def _is_held_by_name(node: t.Node, frame: Frame) -> bool:
    """True where nothing but the `.name` of the object is ever used, in a function without functions inside it."""
    function = frame.function
    if function is None or function.is_generator or t.nodes_of(function, t.Define, t.Lambda, t.DefineClass):
        return False
    holder = parent(node, function)
    target = holder.targets[0] if isinstance(holder, t.Assign) and len(holder.targets) == 1 else None
    if not isinstance(target, t.Name) or target.id in scope(function).declared:
        return False
    uses = [n for n in t.nodes_of(function, t.Name) if n.id == target.id and n is not target]
    above = [parent(use, function) for use in uses]
    return all(isinstance(each, t.Attribute) and each.name == "name" for each in above)


def _is_told_apart(value: Outside) -> bool:
    """True where a value knows where it was born: two of the same kind are not the same path."""
    of = value.of
    return value.birth is not None or (isinstance(of, Outside) and of.birth is not None)


@memo
def _deleting(project: Project, frame: Frame) -> tuple[tuple[t.Call, bool, t.Expr | None], ...]:
    """The calls with which a function deletes something, and what `_deleted` says of them."""
    calls = ((call, *_deleted(project, call, frame)) for call in project.nodes_of(frame, t.Call))
    return tuple(found for found in calls if found[2] is not None)


def _deleted(project: Project, call: t.Call, frame: Frame) -> tuple[bool, t.Expr | None]:
    """What a call deletes, with True where all that lies below goes too."""
    names = {v.name for v in project.evaluate(call.func, frame) if isinstance(v, Outside)}
    if not names & (_FILES | _FOLDERS):
        return False, None
    is_method = isinstance(call.func, t.Attribute) and not call.arguments
    own = call.func.value if is_method and isinstance(call.func, t.Attribute) else None
    return bool(names & _FOLDERS), call.argument(0) or own


def _comes_after(project: Project, call: t.Call, target: t.Expr | None, add: t.Node, frame: Frame) -> bool:
    """True where the deletion always follows: at the end of the block of the task, or in its `finally`."""
    assert frame.function is not None and target is not None
    deleting, adding = project.chain(call, frame.function), project.chain(add, frame.function)
    shared = 0
    while shared < min(len(deleting), len(adding)) and deleting[shared] == adding[shared]:
        shared += 1
    mine, other = deleting[shared:], adding[shared:]
    if mine and mine[0][1] == "final" and other and other[0][0] is mine[0][0]:
        mine, other = mine[1:], ()
    named = dotted(target)
    return (
        call.at > add.at
        and not _may_leave(other)
        and all(_runs_anyway(project, each, named, frame) for each in mine)
    )


def _runs_anyway(project: Project, around: tuple[t.Node, str], name: str, frame: Frame) -> bool:
    """True in a block that is passed whenever there is something to delete: `if os.path.exists(path):`."""
    node, part = around
    if isinstance(node, t.Branch):
        return part == "body" and name in project.text(node.test, frame)
    return part == "body" and isinstance(node, (t.Guard, t.With))


def _may_leave(chain: Chain) -> bool:
    """True where the block of the task ends by leaving the function."""
    blocks = [getattr(node, part, ()) for node, part in chain]
    return any(block and isinstance(block[-1], (t.Return, t.Raise, t.Continue)) for block in blocks)
