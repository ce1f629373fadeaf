"""What a task runs: the functions it reaches, forward, and the outside calls it comes to."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace

from bglint import calling, deciding
from bglint import tree as t
from bglint.frozen import by_identity
from bglint.knowledge import Fact
from bglint.names import Names
from bglint.sites import Hop, TaskSite
from bglint.steps import Edge, Place, Steps
from bglint.values import Frame, Instance, Outside, Partial, Values, known

MOST_VISITS = 250
"""A task that runs more functions than this is followed to the nearest ones ..."""

MOST_ABREAST = 3
"""... but a long chain of calls to its end: this many functions for each call of its depth."""

MOST_FRAMES_OF_ONE = 2

MOST_WAYS = 4
"""So many calls of a function are kept besides the nearest one."""


@by_identity
class Visit:
    """A function that a task runs: in this frame, on this kind of place, called at `node` of the visit `before`.

    `before` is None for the task itself; `start` is the visit of the task (None for itself), `depth` counts the calls
    down to here.
    """

    site: TaskSite
    frame: Frame
    where: Place
    before: Visit | None = None
    node: t.Node | None = None
    start: Visit | None = None
    depth: int = 0

    def up(self, node: t.Node) -> Iterator[tuple[Visit, t.Node]]:
        """The way back from `node` to the task: each visit with the node in it that leads on."""
        yield self, node
        visit = self
        while visit.before is not None and visit.node is not None:
            yield visit.before, visit.node
            visit = visit.before

    def hops(self) -> tuple[Hop, ...]:
        """The calls from the task down to this function."""
        way = self.before.up(self.node) if self.before is not None and self.node is not None else ()
        return tuple(Hop(visit.frame, node) for visit, node in way)[::-1]


@by_identity
class Contact:
    """A call of something outside the project. `awaited` where `await` stands before it.

    `node` is the call; where an outside callable is itself the task, the registering call, and `visit` has no function.
    """

    visit: Visit
    node: t.Call
    value: Outside
    fact: Fact | None
    awaited: bool

    @property
    def name(self) -> str:
        """The canonical dotted name of what is called: "requests.post", "sqlalchemy.orm.Session.commit"."""
        return self.value.name

    @property
    def effect(self) -> str:
        return self.fact.effect if self.fact else ""

    @property
    def blocks(self) -> bool:
        """True where the call keeps its thread busy until it is done."""
        return self.fact is not None and self.fact.blocks and not self.awaited


class Reach:
    """Follows tasks; what one frame does is found out once."""

    def __init__(self, names: Names, steps: Steps) -> None:
        self._names = names
        self._steps = steps
        self._visits: dict[TaskSite, tuple[Visit, ...]] = {}
        self._contacts: dict[TaskSite, tuple[Contact, ...]] = {}
        self._again: dict[tuple[TaskSite, Frame, Place], list[tuple[Visit, t.Node]]] = {}

    def visits(self, site: TaskSite) -> tuple[Visit, ...]:
        """Every function that a task runs, nearest first."""
        if site not in self._visits:
            self._visits[site] = tuple(self._walk(site))
        return self._visits[site]

    def _walk(self, site: TaskSite) -> Iterator[Visit]:
        waiting = deque(self._starts(site))
        seen = {(visit.frame, visit.where) for visit in waiting}
        frames: dict[t.Function | None, int] = {}
        while waiting:
            visit = waiting.popleft()
            if len(seen) - len(waiting) > max(MOST_VISITS, MOST_ABREAST * visit.depth):
                return
            yield visit
            left = self._left_to_the_runner(visit)
            for edge in self._steps.of(visit.frame)[0]:
                if (edge.off_loop and visit.where == "event loop") or _is_left(edge, left):
                    continue
                where = edge.shift or visit.where
                key = (edge.target, where)
                count = frames.get(edge.target.function, 0)
                if key in seen:
                    self._again.setdefault((visit.site, *key), []).append((visit, edge.node))
                elif count < MOST_FRAMES_OF_ONE:
                    frames[edge.target.function] = count + 1
                    seen.add(key)
                    start, depth = visit.start or visit, visit.depth + 1
                    waiting.append(Visit(visit.site, edge.target, where, visit, edge.node, start, depth))

    def _left_to_the_runner(self, visit: Visit) -> set[int]:
        """What a task itself returns: the runner takes no coroutine from it."""
        runner = visit.site.kind != "create_task" and not isinstance(visit.site.receiver, Instance)
        if visit.before is not None or not runner:
            return set()
        returns = deciding.live_of(self._names, visit.frame, t.Return)
        return {id(node.value) for node in returns}

    def other_ways(self, visit: Visit) -> Iterator[Visit]:
        """The same function of the same task by other calls, of itself or of one on the way to it."""
        below: list[Visit] = []
        each: Visit | None = visit
        while each is not None:
            for caller, node in self._again.get((each.site, each.frame, each.where), ())[:MOST_WAYS]:
                if all(frame is not each.frame for frame in _frames(caller)):
                    yield _down(_called(caller, each, node), below)
            below.append(each)
            each = each.before

    def _starts(self, site: TaskSite) -> Iterator[Visit]:
        """The first functions of a task, with the arguments given at the registration."""
        given = _given(self._names, site)
        for value in known(site.targets):
            own = site if len(site.targets) == 1 else replace(site, targets=(value,))
            for frame, is_async in self._steps.entered(value, *given, births=True):
                yield Visit(own, frame, "event loop" if is_async else "thread")

    # ---------------------------------------------------------------- contacts

    def contacts(self, site: TaskSite) -> tuple[Contact, ...]:
        """Every outside call that a task comes to, nearest first."""
        if site not in self._contacts:
            self._contacts[site] = (*self._direct(site), *self._on_the_way(site))
        return self._contacts[site]

    def _on_the_way(self, site: TaskSite) -> Iterator[Contact]:
        for visit in self.visits(site):
            for outer in self._steps.of(visit.frame)[1]:
                place = replace(visit, where=outer.shift) if outer.shift else visit
                yield Contact(place, outer.node, outer.value, outer.fact, outer.awaited)

    def _direct(self, site: TaskSite) -> Iterator[Contact]:
        """An outside callable that is itself the task: `add_task(shutil.rmtree, path)`."""
        for value in site.targets:
            while isinstance(value, Partial):
                value = value.target
            if isinstance(value, Outside) and not value.instance:
                fact = self._names.knowledge.fact(value.name)
                where: Place = "event loop" if fact is not None and fact.is_async else "thread"
                yield Contact(
                    Visit(site, site.frame, where), site.call, value, fact, self._steps.is_async(value)
                )


def _is_left(edge: Edge, left: set[int]) -> bool:
    """True for a coroutine that is made and then dropped: what it should do never happens."""
    function = edge.target.function
    return id(edge.node) in left and function is not None and function.is_async


def _frames(visit: Visit) -> Iterator[Frame]:
    """The frames on the way back from a visit, its own first."""
    each: Visit | None = visit
    while each is not None:
        yield each.frame
        each = each.before


def _called(caller: Visit, visit: Visit, node: t.Node | None) -> Visit:
    """A visit again, called at `node` of another one."""
    return replace(visit, before=caller, node=node, start=caller.start or caller, depth=caller.depth + 1)


def _down(visit: Visit, below: list[Visit]) -> Visit:
    """The last of the visits that lead on from here, in turn called by this one."""
    for each in reversed(below):
        visit = _called(visit, each, each.node)
    return visit


def _given(names: Names, site: TaskSite) -> tuple[tuple[Values, ...], dict[str, Values]]:
    if site.kind in ("create_task", "append"):
        return (), {}
    return calling.arguments(names, site.call, site.frame, 1)
