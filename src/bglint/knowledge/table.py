"""One table, read from a TOML file or from the user's configuration."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from functools import cache
from pathlib import Path
from typing import TypeVar

from bglint.frozen import by_value

from .fact import KnowledgeError
from .pattern import Segments, expand, matches, precision

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HERE = Path(__file__).parent
Value = TypeVar("Value")
SECTIONS = ("aliases", "bases", "calls", "classes", "errors", "twins")


@by_value
class Table:
    """Names and what is said of them; entries of calls are read when they are asked for."""

    aliases: dict[str, str] = field(default_factory=dict)
    bases: dict[str, tuple[str, ...]] = field(default_factory=dict)
    classes: frozenset[str] = frozenset()
    errors: dict[str, tuple[str, ...]] = field(default_factory=dict)
    twins: dict[str, str] = field(default_factory=dict)
    calls: dict[str, object] = field(default_factory=dict)
    patterns: tuple[tuple[Segments, object], ...] = ()

    def entries(self) -> Iterator[tuple[str, object]]:
        """Every call and pattern that the table speaks of, with what it says."""
        yield from self.calls.items()
        yield from ((".".join(pattern), entry) for pattern, entry in self.patterns)

    def entry(self, name: str) -> object | None:
        """What the table says of a call: its own entry, else that of the most precise pattern."""
        if name in self.calls:
            return self.calls[name]
        segments = tuple(name.split("."))
        return next((entry for pattern, entry in self.patterns if matches(pattern, segments)), None)


def read_table(raw: Mapping[str, object]) -> Table:
    """The table that a TOML document states; an unknown section is an error."""
    for section in raw:
        if section not in SECTIONS:
            raise KnowledgeError(f"unknown section {section!r}; the sections are {', '.join(SECTIONS)}")
    calls = dict(_section(raw, "calls", lambda _, entry: entry))
    patterns = {name: calls.pop(name) for name in list(calls) if "*" in name}
    returned = {entry.get("returns", "self") for entry in calls.values() if isinstance(entry, Mapping)}
    return Table(
        aliases=dict(_section(raw, "aliases", _text)),
        bases=dict(_section(raw, "bases", _texts)),
        classes=frozenset(_texts("classes", raw.get("classes", []))) | returned - {"self"},
        errors=dict(_section(raw, "errors", _texts)),
        twins=dict(_section(raw, "twins", _text)),
        calls=calls,
        patterns=_sorted(patterns),
    )


def _sorted(patterns: Mapping[str, object]) -> tuple[tuple[Segments, object], ...]:
    split = ((tuple(name.split(".")), entry) for name, entry in patterns.items())
    return tuple(sorted(split, key=lambda item: precision(item[0]), reverse=True))


def _section(
    raw: Mapping[str, object], section: str, read: Callable[[str, object], Value]
) -> Iterator[tuple[str, Value]]:
    content = raw.get(section, {})
    if not isinstance(content, Mapping):
        raise KnowledgeError(f"{section} must be a table, not {content!r}")
    for key, value in content.items():
        for name in expand(key):
            yield name, read(key, value)


def _text(key: str, value: object) -> str:
    if not isinstance(value, str):
        raise KnowledgeError(f"{key!r}: expected a string, got {value!r}")
    return value


def _texts(key: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise KnowledgeError(f"{key!r}: expected a list of names, got {value!r}")
    return tuple(_text(key, item) for item in value)


@cache
def load(stem: str) -> Table:
    """The table that stands in the file of this name beside this module."""
    with (HERE / f"{stem}.toml").open("rb") as file:
        return read_table(tomllib.load(file))


@cache
def places() -> dict[str, str]:
    """Which file speaks of which top-level package: the one of its name, or those that `_index.toml` lists."""
    with (HERE / "_index.toml").open("rb") as file:
        index = tomllib.load(file)
    stems = [path.stem for path in HERE.glob("[!_]*.toml")]
    return {package: stem for stem in stems for package in index.get(stem, [stem])}
