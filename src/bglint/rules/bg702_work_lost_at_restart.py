"""BG702: work of value that only this process remembers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bglint import tree as t
from bglint.model import Finding
from bglint.project import Project, dotted
from bglint.questions.failing import runs_its_own_way
from bglint.questions.weight import a_queue
from bglint.reach import Contact
from bglint.rule import finding, rule
from bglint.sites import TaskSite
from bglint.steps import Edge, Outer
from bglint.values import Frame

CURE = (
    "Write down what is owed before you answer (a row, an outbox, {queue}) and let something pick up what a restart "
    "left behind."
)
DEPTH = 4
_VALUE = re.compile(
    r"(?i)(^|_)(charge|pay|payment|payout|refund|purchase|buy|order|place_order|provision|transfer|withdraw|deposit"
    r"|subscribe|unsubscribe|renew|settle|capture_payment|create_invoice|deprovision|book"
    r"|ship_(order|parcel|package|good|item|product)s?)(_|$)"
)

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_ANY_WORK = re.compile(r"_*(run|execute|process|perform|handle|call|start|apply|do|work)_*")
_SERVICE = re.compile(
    r"(\w+_)?(refund|payment|charge|payout|purchase|withdrawal|provisioning|billing)s?"
    r"(_(service|processor|runner|job|task|worker|handler|command|use_case|flow|saga))?"
)
_PAYING = re.compile(
    r"^stripe\.(\w+\.)*(paymentintent|payment_intents|charge|charges|refund|refunds|transfer|transfers|payout|payouts)"
    r"\.(create|capture|confirm)(_async)?$"
    r"|^razorpay\.Client\.(\w+\.)*(capture|refund)$",
    re.IGNORECASE,
)
"""Calls that move money, in a function of whatever name."""


@rule("BG702", level="advice")
def work_lost_at_restart(project: Project) -> Iterator[Finding]:
    """May this work be lost at a deployment? Nothing but this process remembers it.

    ## What it does
    Asks about tasks that charge, order, provision or otherwise move something of value by a remote call, as the names
    of functions and classes (`charge_card`, `RefundService.run`) or the calls of a payment SDK say, where nothing has
    been written to a database or a queue before the answer. Off by default: it is a question.

    ## Why is this bad?
    The queue of background tasks is a list in memory. When the server restarts between the answer and the task, the
    customer was told "paid" and nobody pays; no log line says so.

    ## Example
    ```python
    import logging

    import httpx
    from fastapi import BackgroundTasks, FastAPI

    logger = logging.getLogger(__name__)
    app = FastAPI()


    def charge_card(order: int, cents: int) -> None:
        try:
            httpx.post("https://pay.example.com/charges", json={"order": order, "cents": cents}, timeout=10)
        except Exception:
            logger.exception("order %s was not charged", order)


    @app.post("/orders/{order}/pay")
    def pay(order: int, tasks: BackgroundTasks) -> dict[str, int]:
        tasks.add_task(charge_card, order, 4200)
        return {"order": order}
    ```

    ## Use instead
    ```python
    import logging
    import sqlite3
    from contextlib import closing

    import httpx
    from fastapi import BackgroundTasks, FastAPI

    logger = logging.getLogger(__name__)
    app = FastAPI()


    def record(order: int, state: str) -> None:
        with closing(sqlite3.connect("charges.db")) as database, database:
            database.execute("insert or replace into charges values (?, ?)", (order, state))


    def charge_card(order: int, cents: int) -> None:
        try:
            httpx.post("https://pay.example.com/charges", json={"order": order, "cents": cents}, timeout=10)
            record(order, "charged")
        except Exception:
            logger.exception("order %s was not charged", order)


    @app.post("/orders/{order}/pay")
    def pay(order: int, tasks: BackgroundTasks) -> dict[str, int]:
        record(order, "due")
        tasks.add_task(charge_card, order, 4200)
        return {"order": order}
    ```

    ## Verified by
    `starlette/background.py`: `BackgroundTasks.tasks` is a list, run by `__call__` and kept nowhere else.
    """
    found: dict[t.Node, Contact] = {}
    for site in project.sites:
        contact = _deed(project, site)
        if contact is not None and contact.node not in found and not _is_recorded(project, site):
            found[contact.node] = contact
    for contact in found.values():
        yield _told(project, contact)


def _deed(project: Project, site: TaskSite) -> Contact | None:
    """The remote call by which a task moves something of value, by the names of the functions on the way."""
    if runs_its_own_way(project, site):
        return None
    return next((contact for contact in project.contacts(site) if _moves(contact)), None)


def _moves(contact: Contact) -> bool:
    if contact.effect != "network" or (contact.fact is not None and contact.fact.mail):
        return False
    frames = [contact.visit.frame, *(hop.frame for hop in contact.visit.hops())]
    functions = [frame.function for frame in frames if frame.function is not None]
    return bool(_PAYING.search(contact.name)) or any(map(_speaks_of_value, functions))


def _speaks_of_value(function: t.Function) -> bool:
    """`charge_card`, `handlePayment`; `RefundService.run`, whose method says nothing itself."""
    name = _snake(function.name)
    if _VALUE.search(name):
        return True
    return bool(_ANY_WORK.fullmatch(name) and _SERVICE.fullmatch(_snake(function.owner.rpartition(".")[2])))


def _snake(name: str) -> str:
    return _HUMP.sub("_", name).lower()


def _is_recorded(project: Project, site: TaskSite) -> bool:
    """True where the request has written to a database or a queue before it answers, or may have."""
    frames = (hop.frame for hop in site.context.hops)
    return any(_records(project, frame, DEPTH) for frame in (*frames, site.frame))


def _records(project: Project, frame: Frame, depth: int) -> bool:
    edges, outers = project.steps(frame)
    if any(
        isinstance(o, Outer) and o.fact is not None and o.fact.effect in ("database", "queue") for o in outers
    ):
        return True
    return depth > 0 and any(isinstance(e, Edge) and _records(project, e.target, depth - 1) for e in edges)


def _told(project: Project, contact: Contact) -> Finding:
    site = contact.visit.site
    message = (
        f"The task `{project.task_name(site)}` does something of value in `{dotted(contact.node.func)}`, and only this "
        "process remembers it: may it be lost at a restart?"
    )
    return finding(
        project, "BG702", contact.node, contact.visit.frame, message,
        CURE.format(queue=a_queue(project, contact.visit.frame)),
        site=site, visit=contact.visit, last=f"`{dotted(contact.node.func)}` would never run",
    )  # fmt: skip
