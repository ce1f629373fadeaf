"""What holds for every input, not only for those that we thought of."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from bglint import baseline, fix, suppress
from bglint.comments import read
from bglint.edits import add_import, add_logger, lines_of
from bglint.fingerprint import fingerprints, normalised
from bglint.model import Edit, Finding, Fix, Span

NEWLINES = st.sampled_from(["\n", "\r\n", "\r"])
NAMES = st.sampled_from(["a", "b1", "_c", "ünï", "send"])


def finding(path: str = "app.py", **more: object) -> Finding:
    fields = {"code": "BG201", "name": "blocking-sleep", "level": "error", "message": "It sleeps.", **more}
    return Finding(path=path, span=Span(1, 1, 1, 2), **fields)  # type: ignore[arg-type]


# -------------------------------------------------------------------------- fixes


@st.composite
def modules(draw: st.DrawFn) -> str:
    lines = draw(
        st.lists(st.sampled_from(["x = 1", "# ü 🙂", "", "def f(): pass", "x = ('a',", " 2)"]), max_size=8)
    )
    newline = draw(NEWLINES)
    return newline.join(lines) + draw(st.sampled_from(["", newline]))


@st.composite
def fixes(draw: st.DrawFn, text: str) -> list[Fix]:
    """Fixes with edits anywhere in the text, overlapping or not, sensible or not."""
    return draw(st.lists(st.builds(Fix, st.just(""), _edits(text), st.just(True)), max_size=5))


def _edits(text: str) -> st.SearchStrategy[tuple[Edit, ...]]:
    whole = [offset for offset in range(len(text) + 1) if text[offset - 1 : offset + 1] != "\r\n"]
    offsets = st.tuples(st.sampled_from(whole), st.sampled_from(whole)).map(sorted)
    new = st.sampled_from(["", "y", "await ", "\n", "import asyncio\n", "(", "ä"])
    edit = st.builds(lambda span, put: Edit("app.py", _span(text, *span), put), offsets, new)
    return st.lists(edit, min_size=1, max_size=3).map(tuple)


def _span(text: str, start: int, end: int) -> Span:
    return Span(*_place(text, start), *_place(text, end))


def _place(text: str, offset: int) -> tuple[int, int]:
    for number, line in enumerate(lines_of(text), 1):
        if offset < len(line):
            return number, offset + 1
        offset -= len(line)
    return len(lines_of(text)) + 1, 1


@st.composite
def cases(draw: st.DrawFn) -> tuple[str, list[Finding]]:
    text = draw(modules())
    return text, [finding(fix=each) for each in draw(fixes(text))]


def _apply(text: str, findings: list[Finding]) -> fix.Fixed:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "app.py").write_bytes(text.encode())
        return fix.apply(findings, folder)


@settings(max_examples=100, deadline=None)
@given(cases())
def test_a_fixed_module_parses(case: tuple[str, list[Finding]]) -> None:
    text, findings = case
    for new in _apply(text, findings).texts.values():
        assert fix._compiles(new) or not fix._compiles(text)


@settings(max_examples=100, deadline=None)
@given(cases())
def test_every_fix_is_applied_or_left_or_told(case: tuple[str, list[Finding]]) -> None:
    text, findings = case
    fixed = _apply(text, findings)
    assert len(fixed.applied) + len(fixed.left) + len(fixed.problems) == len(findings)


@settings(max_examples=100, deadline=None)
@given(cases())
def test_what_no_edit_covers_stays(case: tuple[str, list[Finding]]) -> None:
    """Cut out all that the applied edits cover: the rest of the old text is found in the new one, in order."""
    text, findings = case
    fixed = _apply(text, findings)
    new, position = fixed.texts.get("app.py", text), 0
    starts = fix._line_starts(text)
    covered = {
        offset
        for each in fixed.applied
        for edit in fix._edits(each)
        for offset in range(fix._cut(edit, starts, 0).start, fix._cut(edit, starts, 0).end)
    }
    for character in (text[offset] for offset in range(len(text)) if offset not in covered):
        position = new.index(character, position) + 1


@settings(max_examples=100, deadline=None)
@given(cases())
def test_line_endings_stay(case: tuple[str, list[Finding]]) -> None:
    text, findings = case
    kinds = set(fix._NEWLINE.findall(text))
    for new in _apply(text, findings).texts.values():
        assert not kinds or set(fix._NEWLINE.findall(new)) <= kinds


# ------------------------------------------------------------------------ imports

HEADS = st.sampled_from(
    ["", '"""Doc."""', "#!/usr/bin/env python", "# licence\n# more", "'''Doc.\n\nimport x\n'''"]
)
IMPORTS = st.lists(
    st.sampled_from(
        [
            "import abc",
            "import time  # noqa",
            "import httpx",
            "import os; import sys",
            "from time import sleep",
            "from fastapi import FastAPI",
            "from fastapi import (\n    APIRouter,\n    Depends,\n)",
            "from fastapi import (APIRouter,\n  Depends)",
            "from . import models",
            "try:\n    import orjson\nexcept ImportError:\n    orjson = None",
            "if x:\n    import asyncio",
            "",
        ]
    ),
    max_size=6,
)
BODIES = st.sampled_from(
    ["", "x = 1", "def f():\n    import asyncio", "\n\nclass A: ...", "x = '''\nimport asyncio\n'''"]
)
STATEMENTS = st.sampled_from(
    [
        "import asyncio",
        "import zlib",
        "from fastapi import BackgroundTasks",
        "from starlette.concurrency import x as y",
    ]
)


@st.composite
def with_imports(draw: st.DrawFn) -> str:
    future = draw(st.sampled_from(["", "from __future__ import annotations"]))
    parts = [draw(HEADS), future, *draw(IMPORTS), draw(BODIES)]
    return "\n".join(parts) + draw(st.sampled_from(["", "\n"]))


def _edited(text: str, *edits: Edit) -> str:
    return fix._edited(text, {edit: turn for turn, edit in enumerate(edits)})


@settings(max_examples=100, deadline=None)
@given(with_imports(), STATEMENTS)
def test_an_import_is_added_once_and_nothing_is_lost(text: str, statement: str) -> None:
    edit = add_import(text, "app.py", statement)
    assert edit is not None
    new = _edited(text, edit)
    compile(new, "app.py", "exec", dont_inherit=True)
    assert add_import(new, "app.py", statement) is None
    assert _edited(new, _reverse(edit)) == text


def _reverse(edit: Edit) -> Edit:
    span, lines = edit.span, edit.text.split("\n")
    end = span.column + len(lines[0]) if len(lines) == 1 else len(lines[-1]) + 1
    return Edit(edit.path, Span(span.line, span.column, span.line + len(lines) - 1, end), "")


@settings(max_examples=100, deadline=None)
@given(with_imports())
def test_a_logger_is_made_once(text: str) -> None:
    name, edits = add_logger(text, "app.py")
    new = _edited(text, *edits)
    compile(new, "app.py", "exec", dont_inherit=True)
    assert add_logger(new, "app.py") == (name, ())


# ------------------------------------------------------------------ fingerprints

TOKENS = st.lists(
    st.sampled_from(["f", "(", ")", "a", ",", "'x y'", '"#z"', "1", "+", "not", "in", "[", "]", ".", "b'q'"]),
    min_size=1,
    max_size=12,
)
SPACES = st.sampled_from(["", " ", "  ", "\n    ", "  # why\n", "\\\n", "\t"])


@settings(max_examples=100)
@given(TOKENS, st.data())
@example(["f", "(", "a", ",", ")"], None)
def test_layout_never_counts(tokens: list[str], data: st.DataObject | None) -> None:
    """Wherever space may stand, more of it changes nothing."""
    tight = " ".join(tokens)
    gaps = [(data.draw(SPACES) or " ") if data else "\n" for _ in tokens]
    loose = "".join(token + gap for token, gap in zip(tokens, gaps, strict=True))
    assert normalised(loose) == normalised(tight)


FINDINGS = st.lists(
    st.builds(
        lambda path, symbol, expression: finding(path, symbol=symbol, expression=expression),
        st.sampled_from(["a.py", "b/c.py"]),
        NAMES,
        st.text(max_size=5),
    ),
    max_size=8,
)


@given(FINDINGS)
def test_fingerprints_are_unique(findings: list[Finding]) -> None:
    assert len(set(fingerprints(findings))) == len(findings)


@given(FINDINGS.flatmap(lambda found: st.tuples(st.just(found), st.permutations(found))))
def test_a_baseline_knows_its_own_in_any_order(both: tuple[list[Finding], list[Finding]]) -> None:
    findings, shuffled = both
    applied = baseline.apply(shuffled, baseline.of(findings))
    assert (applied.new, applied.stale) == ((), ())


@given(FINDINGS, FINDINGS)
def test_new_and_stale_add_up(then: list[Finding], now: list[Finding]) -> None:
    applied = baseline.apply(now, baseline.of(then))
    assert len(applied.new) + len(applied.suppressed) == len(now)
    assert len(applied.suppressed) + sum(entry.count for entry in applied.stale) == len(then)


@settings(deadline=None)
@given(FINDINGS)
def test_a_written_baseline_is_the_same(findings: list[Finding]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "baseline.json")
        baseline.write(baseline.of(findings), place)
        assert baseline.load(place) == baseline.of(findings)


# ----------------------------------------------------------------------- comments

KNOWN = {"BG201": "blocking-sleep", "BG901": "unused-suppression", "BG902": "unknown-code-in-suppression"}
COMMENTS = st.sampled_from(
    [
        "# bglint: ignore[BG201]",
        "# bglint: ignore[BG201, blocking-sleep] why #12",
        "# bglint: ignore-file[BG201] ü",
        "# bglint: ignore[BG999, BG201]",
        "# noqa: E501",
        "# plain",
    ]
)
LINES = st.builds(
    lambda code, comments: code + "  ".join(comments),
    st.sampled_from(["x = 1  ", "    ", "", "f(1,  ", "2)  ", "'🙂' ", "@d  ", "def f(): ...  "]),
    st.lists(COMMENTS, max_size=3),
)
SOURCES = st.builds(lambda lines, newline: newline.join(lines), st.lists(LINES, max_size=6), NEWLINES)


@settings(max_examples=100, deadline=None)
@given(st.one_of(SOURCES, st.text(max_size=40).map(lambda text: f"# bglint: {text}")))
def test_comments_are_where_they_say(text: str) -> None:
    comments, _ = read("app.py", text, KNOWN)
    lines = lines_of(text)
    for comment in comments:
        assert comment.text.startswith("#") and comment.text.strip() == comment.text
        assert lines[comment.span.line - 1] == comment.line
        assert comment.first <= comment.last


@settings(max_examples=100, deadline=None)
@given(SOURCES)
def test_what_is_unused_is_gone_after_the_fix(text: str) -> None:
    def run(source: str) -> list[Finding]:
        kept = suppress.apply([], {"app.py": source}, KNOWN, {}, KNOWN).kept
        return [found for found in kept if found.code == "BG901"]

    edits = [edit for found in run(text) for edit in fix._edits(found)]
    cured = _edited(text, *edits)
    assert run(cured) == []
    assert [line.split("#")[0].rstrip() for line in lines_of(text) if line.split("#")[0].strip()] == [
        line.split("#")[0].rstrip() for line in lines_of(cured) if line.split("#")[0].strip()
    ]
    for foreign in ("noqa: E501", "plain"):
        assert cured.count(foreign) == text.count(foreign)
