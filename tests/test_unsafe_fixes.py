"""What the unsafe fixes write, to the letter, and where they are not offered."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from bglint import Config, Report, fix, lint

Fixes = Callable[..., dict[str, str]]
ROUTE = """

@app.post("/signup")
async def signup(email: str, tasks: BackgroundTasks) -> dict[str, str]:
    tasks.add_task(remind, email)
    return {"status": "success"}
"""


@pytest.fixture
def fixes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fixes:
    """Write files, apply all fixes of some rules until nothing changes; the texts that changed."""
    monkeypatch.chdir(tmp_path)

    def run(*codes: str, **files: str) -> dict[str, str]:
        for name, text in files.items():
            Path(f"{name}.py").write_text(text, "utf-8", newline="")

        def again(texts: Mapping[str, str]) -> Report:
            given = {path: text.encode() for path, text in texts.items()}
            return lint(["."], Config(select=codes), given=given)

        outcome = fix.until_stable(again, safe_only=False)
        assert outcome.fixed.problems == outcome.report.problems == ()
        return outcome.fixed.texts

    return run


# --------------------------------------------------------------------- async def -> def

BLOCKING = (
    """\
import requests
from fastapi import BackgroundTasks, FastAPI

app = FastAPI()


async  def remind(email: str) -> None:  # async def, they said
    requests.post("https://mail.example", json={"to": email}, timeout=9)  # the first
    requests.get("https://mail.example", timeout=9)
"""
    + ROUTE
)
OTHERS = {
    "awaited": "\n\nasync def twice(email: str) -> None:\n    await remind(email)\n",
    "scheduled": "\n\nasync def soon() -> None:\n    asyncio.create_task(remind('a'))\n",
    "gathered": "\n\nasync def all_() -> None:\n    await asyncio.gather(*map(remind, ['a', 'b']))\n",
    "a dependency": "\n\nrouter = APIRouter(dependencies=[Depends(remind)])\n",
    "named as a value": "\n\nJOBS = {'remind': remind}\n",
}
TASKS = {
    "awaits": "    await asyncio.sleep(1)\n",
    "async for": "    async for row in rows():\n        pass\n",
    "async with": "    async with lock:\n        pass\n",
    "async comprehension": "    found = [row async for row in rows()]\n",
    "needs the loop": "    asyncio.get_running_loop()\n",
}


def test_an_async_task_that_awaits_nothing_becomes_a_def(fixes: Fixes) -> None:
    assert fixes("BG202", app=BLOCKING) == {"app.py": BLOCKING.replace("async  def remind", "def remind")}


@pytest.mark.parametrize("other", OTHERS)
def test_a_task_that_others_use_stays_async(fixes: Fixes, other: str) -> None:
    fixed = fixes("BG202", app=BLOCKING + OTHERS[other])
    assert "async  def remind" in fixed["app.py"]
    assert "await asyncio.to_thread(requests.get" in fixed["app.py"]


def test_a_task_that_another_module_uses_stays_async(fixes: Fixes) -> None:
    fixed = fixes("BG202", app=BLOCKING, jobs="from app import remind as job\n\nJOBS = [job]\n")
    assert "async  def remind" in fixed["app.py"]


def test_a_task_that_a_test_awaits_stays_async(fixes: Fixes) -> None:
    used = "from app import remind\n\n\nasync def test_it() -> None:\n    await remind('a')\n"
    assert "async  def remind" in fixes("BG202", app=BLOCKING, test_app=used)["app.py"]


def test_imports_comments_and_texts_are_no_use(fixes: Fixes) -> None:
    words = 'from app import (\n    app,\n    remind,\n)\n\nlog = "remind"  # remind\n'
    assert "\ndef remind" in fixes("BG202", app=BLOCKING, main=words)["app.py"]


@pytest.mark.parametrize("task", TASKS)
def test_a_task_that_needs_the_event_loop_stays_async(fixes: Fixes, task: str) -> None:
    last = '    requests.get("https://mail.example", timeout=9)\n'
    source = f"import asyncio\n{BLOCKING.replace(last, last + TASKS[task])}"
    assert "async  def remind" in fixes("BG202", app=source)["app.py"]


def test_a_decorated_task_stays_async(fixes: Fixes) -> None:
    decorator = "def traced(f):\n    return f\n\n\n@traced\nasync  def"
    assert "async  def remind" in fixes("BG202", app=BLOCKING.replace("async  def", decorator))["app.py"]


METHOD = """\
import requests
from fastapi import BackgroundTasks, FastAPI

app = FastAPI()
{base}

class Mailer{bases}:
    async def remind(self, email: str) -> None:
        requests.post("https://mail.example", json={{"to": email}}, timeout=9)


@app.post("/signup")
async def signup(email: str, tasks: BackgroundTasks) -> dict[str, str]:
    tasks.add_task(Mailer().remind, email)
    return {{"status": "success"}}
"""


def test_a_method_becomes_a_def(fixes: Fixes) -> None:
    source = METHOD.format(base="", bases="")
    assert fixes("BG202", app=source) == {"app.py": source.replace("async def remind", "def remind")}


@pytest.mark.parametrize(
    ("base", "bases"),
    [
        ("\n\nclass Base:\n    async def remind(self, email: str) -> None: ...\n", "(Base)"),
        ("\n\nfrom elsewhere import Base\n", "(Base)"),
    ],
    ids=["own", "foreign"],
)
def test_an_override_stays_async(fixes: Fixes, base: str, bases: str) -> None:
    assert (
        "    async def remind(self, email: str) -> None:\n        await"
        in (fixes("BG202", app=METHOD.format(base=base, bases=bases))["app.py"])
    )


SQLITE = """\
import sqlite3

from fastapi import BackgroundTasks, FastAPI

app = FastAPI()
{outside}

async def remind(email: str) -> None:
{inside}    connection.execute("delete from mails")
"""


def test_a_connection_of_its_own_moves_with_the_task(fixes: Fixes) -> None:
    source = SQLITE.format(outside="", inside='    connection = sqlite3.connect("mails")\n') + ROUTE
    assert "\ndef remind" in fixes("BG203", app=source)["app.py"]


def test_a_connection_of_another_thread_leaves_it_where_it_is(fixes: Fixes) -> None:
    source = SQLITE.format(outside='connection = sqlite3.connect("mails")\n', inside="") + ROUTE
    assert fixes("BG203", app=source) == {}


def test_two_fixes_that_do_not_go_together_are_made_one_after_the_other(fixes: Fixes) -> None:
    source = BLOCKING.replace("import requests", "import time\n\nimport requests")
    before = source.replace("  # the first\n", "\n    time.sleep(1)\n")
    after = fixes("BG2", app=before)["app.py"]
    assert after == before.replace("async  def", "def")


# ------------------------------------------------------------------------------- threads

WAITING = """\
import asyncio
import os
import pathlib

from fastapi import BackgroundTasks, FastAPI

app = FastAPI()


async def remind(email: str) -> None:
    await asyncio.sleep(1)
    {}
"""
THREADS = {
    "if os.system(email): pass": "if await asyncio.to_thread(os.system, email): pass",
    "for _ in os.popen(email): pass": "for _ in await asyncio.to_thread(os.popen, email): pass",
    "print(os.system(email))": "print(await asyncio.to_thread(os.system, email))",
    "os.popen(email).read()": "await asyncio.to_thread((await asyncio.to_thread(os.popen, email)).read)",
}


@pytest.mark.parametrize("call", THREADS)
def test_a_call_is_made_in_a_thread(fixes: Fixes, call: str) -> None:
    before, after = (WAITING.format(text) + ROUTE for text in (call, THREADS[call]))
    assert fixes("BG205", app=before) == {"app.py": after}


@pytest.mark.parametrize("call", ["for _ in os.walk(email): pass", "found = pathlib.Path(email).rglob('*')"])
def test_what_works_only_while_it_is_gone_through_is_left_alone(fixes: Fixes, call: str) -> None:
    assert fixes("BG204", app=WAITING.format(call) + ROUTE) == {}
    assert lint(["app.py"], Config(select=("BG204",))).findings


# ----------------------------------------------------------------------- print -> logger

CHATTY = """\
import sys

from fastapi import BackgroundTasks, FastAPI
{imports}
app = FastAPI()


def remind(email: str, rows: list[int]) -> None:
{body}"""
PRINTS = {
    "values in words": ('print("searching for", email, "in", rows)', '"searching for %s in %s", email, rows'),
    "words alone": ('print("100%", \'"sure"\')', "'100% \"sure\"'"),
    "one text": ('print("50%\\n")', '"50%\\n"'),
    "percent": ('print("at 100%:", rows)', '"at 100%%: %s", rows'),
    "quotes": ('print("it\'s", \'"new"\', email)', "'it\\'s \"new\" %s', email"),
    "line end": ('print("to\\n", email)', '"to\\n %s", email'),
    "one value": ("print(email)", '"%s", email'),
    "one f-string": ('print(f"to {email} {{}} 100%")', 'f"to {email} {{}} 100%"'),
    "f-string among others": ('print("to", f"{email}!")', '"to %s", f"{email}!"'),
    "number": ("print(3, None)", '"%s %s", 3, None'),
    "generator": ("print(row for row in rows)", '"%s", (row for row in rows)'),
    "brackets": ("print((email, rows))", '"%s", (email, rows)'),
    "bracketed generator": ("print((row for row in rows))", '"%s", (row for row in rows)'),
    "assigned": ("print(all_ := email)", '"%s", all_ := email'),
    "hash": ('print("#", email)', '"# %s", email'),
    "standard error": ('print("to", email, file=sys.stderr, flush=True)', '"to %s", email'),
    "two lines": ('print("to",\n          email)', '"to %s", email'),
    "joined texts": ('print(\n        "to "\n        "you", email\n    )', '"to you %s", email'),
    "wide letters": ('print("für 🙂", email)', '"für 🙂 %s", email'),
}
MADE = "\nimport logging\nimport sys\n\nfrom fastapi import BackgroundTasks, FastAPI\n\nlogger = logging.getLogger(__name__)\n"


@pytest.mark.parametrize("written", PRINTS)
def test_print_becomes_logger(fixes: Fixes, written: str) -> None:
    before, after = PRINTS[written]
    source = CHATTY.format(imports="", body=f"    {before}  # tell\n") + ROUTE
    expected = source.replace(before, f"logger.info({after})").replace(
        "import sys\n\nfrom fastapi import BackgroundTasks, FastAPI\n", MADE[1:]
    )
    assert fixes("BG405", app=source) == {"app.py": expected}


LOGGERS = {
    "own": ("import logging\n\nlog = logging.getLogger('mails')\n", "log", "%s"),
    "loguru": ("from loguru import logger\n", "logger", "{}"),
    "structlog": ("import structlog\n\nlogger = structlog.get_logger()\n", "logger", "%s"),
    "imported": ("from core import log\n", "log", "%s"),
    "imported loguru": ("from core import guru as logger\n", "logger", "{}"),
}
CORE = "import logging\n\nfrom loguru import logger as guru\n\nlog = logging.getLogger('core')\n"


@pytest.mark.parametrize("kind", LOGGERS)
def test_the_logger_of_the_module_is_used(fixes: Fixes, kind: str) -> None:
    imports, name, placed = LOGGERS[kind]
    source = CHATTY.format(imports=imports, body='    print("{to}", email)\n') + ROUTE
    words = "{{to}}" if placed == "{}" else "{to}"
    expected = source.replace('print("{to}", email)', f'{name}.info("{words} {placed}", email)')
    assert fixes("BG405", core=CORE, app=source) == {"app.py": expected}


def test_an_error_is_shown_once_with_its_traceback(fixes: Fixes) -> None:
    body = (
        "    try:\n        rows.sort()\n    except ValueError:\n        print('a')\n"
        "    except OSError as error:\n        print('b')\n        if rows:\n            print('c')\n"
        "        try:\n            rows.pop()\n        except IndexError:\n            print('d')\n"
        "    print('e')\n"
    )
    fixed = fixes("BG405", app=CHATTY.format(imports="", body=body) + ROUTE)["app.py"]
    assert re.findall(r"logger\.(\w+)\('(\w)'\)", fixed) == [
        ("exception", "a"), ("exception", "b"), ("error", "c"), ("exception", "d"), ("info", "e"),
    ]  # fmt: skip


FAR = "from far import get_logger\n\nlogger = get_logger(__name__)\nlogger.debug('here')\n"


def test_a_logger_of_another_kind_gets_whole_texts(fixes: Fixes) -> None:
    source = CHATTY.format(imports=FAR, body='    print(f"to {email}")\n    print("to", "all")\n') + ROUTE
    expected = source.replace('print(f"to', 'logger.info(f"to').replace(
        'print("to", "all")', 'logger.info("to all")'
    )
    assert fixes("BG405", app=source) == {"app.py": expected}


def test_a_logger_of_another_kind_gets_no_values(fixes: Fixes) -> None:
    source = CHATTY.format(imports=FAR, body='    print("to", email)\n') + ROUTE
    assert fixes("BG405", app=source) == {}


def test_what_is_imported_for_the_type_checker_is_no_logger(fixes: Fixes) -> None:
    imports = "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    from core import log\n"
    source = CHATTY.format(imports=imports, body='    print("to", email)\n') + ROUTE
    assert 'logger.info("to %s", email)' in fixes("BG405", core=CORE, app=source)["app.py"]


def test_one_fix_for_all_prints_of_a_task_in_all_its_modules(fixes: Fixes) -> None:
    body = "    print('a')\n    try:\n        send(email)\n    except OSError as error:\n        print('no', error)\n"
    source = CHATTY.format(imports="from mail import send\n", body=body) + ROUTE
    mail = "def send(email: str) -> None:\n    print('sent', email)\n"
    fixed = fixes("BG405", app=source, mail=mail)
    finding = lint(["."], Config(select=("BG405",))).findings[0]
    assert finding.fix and {edit.path for edit in finding.fix.edits} == {"app.py", "mail.py"}
    assert "    logger.info('a')\n" in fixed["app.py"]
    assert '        logger.exception("no %s", error)\n' in fixed["app.py"]
    assert fixed["mail.py"] == (
        "import logging\n\nlogger = logging.getLogger(__name__)\n\n\n"
        'def send(email: str) -> None:\n    logger.info("sent %s", email)\n'
    )


NOT_FIXED = {
    "a separator": '    print("to", email, sep="-")\n',
    "no line end": '    print("to", email, end="")\n',
    "nothing": "    print()\n",
    "spread": "    print(*rows)\n",
    "a comment inside": "    print(\n        email,  # who\n    )\n",
    "one of two": '    print("to", email)\n    print(*rows)\n',
    "handed to a thread": "    asyncio.to_thread(print, email)\n",
    "another name": "    say(email)\n",
    "a local logger": "    logger = 3\n    print(email, logger)\n",
}


@pytest.mark.parametrize("body", NOT_FIXED)
def test_prints_that_are_left_alone(fixes: Fixes, body: str) -> None:
    imports = "\nimport asyncio\n\nsay = print\n"
    source = CHATTY.format(imports=imports, body=NOT_FIXED[body]) + ROUTE
    assert fixes("BG405", app=source) == {}
    assert lint(["app.py"], Config(select=("BG405",))).findings


def test_a_printer_that_is_handed_over_is_left_alone(fixes: Fixes) -> None:
    source = CHATTY.format(imports="", body='    printer("to", email)\n') + ROUTE
    source = source.replace("rows: list[int]", "printer=print")
    assert fixes("BG405", app=source) == {}
    assert lint(["app.py"], Config(select=("BG405",))).findings


# ------------------------------------------------------------------ try, logger.exception

FALLIBLE = """\
import logging

import httpx
from fastapi import BackgroundTasks, FastAPI

log = logging.getLogger("mails")
app = FastAPI()


"""
BODIES = {
    "plain": (
        'def remind(email: str) -> None:\n    httpx.post("https://mail.example")\n\n    done = 1  # done\n',
        "def remind(email: str) -> None:\n"
        "    try:\n"
        '        httpx.post("https://mail.example")\n'
        "\n"
        "        done = 1  # done\n"
        "    except Exception:\n"
        '        log.exception("remind failed")\n',
    ),
    "docstring, comments, brackets": (
        "async def remind(\n"
        "    email: str,\n"
        ") -> None:\n"
        '    """Send it.\n\n    Soon.\n    """\n'
        "    # now\n"
        "    if email:\n"
        "        httpx.post(\n"
        '            "https://mail.example",  # there\n'
        "    )\n"
        "        # inside\n"
        "    # behind\n"
        "\n"
        "# of the module\n",
        "async def remind(\n"
        "    email: str,\n"
        ") -> None:\n"
        '    """Send it.\n\n    Soon.\n    """\n'
        "    try:\n"
        "        # now\n"
        "        if email:\n"
        "            httpx.post(\n"
        '                "https://mail.example",  # there\n'
        "        )\n"
        "            # inside\n"
        "        # behind\n"
        "    except Exception:\n"
        '        log.exception("remind failed")\n'
        "\n"
        "# of the module\n",
    ),
    "tabs": (
        'def remind(email: str) -> None:\n\thttpx.post("https://mail.example")\n\tif email:\n\t\tpass\n',
        "def remind(email: str) -> None:\n"
        "\ttry:\n"
        '\t\thttpx.post("https://mail.example")\n'
        "\t\tif email:\n"
        "\t\t\tpass\n"
        "\texcept Exception:\n"
        '\t\tlog.exception("remind failed")\n',
    ),
    "two blanks": (
        'def remind(email: str) -> None:\n  httpx.post("https://mail.example")\n',
        "def remind(email: str) -> None:\n"
        "  try:\n"
        '    httpx.post("https://mail.example")\n'
        "  except Exception:\n"
        '    log.exception("remind failed")\n',
    ),
    "decorated statement first": (
        "def remind(email: str) -> None:\n"
        "    @str\n"
        "    def inner(): ...\n"
        '    httpx.post("https://mail.example"); done = 1\n',
        "def remind(email: str) -> None:\n"
        "    try:\n"
        "        @str\n"
        "        def inner(): ...\n"
        '        httpx.post("https://mail.example"); done = 1\n'
        "    except Exception:\n"
        '        log.exception("remind failed")\n',
    ),
    "some errors are caught": (
        "def remind(email: str) -> None:\n"
        "    try:\n"
        '        httpx.post("https://mail.example")\n'
        "    except ValueError:\n"
        '        log.exception("no")\n',
        "def remind(email: str) -> None:\n"
        "    try:\n"
        "        try:\n"
        '            httpx.post("https://mail.example")\n'
        "        except ValueError:\n"
        '            log.exception("no")\n'
        "    except Exception:\n"
        '        log.exception("remind failed")\n',
    ),
}


@pytest.mark.parametrize("line_end", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("body", BODIES)
def test_what_a_task_does_is_tried(fixes: Fixes, body: str, line_end: str) -> None:
    before, after = ((FALLIBLE + text + ROUTE).replace("\n", line_end) for text in BODIES[body])
    assert fixes("BG401", app=before) == {"app.py": after}


def test_a_task_at_the_end_of_a_file_without_a_line_end(fixes: Fixes) -> None:
    before, after = (text.rstrip() for text in BODIES["plain"])
    head = FALLIBLE.rstrip() + ROUTE + "\n\n"
    assert fixes("BG401", app=head + before) == {"app.py": head + after}


def test_a_task_inside_of_its_handler(fixes: Fixes) -> None:
    route = '@app.post("/signup")\nasync def signup(tasks: BackgroundTasks) -> str:\n{}    tasks.add_task(remind)\n'
    before = '    def remind() -> None:\n        httpx.post("https://mail.example")\n\n'
    after = (
        "    def remind() -> None:\n        try:\n"
        '            httpx.post("https://mail.example")\n'
        '        except Exception:\n            log.exception("remind failed")\n\n'
    )
    texts = [FALLIBLE + route.format(text) for text in (before, after)]
    assert fixes("BG401", app=texts[0]) == {"app.py": texts[1]}


def test_a_logger_is_made_where_there_is_none(fixes: Fixes) -> None:
    head = FALLIBLE.replace("import logging\n\n", "").replace('log = logging.getLogger("mails")\n', "")
    made = head.replace("import httpx", "import logging\n\nimport httpx").replace(
        "app = ", "logger = logging.getLogger(__name__)\n\napp = "
    )
    before, after = BODIES["plain"]
    fixed = fixes("BG401", app=head + before + ROUTE)["app.py"]
    assert fixed == made + after.replace("log.exception", "logger.exception") + ROUTE


LEFT = {
    "a text of several lines": (
        'def remind(email: str) -> None:\n    httpx.post("""https://mail\n    .example""")\n'
    ),
    "an f-string of several lines": (
        'def remind(email: str) -> None:\n    httpx.post(f"""https://{email}\n    .example""")\n'
    ),
    "beside the def": 'def remind(email: str) -> None: httpx.post("https://mail.example")\n',
    "called by others, too": BODIES["plain"][0] + "\n\ndef main() -> None:\n    remind('a')\n",
    "a local logger": BODIES["plain"][0] + "    log = 3\n",
}


@pytest.mark.parametrize("task", LEFT)
def test_tasks_that_are_not_tried(fixes: Fixes, task: str) -> None:
    assert fixes("BG401", app=FALLIBLE + LEFT[task] + ROUTE) == {}
    assert lint(["app.py"], Config(select=("BG401",))).findings


def test_an_error_of_a_decorator_is_not_caught_inside(fixes: Fixes) -> None:
    decorator = (
        "def told(f):\n    def wrapper(email):\n        f(email)\n"
        '        httpx.post("https://mail.example")\n    return wrapper\n\n\n@told\n'
    )
    task = decorator + "def remind(email: str) -> None:\n    pass\n"
    assert fixes("BG401", app=FALLIBLE + task + ROUTE) == {}
    assert lint(["app.py"], Config(select=("BG401",))).findings


def test_all_unsafe_fixes_together(fixes: Fixes) -> None:
    task = (
        "import requests\n\n\nasync def remind(email: str) -> None:\n"
        '    print("to", email)\n    requests.get("https://mail.example")\n'
    )
    assert fixes("BG2", "BG304", "BG4", app=FALLIBLE + task + ROUTE)["app.py"] == (
        FALLIBLE
        + "import requests\n\n\ndef remind(email: str) -> None:\n"
        + '    try:\n        log.info("to %s", email)\n        requests.get("https://mail.example", timeout=10)\n'
        + '    except Exception:\n        log.exception("remind failed")\n'
        + ROUTE
    )
