"""BackgroundTask objects that become the tasks of one response: `BackgroundTasks([BackgroundTask(f, x) for x in xs])`."""

from __future__ import annotations

from bglint import tree as t
from bglint.project import Project
from bglint.questions.parents import around
from bglint.sites import TASKS, TaskSite
from bglint.values import Cls, Frame, Outside


def is_listed(project: Project, site: TaskSite) -> bool:
    """True where the object made at a site is put among others: given to `BackgroundTasks(...)`, or to its list."""
    function = site.function
    if function is None:
        return False
    holders = list(around(site.call, function))
    if any(_takes_tasks(project, holder, site.frame) for holder in holders):
        return True
    names = {name for holder in holders for name in _kept_in(holder)}
    for call in t.nodes_of(function, t.Call) if names else ():
        if _mentions(call, names):
            if _takes_tasks(project, call, site.frame):
                return True
            names |= _kept_in(call)
    return False


def _takes_tasks(project: Project, node: t.Node, frame: Frame) -> bool:
    """`BackgroundTasks(...)`, `tasks.tasks.append(...)` and `tasks.tasks.extend(...)`."""
    if not isinstance(node, t.Call):
        return False
    if isinstance(node.func, t.Attribute) and node.func.name in ("append", "extend"):
        kept = node.func.value
        inner = kept.value if isinstance(kept, t.Attribute) and kept.name == "tasks" else None
        return inner is not None and project.tasks_object(inner, frame) is not None
    called = (v for v in project.evaluate(node.func, frame) if isinstance(v, Cls | Outside))
    return any(project.is_a(v, *TASKS) and not getattr(v, "instance", False) for v in called)


def _kept_in(holder: t.Node) -> set[str]:
    """The name of a list: `jobs = [...]`, `jobs.append(...)`."""
    if isinstance(holder, t.Assign):
        return {target.id for target in holder.targets if isinstance(target, t.Name)}
    if isinstance(holder, t.Call) and isinstance(holder.func, t.Attribute) and holder.func.name == "append":
        return {holder.func.value.id} if isinstance(holder.func.value, t.Name) else set()
    return set()


def _mentions(call: t.Call, names: set[str]) -> bool:
    """Is one of these lists an argument, itself and not a part of it?"""
    return any(isinstance(a.value, t.Name) and a.value.id in names for a in call.arguments)
