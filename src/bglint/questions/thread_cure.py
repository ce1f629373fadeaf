"""How to write it that a call runs in a thread: what to hand to `asyncio.to_thread`, or what to make a `def` first."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from bglint import tree as t
from bglint.project import Project, dotted
from bglint.questions.contacts import Meeting, is_async_only, path
from bglint.questions.parents import around, parent
from bglint.scope import scope
from bglint.values import Frame, Outside

_OF_ONE_THREAD = ("sqlite3.", "threading.Lock", "threading.RLock", "threading.Condition")
"""What is used in another thread than it was made or taken in breaks."""

_LAZY = re.compile(
    r"\.(f?walk|walk_\w+|scandir|iglob|rglob|iterdir|list_blobs|paginate|iter_\w+|\w+_iter)$|Path\.glob$"
)
"""What works while its result is gone through: the call alone is done at once, in whatever thread."""

_LONGEST = 60

_CALLED = "and call that with `await asyncio.to_thread(...)`"


def is_of_one_thread(name: str) -> bool:
    """True for what may not be used in a second thread."""
    return name.startswith(_OF_ONE_THREAD)


def is_lazy(project: Project, name: str) -> bool:
    """True for a call whose work is done later, where its result is gone through, and for the going through."""
    later = project.knowledge.fact(f"{name}().__iter__")
    return (
        name.endswith(".__iter__") or _LAZY.search(name) is not None or (later is not None and later.blocks)
    )


def in_a_thread(project: Project, meeting: Meeting) -> str:
    """What to write in the last `async def` on the way, where an `await` may stand."""
    frame, node, below = _turn(meeting)
    if frame.function is None:
        return f"move this work into a `def`, {_CALLED}"
    if _block(node, frame.function) is not None:
        return f"move the whole `with` block into a `def`, {_CALLED}"
    if below is None and is_of_one_thread(meeting.contact.name):
        return f"do all the work with it in one `def`, {_CALLED}"
    function = _handed(project, meeting, frame, node, below)
    if function is None:
        return f"move this work into a `def`, {_CALLED}"
    return f"move it to a thread: `await asyncio.to_thread({function}, ...)`"


def _turn(meeting: Meeting) -> tuple[Frame, t.Node, t.Function | None]:
    """The last place on the way that can await, and the function below it that cannot; None for the call itself."""
    way = list(path(meeting.contact.visit, meeting.node))
    for (frame, node), (below, _) in pairwise(way):
        if below.function is not None and not below.function.is_async:
            return frame, node, below.function
    return meeting.frame, meeting.node, None


def _block(node: t.Node, function: t.Function) -> t.With | None:
    """The `with` that makes what the call works on, where all of it can go to a thread."""
    blocks = (holder for holder in _holders(node, function) if isinstance(holder, t.With))
    return next((block for block in blocks if _makes(block, node) and not _awaits(block)), None)


def _holders(node: t.Node, function: t.Function) -> Iterator[t.Node]:
    yield from around(node, function)
    yield from (holder for holder, _ in scope(function).chain(node.at))


def _makes(block: t.With, node: t.Node) -> bool:
    """True where the `with` binds the object whose method is called, or is itself the call."""
    targets = [part for item in block.items if item.target is not None for part in t.walk(item.target)]
    return node in t.walk(*block.items) or any(_is(target, _root(node)) for target in targets)


def _is(expr: t.Node, name: str) -> bool:
    return isinstance(expr, t.Name) and expr.id == name


def _awaits(block: t.With) -> bool:
    return any(map(is_async_only, t.walk(block)))


def _root(node: t.Node) -> str:
    """`session` of `session.query(User).first()`."""
    while isinstance(node, (t.Call, t.Attribute, t.Subscript)):
        node = node.func if isinstance(node, t.Call) else node.value
    return node.id if isinstance(node, t.Name) else ""


def _handed(
    project: Project, meeting: Meeting, frame: Frame, node: t.Node, below: t.Function | None
) -> str | None:
    """The function as it is written at the call; None where a thread that is given it would not do the work."""
    if not isinstance(node, t.Call) or node is meeting.site.call:
        return None
    if below is None:
        simple = not is_lazy(project, meeting.contact.name) and not _is_made(node.func)
        return dotted(node.func) if simple else None
    if below.is_generator or _is_awaited(node, frame) or not _is_called(project, node, frame):
        return None
    written = project.text(node.func, frame)
    return written if "\n" not in written and len(written) <= _LONGEST else None


def _is_made(func: t.Expr) -> bool:
    """True for a method of what other calls make: `session.query(User).first`."""
    return any(isinstance(part, (t.Call, t.Subscript)) for part in t.walk(func))


def _is_awaited(node: t.Call, frame: Frame) -> bool:
    return frame.function is not None and isinstance(parent(node, frame.function), t.Await)


def _is_called(project: Project, node: t.Call, frame: Frame) -> bool:
    """True where the call itself runs the function, which is not handed to something that runs it."""
    return not any(isinstance(value, Outside) for value in project.evaluate(node.func, frame))
