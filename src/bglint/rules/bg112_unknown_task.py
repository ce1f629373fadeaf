"""BG112: a task that does not exist."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bglint import members
from bglint import tree as t
from bglint.model import Finding
from bglint.project import Project, dotted
from bglint.questions.told import told
from bglint.questions.written import Written, handed
from bglint.rule import rule
from bglint.values import Cls, Instance, Missing, ModuleValue, known


@rule("BG112", level="error")
def unknown_task(project: Project) -> Iterator[Finding]:
    """The task does not exist where it is looked up.

    ## What it does

    Finds names given to add_task that the project itself does not have: a function that its module does
    not define or import, a method that neither the class nor its bases define. Modules and classes with
    `__getattr__`, star imports, outside bases or attributes set at run time are left alone.

    ## Why is this bad?

    The name is looked up when the route runs: AttributeError or ImportError, a 500 for the client, and no
    task. Often it is a function that was renamed while the route was not, on a path that no test takes.

    ## Example

    ```python
    import logging

    from fastapi import BackgroundTasks, FastAPI

    logger = logging.getLogger(__name__)
    app = FastAPI()


    class Orders:
        def confirm(self, order: int, tasks: BackgroundTasks) -> None:
            tasks.add_task(self._mail_receipt, order)

        def _send_receipt(self, order: int) -> None:
            logger.info("receipt of %d", order)


    orders = Orders()


    @app.post("/orders/{order}/confirm")
    def confirm(order: int, tasks: BackgroundTasks) -> dict[str, int]:
        orders.confirm(order, tasks)
        return {"order": order}
    ```

    ## Use instead

    ```python
    import logging

    from fastapi import BackgroundTasks, FastAPI

    logger = logging.getLogger(__name__)
    app = FastAPI()


    class Orders:
        def confirm(self, order: int, tasks: BackgroundTasks) -> None:
            tasks.add_task(self._mail_receipt, order)

        def _mail_receipt(self, order: int) -> None:
            logger.info("receipt of %d", order)


    orders = Orders()


    @app.post("/orders/{order}/confirm")
    def confirm(order: int, tasks: BackgroundTasks) -> dict[str, int]:
        orders.confirm(order, tasks)
        return {"order": order}
    ```

    ## Verified by

    The witness sends the request and finds the task not run.
    """
    for site in project.sites:
        written = handed(project, site) if site.kind in ("add_task", "BackgroundTask") else None
        if written is not None and (_is_missing(project, written) or _is_undefined(project, written)):
            name = dotted(written.expr)
            yield told(
                project, "BG112", written.expr if written.frame is not site.frame else site.call, written.frame,
                f"{_where(project, written)}: the request fails here, and the task is never added",
                f"correct the name `{name}`, or define it", site=site, trace=(),
            )  # fmt: skip


def _is_missing(project: Project, written: Written) -> bool:
    values = project.evaluate(written.expr, written.frame)
    missing = [value for value in values if isinstance(value, Missing)]
    return (
        bool(missing)
        and len(missing) == len(values)
        and not _has_a_subclass_with_it(project, written)
        and _is_looked_up_in_the_project(project, written)
        and not any(_may_be_supplied(project, value) for value in missing)
    )


def _is_undefined(project: Project, written: Written) -> bool:
    """A plain name that its module hands over as a task and mentions nowhere else."""
    if not isinstance(written.expr, t.Name) or known(project.evaluate(written.expr, written.frame)):
        return False
    name, text = re.escape(written.expr.id), project.source(written.frame.path)
    as_task = re.findall(rf"(?:add_task|BackgroundTask)\(\s*{name}\s*[,)]", text)
    return len(as_task) == len(re.findall(rf"\b{name}\b", text)) and not re.search(_DYNAMIC, text)


def _has_a_subclass_with_it(project: Project, written: Written) -> bool:
    """A mixin's `self.send` may be the method of a class that is derived from it."""
    if not isinstance(written.expr, t.Attribute):
        return False
    for owner in project.evaluate(written.expr.value, written.frame):
        if isinstance(owner, (Instance, Cls)):
            for klass in members.subclasses(project.names, owner.klass):
                found = members.attribute(project.names, Instance(None, klass), written.expr.name)
                if not all(isinstance(value, Missing) for value in found):
                    return True
    return False


def _is_looked_up_in_the_project(project: Project, written: Written) -> bool:
    """An attribute's owner must be known for sure: a module, an object or a class of the project."""
    if not isinstance(written.expr, t.Attribute):
        return isinstance(written.expr, t.Name)
    owners = project.evaluate(written.expr.value, written.frame)
    return bool(owners) and all(isinstance(owner, (ModuleValue, Instance, Cls)) for owner in owners)


def _may_be_supplied(project: Project, missing: Missing) -> bool:
    """True where a module makes names as it runs, or some code sets the name from elsewhere."""
    path, _, name = missing.name.rpartition(":")
    module = project.program.module(path) if path else None
    if module is not None and re.search(_DYNAMIC, module.source):
        return True
    assigned = rf"\.{re.escape(name)}\s*(:[^=\n]+)?=[^=]|[\"']{re.escape(name)}[\"']"
    return any(True for _ in project.modules(assigned))


_DYNAMIC = r"def __getattr__|globals\(\)|\bbuiltins\b|sys\.modules\[|import \*|\bexec\("


def _where(project: Project, written: Written) -> str:
    """What lacks the name: `ReportService` has no `build_monthly`."""
    if isinstance(written.expr, t.Attribute):
        for owner in project.evaluate(written.expr.value, written.frame):
            if isinstance(owner, (Instance, Cls)):
                return f"`{owner.klass.name}` has no `{written.expr.name}`"
        return f"`{dotted(written.expr.value)}` has no `{written.expr.name}`"
    if _is_undefined(project, written):
        return f"`{dotted(written.expr)}` is defined nowhere"
    return f"`{dotted(written.expr)}` is imported from a module that does not have it"
