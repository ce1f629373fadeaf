"""How long a call may wait: the timeout that it is given, that its client has, or that somebody puts around it."""

from __future__ import annotations

from bglint import spreading
from bglint import tree as t
from bglint.calling import MORE
from bglint.deciding import passed_on
from bglint.knowledge import Fact
from bglint.project import Project
from bglint.questions.contacts import argument, is_none, path, unsure
from bglint.questions.limited_clients import is_limited, may_be_limited_by_its_class
from bglint.reach import Contact, Visit
from bglint.steps import Edge
from bglint.values import Birth, Frame, Outside, Partial, Value, Values

DEADLINES = (
    "asyncio.timeout", "asyncio.timeout_at", "anyio.fail_after", "anyio.move_on_after", "async_timeout.timeout",
)  # fmt: skip
WAITS_FOR = ("asyncio.wait_for", "asyncio.wait")
_SECONDS = ("timeout", "delay", "when", "deadline")
SESSIONS = "aiohttp.ClientSession."
"""None stands for five minutes: an endless `ClientTimeout` counts."""

OWN_SOCKETS = (
    "smtplib",
    "urllib",
    "socket",
    "http",
    "ftplib",
    "poplib",
    "imaplib",
    "telnetlib",
    "xmlrpc",
    "urllib3",
)


def waits_for_ever(project: Project, contact: Contact) -> bool:
    """True where nothing ends the wait: no timeout given, or None; no deadline around; no default of the process."""
    fact = contact.fact
    if (
        fact is None
        or _may_be_hidden(project, contact, fact)
        or may_be_limited_by_its_class(project, contact)
    ):
        return False
    endless = _not_given(project, contact, fact) if fact.timeout else _given_as_none(project, contact, fact)
    if not endless or is_limited(project, contact):
        return False
    return not _cancelled_from_outside(project, contact) and not _has_default(project, contact)


def _may_be_hidden(project: Project, contact: Contact, fact: Fact) -> bool:
    """True where a timeout may be among arguments that the call does not show."""
    if not unsure(project, contact):
        return False
    kept = _kept_by_partials(project, contact, fact)
    is_task = contact.node is contact.visit.site.call
    names = (
        _keywords(project, contact.node, contact.visit) if not is_task or not contact.node.spread else None
    )
    if kept is None or names is None:
        return True
    return bool((names | kept) & {fact.timeout or fact.timeout_none, *fact.timeout_also})


def _kept_by_partials(project: Project, contact: Contact, fact: Fact) -> set[str] | None:
    """The keywords that a `partial` around the call holds; None where it may hold the timeout by position."""
    func = contact.visit.site.handed if contact.node is contact.visit.site.call else contact.node.func
    waiting, names = [*project.evaluate(func, contact.visit.frame)], set[str]()
    while waiting:
        value = waiting.pop()
        if isinstance(value, Partial):
            if value.positional and fact.timeout_position is not None:
                return None
            names.update(name for name, _ in value.keywords)
            waiting.append(value.target)
    return None if MORE in names else names


def _keywords(project: Project, call: t.Call, visit: Visit) -> set[str] | None:
    """The keywords of a call, with those of its `**options`; None where some are unknown."""
    names = {each.keyword for each in call.arguments if each.keyword}
    for each in call.arguments:
        more = _spread(project, each, visit) if each.star else set()
        if more is None:
            return None
        names |= more
    return names


def _spread(project: Project, options: t.Argument, visit: Visit) -> set[str] | None:
    """The keys of a dict, or the keywords that the function itself was given as `**options`."""
    if options.star != "**":
        return None
    if passed_on(options.value, visit.frame):
        return _passed_down(project, visit)
    keys, closed = spreading.keywords(project.names, options.value, visit.frame)
    return {*keys} if closed and not _merges(project, visit.frame) else None


def _merges(project: Project, frame: Frame) -> bool:
    """True where the function, or one that it calls, says `options |= more`: which keys come in is not followed."""
    called = [edge.target for edge in project.steps(frame)[0] if isinstance(edge, Edge)]
    functions = (each.function for each in (frame, *called) if each.function is not None)
    return any(node.operator == "|=" for function in functions for node in t.nodes_of(function, t.Assign))


def _passed_down(project: Project, visit: Visit) -> set[str] | None:
    function, caller = visit.frame.function, visit.node
    if function is None or function.decorators or visit.before is None or not isinstance(caller, t.Call):
        return None
    return _keywords(project, caller, visit.before)


def given(contact: Contact, fact: Fact) -> t.Expr | None:
    """The timeout that the call is given."""
    if fact.timeout_in == "constructor":
        return None
    position = fact.timeout_position
    name = fact.timeout or fact.timeout_none
    if position is not None:
        return argument(contact, position, name)
    return contact.node.keyword(name)


def endless_client(project: Project, contact: Contact) -> Birth | None:
    """Where the client was made, of a call that waits for ever because the client is made so."""
    fact = contact.fact
    if fact is None or given(contact, fact) is not None or (fact.timeout and not fact.timeout_in):
        return None
    return _maker(project, contact.value)


def _not_given(project: Project, contact: Contact, fact: Fact) -> bool:
    timeout = given(contact, fact)
    if timeout is not None:
        return is_none(project.evaluate(timeout, contact.visit.frame))
    if not fact.timeout_in:
        return True
    maker = _maker(project, contact.value)
    return maker is not None and not _names_a_timeout(project, maker, fact)


def _names_a_timeout(project: Project, maker: Birth, fact: Fact) -> bool:
    node = maker.node
    if not isinstance(node, t.Call) or node.spread:
        return True
    if fact.timeout_position is not None and node.argument(fact.timeout_position) is not None:
        return True
    timeout = node.keyword(fact.timeout)
    return timeout is not None and not is_none(project.evaluate(timeout, maker.frame))


def _given_as_none(project: Project, contact: Contact, fact: Fact) -> bool:
    timeout = given(contact, fact) if fact.timeout_none else None
    if timeout is None:
        return _client_without(project, contact)
    values = project.evaluate(timeout, contact.visit.frame)
    others = [contact.node.keyword(name) for name in fact.timeout_also]
    return (is_none(values) and not any(others)) or _are_without_end(project, contact, values)


def _client_without(project: Project, contact: Contact) -> bool:
    """True for a call on a client made with `timeout=None` where the task does not come by: that is told here."""
    maker = _maker(project, contact.value)
    timeout = maker.node.keyword("timeout") if maker is not None and isinstance(maker.node, t.Call) else None
    if maker is None or timeout is None:
        return False
    values, is_session = project.evaluate(timeout, maker.frame), contact.name.startswith(SESSIONS)
    if is_session and (is_none(values) or contact.node.keyword("timeout") is not None):
        return False
    if not is_session and not _is_elsewhere(project, contact, maker):
        return False
    return is_none(values) or _are_without_end(project, contact, values)


def _maker(project: Project, value: Value) -> Birth | None:
    """The call that made the object, also where a `with` entered it since."""
    owner = value.of if isinstance(value, Outside) else None
    while isinstance(owner, Outside):
        birth = _made(project, owner.birth)
        if birth is not None:
            return birth
        owner = owner.of
    return None


def _made(project: Project, birth: Birth | None) -> Birth | None:
    """The call behind a birth: of what a `with` bound, the one that made what it entered."""
    if birth is None or birth.kind == "call":
        return birth
    entered = birth.node.value if birth.kind == "with" and isinstance(birth.node, t.WithItem) else None
    births = {value.birth for value in project.evaluate(entered, birth.frame)}
    only = births.pop() if len(births) == 1 else None
    return only if only is not None and only.kind == "call" else None


def _is_elsewhere(project: Project, contact: Contact, birth: Birth) -> bool:
    own = {visit.frame.function for visit in project.visits(contact.visit.site)}
    return birth.frame.function is None or birth.frame.function not in own


def _are_without_end(project: Project, contact: Contact, values: Values) -> bool:
    """True for `httpx.Timeout(None)`, `aiohttp.ClientTimeout(total=None)`, kept where the task does not come by."""
    births = [value.birth for value in values if isinstance(value, Outside) and value.instance]
    return (
        bool(births)
        and len(births) == len(values)
        and all(
            birth is not None and _is_elsewhere(project, contact, birth) and _is_without_end(project, birth)
            for birth in births
        )
    )


def _is_without_end(project: Project, birth: Birth) -> bool:
    call = birth.node
    if not isinstance(call, t.Call) or call.spread:
        return False
    made = [value.name for value in project.evaluate(call.func, birth.frame) if isinstance(value, Outside)]
    fact = project.knowledge.fact(made[0]) if len(made) == 1 else None
    if fact is None or not fact.timeout_none or fact.timeout_position is None:
        return False
    timeout = call.argument(fact.timeout_position, fact.timeout_none)
    is_endless = timeout is not None and is_none(project.evaluate(timeout, birth.frame))
    return is_endless and not any(call.keyword(name) for name in fact.timeout_also)


def _cancelled_from_outside(project: Project, contact: Contact) -> bool:
    """True below a deadline, for what can be cancelled at all."""
    can_be = contact.fact is not None and not contact.fact.blocks
    return can_be and has_deadline(project, contact.visit, contact.node)


def has_deadline(project: Project, visit: Visit, node: t.Node) -> bool:
    """True below `asyncio.timeout`, `anyio.fail_after` or `wait_for`."""
    return any(_is_limited_in_time(project, step, frame) for frame, step in path(visit, node))


def _is_limited_in_time(project: Project, node: t.Node, frame: Frame) -> bool:
    if frame.function is None:
        return False
    blocks = [
        n for n, part in project.chain(node, frame.function) if isinstance(n, t.With) and part == "body"
    ]
    managers = [item.value for block in blocks for item in block.items if isinstance(item.value, t.Call)]
    waiting = [call for call in t.nodes_of(frame.function, t.Call) if _is_handed(node, call, frame.function)]
    return any(_ends_in_time(project, call, frame, DEADLINES, 0) for call in managers) or any(
        _ends_in_time(project, call, frame, WAITS_FOR, 1) for call in waiting
    )


def _is_handed(node: t.Node, call: t.Call, function: t.Function) -> bool:
    """True where a call is given `node`, or the name that holds what it gives."""
    given = [*t.walk(*call.arguments)]
    holders = (a for a in t.nodes_of(function, t.Assign) if a.value is node)
    names = {part.id for a in holders for part in a.targets if isinstance(part, t.Name)}
    return node in given or any(isinstance(part, t.Name) and part.id in names for part in given)


def _ends_in_time(
    project: Project, call: t.Call, frame: Frame, names: tuple[str, ...], position: int
) -> bool:
    """True for one of these calls with a time that is not None."""
    called = project.evaluate(call.func, frame)
    if not any(isinstance(value, Outside) and value.name in names for value in called):
        return False
    seconds = next((found for name in _SECONDS if (found := call.argument(position, name))), None)
    return call.spread or (seconds is not None and not is_none(project.evaluate(seconds, frame)))


def _has_default(project: Project, contact: Contact) -> bool:
    """True for the standard library's sockets, and those of urllib3, where the project calls `socket.setdefaulttimeout`."""
    own = contact.name.partition(".")[0] in OWN_SOCKETS
    return own and any(True for _ in project.modules(r"setdefaulttimeout\("))
