"""Where imports and loggers go, over the layouts that files have."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bglint.edits import add_argument, add_import, add_logger, can_import, insert, lines_of, replace
from bglint.model import Edit, Span


def applied(source: str, *edits: Edit) -> str:
    lines = lines_of(source)
    starts = [sum(map(len, lines[:index])) for index in range(len(lines) + 1)]
    for edit in reversed(edits):
        span = edit.span
        start, end = starts[span.line - 1] + span.column - 1, starts[span.end_line - 1] + span.end_column - 1
        assert start <= end <= len(source)
        source = source[:start] + edit.text + source[end:]
    return source


def with_import(source: str, statement: str = "import asyncio") -> str:
    edit = add_import(source, "app.py", statement)
    assert edit is not None
    return applied(source, edit)


LAYOUTS = {
    "empty": ("", "import asyncio\n"),
    "code only": ("x = 1\n", "import asyncio\n\nx = 1\n"),
    "function only": ("def f():\n    pass\n", "import asyncio\n\n\ndef f():\n    pass\n"),
    "docstring": ('"""Doc."""\n\nx = 1\n', '"""Doc."""\n\nimport asyncio\n\nx = 1\n'),
    "docstring then code": ("'''Doc.'''\nx = 1\n", "'''Doc.'''\n\nimport asyncio\n\nx = 1\n"),
    "long docstring": (
        '"""Doc.\n\nimport os\n"""\n\nx = 1\n',
        '"""Doc.\n\nimport os\n"""\n\nimport asyncio\n\nx = 1\n',
    ),
    "future": (
        "from __future__ import annotations\n\nx = 1\n",
        "from __future__ import annotations\n\nimport asyncio\n\nx = 1\n",
    ),
    "docstring and future": (
        '"""Doc."""\n\nfrom __future__ import annotations\n\nfrom fastapi import FastAPI\n',
        '"""Doc."""\n\nfrom __future__ import annotations\n\nimport asyncio\n\nfrom fastapi import FastAPI\n',
    ),
    "shebang and coding": (
        "#!/usr/bin/env python\n# -*- coding: utf-8 -*-\n\nx = 1\n",
        "#!/usr/bin/env python\n# -*- coding: utf-8 -*-\n\nimport asyncio\n\nx = 1\n",
    ),
    "after earlier names": ("import abc\nimport time\n", "import abc\nimport asyncio\nimport time\n"),
    "before later names": ("import time\n\nx = 1\n", "import asyncio\nimport time\n\nx = 1\n"),
    "unsorted": (
        "import time\nimport json\n\nx = 1\n",
        "import time\nimport json\nimport asyncio\n\nx = 1\n",
    ),
    "before the from of its section": (
        "from dataclasses import dataclass\n\nfrom fastapi import FastAPI\n",
        "import asyncio\nfrom dataclasses import dataclass\n\nfrom fastapi import FastAPI\n",
    ),
    "only foreign": (
        "from fastapi import FastAPI\n\nx = 1\n",
        "import asyncio\n\nfrom fastapi import FastAPI\n\nx = 1\n",
    ),
    "many lines": (
        "import abc\nfrom fastapi import (\n    FastAPI,\n    Request,\n)\n",
        "import abc\nimport asyncio\nfrom fastapi import (\n    FastAPI,\n    Request,\n)\n",
    ),
    "comment at the end": (
        "import abc  # noqa: F401\nx = 1\n",
        "import abc  # noqa: F401\nimport asyncio\nx = 1\n",
    ),
    "no newline at the end": ("import abc", "import abc\nimport asyncio\n"),
    "semicolon": ("import abc ; x = '''\n'''\n", "import asyncio\n\nimport abc ; x = '''\n'''\n"),
    "below a definition": ("def f(): ...\nimport zlib\n", "import asyncio\n\n\ndef f(): ...\nimport zlib\n"),
    "in try": (
        "try:\n    import orjson\nexcept ImportError:\n    orjson = None\nimport time\n",
        "try:\n    import orjson\nexcept ImportError:\n    orjson = None\nimport asyncio\nimport time\n",
    ),
    "only for the type checker": (
        "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    import asyncio\n",
        "import asyncio\nfrom typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    import asyncio\n",
    ),
    "inside a function": (
        "import time\n\n\ndef f():\n    import asyncio\n",
        "import asyncio\nimport time\n\n\ndef f():\n    import asyncio\n",
    ),
    "other alias": ("import asyncio as aio\n", "import asyncio\nimport asyncio as aio\n"),
    "a call first": ("print()\n", "import asyncio\n\nprint()\n"),
    "there only in try": (
        "import time\ntry:\n    import asyncio\nexcept ImportError:\n    pass\n",
        "import asyncio\nimport time\ntry:\n    import asyncio\nexcept ImportError:\n    pass\n",
    ),
    "before the first of several": (
        "import time\nimport zlib\n",
        "import asyncio\nimport time\nimport zlib\n",
    ),
    "unsorted, no newline": ("import time\nimport abc", "import time\nimport abc\nimport asyncio\n"),
    "a comment on the first": (
        '"""Doc."""\n\n# why\nimport httpx\n',
        '"""Doc."""\n\nimport asyncio\n\n# why\nimport httpx\n',
    ),
    "a comment on the later": (
        "import abc\n# why\n# so\nimport time\n",
        "import abc\nimport asyncio\n# why\n# so\nimport time\n",
    ),
    "a comment at the top": ("# licence\nimport time\n", "# licence\nimport asyncio\nimport time\n"),
    "only relative": ("from . import models\n", "import asyncio\n\nfrom . import models\n"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_import_goes_where_the_file_keeps_its_imports(layout: str) -> None:
    before, after = LAYOUTS[layout]
    assert with_import(before) == after


@pytest.mark.parametrize("layout", LAYOUTS)
def test_import_is_there_afterwards(layout: str) -> None:
    after = LAYOUTS[layout][1]
    compile(after, "app.py", "exec")
    assert add_import(after, "app.py", "import asyncio") is None


FROMS = {
    "one line": ("from fastapi import FastAPI\n", "from fastapi import BackgroundTasks, FastAPI\n"),
    "last on the line": (
        "from fastapi import APIRouter\n",
        "from fastapi import APIRouter, BackgroundTasks\n",
    ),
    "comment": (
        "from fastapi import APIRouter  # noqa: F401\n",
        "from fastapi import APIRouter, BackgroundTasks  # noqa: F401\n",
    ),
    "one name a line": (
        "from fastapi import (\n    APIRouter,\n    FastAPI,\n)\n",
        "from fastapi import (\n    APIRouter,\n    BackgroundTasks,\n    FastAPI,\n)\n",
    ),
    "one name a line, last": (
        "from fastapi import (\n    APIRouter,  # routes\n)\n",
        "from fastapi import (\n    APIRouter,  # routes\n    BackgroundTasks,\n)\n",
    ),
    "no shape we know": (
        "from fastapi import (APIRouter,\n  FastAPI)\n",
        "from fastapi import BackgroundTasks\nfrom fastapi import (APIRouter,\n  FastAPI)\n",
    ),
    "no shape we know, bracket behind a name": (
        "from fastapi import (\n    APIRouter,\n    FastAPI)\n",
        "from fastapi import BackgroundTasks\nfrom fastapi import (\n    APIRouter,\n    FastAPI)\n",
    ),
    "no shape we know, two names a line": (
        "from fastapi import (\n    APIRouter,\n    Depends, FastAPI,\n)\n",
        "from fastapi import BackgroundTasks\nfrom fastapi import (\n    APIRouter,\n    Depends, FastAPI,\n)\n",
    ),
    "classes before the rest": (
        "from fastapi import applications\n",
        "from fastapi import BackgroundTasks, applications\n",
    ),
    "constants before classes": (
        "from fastapi import MAX, FastAPI\n",
        "from fastapi import MAX, BackgroundTasks, FastAPI\n",
    ),
    "a letter is a class": (
        "from fastapi import Z, applications\n",
        "from fastapi import BackgroundTasks, Z, applications\n",
    ),
    "after the last of the standard library": (
        "import abc\nimport time\n\nx = 1\n",
        "import abc\nimport time\n\nfrom fastapi import BackgroundTasks\n\nx = 1\n",
    ),
    "after two sections": (
        "import abc\n\nimport httpx\n\nx = 1\n",
        "import abc\n\nimport httpx\nfrom fastapi import BackgroundTasks\n\nx = 1\n",
    ),
    "other module": (
        "from anyio import sleep\nfrom httpx import get\n",
        "from anyio import sleep\nfrom fastapi import BackgroundTasks\nfrom httpx import get\n",
    ),
    "after the plain ones": (
        "import httpx\n\nfrom . import models\n",
        "import httpx\nfrom fastapi import BackgroundTasks\n\nfrom . import models\n",
    ),
    "standard library first": (
        "import time\n\nx = 1\n",
        "import time\n\nfrom fastapi import BackgroundTasks\n\nx = 1\n",
    ),
}


@pytest.mark.parametrize("layout", FROMS)
def test_from_import(layout: str) -> None:
    before, after = FROMS[layout]
    assert with_import(before, "from fastapi import BackgroundTasks") == after
    compile(after, "app.py", "exec")
    assert add_import(after, "app.py", "from fastapi import BackgroundTasks") is None


SORTED = [
    name
    for name in {**LAYOUTS, **FROMS}
    if not name.startswith(("unsorted", "semicolon", "many lines", "no shape"))
]


def test_sorted_imports_stay_sorted(tmp_path: Path) -> None:
    for name in SORTED:
        for kind, text in zip(("before", "after"), {**LAYOUTS, **FROMS}[name], strict=True):
            place = tmp_path / kind / f"{name.replace(' ', '_').replace(',', '')}.py"
            place.parent.mkdir(exist_ok=True)
            place.write_text(text, "utf-8")
    assert _unsorted(tmp_path / "after") <= _unsorted(tmp_path / "before")


def _unsorted(folder: Path) -> set[str]:
    command = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--isolated",
        "--select=I001",
        "--output-format=json",
        folder,
    ]
    found = json.loads(subprocess.run(command, text=True, capture_output=True, check=False).stdout)
    return {Path(entry["filename"]).name for entry in found}


@pytest.mark.parametrize(
    ("statement", "before", "after"),
    [
        ("import httpx", "import abc\n\nx = 1\n", "import abc\n\nimport httpx\n\nx = 1\n"),
        ("import httpx", "from .a import b\n", "import httpx\n\nfrom .a import b\n"),
        ("import httpx", "from fastapi import FastAPI\n", "import httpx\nfrom fastapi import FastAPI\n"),
        (
            "import zoneinfo",
            "import abc\nimport json\nimport time\n\nx = 1\nimport zlib\n",
            "import abc\nimport json\nimport time\nimport zoneinfo\n\nx = 1\nimport zlib\n",
        ),
        (
            "import zoneinfo",
            "import time\ndef f(): ...\nimport zlib\n",
            "import time\nimport zoneinfo\ndef f(): ...\nimport zlib\n",
        ),
        (
            "import concurrent.futures",
            "import concurrent\n",
            "import concurrent\nimport concurrent.futures\n",
        ),
        (
            "import concurrent.futures",
            "import concurrent.futures_x\n",
            "import concurrent.futures\nimport concurrent.futures_x\n",
        ),
        ("import concurrent.futures", "import abc, concurrent.futures\n", None),
        ("import concurrent", "import concurrent.futures\n", None),
        ("import numpy as np", "import numpy\n", "import numpy\nimport numpy as np\n"),
        ("from a import b as c", "from a import b\n", "from a import b, b as c\n"),
        ("from . import a", "from . import b\n", "from . import a, b\n"),
        ("from .x import a", "from .x import a\n", None),
    ],
)
def test_other_statements(statement: str, before: str, after: str | None) -> None:
    edit = add_import(before, "app.py", statement)
    assert (applied(before, edit) if edit else None) == after


def test_crlf_source_is_read_line_by_line() -> None:
    edit = add_import("import abc\r\nimport time\r\n", "app.py", "import asyncio")
    assert edit == Edit("app.py", Span(2, 1, 2, 1), "import asyncio\n")


@pytest.mark.parametrize(
    ("source", "free"),
    [
        ("", True),
        ("import asyncio\n", True),
        ("from mine import asyncio\n", False),
        ("asyncio = None\n", False),
        ("def asyncio(): ...\n", False),
    ],
)
def test_a_name_that_means_something_else(source: str, free: bool) -> None:
    assert can_import(source, "import asyncio") is free


def test_what_is_no_single_import_is_refused() -> None:
    with pytest.raises(ValueError, match="not a single import"):
        add_import("", "app.py", "import a, b")


LOGGERS = {
    "there": ("import logging\n\nlog = logging.getLogger('app')\n", "log", None),
    "loguru": ("from loguru import logger\n", "logger", None),
    "structlog": ("import structlog\n\nLOG = structlog.get_logger()\n", "LOG", None),
    "missing": (
        "import time\n\nx = 1\n",
        "logger",
        "import logging\nimport time\n\nlogger = logging.getLogger(__name__)\n\nx = 1\n",
    ),
    "import there": (
        "import logging\nfrom fastapi import FastAPI\n\nx = 1\n",
        "logger",
        "import logging\nfrom fastapi import FastAPI\n\nlogger = logging.getLogger(__name__)\n\nx = 1\n",
    ),
    "no imports": (
        "def f():\n    pass\n",
        "logger",
        "import logging\n\nlogger = logging.getLogger(__name__)\n\n\ndef f():\n    pass\n",
    ),
    "name taken": (
        "import logging\nlogger = 3\n",
        "log",
        "import logging\n\nlog = logging.getLogger(__name__)\nlogger = 3\n",
    ),
}


@pytest.mark.parametrize("layout", LOGGERS)
def test_logger(layout: str) -> None:
    before, name, after = LOGGERS[layout]
    found, edits = add_logger(before, "app.py")
    assert found == name
    assert applied(before, *edits) == (after or before)


CALLS = {
    "no argument": ("f()", "f(timeout=10)"),
    "one": ("f(a)", "f(a, timeout=10)"),
    "comma": ("f(a,)", "f(a, timeout=10)"),
    "chain": ("a.b(c)[0].f('x,)', d)", "a.b(c)[0].f('x,)', d, timeout=10)"),
    "inner bracket": ("f(g(a))", "f(g(a), timeout=10)"),
    "a line each": (
        "f(\n        a,\n        b={\n        },\n    )",
        "f(\n        a,\n        b={\n        },\n        timeout=10,\n    )",
    ),
    "a line each, comments": (
        "f(\n        a,  # why, (\n        # more\n    )",
        "f(\n        a,  # why, (\n        # more\n        timeout=10,\n    )",
    ),
    "no comma, comment": ("f(\n        a  # why\n    )", "f(\n        a, timeout=10  # why\n    )"),
    "comma, bracket beside it": ("f(a,\n      b,)", "f(a,\n      b, timeout=10)"),
    "only a comment": ("f(  # why\n)", "f(timeout=10  # why\n)"),
    "dots on lines": ("a\n    .b()\n    .f(c)", "a\n    .b()\n    .f(c, timeout=10)"),
    "wide letters": ("f('🙂é', b)", "f('🙂é', b, timeout=10)"),
}


@pytest.mark.parametrize("layout", CALLS)
def test_argument(layout: str) -> None:
    call, expected = CALLS[layout]
    before = f"x = ('ü',\n    {call})\n"
    lines = call.split("\n")
    end = len(lines[-1]) + (5 if len(lines) == 1 else 1)
    edit = add_argument("app.py", call, Span(2, 5, len(lines) + 1, end), "timeout=10")
    assert edit is not None
    assert applied(before, edit) == f"x = ('ü',\n    {expected})\n"
    compile(applied(before, edit), "app.py", "exec")


@pytest.mark.parametrize("text", ["f", "", "f(", "f[0]", "'"])
def test_what_is_no_call_gets_no_argument(text: str) -> None:
    assert add_argument("app.py", text, Span(1, 1, 1, 9), "timeout=10") is None


def test_plain_constructors() -> None:
    assert replace("a.py", Span(1, 2, 1, 5), "x") == Edit("a.py", Span(1, 2, 1, 5), "x")
    assert insert("a.py", 3, 4, "x") == Edit("a.py", Span(3, 4, 3, 4), "x")


def test_lines_are_split_where_python_splits() -> None:
    assert lines_of("a\r\nb\rc\n\x0cd\u2028e") == ["a\r\n", "b\r", "c\n", "\x0cd\u2028e"]
