"""What the world outside the project does: calls and their effects, one table a library.

Nothing is imported and no table is read before a name of its library is asked for.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Mapping
from dataclasses import replace

from . import table
from .fact import BLOCKING, EFFECTS, Fact, KnowledgeError, read_fact
from .table import Table

__all__ = ["BLOCKING", "EFFECTS", "Fact", "Knowledge", "KnowledgeError"]

_EVERYTHING = frozenset({"builtins.Exception", "builtins.BaseException"})


class Knowledge:
    """Answers questions about dotted names; the user's own table is asked first.

    A name is spelled as the core spells it: `requests.Session.get` is a method of an instance,
    `boto3.client().put_object` one of whatever a call gave, a builtin may stand with or without `builtins.`.
    """

    def __init__(self, user: Mapping[str, object] | None = None) -> None:
        self._user = table.read_table(user or {})
        for name, entry in self._user.entries():
            read_fact(name, entry)
        self._canonical: dict[str, str] = {}
        self._facts: dict[str, Fact | None] = {}

    def fact(self, dotted: str) -> Fact | None:
        """What a call of this name does; None where no table knows it."""
        if dotted not in self._facts:
            self._facts[dotted] = self._find(self.canonical(dotted))
        return self._facts[dotted]

    def canonical(self, dotted: str) -> str:
        """The one name under which the tables know this object."""
        if dotted not in self._canonical:
            self._canonical[dotted] = dotted
            self._canonical[dotted] = self._settle(dotted)
        return self._canonical[dotted]

    def bases(self, dotted: str) -> tuple[str, ...]:
        """The outside classes above a class, nearest first."""
        found: dict[str, None] = {}
        waiting = list(self._direct_bases(self.canonical(dotted)))
        while waiting:
            base = waiting.pop(0)
            if base not in found:
                found[base] = None
                waiting.extend(self._direct_bases(base))
        return tuple(found)

    def is_class(self, dotted: str) -> bool:
        """True where a call of this name makes an instance: it is capitalised, or a table says so."""
        name = self.canonical(dotted)
        last = name.rpartition(".")[2]
        return last[:1].isupper() or any(name in known.classes for known in self._tables(name))

    def errors(self, dotted: str) -> frozenset[str]:
        """The exceptions that a caller may catch to have handled a failure of this call."""
        listed = self._errors_of(self.canonical(dotted))
        names = {self.canonical(error) for error in listed}
        above = {base for name in names for base in self.bases(name)}
        return frozenset(names | above) - _EVERYTHING - {"builtins.object"}

    def handles(self, exception: str, call: str) -> bool:
        """True where `except exception` catches what a failing call raises.

        Of a library whose errors are not listed any exception of its own is taken at its word.
        """
        caught = self.canonical(exception)
        errors = self.errors(call)
        if caught in _EVERYTHING or caught in errors:
            return True
        return not errors and _package(caught) == _package(self.canonical(call))

    # ------------------------------------------------------------ facts

    def _find(self, name: str) -> Fact | None:
        for spelled in self._spellings(name):
            for known in self._tables(spelled):
                entry = known.entry(spelled)
                if entry is not None:
                    return self._completed(name, spelled, read_fact(spelled, entry))
        return None

    def _spellings(self, name: str) -> Iterator[str]:
        """The name, and the same member as each base of its class has it."""
        yield name
        for prefix, rest in _prefixes(name):
            for base in self.bases(prefix):
                yield self.canonical(base + rest)

    def _completed(self, name: str, spelled: str, fact: Fact) -> Fact:
        """The fact with the twin of its library, and with the receiver's own type for "self"."""
        if fact.returns == "self":
            fact = replace(fact, returns=name.rpartition(".")[0])
        if fact.twin or not fact.blocks:
            return fact
        twins = (known.twins[prefix] for prefix, known in self._sections(spelled) if prefix in known.twins)
        return replace(fact, twin=next(twins, ""))

    def _errors_of(self, name: str) -> tuple[str, ...]:
        for spelled in self._spellings(name):
            for prefix, known in self._sections(spelled):
                if prefix in known.errors:
                    return known.errors[prefix]
        return ()

    def _sections(self, name: str) -> Iterator[tuple[str, Table]]:
        for known in self._tables(name):
            for prefix, _ in _prefixes(name):
                yield prefix, known

    # ------------------------------------------------------------ names

    def _settle(self, name: str) -> str:
        if "." not in name:
            return self.canonical(f"builtins.{name}") if hasattr(builtins, name) else name
        for step in (self._renamed, self._collapsed):
            other = step(name)
            if other != name:
                return self.canonical(other)
        return name

    def _renamed(self, name: str) -> str:
        """The name with its longest alias replaced."""
        for prefix, rest in _prefixes(name):
            for known in self._tables(name):
                if prefix in known.aliases:
                    return known.aliases[prefix] + rest
        return name

    def _collapsed(self, name: str) -> str:
        """The name with the first call in it replaced by the type of its result, where that has a name."""
        for prefix, rest in reversed([*_prefixes(name)]):
            if rest.startswith("()"):
                result = self._result(prefix)
                if result:
                    return result + (".__call__" if rest.startswith("()()") else "") + rest[2:]
        return name

    def _result(self, call: str) -> str:
        fact = self.fact(call)
        if fact is not None and fact.returns:
            return fact.returns
        return call if self.is_class(call) else ""

    def _direct_bases(self, name: str) -> tuple[str, ...]:
        for known in self._tables(name):
            if name in known.bases:
                return tuple(map(self.canonical, known.bases[name]))
        return _builtin_bases(name)

    def _tables(self, name: str) -> Iterator[Table]:
        yield self._user
        place = table.places().get(_package(name))
        if place is not None:
            yield table.load(place)


def _package(name: str) -> str:
    return name.partition(".")[0].removesuffix("()")


def _prefixes(name: str) -> Iterator[tuple[str, str]]:
    """Every way to cut a name after a segment, longest beginning first: `a.f().b` gives a.f().b, a.f(), a.f, a."""
    cut = len(name)
    while cut > 0:
        yield name[:cut], name[cut:]
        cut = cut - 2 if name.endswith("()", 0, cut) else name.rfind(".", 0, cut)


def _builtin_bases(name: str) -> tuple[str, ...]:
    module, _, last = name.rpartition(".")
    value = getattr(builtins, last, None) if module == "builtins" else None
    return tuple(f"builtins.{base.__name__}" for base in value.__bases__) if isinstance(value, type) else ()
