"""What a text must hold for a pattern to match in it: literal words, which are found many times faster than patterns.

How to call: `needles(pattern)` are words of which one occurs in every match, in whatever surroundings; empty where the
pattern is too clever to tell. `Haystack(texts).holding(words)` are the numbers of the texts that hold one of them, as a
part of a word at least.
"""

from __future__ import annotations

import keyword
import re
import sys
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import accumulate
from typing import Any

if sys.version_info >= (3, 11):
    from re import _constants as sre  # type: ignore[attr-defined]
    from re import _parser as parser  # type: ignore[attr-defined]
else:
    import sre_constants as sre
    import sre_parse as parser

Words = frozenset[bytes]
_EVERYWHERE = frozenset(word.encode() for word in keyword.kwlist)

_SHORTEST = 2
_SPACES = bytes(byte if chr(byte).isalnum() or byte in b"_" or byte > 127 else 32 for byte in range(256))


class Haystack:
    """The words of many texts, each once for each text: a fifth of their size, and searched in one go."""

    def __init__(self, texts: Iterable[bytes]) -> None:
        digests = [b" ".join(set(text.translate(_SPACES).split())) for text in texts]
        self._all = b"\n".join(digests)
        self._starts = [0, *accumulate(len(digest) + 1 for digest in digests)]
        self._found: dict[bytes, tuple[int, ...]] = {}

    def holding(self, words: Iterable[bytes]) -> set[int]:
        """The numbers of the texts that hold one of these words."""
        return {number for word in words for number in self._with(word)}

    def _with(self, word: bytes) -> tuple[int, ...]:
        if word not in self._found:
            self._found[word] = tuple(self._find(word))
        return self._found[word]

    def _find(self, word: bytes) -> Iterator[int]:
        at = self._all.find(word)
        while at >= 0:
            number = bisect_right(self._starts, at)
            yield number - 1
            at = self._all.find(word, self._starts[number])


def is_plain(pattern: re.Pattern[bytes]) -> bool:
    """Does a pattern ask for words and nothing else?"""
    return (
        re.fullmatch(rb"\w\w+(\|\w\w+)*", pattern.pattern) is not None and not pattern.flags & re.IGNORECASE
    )


def begun(pattern: str) -> str:
    """The same pattern, found faster: what begins with a text and not with the border of a word is jumped to."""
    word = re.match(r"\\b(\w{2,})(?![\w*+?{|])", pattern)
    return rf"{word[1]}(?<!\w{word[1]}){pattern[word.end() :]}" if word else pattern


@cache
def needles(pattern: re.Pattern[bytes]) -> tuple[bytes, ...]:
    """Words of which each match of the pattern holds one."""
    if pattern.flags & re.IGNORECASE:
        return ()
    # The parser takes bytes, too; what is written of its types does not know.
    found = _of_sequence(parser.parse(pattern.pattern, pattern.flags))  # type: ignore[arg-type]
    return tuple(sorted(found)) if found else ()


def _of_sequence(parts: Iterable[tuple[Any, Any]]) -> Words | None:
    """The best of what each part needs: few words, long ones."""
    candidates: list[Words] = []
    run = b""
    for kind, what in parts:
        if kind is sre.LITERAL and _is_of_a_word(what):
            run += bytes([what])
            continue
        candidates += _if_long(run)
        run = b""
        if inner := _of_part(kind, what):
            candidates.append(inner)
    candidates += _if_long(run)
    return min(candidates, key=_weakness, default=None)


def _of_part(kind: Any, what: Any) -> Words | None:
    if kind is sre.SUBPATTERN:
        return _of_sequence(what[-1])
    if kind in (sre.MAX_REPEAT, sre.MIN_REPEAT) and what[0] > 0:
        return _of_sequence(what[2])
    if kind is sre.BRANCH:
        branches = [_of_sequence(branch) for branch in what[1]]
        return frozenset().union(*filter(None, branches)) if all(branches) else None
    return None


def _is_of_a_word(byte: int) -> bool:
    return byte < 128 and (chr(byte).isalnum() or chr(byte) == "_")


def _if_long(run: bytes) -> list[Words]:
    return [frozenset({run})] if len(run) >= _SHORTEST else []


def _weakness(words: Words) -> tuple[bool, int, int]:
    return any(word in _EVERYWHERE for word in words), len(words), -min(map(len, words))
