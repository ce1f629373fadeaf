"""The words that a pattern needs: none is claimed without which it could match, wherever the words of a text stand."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as some

from bglint.needles import Haystack, is_plain, needles


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (rb"add_task|create_task", {b"add_task", b"create_task"}),
        (rb"\b(Depends|Security)\(", {b"Depends", b"Security"}),
        (rb"^class\b[^:]*\bBase\b", {b"Base"}),
        (rb"await\s+(\w+\.)*send(\.__call__)?\(\)", {b"send"}),
        (rb"a?bcd+efg", {b"efg"}),
        (rb"(ab)?(cde)+", {b"cde"}),
        (rb"(?<!def )\bfoo\s*\(", {b"foo"}),
        (rb"[ab]cd|efg", {b"cd", b"efg"}),
        (rb"abc|[xy]", set()),
        (rb"(?i)abc", set()),
        (rb"x", set()),
        (rb"", set()),
    ],
)
def test_each_match_holds_one_of_these(pattern: bytes, expected: set[bytes]) -> None:
    assert set(needles(re.compile(pattern))) == expected


PIECES = some.sampled_from(
    [rb"ab", rb"cd", rb"\b", rb"\s*", rb"(ab|cde)", rb"[ab]", rb"(ab)?", rb"c+", rb"(?:ef)*", rb"."]
)
TEXTS = some.text(some.sampled_from("abcdef _.(\n"), max_size=12)


@given(some.lists(PIECES, min_size=1, max_size=5), some.sampled_from([b"", b"|"]), TEXTS)
def test_what_holds_none_of_them_does_not_match(pieces: list[bytes], joint: bytes, text: str) -> None:
    pattern, data = re.compile(joint.join(pieces)), text.encode()
    if needles(pattern) and not Haystack([data]).holding(needles(pattern)):
        assert not pattern.search(data)


@given(some.lists(TEXTS, max_size=4), some.lists(some.sampled_from([b"ab", b"cd", b"f_"]), max_size=2))
def test_a_haystack_knows_which_texts_hold_a_word(texts: list[str], words: list[bytes]) -> None:
    data = [text.encode() for text in texts]
    expected = {number for number, text in enumerate(data) if any(word in text for word in words)}
    assert Haystack(data).holding(words) == expected


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [(rb"add_task", True), (rb"add|sub", True), (rb"\badd\b", False), (rb"x", False), (rb"(?i)add", False)],
)
def test_a_plain_pattern_needs_no_second_look(pattern: bytes, expected: bool) -> None:
    assert is_plain(re.compile(pattern)) is expected
