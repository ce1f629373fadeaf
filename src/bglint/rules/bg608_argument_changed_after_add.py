"""The rule BG608; what it means stands in its docstring."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from bglint import tree as t
from bglint.memo import memo
from bglint.model import Finding
from bglint.project import Project, dotted
from bglint.questions.deeds import may_follow
from bglint.questions.owners import is_resource
from bglint.rule import finding, rule
from bglint.sites import TaskSite

CODE = "BG608"
_CHANGES = {
    "append", "extend", "insert", "remove", "pop", "popitem", "clear", "sort", "reverse", "update", "setdefault",
    "add", "discard",
}  # fmt: skip


@rule(CODE, level="advice")
def argument_changed_after_add(project: Project) -> Iterator[Finding]:
    """A list, dict or object is changed after it was given to the task: the task sees the change.

    ## What it does
    Finds an argument of `add_task` that the handler changes behind the `add_task`: `items.clear()`,
    `letter["to"] = ...`, `order.state = ...`.

    ## Why is this bad?
    `add_task` keeps the object, not a copy, and the task runs after the handler. A list that the handler empties or
    goes on filling, a dict that it reuses for the answer, arrive in the task as the handler left them. Sometimes that
    is meant; this is a question to you, asked with `--strict` only.

    ## Example
    ```python
    import logging

    from fastapi import BackgroundTasks, FastAPI

    app = FastAPI()
    logger = logging.getLogger(__name__)


    def announce(addresses: list[str]) -> None:
        logger.info("announced to %d", len(addresses))


    @app.post("/news", status_code=202)
    def publish(first: str, tasks: BackgroundTasks) -> dict[str, int]:
        addresses = [first, "archive@example.com"]
        tasks.add_task(announce, addresses)
        count = len(addresses)
        addresses.clear()
        return {"count": count}
    ```

    ## Use instead
    Give the task a copy, or change another one.
    ```python
    import logging

    from fastapi import BackgroundTasks, FastAPI

    app = FastAPI()
    logger = logging.getLogger(__name__)


    def announce(addresses: list[str]) -> None:
        logger.info("announced to %d", len(addresses))


    @app.post("/news", status_code=202)
    def publish(first: str, tasks: BackgroundTasks) -> dict[str, int]:
        addresses = [first, "archive@example.com"]
        tasks.add_task(announce, list(addresses))
        count = len(addresses)
        addresses.clear()
        return {"count": count}
    ```

    ## Verified by
    The witness copies the arguments of each task when it is added, and compares when it runs: they differ in the bad
    apps.
    """
    for site in project.sites:
        changed = next(_changed(project, site), None)
        if changed is not None and site.kind != "create_task":
            name, node = changed
            what = f"`{_deed(project, node, site)}`"
            message = f"{what} changes what the task `{project.task_name(site)}` will see in `{name}`."
            cure = "Give the task a copy, if it should see the value of now."
            yield finding(project, CODE, site.call, site.frame, message, cure, site=site)


def _changed(project: Project, site: TaskSite) -> Iterator[tuple[str, t.Node]]:
    """The arguments of a task that are changed later, with the change."""
    function = site.function
    for name in (argument.value for argument in site.arguments):
        if isinstance(name, t.Name) and function is not None and not _is_session(project, name, site):
            for node in _changes(function).get(name.id, ()):
                later = may_follow(project, ((site.frame, site.call),), ((site.frame, node),))
                if later and _is_same(project, function, name, node):
                    yield name.id, node


def _is_session(project: Project, name: t.Name, site: TaskSite) -> bool:
    """`session.add(row)` is what a session is for; handing it over is the business of BG601 and BG604."""
    return any(is_resource(value, name.id) for value in project.evaluate(name, site.frame))


def _deed(project: Project, node: t.Node, site: TaskSite) -> str:
    if isinstance(node, t.Call):
        return f"{dotted(node.func)}(...)"
    targets = node.targets if isinstance(node, (t.Assign, t.Delete)) else ()
    return project.text(targets[0], site.frame) + (" = ..." if isinstance(node, t.Assign) else "")


@memo
def _changes(function: t.Function) -> dict[str, list[t.Node]]:
    """What changes an object in place, by the name of the object."""
    found: dict[str, list[t.Node]] = defaultdict(list)
    for node in t.walk_function(function):
        names = (expr.id for expr in _changed_by(node) if isinstance(expr, t.Name))
        for name in dict.fromkeys(names):
            found[name].append(node)
    return found


def _changed_by(node: t.Node) -> Iterator[t.Expr]:
    if isinstance(node, t.Call):
        if isinstance(node.func, t.Attribute) and node.func.name in _CHANGES:
            yield node.func.value
    elif isinstance(node, (t.Assign, t.Delete)):
        yield from (target.value for target in node.targets if isinstance(target, (t.Subscript, t.Attribute)))


def _is_same(project: Project, function: t.Function, name: t.Name, node: t.Node) -> bool:
    """True where the name still holds what the task was given."""
    scope = project.scope(function)
    return scope.visible(name.id, name.at) == scope.visible(name.id, node.at)
