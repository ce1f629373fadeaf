"""What tasks come into contact with: the one question behind the rules on blocking and weight."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bglint import tree as t
from bglint.frozen import by_value
from bglint.knowledge import Fact
from bglint.memo import memo
from bglint.project import Project, dotted, nearest, short_function, task_function
from bglint.questions.amounts import amount
from bglint.questions.once import is_done_once
from bglint.reach import Contact, Visit
from bglint.sites import TaskSite
from bglint.values import Const, Frame, Partial, Values

Wanted = Callable[[Contact], bool]


@by_value
class Meeting:
    """An outside call that a task comes to, by the shortest path; `others` counts the other tasks that do."""

    contact: Contact
    fact: Fact
    others: int

    @property
    def site(self) -> TaskSite:
        return self.contact.visit.site

    @property
    def frame(self) -> Frame:
        return self.contact.visit.frame

    @property
    def node(self) -> t.Call:
        return self.contact.node

    @property
    def called(self) -> str:
        """The call as the reader wrote it, and what it is where that does not show."""
        written = self.contact.name if self.node is self.site.call else dotted(self.node.func)
        last = self.contact.name.rpartition(".")[2]
        return f"`{written}`" if written.endswith(last) else f"`{written}` (`{self.contact.name}`)"


def meetings(project: Project, wanted: Wanted) -> Iterator[Meeting]:
    """One meeting a guilty line, of all tasks."""
    contacts = (
        c for site in project.sites for c in project.contacts(site) if c.fact is not None and wanted(c)
    )
    lines: set[tuple[str, int]] = set()
    for group in nearest(contacts).values():
        first = group[0]
        line = first.visit.frame.path, project.span(first.node, first.visit.frame).line
        if line not in lines and first.fact is not None:
            lines.add(line)
            yield Meeting(first, first.fact, len({c.visit.site.call for c in group}) - 1)


def blocking(project: Project, effect: str) -> Iterator[Meeting]:
    """The calls with this effect that keep the event loop waiting."""
    yield from meetings(project, lambda c: _blocks(c, effect))


def blocking_again(project: Project, effect: str) -> Iterator[Meeting]:
    """Those that do so for more than the first task of the process."""
    yield from meetings(
        project, lambda c: _blocks(c, effect) and not is_done_once(project, path(c.visit, c.node))
    )


def _blocks(contact: Contact, effect: str) -> bool:
    return contact.visit.where == "event loop" and contact.blocks and contact.effect == effect


def argument(contact: Contact, position: int, name: str | None = None) -> t.Expr | None:
    """An argument of the outside call; where that is itself the task, add_task's own argument is left out."""
    shift = 1 if contact.node is contact.visit.site.call else 0
    return contact.node.argument(position + shift, name)


def unsure(project: Project, contact: Contact) -> bool:
    """True where arguments are given that the call does not show: `*args`, `**options`, a `partial`."""
    func = contact.visit.site.handed if contact.node is contact.visit.site.call else contact.node.func
    given = project.evaluate(func, contact.visit.frame)
    return contact.node.spread or any(isinstance(value, Partial) for value in given)


def number(project: Project, expr: t.Expr | None, frame: Frame) -> float | None:
    """The number that an expression stands for, the largest of several; None where it is not known."""
    return amount(project, expr, frame)


def is_none(values: Values) -> bool:
    """True where an expression stands for None and nothing else."""
    return bool(values) and all(value == Const(value=None) for value in values)


def is_def_task(contact_or_visit: Contact | Visit) -> bool:
    """True for what a `def` task does in its own thread of the pool."""
    visit = contact_or_visit.visit if isinstance(contact_or_visit, Contact) else contact_or_visit
    start = visit.start or visit
    return visit.where == "thread" and start.where == "thread" and not _is_async(start)


def _is_async(start: Visit) -> bool:
    """True for an `async def` task, though the call in question is one that it hands to a thread."""
    function = start.frame.function
    return function is not None and function.is_async and start.frame is not start.site.frame


def path(visit: Visit, node: t.Node) -> Iterator[tuple[Frame, t.Node]]:
    """Each function on the way down to `node`, with the node in it that leads on; the task first."""
    yield from reversed([(each.frame, step) for each, step in visit.up(node)])


@memo
def awaits(function: t.Function) -> bool:
    """True where a function does something that only an `async def` can."""
    return any(map(is_async_only, t.walk_function(function)))


def own_function(site: TaskSite) -> t.Function | None:
    """The first-party function that is the task."""
    return next(filter(None, map(task_function, site.targets)), None)


def reached(project: Project, meeting: Meeting) -> str:
    """Which task comes to the call, through which functions."""
    kind = "async task" if meeting.contact.visit.where == "event loop" else "task"
    says = f"the {kind} `{project.task_name(meeting.site)}` calls it"
    between = [frame.function for frame, _ in path(meeting.contact.visit, meeting.node)][1:]
    names = [f"`{short_function(function)}`" for function in between if function is not None]
    return f"{says} through {_shortened(names)}" if names else says


def _shortened(names: list[str]) -> str:
    return ", ".join(names) if len(names) < 4 else f"{names[0]} ... {names[-1]}"


def is_async_only(node: t.Node) -> bool:
    """True for `await`, and for what awaits at its beginning and end."""
    if isinstance(node, (t.For, t.With, t.CompLoop)):
        return node.is_async
    return isinstance(node, t.Await)
