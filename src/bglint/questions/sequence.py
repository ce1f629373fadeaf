"""Which of two registrations of one request comes first, on a path that takes both."""

from __future__ import annotations

from bglint import tree as t
from bglint.memo import memo
from bglint.project import Project
from bglint.questions.deeds import Way, way_to
from bglint.questions.parents import around
from bglint.questions.paths import Call, Walker
from bglint.scope import Chain
from bglint.sites import TaskSite
from bglint.values import Frame


def comes_before(project: Project, first: TaskSite, second: TaskSite) -> bool:
    """True where a request that registers both registers `first` before `second`."""
    left, right = way_to(first), way_to(second)
    for place, ((frame, node), (other, following)) in enumerate(zip(left, right, strict=False)):
        if frame.function is not other.function or frame.function is None:
            return False
        if node is not following:
            if node.at > following.at or not _on_one_path(project, node, following, frame.function):
                return False
            return _is_sure(project, left[place + 1 :]) or not _answer_decides(
                project, node, following, frame
            )
    return False


def goes_on(project: Project, site: TaskSite) -> bool:
    """True where the function that FastAPI runs can come to its end, or to its `yield`, behind the registration."""
    return all(_can_be_passed(project, frame, node) for frame, node in way_to(site))


def comes_after(project: Project, site: TaskSite) -> bool:
    """True where the same request registers another task behind this one, or this one again in a loop."""
    if site.kind != "add_task":
        return False
    if any(_is_in_loop(project, frame, node) for frame, node in way_to(site)):
        return True
    others = (other for other in project.sites if other.kind == "add_task")
    return any(comes_before(project, site, other) for other in others)


def _is_in_loop(project: Project, frame: Frame, node: t.Node) -> bool:
    chain = project.chain(node, frame.function) if frame.function is not None else ()
    return any(isinstance(holder, t.For | t.While) and part == "body" for holder, part in chain)


def _on_one_path(project: Project, first: t.Node, second: t.Node, function: t.Function) -> bool:
    left, right = project.chain(first, function), project.chain(second, function)
    common = 0
    while common < min(len(left), len(right)) and left[common] == right[common]:
        common += 1
    if _excludes(left, right, common):
        return False
    return not any(_ends(block, first, function) for block in _blocks(left[common:]))


def _excludes(left: Chain, right: Chain, common: int) -> bool:
    """Different arms of one `if`, `match` or `except`."""
    if common == min(len(left), len(right)) or left[common][0] is not right[common][0]:
        return False
    holder, parts = left[common][0], (left[common][1], right[common][1])
    if isinstance(holder, t.Guard):
        return any(part.startswith("handler") for part in parts) and "final" not in parts
    return isinstance(holder, t.Branch | t.Match)


def _blocks(chain: Chain) -> list[t.Block]:
    """The blocks around the first registration that do not hold the second one."""
    found: list[t.Block] = []
    for holder, part in chain:
        number = int(part.partition(" ")[2] or 0)
        if isinstance(holder, t.Match):
            found.append(holder.cases[number].body)
        elif isinstance(holder, t.Guard) and part.startswith("handler"):
            found.append(holder.handlers[number].body)
        else:
            found.append(getattr(holder, "final" if part == "final" else part, ()))
    return found


def _ends(block: t.Block, node: t.Node, function: t.Function) -> bool:
    """True where the block returns or raises behind the node, or with it."""
    return any(_leaves(step) and (step.at > node.at or step in around(node, function)) for step in block)


def _leaves(step: t.Statement) -> bool:
    return isinstance(step, t.Return | t.Raise)


# ------------------------------------------------- what a call that registers answers


def _answer_decides(project: Project, node: t.Node, following: t.Node, frame: Frame) -> bool:
    """True where the function goes on to `following` or leaves, by what the call `node` gave it."""
    assert frame.function is not None
    names = _names_of(node, frame.function)
    for branch in project.nodes_of(frame, t.Branch):
        if branch.at < following.at and any(map(_leaves, (*branch.body[-1:], *branch.orelse[-1:]))):
            parts = list(t.walk(branch.test))
            if node in parts or any(_reads(part, names) and part.at > node.at for part in parts):
                return True
    return False


def _names_of(node: t.Node, function: t.Function) -> set[str]:
    """The names that hold what the call gives."""
    holders = (holder for holder in around(node, function) if isinstance(holder, t.Assign | t.Walrus))
    targets = (x for h in holders for x in (h.targets if isinstance(h, t.Assign) else (h.target,)))
    return {part.id for part in t.walk(*targets) if isinstance(part, t.Name)}


def _reads(part: t.Node, names: set[str]) -> bool:
    return isinstance(part, t.Name) and part.id in names


def _is_sure(project: Project, steps: Way) -> bool:
    """True where each of these functions comes to its step whenever it returns."""
    return all(_is_passed(project, frame, node) for frame, node in steps)


def _is_passed(project: Project, frame: Frame, node: t.Node) -> bool:
    return all(_passes(project, frame, node))


def _can_be_passed(project: Project, frame: Frame, node: t.Node) -> bool:
    return any(_passes(project, frame, node))


@memo
def _passes(project: Project, frame: Frame, node: t.Node) -> tuple[bool, ...]:
    """Of each way through a function that returns, whether it comes to the node."""
    ways = Walker(project, frame, {id(node): Call()}).ways() if frame.function is not None else ()
    return tuple(id(node) in way.passed for way in ways if way.end == "return")
