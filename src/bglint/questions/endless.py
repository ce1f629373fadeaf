"""Loops without an end, and calls that never come back."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bglint import tree as t
from bglint.project import Project, dotted
from bglint.questions.ended_by_error import ends_by_error
from bglint.questions.environment import from_environment
from bglint.questions.flags import stays_true
from bglint.questions.makers import maker
from bglint.values import Const, Frame, Generator, Outside, Value

Loop = t.For | t.While

DEPTH = 3
EXITS = ("sys.exit", "exit", "quit", "os._exit")
_RECEIVING = re.compile(
    r"\.receive_(text|json|bytes)$|(ws|websocket|socket|connection|conn)\.(recv|receive)$"
)
_SENDING = re.compile(r"\.send_(text|json|bytes)$|(ws|websocket|socket|connection|conn)\.send$")
_SUBSCRIPTIONS = (
    "redis.client.PubSub.listen", "redis.asyncio.client.PubSub.listen", "aio_pika.abc.AbstractQueue.iterator",
)  # fmt: skip
_CONSUMERS = ("aiokafka.AIOKafkaConsumer", "kafka.KafkaConsumer", "aiomqtt.Client.messages")
_LIMITS = ("consumer_timeout_ms", "timeout")
_UNSUBSCRIBES = re.compile(r"\.(p?unsubscribe|close|aclose|stop|disconnect|cancel)$")
_ENDED_BY = {
    "paho.mqtt.client.Client.loop_forever": "disconnect",
    "pika.adapters.blocking_connection.BlockingChannel.start_consuming": "stop_consuming|close",
    "apscheduler.schedulers.blocking.BlockingScheduler.start": "shutdown",
}
"""What never comes back, and the methods that end it."""


def never_returns(project: Project, name: str, path: str) -> bool:
    """True for a call that only ends where somebody in its file says so, if nobody there does."""
    ended_by = _ENDED_BY.get(name)
    return ended_by is not None and re.search(rf"\.({ended_by})\b", project.source(path)) is None


def endless_loops(project: Project, frame: Frame, depth: int = DEPTH) -> Iterator[Loop]:
    """The loops of a function that nothing ends."""
    if frame.function is None or not depth:
        return
    for node in project.nodes_of(frame, t.For, t.While):
        if _repeats(project, node, frame, depth - 1) and not _ends(project, node, frame):
            yield node


def _ends(project: Project, loop: Loop, frame: Frame) -> bool:
    return _may_leave(loop) or _ends_with_connection(loop) or ends_by_error(project, loop, frame)


def _repeats(project: Project, loop: Loop, frame: Frame, depth: int) -> bool:
    if isinstance(loop, t.For):
        return _goes_on(project, loop, frame, depth)
    if not isinstance(loop.test, t.Constant):
        return stays_true(project, loop.test) and not from_environment(project, loop.test, frame)
    values = project.evaluate(loop.test, frame)
    return any(isinstance(value, Const) and bool(value.value) for value in values)


# ------------------------------------------------------------ what is gone through


def _goes_on(project: Project, loop: t.For, frame: Frame, depth: int) -> bool:
    """True for what always gives one more, if nothing in the loop turns it off or sends it to a peer that may go."""
    call = loop.iterable
    called = project.evaluate(call.func, frame) if isinstance(call, t.Call) else ()
    if isinstance(call, t.Call) and any(_counts(project, value, call, frame) for value in called):
        return True
    values = project.evaluate(loop.iterable, frame)
    listens = any(isinstance(value, Outside) and value.name in _SUBSCRIPTIONS for value in called)
    if listens or any(_consumes(project, value) for value in values):
        return not any(map(_may_turn_off, t.walk(*loop.body)))
    return any(_generates(project, value, depth) for value in values)


def _counts(project: Project, value: Value, call: t.Call, frame: Frame) -> bool:
    """`itertools.count()`, `itertools.cycle(x)`, `itertools.repeat(x)`, `iter(int, 1)`."""
    name = value.name if isinstance(value, Outside) else ""
    if name == "builtins.iter" and len(call.arguments) == 2:
        makes, stop = (project.evaluate(argument.value, frame) for argument in call.arguments)
        is_zero = any(isinstance(each, Outside) and each.name == "builtins.int" for each in makes)
        return is_zero and any(isinstance(each, Const) and each.value != 0 for each in stop)
    is_once = len(call.arguments) == 1 and not call.spread
    return name in ("itertools.count", "itertools.cycle") or (name == "itertools.repeat" and is_once)


def _consumes(project: Project, value: Value) -> bool:
    """True for a consumer that is made without a limit, as far as is seen."""
    if not isinstance(value, Outside) or value.name not in _CONSUMERS:
        return False
    made = maker(project, value)
    return made is None or not (made[0].spread or any(made[0].keyword(name) for name in _LIMITS))


def _may_turn_off(node: t.Node) -> bool:
    """True for `pubsub.unsubscribe()`, and for what is sent to a socket: when that goes, sending raises."""
    name = dotted(node.func) if isinstance(node, t.Call) else ""
    return bool(_UNSUBSCRIBES.search(name) or _SENDING.search(name))


def _generates(project: Project, value: Value, depth: int) -> bool:
    """True for a generator of the project that has an endless loop itself."""
    return isinstance(value, Generator) and any(True for _ in endless_loops(project, value.call, depth))


# ------------------------------------------------------------ how a loop is left


def _may_leave(loop: Loop) -> bool:
    """True where a `break` of this loop, a `return` or an uncaught `raise` can be reached."""
    return _leaves(loop.body, inside=False, caught=False)


def _ends_with_connection(loop: Loop) -> bool:
    """True where the loop reads what a peer sends: when that goes, reading raises, and nothing in the loop catches it."""
    return any(
        isinstance(part, t.Await) and _receives(part.value)
        for statement in loop.body
        if not isinstance(statement, t.Guard)
        for part in t.walk(statement)
    )


def _receives(expr: t.Expr) -> bool:
    name = dotted(expr.func) if isinstance(expr, t.Call) else ""
    return bool(_RECEIVING.search(name))


def _leaves(block: t.Block, *, inside: bool, caught: bool) -> bool:
    """`inside`: in a loop of its own, whose `break` is not ours; `caught`: an `except` here takes what is raised."""
    return any(_leaves_by(statement, inside=inside, caught=caught) for statement in block)


def _leaves_by(node: t.Statement, *, inside: bool, caught: bool) -> bool:
    if isinstance(node, t.Return) or _exits(node):
        return True
    if isinstance(node, (t.Break, t.Raise)):
        return not (inside if isinstance(node, t.Break) else caught)
    if isinstance(node, t.Branch):
        return any(_leaves(part, inside=inside, caught=caught) for part in (node.body, node.orelse))
    if isinstance(node, (t.For, t.While)):
        return _leaves(node.body, inside=True, caught=caught) or _leaves(
            node.orelse, inside=inside, caught=caught
        )
    if isinstance(node, t.With):
        return _leaves(node.body, inside=inside, caught=caught)
    if isinstance(node, t.Match):
        return any(_leaves(case.body, inside=inside, caught=caught) for case in node.cases)
    if isinstance(node, t.Guard):
        return _leaves_guard(node, inside=inside, caught=caught)
    return False


def _exits(node: t.Statement) -> bool:
    value = node.value if isinstance(node, t.Evaluate) else None
    return isinstance(value, t.Call) and dotted(value.func) in EXITS


def _leaves_guard(node: t.Guard, *, inside: bool, caught: bool) -> bool:
    tried = _leaves(node.body, inside=inside, caught=caught or bool(node.handlers))
    others = (node.orelse, node.final, *(handler.body for handler in node.handlers))
    return tried or any(_leaves(part, inside=inside, caught=caught) for part in others)
