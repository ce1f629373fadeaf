"""Which objects of the app's event loop a coroutine uses: clients, engines, locks that were made elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bglint import tree as t
from bglint.project import Project
from bglint.questions.makers import maker
from bglint.values import Coroutine, Frame, Func, Outside, Value

BOUND_TO_A_LOOP = (
    "asyncio.Lock", "asyncio.Event", "asyncio.Semaphore", "asyncio.Condition", "asyncio.Queue",
    "httpx.AsyncClient", "aiohttp.ClientSession", "openai.AsyncOpenAI", "anthropic.AsyncAnthropic",
    "sqlalchemy.ext.asyncio.AsyncEngine", "sqlalchemy.ext.asyncio.AsyncSession",
    "sqlalchemy.ext.asyncio.async_sessionmaker", "redis.asyncio.Redis", "asyncpg.Pool", "databases.Database",
    "motor.motor_asyncio.AsyncIOMotorClient", "pymongo.AsyncMongoClient", "elasticsearch.AsyncElasticsearch",
)  # fmt: skip
MOST_FRAMES = 200


def foreign_object(project: Project, coroutine: t.Expr | None, frame: Frame) -> tuple[t.Expr, Frame] | None:
    """The first use, in what the coroutine runs, of such an object that the coroutine did not make itself."""
    values = project.evaluate(coroutine, frame) if coroutine is not None else ()
    frames = below(project, [start for value in values for start in _starts(project, value)])
    for each in frames:
        for expr in _used_in(each):
            if any(_is_foreign(project, value, frames) for value in project.evaluate(expr, each)):
                return expr, each
    return None


def made_elsewhere(value: Value, frames: Iterable[Frame]) -> bool:
    """True where a value was born outside of these frames: in a module, a handler, another object."""
    birth = value.birth
    own = {frame.function for frame in frames}
    return birth is not None and (birth.frame.function is None or birth.frame.function not in own)


def _is_foreign(project: Project, value: Value, frames: Iterable[Frame]) -> bool:
    if not isinstance(value, Outside) or not value.instance:
        return False
    if not project.is_a(value, *BOUND_TO_A_LOOP) or not made_elsewhere(value, frames):
        return False
    return not (value.name.startswith("sqlalchemy.") and _keeps_no_connection(project, value))


def _keeps_no_connection(project: Project, value: Outside) -> bool:
    """True for an engine with `poolclass=NullPool`, and what is made of it: each use connects anew."""
    made = maker(project, value)
    if made is None:
        return any(not module.path.endswith("env.py") for module in project.modules(r"\bNullPool\b"))
    call, frame = made
    if value.name == "sqlalchemy.ext.asyncio.AsyncEngine":
        pools = project.evaluate(call.keyword("poolclass"), frame)
        return any(isinstance(pool, Outside) and pool.name.endswith(".NullPool") for pool in pools)
    engines = project.evaluate(call.argument(0, "bind"), frame)
    return any(isinstance(engine, Outside) and _keeps_no_connection(project, engine) for engine in engines)


def _starts(project: Project, value: Value) -> Iterator[Frame]:
    if isinstance(value, Coroutine):
        yield value.call
    elif isinstance(value, Func) and value.function.is_async:
        yield project.frame(value.function)


def below(project: Project, waiting: list[Frame]) -> list[Frame]:
    """The frames that these run, themselves included."""
    found: dict[Frame, None] = {}
    while waiting and len(found) < MOST_FRAMES:
        frame = waiting.pop(0)
        if frame not in found:
            found[frame] = None
            waiting.extend(edge.target for edge in project.steps(frame)[0])  # type: ignore[attr-defined]
    return list(found)


def _used_in(frame: Frame) -> Iterator[t.Expr]:
    """What a function works with: what it awaits, enters, calls, passes on or reads an attribute of.

    Setting it, or asking whether it is there, touches no event loop.
    """
    if frame.function is not None:
        for node in t.nodes_of(frame.function, *_USES):
            for part in t.children(node):
                if isinstance(part, t.Name | t.Attribute) and not _is_target(part, node):
                    yield part


_USES = (t.Attribute, t.Call, t.Argument, t.Await, t.WithItem, t.For, t.CompLoop)


def _is_target(part: t.Expr, node: t.Node) -> bool:
    return isinstance(node, t.WithItem | t.For | t.CompLoop) and part is node.target
