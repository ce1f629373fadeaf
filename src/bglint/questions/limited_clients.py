"""Clients whose calls all have a timeout that was not written at the call: by an adapter, a method set anew, a class."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bglint import members
from bglint import tree as t
from bglint.project import Project
from bglint.questions.makers import maker
from bglint.questions.module_calls import statements
from bglint.reach import Contact
from bglint.values import Class, Cls, Frame, Instance, Outside, Value

PLAIN_ADAPTERS = ("requests.adapters.HTTPAdapter",)
PLAIN_CLIENTS = {"requests.Session"}
_NO_CLIENTS = {"builtins.object", "abc.ABC", "typing.Generic"}
_WAYS = ("request", "send", "get_adapter")
"""What each call of a session goes through."""
_SENDING = ("request", "send", "get", "post", "put", "patch", "delete", "head", "options")
_SET = rf"\.({'|'.join(_SENDING)})\s*=[^=]"


def is_limited(project: Project, contact: Contact) -> bool:
    """True for a call on a client that somebody gave an adapter of his own, or another `request` or `send`."""
    client = contact.value.of if isinstance(contact.value, Outside) else None
    return any(_mounts_own(project, client)) or any(_is_set_anew(project, contact, client))


def _mounts_own(project: Project, client: Value | None) -> Iterator[bool]:
    """`session.mount("https://", TimeoutAdapter())`."""
    for call, frame in project.method_calls(r"\.mount\(", "mount"):
        assert isinstance(call.func, t.Attribute)
        if _is_client(project, call.func.value, frame, client) and _is_passed(project, call, client):
            adapter = call.argument(1, "adapter")
            yield not all(_is_plain(project, value) for value in project.evaluate(adapter, frame))


def _is_client(project: Project, expr: t.Expr, frame: Frame, client: Value | None) -> bool:
    """True for the client itself, or one of its kind where nobody knows which client it is."""
    made = maker(project, client)
    if made is None:
        return any(_is_alike(project, value, client) for value in project.evaluate(expr, frame))
    births = (value.birth for value in project.evaluate(expr, frame))
    return any(birth is not None and birth.node is made[0] for birth in births)


def _is_alike(project: Project, value: Value, client: Value | None) -> bool:
    return isinstance(client, Outside) and project.is_a(value, client.name)


def _is_passed(project: Project, call: t.Call, client: Value | None) -> bool:
    """False in an arm that the function which makes the client does not take as it was called."""
    made = maker(project, client)
    function = made[1].function if made is not None else None
    if made is None or function is None or call not in t.walk_function(function):
        return True
    return call in project.nodes_of(made[1], t.Call)


def _is_plain(project: Project, adapter: Value) -> bool:
    if isinstance(adapter, Instance):
        send = members.method(project.names, adapter.klass, "send")
        return send is None or (_passes_on(send[1], "send") and not _speaks_of_timeouts(project, send[0]))
    return isinstance(adapter, Outside) and adapter.name in PLAIN_ADAPTERS


def _is_set_anew(project: Project, contact: Contact, client: Value | None) -> Iterator[bool]:
    """`session.request = partial(session.request, timeout=5)`, or `requests.Session.request = ...`."""
    for target, frame in _set_methods(project):
        yield _is_client(project, target.value, frame, client)
        whole = (v for v in project.evaluate(target.value, frame) if isinstance(v, Outside))
        yield any(not v.instance and contact.name.startswith(f"{v.name}.") for v in whole)


def _set_methods(project: Project) -> Iterator[tuple[t.Attribute, Frame]]:
    in_functions = (
        (node, project.frame(f)) for f in project.functions(_SET) for node in t.nodes_of(f, t.Assign)
    )
    for node, frame in (*statements(project, _SET), *in_functions):
        for target in node.targets if isinstance(node, t.Assign) else ():
            if isinstance(target, t.Attribute) and target.name in _SENDING:
                yield target, frame


# ------------------------------------------------------------ clients of the project's own classes


def may_be_limited_by_its_class(project: Project, contact: Contact) -> bool:
    """True for a client of the project's own class, unless that is a session whose calls it only passes on."""
    func = contact.node.func
    clients = project.evaluate(func.value, contact.visit.frame) if isinstance(func, t.Attribute) else ()
    return any(isinstance(client, Instance) and _may_limit(project, client.klass) for client in clients)


def _may_limit(project: Project, klass: Class) -> bool:
    lineage = members.lineage(project.names, klass)
    bases = [value for part in lineage for value in members.base_values(project.names, part)]
    outside = {value.name for value in bases if isinstance(value, Outside)}
    if not all(isinstance(value, Outside | Cls) for value in bases) or outside - _NO_CLIENTS - PLAIN_CLIENTS:
        return True
    return any(_speaks_of_timeouts(project, part) or _has_ways_of_its_own(project, part) for part in lineage)


def _speaks_of_timeouts(project: Project, klass: Class) -> bool:
    module = project.program.module(klass.source.path)
    if module is None or klass.entry is None:
        return True
    return re.search(r"(?im)^[^#\n]*timeout", module.text(klass.entry.start, klass.entry.end)) is not None


def _has_ways_of_its_own(project: Project, klass: Class) -> bool:
    """True where the class sets one of the ways anew, and does more with the options than to pass them on."""
    for name in _WAYS:
        method = members.own_method(project.names, klass, name)
        if method is not None and not _passes_on(method, name):
            return True
    plain = [member for member in klass.entry.members if member.kind != "function"] if klass.entry else []
    return any(name in _WAYS for member in plain for name in member.names)


def _passes_on(method: t.Function, name: str) -> bool:
    calls = [call for call in t.nodes_of(method, t.Call) if t.last_name(call.func) == name]
    starred = [argument.value for call in calls for argument in call.arguments if argument.star]
    names = {value.id for value in starred if isinstance(value, t.Name)}
    given = {parameter.name for parameter in method.parameters if parameter.kind in ("*", "**")}
    used = [part for part in t.walk_function(method) if isinstance(part, t.Name) and part.id in names]
    return bool(calls) and names <= given and len(names) == len(used) == len(starred)
