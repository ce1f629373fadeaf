"""BG001: a handler that sleeps or mails while the client waits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from bglint import tree as t
from bglint.model import Finding, Step
from bglint.project import Project, dotted
from bglint.reach import Edge, Outer
from bglint.rule import finding, rule
from bglint.rules._contacts import number
from bglint.rules._parents import parent
from bglint.values import Frame

DEPTH = 5
_MENTIONS = r"@\w[\w.]*\.(get|post|put|patch|delete|api_route)\(|\badd_api_route\("
CURE = "Give it to the handler's `tasks: BackgroundTasks`, `tasks.add_task(...)`: it runs when the client has its answer."


@rule("BG001", level="warning")
def slow_work_before_response(project: Project) -> Iterator[Finding]:
    """The client waits while the handler sleeps or sends mail: give that work to BackgroundTasks.

    ## What it does
    Finds HTTP route handlers that sleep themselves (`time.sleep`, or `asyncio.sleep` of a second or more), and
    handlers that call something which sends mail, through smtplib or a mail library, and do nothing with the result.
    It stays silent where the wait belongs to the answer: a loop that polls, a pause before a refusal, a mail whose
    failure the client is told.

    ## Why is this bad?
    The answer is ready, and is held back until the mail server has said goodbye: seconds for the client, and a failed
    request when the mail server is down.

    ## Example
    ```python
    import logging
    import smtplib

    from fastapi import FastAPI

    logger = logging.getLogger(__name__)
    app = FastAPI()


    def send_welcome(address: str) -> None:
        try:
            with smtplib.SMTP("mail.internal", timeout=10) as server:
                server.sendmail("hello@example.com", [address], "Welcome")
        except Exception:
            logger.exception("no welcome mail to %s", address)


    @app.post("/signup")
    def signup(email: str) -> dict[str, str]:
        send_welcome(email)
        return {"email": email}
    ```

    ## Use instead
    ```python
    import logging
    import smtplib

    from fastapi import BackgroundTasks, FastAPI

    logger = logging.getLogger(__name__)
    app = FastAPI()


    def send_welcome(address: str) -> None:
        try:
            with smtplib.SMTP("mail.internal", timeout=10) as server:
                server.sendmail("hello@example.com", [address], "Welcome")
        except Exception:
            logger.exception("no welcome mail to %s", address)


    @app.post("/signup")
    def signup(email: str, tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(send_welcome, email)
        return {"email": email}
    ```

    ## Verified by
    The witness looks at the moment when the response starts: the sleep or the mail is over by then.
    """
    for function in project.functions(_MENTIONS):
        role = project.role(function)
        if role is not None and role.kind == "route" and not function.is_generator:
            yield from _in_handler(project, project.frame(function))


def _in_handler(project: Project, frame: Frame) -> Iterator[Finding]:
    assert frame.function is not None
    told: set[t.Node] = set()
    for outer in _outers(project, frame):
        if (
            outer.node not in told
            and _sleeps(project, outer, frame)
            and _is_idle(project, outer.node, frame.function)
        ):
            told.add(outer.node)
            yield _slept(project, outer, frame)
    for call, steps in _mailing(project, frame):
        if (
            call not in told
            and _is_dropped(call, frame.function)
            and not _is_answered(project, call, frame.function)
        ):
            told.add(call)
            yield _mailed(project, call, frame, steps)


def _outers(project: Project, frame: Frame) -> Iterator[Outer]:
    yield from (step for step in project.steps(frame)[1] if isinstance(step, Outer))


def _edges(project: Project, frame: Frame) -> Iterator[Edge]:
    for step in project.steps(frame)[0]:
        if isinstance(step, Edge) and step.shift is None and isinstance(step.node, t.Call):
            yield step


# ---------------------------------------------------------------------- sleeps


def _sleeps(project: Project, outer: Outer, frame: Frame) -> bool:
    """`time.sleep`, or an awaited sleep of a second or more."""
    if outer.fact is None or outer.fact.effect != "sleep":
        return False
    if not outer.fact.is_async:
        return True
    seconds = number(project, outer.node.argument(0), frame)
    return outer.awaited and seconds is not None and seconds >= 1


def _is_idle(project: Project, node: t.Node, function: t.Function) -> bool:
    """False for a pause that belongs to the answer: in a loop that polls, or before a refusal."""
    chain = project.chain(node, function)
    if any(isinstance(around, t.For | t.While) for around, _ in chain):
        return False
    block = getattr(chain[-1][0], chain[-1][1], ()) if chain and " " not in chain[-1][1] else ()
    return not any(isinstance(step, t.Raise) and step.at > node.at for step in block)


def _slept(project: Project, outer: Outer, frame: Frame) -> Finding:
    assert frame.function is not None
    message = f"The client of `{frame.function.name}` waits while the handler sleeps in `{dotted(outer.node.func)}`."
    return finding(project, "BG001", outer.node, frame, message, CURE)


# ----------------------------------------------------------------------- mails


def _mailing(project: Project, frame: Frame) -> Iterator[tuple[t.Call, tuple[Step, ...]]]:
    """The calls of the handler that send mail, with the way from there to the call that does it."""
    for outer in _outers(project, frame):
        if _mails(outer):
            yield outer.node, ()
    for edge in _edges(project, frame):
        steps = _way_to_mail(project, edge.target, DEPTH, frozenset())
        if steps and isinstance(edge.node, t.Call):
            yield edge.node, steps


def _way_to_mail(project: Project, frame: Frame, depth: int, seen: frozenset[Frame]) -> tuple[Step, ...]:
    if not depth or frame in seen:
        return ()
    for outer in _outers(project, frame):
        if _mails(outer):
            return (project.step(outer.node, frame, f"`{dotted(outer.node.func)}` sends the mail"),)
    for edge in _edges(project, frame):
        below = _way_to_mail(project, edge.target, depth - 1, seen | {frame})
        if below and isinstance(edge.node, t.Call):
            return (project.step(edge.node, frame, f"calls `{dotted(edge.node.func)}`"), *below)
    return ()


def _mails(outer: Outer) -> bool:
    return outer.fact is not None and outer.fact.mail


def _is_dropped(call: t.Call, function: t.Function) -> bool:
    """True where nothing is done with the result."""
    holder = parent(call, function)
    if isinstance(holder, t.Await):
        holder = parent(holder, function)
    return isinstance(holder, t.Evaluate)


def _is_answered(project: Project, call: t.Call, function: t.Function) -> bool:
    """True where the client is told of a failure: a `try` around the call raises or returns something else."""
    guards = (
        around
        for around, part in project.chain(call, function)
        if isinstance(around, t.Guard) and part == "body"
    )
    handled = (node for guard in guards for handler in guard.handlers for node in t.walk(*handler.body))
    return any(isinstance(node, t.Raise | t.Return | t.Assign) for node in handled)


def _mailed(project: Project, call: t.Call, frame: Frame, steps: tuple[Step, ...]) -> Finding:
    assert frame.function is not None
    message = (
        f"The client of `{frame.function.name}` waits while `{dotted(call.func)}` talks to the mail server."
    )
    found = finding(project, "BG001", call, frame, message, CURE)
    return replace(found, trace=(*found.trace, *steps))
