"""The knowledge tables: what the loader answers, that the tables are well formed, that they tell the truth.

Third-party names are held against the installed libraries by `python tests/knowledge_names.py` (extra `knowledge`).
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator

import pytest

import bglint.knowledge
from bglint.knowledge import EFFECTS, Fact, Knowledge, KnowledgeError
from bglint.knowledge.fact import read_fact
from bglint.knowledge.pattern import expand
from bglint.knowledge.table import HERE, SECTIONS, Table, load, places, tomllib
from tests import knowledge_names, knowledge_proofs

STEMS = sorted(path.stem for path in HERE.glob("[!_]*.toml"))
STANDARD = [stem for stem in STEMS if stem.startswith("stdlib_")]
HERE_INSTALLED = ["requests", "httpx", "sqlalchemy"]


def entries(stem: str) -> Iterator[tuple[str, Fact]]:
    """Every callable of a table, patterns too."""
    for name, entry in load(stem).entries():
        yield name, read_fact(name, entry)


def packages(table: Table) -> set[str]:
    """The top-level packages that a table speaks of."""
    names = {*dict(table.entries()), *table.aliases, *table.bases, *table.errors}
    return {name.partition(".")[0] for name in names}


# ---------------------------------------------------------------- the loader


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("open", "builtins.open"),
        ("IOError", "builtins.OSError"),
        ("socket.timeout", "builtins.TimeoutError"),
        ("requests.api.get", "requests.get"),
        ("requests.sessions.Session.get", "requests.Session.get"),
        ("asyncio.tasks.sleep", "asyncio.sleep"),
        ("smtplib.SMTP().login", "smtplib.SMTP.login"),
        ("sqlite3.connect().cursor().execute", "sqlite3.Cursor.execute"),
        ("sqlalchemy.orm.sessionmaker()().query().filter().first", "sqlalchemy.orm.Query.first"),
        ("boto3.client().put_object", "botocore.client.BaseClient.put_object"),
        ("unknown.thing().method", "unknown.thing().method"),
        ("unknown", "unknown"),
    ],
)
def test_a_thing_has_one_name(name: str, canonical: str) -> None:
    assert Knowledge().canonical(name) == canonical


@pytest.mark.parametrize(
    ("name", "effect", "is_async"),
    [
        ("time.sleep", "sleep", False),
        ("asyncio.sleep", "sleep", True),
        ("requests.sessions.Session.post", "network", False),
        ("smtplib.SMTP_SSL.sendmail", "network", False),
        ("sqlmodel.Session.commit", "database", False),
        ("sqlalchemy.ext.asyncio.AsyncSession.commit", "database", True),
        ("openai.OpenAI.chat.completions.create", "network", False),
        ("openai.AzureOpenAI.chat.completions.create", "network", False),
        ("redis.asyncio.Redis.get", "database", True),
        ("google.cloud.speech.SpeechClient.recognize", "network", False),
        ("google.cloud.speech.SpeechAsyncClient.recognize", "network", True),
        ("google.cloud.storage.Client().bucket().blob().open().write", "network", False),
        ("github.Github().get_repo().get_pull().create_issue_comment", "network", False),
        ("github.Github().get_repo().get_pulls()[].head.repo.get_contents", "network", False),
        ("gitlab.Gitlab().projects.get().mergerequests.get().notes.create", "network", False),
        (
            "atlassian.bitbucket.Cloud().workspaces.get().repositories.get().pullrequests.create",
            "network",
            False,
        ),
        ("azure.devops.connection.Connection().clients.get_git_client().get_commits", "network", False),
        ("kafka.admin.KafkaAdminClient", "network", False),
        ("sqlalchemy.orm.Session().query().filter().__iter__", "database", False),
        ("boto3.resource().Bucket().objects.filter().__iter__", "network", False),
        ("print", "print", False),
    ],
)
def test_a_call_has_an_effect(name: str, effect: str, is_async: bool) -> None:
    fact = Knowledge().fact(name)
    assert fact is not None
    assert (fact.effect, fact.is_async, fact.blocks) == (effect, is_async, not is_async and effect != "print")


@pytest.mark.parametrize(
    "name",
    [
        "sqlalchemy.orm.Session.add",
        "sqlalchemy.select",
        "sqlite3.connect",
        "redis.Redis",
        "redis.Redis.pipeline",
        "redis.Redis.__enter__",
        "redis.client.Pipeline.set",
        "httpx.AsyncClient",
        "httpx.Response.json",
        "openai.AsyncOpenAI",
        "pathlib.Path.exists",
        "pathlib.Path.mkdir",
        "os.path.exists",
        "os.remove",
        "io.BytesIO.write",
        "google.cloud.speech.SpeechClient.common_project_path",
        "boto3.client",
        "gitlab.Gitlab",
        "github.Github",
        "google.cloud.storage.Client.bucket",
        "pinecone.Pinecone",
    ],
)
def test_what_does_no_work_is_silent(name: str) -> None:
    fact = Knowledge().fact(name)
    assert fact is None or not fact.effect


def test_failing_follows_from_the_effect_unless_it_is_said() -> None:
    knowledge = Knowledge()
    fails = {
        name: getattr(knowledge.fact(name), "fails", None)
        for name in ("requests.get", "open", "emails.Message.send")
    }
    assert fails == {"requests.get": True, "open": False, "emails.Message.send": False}


def test_a_method_may_give_its_own_type() -> None:
    knowledge = Knowledge({"bases": {"a.Sub": ["a.Query"]}, "calls": {"a.Query.*": {"returns": "self"}}})
    assert knowledge.canonical("a.Sub().filter().limit().all") == "a.Sub.all"
    made = "google.cloud.vision.ImageAnnotatorClient.from_service_account_json().batch_annotate_images"
    assert getattr(knowledge.fact(made), "effect", None) == "network"


def test_a_blocking_call_names_its_twin() -> None:
    knowledge = Knowledge()
    twins = [
        getattr(knowledge.fact(name), "twin", None)
        for name in ("time.sleep", "requests.get", "asyncio.sleep", "google.cloud.storage.Blob.exists")
    ]
    assert twins == ["await asyncio.sleep(...)", "httpx.AsyncClient", "", ""]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("requests.Session", True),
        ("sqlalchemy.orm.sessionmaker", True),
        ("functools.partial", True),
        ("psycopg2.extensions.connection", True),
        ("OSError", True),
        ("requests.get", False),
        ("unknown.Thing", True),
        ("unknown.thing", False),
    ],
)
def test_a_class_is_known_by_its_capital_or_by_the_table(name: str, expected: bool) -> None:
    assert Knowledge().is_class(name) is expected


def test_bases_are_told_up_to_the_top() -> None:
    assert Knowledge().bases("requests.exceptions.ConnectTimeout") == (
        "requests.ConnectionError",
        "requests.Timeout",
        "requests.RequestException",
        "builtins.OSError",
        "builtins.Exception",
        "builtins.BaseException",
        "builtins.object",
    )


def test_bases_may_run_in_a_circle() -> None:
    knowledge = Knowledge({"bases": {"a.B": ["a.C"], "a.C": ["a.B"]}})
    assert knowledge.bases("a.B") == ("a.C", "a.B")
    assert knowledge.fact("a.B.method") is None
    assert knowledge.errors("a.B.method") == frozenset()


@pytest.mark.parametrize(
    ("exception", "call", "handled"),
    [
        ("Exception", "requests.get", True),
        ("builtins.BaseException", "unknown.call", True),
        ("requests.exceptions.RequestException", "requests.Session.get", True),
        ("requests.RequestException", "requests.get", True),
        ("OSError", "requests.get", True),
        ("IOError", "requests.get", True),
        ("requests.Timeout", "requests.get", False),
        ("ValueError", "requests.get", False),
        ("OSError", "httpx.get", False),
        ("httpx.HTTPError", "httpx.AsyncClient.get", True),
        ("httpx.RequestError", "httpx.AsyncClient.get", True),
        ("httpx.ConnectError", "httpx.AsyncClient.get", False),
        ("smtplib.SMTPException", "smtplib.SMTP.sendmail", True),
        ("OSError", "smtplib.SMTP.sendmail", True),
        ("sqlalchemy.exc.SQLAlchemyError", "sqlmodel.Session.exec", True),
        ("sqlalchemy.exc.IntegrityError", "sqlalchemy.orm.Session.commit", False),
        ("subprocess.SubprocessError", "subprocess.run", True),
        ("subprocess.CalledProcessError", "subprocess.run", True),
        ("subprocess.TimeoutExpired", "subprocess.run", False),
        ("openai.OpenAIError", "langchain_openai.ChatOpenAI.invoke", True),
        ("openai.OpenAIError", "openai.OpenAI.chat.completions.create", True),
        ("redis.exceptions.RedisError", "redis.asyncio.Redis.get", True),
        ("botocore.exceptions.ClientError", "boto3.client().put_object", True),
        ("cohere.core.ApiError", "cohere.Client.chat", True),
        ("requests.RequestException", "cohere.Client.chat", False),
    ],
)
def test_a_failure_is_handled_by_what_catches_it(exception: str, call: str, handled: bool) -> None:
    assert Knowledge().handles(exception, call) is handled


def test_errors_are_told_with_what_stands_above_them() -> None:
    assert Knowledge().errors("requests.get") == {"requests.RequestException", "builtins.OSError"}


# ---------------------------------------------------------------- the user's table


def test_the_user_is_asked_first() -> None:
    knowledge = Knowledge({"calls": {"requests.get": {}, "app.mail.*": {"effect": "network", "mail": True}}})
    assert knowledge.fact("requests.get") == Fact()
    assert knowledge.fact("requests.post") != Fact()
    assert knowledge.fact("app.mail.send") == Fact(effect="network", mail=True, fails=True)


def test_the_user_adds_classes_bases_aliases_errors_and_twins() -> None:
    knowledge = Knowledge(
        {
            "classes": ["app.db.session"],
            "aliases": {"app.http": "requests"},
            "bases": {"app.db.session": ["sqlalchemy.orm.Session"]},
            "errors": {"app.db": ["app.db.Failure"]},
            "twins": {"app.db": "app.adb"},
            "calls": {"app.db.load": {"effect": "database"}},
        }
    )
    assert knowledge.is_class("app.db.session")
    assert knowledge.canonical("app.http.get") == "requests.get"
    assert getattr(knowledge.fact("app.db.session.commit"), "effect", None) == "database"
    assert knowledge.errors("app.db.session.commit") == {"app.db.Failure"}
    assert getattr(knowledge.fact("app.db.load"), "twin", None) == "app.adb"


@pytest.mark.parametrize(
    ("patterns", "name", "twin"),
    [
        (["a.**", "a.*.c"], "a.b.c", "a.*.c"),
        (["a.*.c", "a.b.c"], "a.b.c", "a.b.c"),
        (["a.**.c", "a.b.**"], "a.b.c", "a.b.**"),
        (["a.*Client.get", "a.*AsyncClient.get"], "a.MyAsyncClient.get", "a.*AsyncClient.get"),
        (["a.**.c", "a.*.c"], "a.b.c", "a.*.c"),
        (["a.**.c"], "a.c", "a.**.c"),
        (["a.**.c"], "a.b().d.c", "a.**.c"),
    ],
)
def test_the_most_precise_pattern_wins(patterns: list[str], name: str, twin: str) -> None:
    knowledge = Knowledge({"calls": {pattern: {"twin": pattern} for pattern in patterns}})
    assert getattr(knowledge.fact(name), "twin", None) == twin


@pytest.mark.parametrize(
    "name", ["a.b.__enter__", "a._private", "a.b.c.d", "a", "b.c", "c.b.__enter__", "d.read"]
)
def test_a_star_stands_for_public_segments_only(name: str) -> None:
    assert Knowledge({"calls": {"a.*": {}, "a.b.*": {}, "c.**": {}, "d.rea*ead": {}}}).fact(name) is None


def test_braces_spell_out_names() -> None:
    knowledge = Knowledge({"calls": {"a.{b, c}.{d,e}": {"mail": True}}})
    spelled = [name for name in ("a.b.d", "a.b.e", "a.c.d", "a.c.e", "a.d.e") if knowledge.fact(name)]
    assert spelled == ["a.b.d", "a.b.e", "a.c.d", "a.c.e"]


def test_a_subclass_has_what_its_base_is_said_to_have_under_another_name() -> None:
    knowledge = Knowledge({"bases": {"app.User": ["django.db.models.Model"]}})
    assert getattr(knowledge.fact("app.User.objects.filter().first"), "effect", None) == "database"


@pytest.mark.parametrize(
    ("user", "message"),
    [
        ({"call": {}}, "unknown section 'call'"),
        ({"calls": []}, "calls must be a table"),
        ({"calls": {"a.b": "network"}}, "'a.b': expected a table of facts"),
        ({"calls": {"a.b": {"efect": "network"}}}, "unknown key 'efect'"),
        ({"calls": {"a.b": {"effect": "netwrok"}}}, "effect is 'netwrok'; it can be cpu, database"),
        ({"calls": {"a.*": {"async": "yes"}}}, "'a.*': async cannot be 'yes'"),
        ({"calls": {"a.b": {"timeout_position": True}}}, "timeout_position cannot be True"),
        ({"calls": {"a.b": {"is_async": True}}}, "unknown key 'is_async'"),
        ({"bases": {"a.b": "c.d"}}, "'a.b': expected a list of names"),
        ({"aliases": {"a.b": ["c.d"]}}, "'a.b': expected a string"),
        ({"classes": "a.b"}, "'classes': expected a list of names"),
    ],
)
def test_what_a_table_cannot_say_is_an_error_that_names_it(user: dict[str, object], message: str) -> None:
    with pytest.raises(KnowledgeError) as error:
        Knowledge(user)
    assert message in str(error.value)


# ---------------------------------------------------------------- laziness


def test_a_table_is_read_when_its_package_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    monkeypatch.setattr(bglint.knowledge.table, "load", lambda stem: read.append(stem) or load(stem))
    knowledge = Knowledge()
    knowledge.fact("nobody.knows")
    assert read == []
    knowledge.fact("requests.get")
    assert set(read) == {"requests"}
    knowledge.fact("sqlmodel.Session.commit")
    assert set(read) == {"requests", "sqlmodel", "sqlalchemy"}


def test_no_library_is_imported() -> None:
    asked = "smtplib.SMTP.login sqlite3.connect requests.get sqlalchemy.orm.Session.get"
    code = (
        f"import sys; from bglint.knowledge import Knowledge; k = Knowledge(); [k.fact(n) for n in {asked.split()!r}];"
        "print({'smtplib', 'sqlite3', 'requests', 'sqlalchemy'} & set(sys.modules))"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "set()\n"
    )


# ---------------------------------------------------------------- the tables


@pytest.mark.parametrize("stem", STEMS)
def test_a_name_is_said_once(stem: str) -> None:
    raw = tomllib.loads((HERE / f"{stem}.toml").read_text(encoding="utf-8"))
    for section, content in raw.items():
        names = Counter(name for key in content for name in expand(key))
        assert [name for name, count in names.items() if count > 1] == [], section


@pytest.mark.parametrize("stem", STEMS)
def test_a_table_is_found_by_every_package_it_speaks_of(stem: str) -> None:
    assert {package: places().get(package) for package in packages(load(stem))} == dict.fromkeys(
        packages(load(stem)), stem
    )


def test_the_index_names_no_package_in_vain() -> None:
    spoken = {package for stem in STEMS for package in packages(load(stem))}
    assert set(places()) - spoken == set()


@pytest.mark.parametrize("stem", STEMS)
def test_an_entry_is_what_is_answered(stem: str) -> None:
    knowledge = Knowledge()
    hidden = [name for name in load(stem).calls if knowledge.canonical(name) != name]
    assert hidden == []
    for name, fact in entries(stem):
        if "*" not in name:
            found = knowledge.fact(name)
            assert found is not None
            assert (found.effect, found.is_async, found.runs) == (fact.effect, fact.is_async, fact.runs), name


@pytest.mark.parametrize("stem", STEMS)
def test_facts_agree_with_each_other(stem: str) -> None:
    for name, fact in entries(stem):
        assert not fact.mail or fact.effect == "network", name
        assert not fact.weight or fact.effect in ("cpu", "process", "file"), name
        assert (fact.runs is None and fact.wraps is None) == (not fact.where), name
        assert fact.timeout_position is None or fact.timeout or fact.timeout_none, name
        assert not (fact.timeout_in and not fact.timeout), name
        assert not (fact.timeout and fact.timeout_none), name
        assert not fact.timeout_also or fact.timeout_none, name
        assert not fact.returns_from or fact.returns, name
        assert fact.effect in ("cpu", "process") or fact.weight != "heavy", name


@pytest.mark.parametrize("stem", STEMS)
def test_names_that_stand_for_others_are_final(stem: str) -> None:
    knowledge, table = Knowledge(), load(stem)
    targets = {target for target in table.aliases.values() if knowledge.canonical(target) != target}
    classes = {name for name in (*table.bases, *table.classes) if knowledge.canonical(name) != name}
    assert (targets, classes) == (set(), set())


@pytest.mark.parametrize("stem", STEMS)
def test_types_that_calls_give_are_classes(stem: str) -> None:
    knowledge = Knowledge()
    given = {fact.returns for _, fact in entries(stem)} - {"", "self"}
    assert {name for name in given if not knowledge.is_class(name)} == set()


# ---------------------------------------------------------------- the truth


@pytest.mark.parametrize("stem", STANDARD + HERE_INSTALLED)
def test_every_name_exists(stem: str) -> None:
    outcome = knowledge_names.examine(stem)
    assert outcome.wrong == []
    assert outcome.counts["found"] > 0


def test_a_name_that_does_not_exist_is_found_out() -> None:
    with pytest.raises(knowledge_names.Missing):
        knowledge_names.check("smtplib.SMTP.send_mail", "call", {"effect": "network"}, Knowledge())
    with pytest.raises(knowledge_names.Missing):
        knowledge_names.check("asyncio.sleep", "call", {"effect": "sleep"}, Knowledge())
    with pytest.raises(knowledge_names.Missing):
        knowledge_names.check(
            "smtplib.SMTP", "call", {"timeout": "timeout", "timeout_position": 1}, Knowledge()
        )
    with pytest.raises(knowledge_names.Missing):
        knowledge_names.check("smtplib.SMTPException", "bases", ("ValueError",), Knowledge())


BLOCKING = sorted(
    name
    for stem in STANDARD
    for name, fact in entries(stem)
    if fact.blocks and name not in knowledge_proofs.UNPROVED and knowledge_names.here(name)
)


@pytest.mark.parametrize("name", BLOCKING)
def test_a_blocking_call_blocks(name: str) -> None:
    knowledge_proofs.PROOFS[name]()


def test_a_call_that_does_not_block_escapes() -> None:
    for snare in (knowledge_proofs.waits, knowledge_proofs.caught, knowledge_proofs.through("open")):
        with pytest.raises(knowledge_proofs.Escaped):
            snare(lambda: "at once")


def test_nothing_is_proved_that_no_table_says() -> None:
    said = {name for stem in STANDARD for name, fact in entries(stem) if fact.blocks}
    assert (set(knowledge_proofs.PROOFS) | knowledge_proofs.UNPROVED) - said == set()


def test_the_page_for_users_shows_tables_that_load() -> None:
    page = (HERE.parents[2] / "docs" / "knowledge.md").read_text(encoding="utf-8")
    tables = [tomllib.loads(block.partition("```")[0]) for block in page.split("```toml\n")[1:]]
    knowledge = Knowledge(tables[0]["tool"]["bglint"]["knowledge"])
    assert knowledge.fact("acme.connect().ask") == Fact(
        effect="network", timeout="timeout", fails=True, twin="acme.AsyncClient"
    )
    assert knowledge.handles("acme.AcmeError", "acme.Client.send")
    assert knowledge.fact("requests.get") == Fact()


def test_the_page_for_users_explains_every_key() -> None:
    page = (HERE.parents[2] / "docs" / "knowledge.md").read_text(encoding="utf-8")
    keys = {"async" if name == "is_async" else name for name in Fact.__dataclass_fields__}
    assert {name for name in (*keys, *SECTIONS, *EFFECTS) if f"`{name}`" not in page} == set()
