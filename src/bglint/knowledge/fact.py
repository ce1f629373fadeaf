"""What one outside callable does, as the tables tell it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from bglint.frozen import by_value

BLOCKING = frozenset({"sleep", "network", "database", "file", "process", "wait", "cpu"})
EFFECTS = BLOCKING | {"loop", "needs-loop", "exit", "queue", "log", "print"}
FALLIBLE = frozenset({"network", "database", "process", "queue"})


class KnowledgeError(ValueError):
    """A table says something that the format does not know."""


@by_value
class Fact:
    """The facts of a call; the empty string, None or False stand for "not said"."""

    effect: str = ""
    is_async: bool = False
    timeout: str = ""
    timeout_position: int | None = None
    timeout_in: str = ""
    timeout_none: str = ""
    timeout_also: tuple[str, ...] = ()
    if_given: str = ""
    weight: str = ""
    batch: bool = True
    mail: bool = False
    fails: bool = False
    returns: str = ""
    returns_from: str = ""
    runs: int | str | None = None
    wraps: int | None = None
    where: str = ""
    decorates: str = ""
    level: str = ""
    twin: str = ""

    @property
    def blocks(self) -> bool:
        """True where the calling thread does nothing else until the call returns."""
        return not self.is_async and self.effect in BLOCKING


_CHOICES: dict[str, frozenset[str]] = {
    "effect": EFFECTS,
    "weight": frozenset({"heavy", "medium"}),
    "timeout_in": frozenset({"constructor", "both"}),
    "where": frozenset({"thread", "process", "loop", "task"}),
    "level": frozenset({"error", "warning"}),
}
_TEXT = frozenset({"timeout", "timeout_none", "if_given", "returns", "returns_from", "decorates", "twin"})
_KINDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(_TEXT | set(_CHOICES), (str,)),
    **dict.fromkeys(("is_async", "batch", "mail", "fails"), (bool,)),
    **dict.fromkeys(("timeout_position", "wraps"), (int,)),
    "timeout_also": (list, tuple),
    "runs": (int, str),
}
_SPELLED = {"async": "is_async"}


def read_fact(name: str, entry: object) -> Fact:
    """The fact that a table's entry for `name` states; wrong keys and values are errors."""
    if not isinstance(entry, Mapping):
        raise KnowledgeError(
            f"{name!r}: expected a table of facts such as {{ effect = 'network' }}, got {entry!r}"
        )
    facts = {_SPELLED.get(key, str(key)): _checked(name, str(key), value) for key, value in entry.items()}
    facts.setdefault("fails", facts.get("effect") in FALLIBLE)
    return Fact(**facts)


def _checked(name: str, key: str, value: object) -> Any:
    kinds = _KINDS.get(_SPELLED.get(key, key))
    if kinds is None or key == "is_async":
        known = ", ".join(sorted("async" if f.name == "is_async" else f.name for f in fields(Fact)))
        raise KnowledgeError(f"{name!r}: unknown key {key!r}; the keys are {known}")
    if type(value) not in kinds:
        raise KnowledgeError(f"{name!r}: {key} cannot be {value!r}")
    choices = _CHOICES.get(key)
    if choices is not None and value not in choices:
        raise KnowledgeError(f"{name!r}: {key} is {value!r}; it can be {', '.join(sorted(choices))}")
    return tuple(value) if isinstance(value, list) else value
