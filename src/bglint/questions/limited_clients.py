"""Clients whose calls all have a timeout that was not written at the call: by an adapter, by a method set anew."""

from __future__ import annotations

from collections.abc import Iterator

from bglint import members
from bglint import tree as t
from bglint.project import Project
from bglint.questions.makers import maker
from bglint.questions.module_calls import statements
from bglint.reach import Contact
from bglint.values import Frame, Instance, Outside, Value

PLAIN_ADAPTERS = ("requests.adapters.HTTPAdapter",)
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
        return any(_is_alike(value, client) for value in project.evaluate(expr, frame))
    births = (value.birth for value in project.evaluate(expr, frame))
    return any(birth is not None and birth.node is made[0] for birth in births)


def _is_alike(value: Value, client: Value | None) -> bool:
    return isinstance(value, Outside) and isinstance(client, Outside) and value.name == client.name


def _is_passed(project: Project, call: t.Call, client: Value | None) -> bool:
    """False in an arm that the function which makes the client does not take as it was called."""
    made = maker(project, client)
    function = made[1].function if made is not None else None
    if made is None or function is None or call not in t.walk_function(function):
        return True
    return call in project.nodes_of(made[1], t.Call)


def _is_plain(project: Project, adapter: Value) -> bool:
    if isinstance(adapter, Instance):
        return members.method(project.names, adapter.klass, "send") is None
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
