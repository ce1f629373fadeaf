"""The names that a table's key stands for: `{a,b}` expands, `*` is one segment or a part of one, `**` any number.

Neither star stands for a private name: `redis.Redis.*` says nothing of `__enter__`.
"""

from __future__ import annotations

from collections.abc import Iterator

Segments = tuple[str, ...]


def expand(key: str) -> Iterator[str]:
    """Each name that the braces of a key spell out."""
    head, brace, rest = key.partition("{")
    if not brace:
        yield key
        return
    choices, _, tail = rest.partition("}")
    for choice in choices.split(","):
        yield from expand(head + choice.strip() + tail)


def matches(pattern: Segments, name: Segments) -> bool:
    """True where every segment of the pattern finds its place in the name."""
    if not pattern:
        return not name
    if pattern[0] == "**":
        return matches(pattern[1:], name) or (_public(name) and matches(pattern, name[1:]))
    return bool(name) and _fits(pattern[0], name[0]) and matches(pattern[1:], name[1:])


def _public(name: Segments) -> bool:
    return bool(name) and not name[0].startswith("_")


def _fits(pattern: str, segment: str) -> bool:
    head, star, tail = pattern.partition("*")
    if not star:
        return pattern == segment
    if not head and segment.startswith("_"):
        return False
    return len(segment) >= len(head) + len(tail) and segment.startswith(head) and segment.endswith(tail)


def precision(pattern: Segments) -> tuple[int, int, int, int]:
    """Sorts patterns: by whole segments, letters, fewer `**`, and how far the first star is."""
    whole = sum("*" not in segment for segment in pattern)
    letters = sum(len(segment.replace("*", "")) for segment in pattern)
    return whole, letters, -pattern.count("**"), ".".join(pattern).index("*")
