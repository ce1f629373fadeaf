"""Hold every name in the knowledge tables against the installed libraries: `python tests/knowledge_names.py [table ...]`.

Wants the extra `knowledge`. A name that cannot be found in a library that is there is an error; a library that
is not installed is named at the end. Also checked: a base is a base, an error is an exception, two names of one
thing are one thing, a call is a coroutine function or not as the table says, a timeout is where the table says.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import io
import os
import sys
import typing
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from types import ModuleType

from bglint.knowledge import Knowledge
from bglint.knowledge.fact import Fact, read_fact
from bglint.knowledge.table import HERE, Table, load, places

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # litellm asks the network when imported

# Names of other versions of a library, or made while it runs: they need not be found where it is only imported.
ELSEWHERE = {
    "authlib.integrations.httpx_client.AsyncOAuth2Client": "built on httpx, later on httpx2",
    "authlib.integrations.httpx_client.OAuth2Client": "built on httpx, later on httpx2",
    "farmOS.farmOS": "farmOS 0",
    "moviepy.editor": "moviepy 1",
    "pypdf.PdfMerger": "pypdf 4",
    "typing.override": "Python 3.12",
    "neo4j.Session.read_transaction": "neo4j 5",
    "neo4j.Session.write_transaction": "neo4j 5",
    "boto3.resources.base.ServiceResource": "made from the service's description",
    "langchain.text_splitter": "langchain 0",
    "mistralai.Mistral": "mistralai 1",
    "firebase_admin.messaging.send_all": "firebase_admin 6",
    "firebase_admin.messaging.send_multicast": "firebase_admin 6",
    "postmarker.core.PostmarkClient.emails": "set by a registry of managers",
    "asyncio.Barrier": "Python 3.11",
    "asyncio.Runner": "Python 3.11",
    "asyncio.TaskGroup": "Python 3.11",
    "asyncio.taskgroups": "Python 3.11",
    "asyncio.timeout": "Python 3.11",
    "asyncio.timeouts": "Python 3.11",
    "hashlib.file_digest": "Python 3.11",
    "pathlib.Path.walk": "Python 3.12",
    "pathlib.Path.with_segments": "Python 3.12",
    "select.kqueue": "BSD and macOS",
    "django.db.models.Model.objects": "made by the metaclass",
    "mongoengine.Document.objects": "made by the metaclass",
    "aioredis": "abandoned, part of redis",
}


class Missing(Exception):
    """The library is there, the name is not."""


class Unseen(Exception):
    """Nothing can be said without running the library."""


@dataclass
class Outcome:
    """What was found out about the names of one table."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    absent: set[str] = field(default_factory=set)
    unseen: list[str] = field(default_factory=list)

    def miss(self, name: str, reason: str) -> None:
        """A name is not there: it is wrong, unless it is excused."""
        if elsewhere(name):
            self.counts["elsewhere"] += 1
        else:
            self.wrong.append(reason)


def module(name: str) -> ModuleType | None:
    """The module of this name; None where there is none, an error where it cannot be imported."""
    found = imported(name)
    if isinstance(found, str):
        raise ModuleNotFoundError(found)
    return found


@functools.cache
def imported(name: str) -> ModuleType | str | None:
    """The module, None, or what it wants. Libraries are noisy when imported: their noise is dropped."""
    with warnings.catch_warnings(), redirect_stderr(io.StringIO()), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            return importlib.import_module(name)
        except ImportError as error:
            needed = error.name or name
            return None if f"{name}.".startswith(f"{needed}.") else f"{name} (wants {needed})"


def split(name: str) -> tuple[ModuleType, list[str]]:
    """The deepest module that begins the name, and the rest of it."""
    parts = name.split(".")
    if module(parts[0]) is None:
        raise ModuleNotFoundError(parts[0])
    for cut in range(len(parts), 0, -1):
        found = module(".".join(parts[:cut])) if not any("(" in p or "*" in p for p in parts[:cut]) else None
        if found is not None:
            return found, parts[cut:]
    raise AssertionError(name)


def shadowing(found: ModuleType) -> object:
    """What the package gives under the module's name: sometimes the class that is named like its module."""
    package, _, name = found.__name__.rpartition(".")
    return getattr(module(package), name, found) if package else found


def resolve(name: str, knowledge: Knowledge) -> object:
    """The object of this name, or of another name that the tables hold for the same thing."""
    collapsed = knowledge.canonical(name) if "()" in name else name
    for spelled in (collapsed, *_other_names(collapsed)):
        with suppress(Missing):
            return walk(spelled, shadowing)
        with suppress(Missing):
            return walk(spelled, lambda found: found)
    return walk(collapsed, shadowing)


def _other_names(name: str) -> Iterator[str]:
    for table in tables_of(name.partition(".")[0]):
        for alias, target in table.aliases.items():
            if name == target or name.startswith(target + "."):
                yield alias + name[len(target) :]


def tables_of(package: str) -> list[Table]:
    place = places().get(package)
    return [load(place)] if place else []


def walk(name: str, start: Callable[[ModuleType], object]) -> object:
    """The object at the end of a name, through attributes and the declared types of properties."""
    found, rest = split(name)
    value = start(found)
    for part in rest:
        if part.endswith("()"):
            raise Unseen(f"{name}: result of a call")
        value = member(value, part, name)
    return value


def member(value: object, part: str, name: str) -> object:
    """An attribute; of a property the class that it is annotated with."""
    if value is None:
        raise Unseen(f"{name}: set later")
    if "*" in part:
        raise Unseen(f"{name}: pattern")
    for owner in (value, getattr(value, "__annotations__", {}) if not inspect.isclass(value) else {}):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = _attribute(owner, part, name)
        if found is not Missing:
            return declared(found, name)
    if isinstance(value, ModuleType) and getattr(value, "__file__", None) is None:
        raise ModuleNotFoundError(f"{value.__name__}.{part}")
    if inspect.isclass(value):
        return _assigned(value, part, name)
    raise Missing(f"{name}: no {part} in {value!r}")


def _attribute(owner: object, part: str, name: str) -> object:
    try:
        return getattr(owner, part, Missing)
    except Exception as error:
        raise Unseen(f"{name}: {type(error).__name__} when asked for") from error


def declared(found: object, name: str) -> object:
    if not isinstance(found, property | functools.cached_property):
        return found
    getter = found.fget if isinstance(found, property) else found.func
    hint = _hints(getter).get("return")
    if not inspect.isclass(hint):
        raise Unseen(f"{name}: property without a class")
    return hint


def _hints(value: object) -> dict[str, object]:
    try:
        return typing.get_type_hints(value)
    except Exception:
        return dict(getattr(value, "__annotations__", {}))


def _assigned(owner: type, part: str, name: str) -> object:
    """The class of an attribute that is annotated, or assigned in the constructor."""
    hint = _hints(owner).get(part)
    if inspect.isclass(hint):
        return hint
    if hint is not None or any(
        f"self.{part} = " in text or f"self.{part}: " in text for text in _sources(owner)
    ):
        raise Unseen(f"{name}: attribute of an instance")
    if "__getattr__" in dir(owner):
        raise Unseen(f"{name}: made by __getattr__")
    raise Missing(f"{name}: no {part} in {owner.__qualname__}")


def _sources(owner: type) -> Iterator[str]:
    for base in owner.__mro__:
        for thing in (base, base.__init__, sys.modules[base.__module__]):
            with suppress(OSError, TypeError):
                yield inspect.getsource(thing)
                break


# ---------------------------------------------------------------- what the tables claim


def check_call(name: str, entry: object, knowledge: Knowledge) -> None:
    """The name is there, and what can be seen of its facts is so."""
    fact = read_fact(name, entry)
    if name.endswith((".__iter__", ".__call__", ".__enter__", ".__exit__")) and "()" not in name:
        resolve(name.rpartition(".")[0], knowledge)
        return
    value = resolve(name, knowledge)
    _check_async(name, value, fact)
    _check_timeout(name, value, fact)


def _check_async(name: str, value: object, fact: Fact) -> None:
    plain = _unwrapped(value)
    if inspect.iscoroutinefunction(plain) and not fact.is_async and fact.blocks:
        raise Missing(f"{name}: is a coroutine function, the table says it blocks")
    if plain is value and inspect.isfunction(value) and fact.is_async and _annotated_plain(plain):
        raise Missing(f"{name}: returns {plain.__annotations__['return']}, the table says async")


def _unwrapped(value: object) -> object:
    try:
        return inspect.unwrap(value) if callable(value) else value
    except ValueError:
        return value


def _annotated_plain(function: object) -> bool:
    hint = _hints(function).get("return", inspect.Parameter.empty)
    return not inspect.iscoroutinefunction(function) and hint in (None, bool, int, str, bytes, type(None))


def _check_timeout(name: str, value: object, fact: Fact) -> None:
    parameter = fact.timeout or fact.timeout_none
    if not parameter or fact.timeout_in or not callable(value):
        return
    try:
        parameters = inspect.signature(value).parameters
    except (TypeError, ValueError):
        return
    if parameter in parameters:
        _check_position(name, value, fact, list(parameters), parameter)
    elif not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        raise Missing(f"{name}: no parameter {parameter}")


def _check_position(name: str, value: object, fact: Fact, parameters: list[str], parameter: str) -> None:
    shift = 1 if parameters[0] == "self" else 0
    if fact.timeout_position is not None and parameters.index(parameter) - shift != fact.timeout_position:
        raise Missing(f"{name}: {parameter} is number {parameters.index(parameter) - shift}")


def check_alias(name: str, target: str, knowledge: Knowledge) -> None:
    """Both names are there; where both are modules the second need not be the first."""
    one, other = resolve(name, knowledge), resolve(target, knowledge)
    if inspect.isclass(one) and inspect.isclass(other) and not issubclass(one, other):
        raise Unseen(f"{name}: another class than {target}")


def check_bases(name: str, bases: tuple[str, ...], knowledge: Knowledge) -> None:
    """Each base is really one."""
    owner = resolve(name, knowledge)
    for base in bases:
        above = resolve(knowledge.canonical(base), knowledge)
        if not (inspect.isclass(owner) and inspect.isclass(above)):
            raise Unseen(f"{name}: not a class as it is imported")
        if not issubclass(owner, above):
            raise Missing(f"{name} is no {base}")


def check_errors(name: str, errors: tuple[str, ...], knowledge: Knowledge) -> None:
    """What handles a failure are exceptions."""
    resolve(name, knowledge)
    for error in errors:
        value = resolve(knowledge.canonical(error), knowledge)
        if not (inspect.isclass(value) and issubclass(value, BaseException)) and not isinstance(value, tuple):
            raise Missing(f"{error} is no exception")


def claims(table: Table) -> Iterator[tuple[str, str, object]]:
    """Each claim: the name it is about, its kind, what is claimed."""
    yield from ((name, "alias", target) for name, target in table.aliases.items())
    yield from ((name, "bases", bases) for name, bases in table.bases.items())
    yield from ((name, "errors", errors) for name, errors in table.errors.items())
    yield from ((name, "twin", None) for name in table.twins)
    yield from ((name, "class", None) for name in table.classes)
    yield from ((name, "pattern" if "*" in name else "call", entry) for name, entry in table.entries())


def check(name: str, kind: str, claim: typing.Any, knowledge: Knowledge) -> None:
    """Raise what is wrong with one claim."""
    checks = {"alias": check_alias, "bases": check_bases, "errors": check_errors, "call": check_call}
    if kind in checks:
        checks[kind](name, claim, knowledge)
    elif kind == "pattern":
        check_pattern(name, claim, knowledge)
    elif name != "builtins.str":
        resolve(name, knowledge)


def check_pattern(name: str, entry: object, knowledge: Knowledge) -> None:
    """What stands before the star is there."""
    head = name.partition("*")[0].partition("()")[0].rpartition(".")[0]
    resolve(head, knowledge)
    read_fact(name, entry)


def elsewhere(name: str) -> bool:
    """True where the name is excused from being found."""
    return any(name == other or name.startswith(f"{other}.") for other in ELSEWHERE)


def here(name: str) -> bool:
    """True where this Python has what the name names, as far as can be seen."""
    try:
        resolve(name.partition("*")[0].rstrip("."), Knowledge())
    except Unseen:
        return True
    except (Missing, ModuleNotFoundError):
        return False
    return True


def examine(stem: str) -> Outcome:
    """Hold one table against what is installed."""
    knowledge, outcome = Knowledge(), Outcome()
    for name, kind, claim in claims(load(stem)):
        judge(outcome, name, kind, claim, knowledge)
    outcome.counts["unseen"] = len(outcome.unseen)
    outcome.counts["wrong"] = len(outcome.wrong)
    return outcome


def judge(outcome: Outcome, name: str, kind: str, claim: object, knowledge: Knowledge) -> None:
    """Check one claim and note what came of it."""
    try:
        check(name, kind, claim, knowledge)
        outcome.counts["found"] += 1
    except ModuleNotFoundError as error:
        outcome.absent.add(str(error))
    except Unseen as reason:
        outcome.unseen.append(f"{kind} {reason}")
    except Missing as reason:
        outcome.miss(name, f"{kind} {reason}")


def main(stems: list[str]) -> int:
    """Examine the tables and tell what was found; 1 where a name is wrong."""
    tables = [stem for stem in stems if not stem.startswith("-")] or sorted(
        p.stem for p in HERE.glob("[!_]*.toml")
    )
    total: Counter[str] = Counter()
    absent: set[str] = set()
    for stem in tables:
        outcome = examine(stem)
        total += outcome.counts
        absent |= outcome.absent
        shown = outcome.wrong + (outcome.unseen if "--unseen" in stems else [])
        print(*(f"{stem}: {line}" for line in shown), sep="\n", end="\n" if shown else "")
    print(f"{len(tables)} tables:", ", ".join(f"{count} {what}" for what, count in sorted(total.items())))
    print("not installed:", ", ".join(sorted(absent)) or "nothing")
    return 1 if total["wrong"] else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
