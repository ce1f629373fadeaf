"""Where a task can fail without anybody handling it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

from bglint import members
from bglint import tree as t
from bglint.frozen import by_identity
from bglint.memo import memo
from bglint.model import Step
from bglint.project import Project, dotted, task_function
from bglint.questions.escape import HTTP_ERRORS, Failure, escapes, in_aftermath
from bglint.questions.except_clauses import LOGS, is_print
from bglint.reach import Contact, Visit
from bglint.sites import TaskSite
from bglint.values import Frame, Func, Instance, Outside, Value

LONG = 50
_UNDER_WAY = re.compile(
    r"(?i)^(running|processing|in[_ -]?progress|started|starting|working|generating|pending|busy|preparing|executing"
    r"|validating|importing|exporting|uploading|downloading|fetching|sending|converting|transcoding|transcribing"
    r"|translating|rendering|parsing|extracting|ingesting|crawling|scraping|scanning|(re)?indexing|training|evaluating"
    r"|analy[sz]ing|summari[sz]ing|sync(hroni[sz])?ing|migrating|restoring|deploying|provisioning|publishing"
    r"|initiali[sz]ing|finali[sz]ing)$"
)
_BEGIN = re.compile(r"^(sqlalchemy|sqlmodel)\..*([sS]ession|sessionmaker)\.begin$")
_WRITES = {"add", "add_all", "delete", "merge"}
_COMMIT = "sqlalchemy.orm.SessionTransaction.commit"
_NO_RESPONSE = (*HTTP_ERRORS, "builtins.NotImplementedError")


@by_identity
class Spot:
    """The first place of a task that can fail unhandled: a call of something outside, or an explicit `raise`."""

    site: TaskSite
    visit: Visit
    node: t.Node
    called: str

    @property
    def length(self) -> int:
        return self.visit.depth + len(self.site.context.hops)

    def trace(self, project: Project) -> tuple[Step, ...]:
        """The path from the handler to the place."""
        if self.node is self.site.call:
            return project.trace(self.site)
        last = project.step(self.node, self.visit.frame, f"{self.called} can fail, and nothing catches it")
        return (*project.trace(self.site, self.visit), last)


@memo
def weak_spot(project: Project, site: TaskSite) -> Spot | None:
    """The nearest place where a task can fail for reasons outside the program, with nothing to handle it."""
    if runs_its_own_way(project, site):
        return None
    near = chain(_calls(project, site), _commits(project, site), _raises(project, site))
    return next(chain(near, _calls_by_other_ways(project, site)), None)


def runs_its_own_way(project: Project, site: TaskSite) -> bool:
    """True for a class of the project with an `add_task` of its own: what it does with a task is its own affair."""
    receiver = site.receiver
    return (
        isinstance(receiver, Instance)
        and members.method(project.names, receiver.klass, "add_task") is not None
    )


def _calls(project: Project, site: TaskSite) -> Iterator[Spot]:
    for contact in project.contacts(site):
        if _is_fallible(contact) and _gets_out(project, contact):
            written = contact.name if contact.node is site.call else shortened(contact.node.func)
            yield Spot(site, contact.visit, contact.node, f"`{written}`")


def _calls_by_other_ways(project: Project, site: TaskSite) -> Iterator[Spot]:
    """What is handled where the nearest call leads to it may not be where another one does."""
    for contact in filter(_is_fallible, project.contacts(site)):
        for visit in project.other_ways(contact.visit):
            if _gets_out(project, replace(contact, visit=visit)):
                yield Spot(site, visit, contact.node, f"`{shortened(contact.node.func)}`")


def shortened(called: t.Expr) -> str:
    """`session.query...all` of a long chain of calls."""
    written = dotted(called)
    parts = written.split(".")
    return written if len(written) <= LONG else f"{parts[0]}...{parts[-1]}"


def _is_fallible(contact: Contact) -> bool:
    return contact.fact is not None and contact.fact.fails and contact.visit.where != "process"


def _gets_out(project: Project, contact: Contact) -> bool:
    if contact.node is contact.visit.site.call:
        return True
    if in_aftermath(project, contact.visit, contact.node):
        return False
    return escapes(project, contact.visit, contact.node, Failure(call=contact.name, telling=True))


# ---------------------------------------------------- the end of a transaction


def _commits(project: Project, site: TaskSite) -> Iterator[Spot]:
    """A `with session.begin():` that nothing is caught around: what is added in it is sent where it ends."""
    for visit in project.visits(site):
        for call in _transactions(project, visit.frame) if visit.where != "process" else ():
            if _commit_gets_out(project, visit, call):
                yield Spot(site, visit, call, f"the commit that ends `{shortened(call.func)}`")


def _transactions(project: Project, frame: Frame) -> Iterator[t.Call]:
    """The calls of a `begin` whose block adds or deletes something."""
    for block in project.nodes_of(frame, t.With):
        calls = (item.value for item in block.items if isinstance(item.value, t.Call))
        yield from (call for call in calls if _writes(block) and _begins(project, call, frame))


def _writes(block: t.With) -> bool:
    calls = (node for node in t.walk(*block.body) if isinstance(node, t.Call))
    return any(isinstance(call.func, t.Attribute) and call.func.name in _WRITES for call in calls)


def _begins(project: Project, call: t.Call, frame: Frame) -> bool:
    called = project.evaluate(call.func, frame)
    return any(isinstance(value, Outside) and bool(_BEGIN.search(value.name)) for value in called)


def _commit_gets_out(project: Project, visit: Visit, node: t.Node) -> bool:
    if in_aftermath(project, visit, node):
        return False
    return escapes(project, visit, node, Failure(call=_COMMIT, telling=True))


# -------------------------------------------------------- a state, then a raise


def _raises(project: Project, site: TaskSite) -> Iterator[Spot]:
    """An explicit `raise` that nothing catches, after the task has said that it is under way."""
    for visit in project.visits(site):
        for node in project.nodes_of(visit.frame, t.Raise):
            if node.value is not None and _is_lost(project, visit, node):
                yield Spot(site, visit, node, "this `raise`")


def _is_lost(project: Project, visit: Visit, node: t.Raise) -> bool:
    raised = project.evaluate(node.value, visit.frame)
    if any(project.is_a(value, *_NO_RESPONSE) for value in raised) or not _is_under_way(visit, node):
        return False
    if visit.where == "process" or in_aftermath(project, visit, node):
        return False
    return escapes(project, visit, node, Failure(raised=raised, telling=True))


def _is_under_way(visit: Visit, node: t.Node) -> bool:
    """True where a function on the path has set a state such as "running" before it comes here."""
    ways = ((each.frame.function, step) for each, step in visit.up(node))
    return any(part.at < step.at for function, step in ways if function for part in _stating(function))


@memo
def _stating(function: t.Function) -> tuple[t.Node, ...]:
    return tuple(filter(_sets_state, t.nodes_of(function, t.Assign, t.Call)))


def _sets_state(node: t.Node) -> bool:
    if isinstance(node, t.Assign) and isinstance(node.value, t.Expr):
        return isinstance(node.targets[0], t.Attribute | t.Subscript) and _names_state(node.value)
    if not isinstance(node, t.Call) or is_print(node) or t.last_name(node.func) in LOGS:
        return False
    return any(_names_state(argument.value) for argument in node.arguments)


def _names_state(expr: t.Expr) -> bool:
    if isinstance(expr, t.Attribute):
        return bool(_UNDER_WAY.match(expr.name)) and expr.name.isupper()
    if isinstance(expr, t.Mapping):
        return any(_names_state(value) for _, value in expr.items)
    return isinstance(expr, t.Constant) and isinstance(expr.value, str) and bool(_UNDER_WAY.match(expr.value))


# ------------------------------------------------------------- the task's `def`


def definition(project: Project, site: TaskSite) -> tuple[t.Function, Frame] | None:
    """The `def` of a task as its author wrote it: of a decorated one the function below its decorators."""
    for value in site.targets:
        function = task_function(value)
        if function is not None:
            written = _undecorated(value, function)
            return written, project.frame(written)
    return None


def _undecorated(value: Value, function: t.Function) -> t.Function:
    closure = value.closure if isinstance(value, Func) else None
    while closure is not None:
        inside = [v for _, values in closure.bindings for v in values if isinstance(v, Func)]
        below = next((v for v in inside if v.function.decorators and not v.function.is_lambda), None)
        if below is None:
            return function
        function, closure = below.function, below.closure
    return function
