"""Which of two registrations of one request comes first, on a path that takes both."""

from __future__ import annotations

from bglint import tree as t
from bglint.project import Project
from bglint.scope import Chain
from bglint.sites import TaskSite
from bglint.values import Frame

_Steps = list[tuple[Frame, t.Node]]


def comes_before(project: Project, first: TaskSite, second: TaskSite) -> bool:
    """True where a request that registers both registers `first` before `second`."""
    left, right = _steps(first), _steps(second)
    for (frame, node), (other, following) in zip(left, right, strict=False):
        if frame.function is not other.function or frame.function is None:
            return False
        if node is not following:
            return node.at < following.at and _on_one_path(project, node, following, frame.function)
    return False


def _steps(site: TaskSite) -> _Steps:
    """The calls from the handler to the registration, which is the last."""
    return [*((hop.frame, hop.node) for hop in site.context.hops), (site.frame, site.call)]


def _on_one_path(project: Project, first: t.Node, second: t.Node, function: t.Function) -> bool:
    left, right = project.chain(first, function), project.chain(second, function)
    common = 0
    while common < min(len(left), len(right)) and left[common] == right[common]:
        common += 1
    if _excludes(left, right, common):
        return False
    return not any(_ends(block, first) for block in _blocks(left[common:]))


def _excludes(left: Chain, right: Chain, common: int) -> bool:
    """Different arms of one `if`, `match` or `except`."""
    if common == min(len(left), len(right)) or left[common][0] is not right[common][0]:
        return False
    around, parts = left[common][0], (left[common][1], right[common][1])
    if isinstance(around, t.Guard):
        return any(part.startswith("handler") for part in parts) and "final" not in parts
    return isinstance(around, t.Branch | t.Match)


def _blocks(chain: Chain) -> list[t.Block]:
    """The blocks around the first registration that do not hold the second one."""
    found: list[t.Block] = []
    for around, part in chain:
        number = int(part.partition(" ")[2] or 0)
        if isinstance(around, t.Match):
            found.append(around.cases[number].body)
        elif isinstance(around, t.Guard) and part.startswith("handler"):
            found.append(around.handlers[number].body)
        else:
            found.append(getattr(around, "final" if part == "final" else part, ()))
    return found


def _ends(block: t.Block, node: t.Node) -> bool:
    """True where the block returns or raises behind the node."""
    return any(isinstance(step, t.Return | t.Raise) and step.at > node.at for step in block)
