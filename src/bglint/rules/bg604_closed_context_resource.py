"""The rule BG604; what it means stands in its docstring."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import cast

from bglint import tree as t
from bglint.model import Finding
from bglint.project import Project, dotted, name_of, short_function
from bglint.questions.conditions import exclude_each_other
from bglint.questions.deeds import way_to
from bglint.questions.deleting import deletions, let_go
from bglint.questions.foreign_loop import below
from bglint.questions.handed import born, cancelled_there, fact, handed, kept, worked_with
from bglint.questions.owners import closes, is_resource, leaves_open
from bglint.questions.temporary import is_kept, is_path, sources
from bglint.questions.uploads import upload_of
from bglint.rule import finding, rule
from bglint.scope import Chain
from bglint.sites import TaskSite
from bglint.steps import Edge, Outer
from bglint.values import Birth, Frame, Generator, Outside, Value

CODE = "BG604"


@rule(CODE, level="error")
def closed_context_resource(project: Project) -> Iterator[Finding]:
    """The task works with what a `with` block of the handler has closed or deleted.

    ## What it does
    Follows what a `with` or `async with` of the handler binds (a session, a client, a file), and paths below a
    `TemporaryDirectory` or of a `NamedTemporaryFile`, into tasks that run when the block is over. The same for a
    session or client that the handler makes and closes itself, and for a file or folder that it deletes itself.

    ## Why is this bad?
    A background task runs after the handler has returned, and the handler leaves its `with` blocks before it returns.
    So the file is closed, the client refuses to send, the temporary folder is deleted with all that was stored in it.
    A closed SQLAlchemy session does not even complain: it opens again, and its connection is lost to the pool. The
    user has the answer "accepted" all the same. This is so in every FastAPI version, and for tasks started with
    `asyncio.create_task` in the block too, unless the block waits for them. The block of a dependency with `yield` ends
    before the tasks in FastAPI 0.106 to 0.117.

    ## Example
    ```python
    import logging
    import shutil
    import tempfile
    from pathlib import Path

    from fastapi import BackgroundTasks, FastAPI, UploadFile

    app = FastAPI()
    logger = logging.getLogger(__name__)


    def process(path: Path) -> None:
        try:
            logger.info("%s: %d bytes", path.name, path.stat().st_size)
        except Exception:
            logger.exception("could not process %s", path)


    @app.post("/intake", status_code=202)
    def receive(upload: UploadFile, tasks: BackgroundTasks) -> dict[str, str]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "upload"
            with path.open("wb") as out:
                shutil.copyfileobj(upload.file, out)
            tasks.add_task(process, path)
        return {"state": "accepted"}
    ```

    ## Use instead
    Let the task own what it needs: a folder that it removes itself, a session or client that it opens itself.
    ```python
    import logging
    import shutil
    import tempfile
    from pathlib import Path

    from fastapi import BackgroundTasks, FastAPI, UploadFile

    app = FastAPI()
    logger = logging.getLogger(__name__)


    def process(path: Path) -> None:
        try:
            logger.info("%s: %d bytes", path.name, path.stat().st_size)
        except Exception:
            logger.exception("could not process %s", path)
        finally:
            shutil.rmtree(path.parent, ignore_errors=True)


    @app.post("/intake", status_code=202)
    def receive(upload: UploadFile, tasks: BackgroundTasks) -> dict[str, str]:
        path = Path(tempfile.mkdtemp()) / "upload"
        with path.open("wb") as out:
            shutil.copyfileobj(upload.file, out)
        tasks.add_task(process, path)
        return {"state": "accepted"}
    ```

    ## Verified by
    The witness sends the request and sees the task fail on a closed or missing file, or use a session or client after
    it was closed.
    """
    for site in project.sites:
        if not cancelled_there(site) and not _only_tells(project, site):
            own = _closed_by(project, site)
            for birth, close in dict.fromkeys(_closed(project, site)):
                if birth not in own:
                    yield _report(project, site, birth, close)
            yield from _deleted(project, site)
            yield from _let_go(project, site)


def _only_tells(project: Project, site: TaskSite) -> bool:
    """True for a task that does nothing but log or print what it is given."""
    contacts = project.contacts(site)
    telling = all(contact.effect == "log" or contact.name == "builtins.print" for contact in contacts)
    return bool(contacts) and telling and not any(_is_dark(project, v.frame) for v in project.visits(site))


def _is_dark(project: Project, frame: Frame) -> bool:
    """True where a function calls what nobody knows."""
    known = {step.node for steps in project.steps(frame) for step in cast("tuple[Edge | Outer, ...]", steps)}
    return any(call not in known for call in project.nodes_of(frame, t.Call))


def _closed_by(project: Project, site: TaskSite) -> set[Birth | None]:
    """What the task does nothing with but close it: `add_task(client.aclose)`."""
    if not isinstance(site.handed, t.Attribute) or site.handed.name not in _CLOSING:
        return set()
    return {value.birth for value in project.evaluate(site.handed.value, site.frame)}


def _kept_on_the_way(project: Project, site: TaskSite) -> Iterator[Value]:
    """What the task reads from objects, where the handler, or what leads from it to the registration, made it."""
    passed = {frame.function for frame, _ in way_to(site)}
    for value in kept(project, site):
        birth = born(value)
        if birth is not None and birth.frame.function in passed:
            yield value


def _closed(project: Project, site: TaskSite) -> Iterator[tuple[Birth, t.Call | None]]:
    """What the request closes and the task is given: where it was bound, and the call that closes it by hand."""
    given = (read for each in handed(project, site) for read in _read_of(project, site, each))
    for value in (*given, *_kept_on_the_way(project, site)):
        yield from (closed for source in sources(project, value) for closed in _block(project, site, source))
    own = {visit.frame.function for visit in project.visits(site)}
    for value, _ in worked_with(project, site):
        if value.birth is not None and value.birth.frame.function not in own:
            yield from _block(project, site, value)


def _read_of(project: Project, site: TaskSite, value: Value) -> Iterable[Value]:
    """The value itself; the name of a file of which the task reads no more than that."""
    if not isinstance(value, Outside) or not value.name.startswith("io."):
        return (value,)
    frames = [visit.frame for visit in project.visits(site)]
    uses = [(node, frame) for frame in frames for node in project.nodes_of(frame, t.Name)]
    told = [
        (fact(node, frame.function), frame)
        for node, frame in uses
        if frame.function is not None and value in project.evaluate(node, frame)
    ]
    if not told or any(read is None for read, _ in told):
        return (value,)
    return [name for read, frame in told for name in project.evaluate(read, frame)]


def _block(project: Project, site: TaskSite, value: Value) -> Iterator[tuple[Birth, t.Call | None]]:
    """The `with` that bound a value, if it closes it and is over when the task runs."""
    birth = value.birth
    if upload_of(project, value) is not None:
        return  # BG602 knows more of uploads
    if birth is not None and birth.kind == "call":
        yield from ((birth, close) for close in _closes_by_hand(project, site, value, birth))
        if _is_of_stack(project, site, value):
            yield birth, None
    if birth is None or birth.kind != "with" or not isinstance(birth.node, t.WithItem):
        return
    if leaves_open(project, birth.node, birth.frame) or not _ends_before_tasks(project, site, birth.frame):
        return
    managers = project.evaluate(birth.node.value, birth.frame)
    generators = [manager for manager in managers if isinstance(manager, Generator)]
    if any(closes(project, each.func, value, birth.name, call=each.call) for each in generators) or (
        not generators and is_resource(value, birth.name)
    ):
        yield birth, None


def _is_of_stack(project: Project, site: TaskSite, value: Value) -> bool:
    """True for what `stack.enter_context(...)` gave, where the block of the stack closes it."""
    entered = value.of if isinstance(value, Outside) and _ENTERED.fullmatch(value.name) else None
    stack = entered.of if isinstance(entered, Outside) else None
    birth = stack.birth if stack is not None else None
    if value.birth is None or birth is None or birth.kind != "with" or birth.frame.function is None:
        return False
    taken = any(node.name == "pop_all" for node in t.nodes_of(birth.frame.function, t.Attribute))
    managers = project.evaluate(_manager(value.birth), value.birth.frame)
    is_over = _ends_before_tasks(project, site, birth.frame)
    return not taken and is_over and any(map(is_resource, managers))


_ENTERED = re.compile(r"contextlib\.(Async)?ExitStack\.enter_(async_)?context\(\)")


def _manager(birth: Birth) -> t.Expr:
    """What a block has entered, itself or through a stack."""
    if isinstance(birth.node, t.WithItem):
        return birth.node.value
    assert isinstance(birth.node, t.Call)
    return birth.node.argument(0, "cm") or birth.node


def _ends_before_tasks(project: Project, site: TaskSite, frame: Frame) -> bool:
    """True for a block of a handler. A dependency with `yield` that adds the task itself ends first in some versions."""
    if frame.function is None or not frame.function.is_generator:
        return frame.function is not None and _is_of_request(project, site, frame.function)
    adds_it = any(passed == frame for passed, _ in way_to(site))
    return adds_it and project.framework(frame.path).closes_before_tasks is True


_CLOSING = ("close", "aclose")


def _is_of_request(project: Project, site: TaskSite, function: t.Function) -> bool:
    """False for what runs beside the requests: a connection that the start-up keeps open."""
    role = project.role(function)
    if role is not None and role.kind == "dependency":
        return True
    frames = [frame for frame, _ in way_to(site)]
    return any(each.function is function for each in (*frames, *below(project, frames[:1])))


def _closes_by_hand(project: Project, site: TaskSite, value: Value, birth: Birth) -> Iterator[t.Call]:
    """The first call with which the handler that made a session or client closes it itself."""
    function = birth.frame.function
    if function is None or function.is_generator or not is_resource(value):
        return
    added = [node for frame, node in way_to(site) if frame == birth.frame]
    for node in t.nodes_of(function, t.Call):
        if (
            isinstance(node.func, t.Attribute)
            and node.func.name in _CLOSING
            and _meets_task(project, node, birth, added)
            and value in project.evaluate(node.func.value, birth.frame)
        ):
            yield node
            return


def _meets_task(project: Project, close: t.Call, birth: Birth, added: list[t.Node]) -> bool:
    """False for a close after an error, and for one on a way that is not the way of the task."""
    assert birth.frame.function is not None
    closing = project.chain(close, birth.frame.function)
    if any(part.startswith("handler") for _, part in closing):
        return False
    chains = [
        (node, project.chain(node, birth.frame.function))
        for node in added
        if not exclude_each_other(project, node, close, birth.frame)
    ]
    ways = (_share_way(close, closing, node, chain, birth) for node, chain in chains)
    return any(ways) if added else not _turns_away(closing, birth=birth)


def _share_way(close: t.Call, closing: Chain, add: t.Node, adding: Chain, birth: Birth) -> bool:
    """May both be passed in one call of the function?"""
    shared = 0
    while shared < min(len(closing), len(adding)) and closing[shared] == adding[shared]:
        shared += 1
    mine, other = closing[shared:], adding[shared:]
    if mine and mine[0][1] == "final":
        return True
    if mine and other and mine[0][0] is other[0][0] and isinstance(mine[0][0], (t.Branch, t.Match)):
        return False
    return not _turns_away(mine if close.at < add.at else other, shared=closing[:shared], birth=birth)


def _turns_away(chain: Chain, *, shared: Chain = (), birth: Birth) -> bool:
    """True where a block ends by leaving the function, or by going round for another object."""
    ends = [block[-1] for node, part in chain if (block := getattr(node, part, ()))]
    loops = [node for node, _ in (*shared, *chain) if isinstance(node, (t.For, t.While))]
    again = bool(loops) and loops[-1].at < birth.node.at
    return any(
        isinstance(end, (t.Return, t.Raise)) or (isinstance(end, t.Continue) and again) for end in ends
    )


# -------------------------------------------------------------------- reports


def _report(project: Project, site: TaskSite, birth: Birth, close: t.Call | None) -> Finding:
    task = project.task_name(site)
    then = "is still running then" if site.kind == "create_task" else "runs later"
    if close is not None:
        assert isinstance(birth.node, t.Expr)
        made = dotted(birth.node)
        message = f"The handler closes what `{made}` gave it before it returns; the task `{task}` {then}."
        found = finding(project, CODE, site.call, site.frame, message, "Open it in the task.", site=site)
        step = project.step(
            close, birth.frame, f"`{name_of(birth.frame)}` closes it with `{dotted(close.func)}`"
        )
        return replace(found, trace=(*found.trace, step))
    manager, left = _manager(birth), _left(project, birth.frame)
    name = birth.name or dotted(manager)
    message = f"The `with` block closes `{name}` {left}; the task `{task}` {then}."
    cure = f"Open `{name}` in the task, or pass what was read from it."
    if ("Temporary" in dotted(manager) and not is_kept(manager)) or _is_path(project, birth):
        message = f"The `with` block deletes `{name}` {left}; the task `{task}` {then}."
        cure = "Keep it until the task is done (`tempfile.mkdtemp()`, `delete=False`), and let the task remove it."
    return finding(project, CODE, site.call, site.frame, message, cure, site=site)


def _deleted(project: Project, site: TaskSite) -> Iterator[Finding]:
    """What the handler deletes itself when it has added the task."""
    for value in (*handed(project, site), *_kept_on_the_way(project, site)):
        for call, frame in deletions(project, site, value):
            task = project.task_name(site)
            then = "is still running then" if site.kind == "create_task" else "runs later"
            message = (
                f"Before it returns, the handler deletes what the task `{task}` is given; the task {then}."
            )
            found = finding(
                project, CODE, site.call, site.frame, message, "Let the task remove it.", site=site
            )
            step = project.step(call, frame, f"`{name_of(frame)}` deletes it with `{dotted(call.func)}`")
            yield replace(found, trace=(*found.trace, step))
            return


def _let_go(project: Project, site: TaskSite) -> Iterator[Finding]:
    """A temporary folder that goes with its object, which nobody keeps."""
    for value in (*handed(project, site), *_kept_on_the_way(project, site)):
        for _ in let_go(project, site, value):
            task = project.task_name(site)
            then = "is still running then" if site.kind == "create_task" else "runs later"
            message = (
                f"Nobody holds the `TemporaryDirectory` when the handler has returned, and with it the folder is "
                f"deleted; the task `{task}` {then}."
            )
            cure = "Make it with `tempfile.mkdtemp()`, and let the task remove it."
            yield finding(project, CODE, site.call, site.frame, message, cure, site=site)
            return


def _is_path(project: Project, birth: Birth) -> bool:
    target = birth.node.target if isinstance(birth.node, t.WithItem) else None
    values = project.evaluate(target, birth.frame) if target is not None else ()
    return any(is_path(value) for value in values)


def _left(project: Project, frame: Frame) -> str:
    """When the block of a function is over."""
    function = frame.function
    if function is None or not function.is_generator:
        return "before the handler returns"
    return f"when FastAPI {project.framework(frame.path).fastapi} ends `{short_function(function)}`"
