"""BG304: network calls and processes that may be waited for without end."""

from __future__ import annotations

from collections.abc import Iterator

from bglint import edits
from bglint import tree as t
from bglint.model import Finding, Fix
from bglint.project import Project, dotted
from bglint.questions.births import birthplace, written
from bglint.questions.contacts import Meeting, meetings, reached
from bglint.questions.timeouts import SESSIONS, endless_client, given, waits_for_ever
from bglint.reach import Contact
from bglint.rule import finding, rule
from bglint.scope import Chain, dominates
from bglint.values import Birth

SECONDS = 10
_SECONDS = f"as in `timeout={SECONDS}`"
_CURES = {
    SESSIONS: f"as in `timeout=aiohttp.ClientTimeout(total={SECONDS})`",
    "xmlrpc.": "by a `transport` of your own whose `make_connection` sets it",
}
"""How a client is given a timeout, by the beginning of what is called."""


@rule("BG304", level="warning", fixable="unsafe")
def no_timeout(project: Project) -> Iterator[Finding]:
    """A task calls the network without a timeout, and may wait for ever.

    ## What it does
    Finds network calls of tasks where the library's default is to wait without end and no timeout is given: requests,
    urllib, urllib3's pools, smtplib, xmlrpc, sockets, `Popen.wait`; and clients that are told to wait without end (`timeout=None` of httpx).
    `asyncio.timeout`, `asyncio.wait_for`, `anyio.fail_after` around the call, `socket.setdefaulttimeout` and an adapter
    of your own that is mounted on the session count.

    ## Why is this bad?
    A server that accepts the connection and never answers is an everyday failure. Nobody waits for a background task,
    so nobody notices: its thread, one of 40, is gone, the tasks queued behind it never run, and shutdown hangs on it.

    ## Example
    ```python
    import logging

    import requests
    from fastapi import BackgroundTasks, FastAPI

    logger = logging.getLogger(__name__)
    app = FastAPI()


    def notify(text: str) -> None:
        try:
            requests.post("https://chat.example.com/hooks", json={"text": text})
        except requests.RequestException:
            logger.exception("chat not notified")


    @app.post("/signup")
    async def signup(email: str, tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(notify, f"new user {email}")
        return {"status": "success"}
    ```

    ## Use instead
    ```python
    import logging

    import requests
    from fastapi import BackgroundTasks, FastAPI

    logger = logging.getLogger(__name__)
    app = FastAPI()


    def notify(text: str) -> None:
        try:
            requests.post("https://chat.example.com/hooks", json={"text": text}, timeout=10)
        except requests.RequestException:
            logger.exception("chat not notified")


    @app.post("/signup")
    async def signup(email: str, tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(notify, f"new user {email}")
        return {"status": "success"}
    ```

    ## Verified by
    The witness looks at the sockets that are connected, the requests that are sent and the processes that are waited
    for: in the bad apps one of them has no timeout, in the others each has one.
    """
    for meeting in meetings(project, lambda c: _may_wait(project, c) and waits_for_ever(project, c)):
        yield _told(project, meeting)


def _may_wait(project: Project, contact: Contact) -> bool:
    """Programs that are run to their end are long-running-task's; here only those that are waited for."""
    fact = contact.fact
    if fact is None or not (fact.timeout or fact.timeout_none or contact.name.startswith(SESSIONS)):
        return False
    if fact.effect != "process":
        return True
    return contact.name.startswith("subprocess.Popen.") and not _is_killed_before(project, contact)


def _is_killed_before(project: Project, contact: Contact) -> bool:
    """True behind `process.kill()`: what is waited for has only to be cleared away."""
    function, func = contact.visit.frame.function, contact.node.func
    if function is None or not isinstance(func, t.Attribute):
        return False
    process = dotted(func.value)
    kills = [
        call
        for call in t.nodes_of(function, t.Call)
        if call.at < func.at and dotted(call.func) == f"{process}.kill"
    ]
    here = project.chain(func, function)
    return any(dominates(_passed(project.chain(kill, function)), _passed(here)) for kill in kills)


def _passed(chain: Chain) -> Chain:
    """The way to a place without the bodies of `try`: what kills fails only where there is nothing left to kill."""
    return tuple(step for step in chain if not (isinstance(step[0], t.Guard) and step[1] == "body"))


def _told(project: Project, meeting: Meeting) -> Finding:
    client = endless_client(project, meeting.contact)
    why, cure = _of_client(project, meeting, client) if client is not None else _of_call(project, meeting)
    message = f"{meeting.called} may wait for ever: {reached(project, meeting)}, and {why}."
    return finding(
        project, "BG304", meeting.node, meeting.frame, message, f"{cure}, and handle the error that it raises then.",
        site=meeting.site, visit=meeting.contact.visit, others=meeting.others, fix=_fix(project, meeting),
    )  # fmt: skip


def _of_call(project: Project, meeting: Meeting) -> tuple[str, str]:
    name, timeout = meeting.fact.timeout or meeting.fact.timeout_none, given(meeting.contact, meeting.fact)
    if timeout is None:
        return "it is given no timeout", f"Give it a timeout, as in `{name}={SECONDS}`"
    text = project.text(timeout, meeting.frame)
    return f"`{name}={text}` sets no end", f"Give it a number of seconds, as in `{name}={SECONDS}`"


def _of_client(project: Project, meeting: Meeting, client: Birth) -> tuple[str, str]:
    name, place = meeting.fact.timeout or "timeout", birthplace(project, client)
    timeout = client.node.keyword(name) if isinstance(client.node, t.Call) else None
    text = f"`{name}={written(project, timeout, client.frame)}`" if timeout is not None else "no timeout"
    cure = next((words for kind, words in _CURES.items() if meeting.contact.name.startswith(kind)), _SECONDS)
    return f"its client is made with {text} ({place})", f"Give the client a timeout there, {cure}"


def _is_bare_generator(call: t.Call) -> bool:
    """`f(x for x in y)` takes no further argument without parentheses."""
    only = call.arguments[0].value if len(call.arguments) == 1 else None
    return isinstance(only, t.Comprehension) and only.kind == "generator"


def _fix(project: Project, meeting: Meeting) -> Fix | None:
    """`timeout=10` as last argument; none where the call has a timeout already."""
    fact, node = meeting.fact, meeting.node
    can_be_given = fact.timeout and not fact.timeout_in and node is not meeting.site.call
    if (
        not can_be_given
        or node.spread
        or given(meeting.contact, fact) is not None
        or _is_bare_generator(node)
    ):
        return None
    text = project.text(node, meeting.frame)
    argument = f"{fact.timeout}={SECONDS}"
    edit = edits.add_argument(meeting.frame.path, text, project.span(node, meeting.frame), argument)
    return Fix(f"Add `{argument}`", (edit,), safe=False) if edit else None
