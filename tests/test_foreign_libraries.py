"""What is said of libraries that are not installed here: of asgiref, aiohttp, the heavy ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from bglint import Config, lint

APP = """
import asyncio
import aiohttp, asyncer, httpx, nest_asyncio, networkx, optuna, torch, uvloop
from ortools.sat.python import cp_model
from torchvision.models import ResNet50_Weights, resnet50
from unstructured.partition.pdf import partition_pdf
from xhtml2pdf import pisa
from asgiref.sync import async_to_sync
from diffusers import StableDiffusionPipeline
from fastapi import BackgroundTasks, FastAPI

app = FastAPI()


async def fetch(url: str) -> None:
    await asyncio.sleep(0)


{definitions}


@app.post("/jobs")
async def start(tasks: BackgroundTasks):
    tasks.add_task(work, "a")
"""

LOOPS = {
    "async_to_sync in an async task": ("async def work(url):\n    async_to_sync(fetch)(url)\n", ["BG207"]),
    "syncify in an async task": ("async def work(url):\n    asyncer.syncify(fetch)(url)\n", ["BG207"]),
    "loops inside loops allowed at import": (
        "nest_asyncio.apply()\n\nasync def work(url):\n    asyncio.run(fetch(url))\n",
        [],
    ),
    "loops inside loops allowed at startup": (
        "def patch():\n    from nest_asyncio import apply\n    apply()\n\n"
        "async def work(url):\n    asyncio.run(fetch(url))\n",
        [],
    ),
    "loops inside loops only spoken of": (
        "# nest_asyncio.apply() was tried\nasync def work(url):\n    asyncio.run(fetch(url))\n",
        ["BG207"],
    ),
    "uvloop in an async task": ("async def work(url):\n    uvloop.run(fetch(url))\n", ["BG207"]),
    "async_to_sync in a def task": ("def work(url):\n    async_to_sync(fetch)(url)\n", []),
    "async_to_sync as decorator": (
        "@async_to_sync\nasync def notify(url):\n    await fetch(url)\n\ndef work(url):\n    notify(url)\n",
        [],
    ),
    "syncify as decorator": (
        "@asyncer.syncify\nasync def notify(url):\n    await fetch(url)\n\ndef work(url):\n    notify(url)\n",
        [],
    ),
    "no decorator": (
        "async def notify(url):\n    await fetch(url)\n\ndef work(url):\n    notify(url)\n",
        ["BG104"],
    ),
}


@pytest.mark.parametrize(("definitions", "codes"), LOOPS.values(), ids=LOOPS)
def test_loops(tmp_path: Path, definitions: str, codes: list[str]) -> None:
    (tmp_path / "main.py").write_text(APP.format(definitions=definitions))
    assert [f.code for f in lint([tmp_path], Config(select=("BG104", "BG207"))).findings] == codes


HEAVY = {
    "a pipeline that is moved": "painter = StableDiffusionPipeline.from_pretrained('x').to('cuda')\n\n"
    "async def work(text):\n    painter(text)\n",
    "a model that is set up": "class Net(torch.nn.Module):\n    def forward(self, x):\n        return x\n\n"
    "net = Net().to('cuda').eval()\n\nasync def work(text):\n    net(text)\n",
    "a model of a collection": "net = resnet50(weights='DEFAULT').eval()\n\nasync def work(text):\n    net(text)\n",
    "a loaded model": "net = torch.jit.load('x').eval()\n\nasync def work(text):\n    net(text)\n",
    "a solver": "async def work(text):\n    solver = cp_model.CpSolver()\n    solver.Solve(text)\n",
    "a study": "async def work(text):\n    study = optuna.create_study()\n    study.optimize(len, n_trials=9)\n",
    "all paths of a graph": "async def work(text):\n    networkx.betweenness_centrality(text)\n",
    "the elements of a PDF": "async def work(text):\n    partition_pdf(text)\n",
    "a PDF": "async def work(text):\n    pisa.CreatePDF(text)\n",
}
LIGHT = {
    "one path of a graph": "async def work(text):\n    networkx.shortest_path(text, 1, 2)\n",
    "models of a solver": "async def work(text):\n    cp_model.CpModel().NewBoolVar(text)\n",
    "what an image is made into for a model": "prepare = ResNet50_Weights.DEFAULT.transforms()\n\n"
    "async def work(text):\n    prepare(text)\n",
    "trials of a study": "async def work(text):\n    optuna.create_study().enqueue_trial(text)\n",
}


@pytest.mark.parametrize("definitions", HEAVY.values(), ids=HEAVY)
def test_heavy(tmp_path: Path, definitions: str) -> None:
    (tmp_path / "main.py").write_text(APP.format(definitions=definitions))
    assert [f.code for f in lint([tmp_path], Config(select=("BG208",))).findings] == ["BG208"]


@pytest.mark.parametrize("definitions", LIGHT.values(), ids=LIGHT)
def test_light(tmp_path: Path, definitions: str) -> None:
    (tmp_path / "main.py").write_text(APP.format(definitions=definitions))
    assert not lint([tmp_path], Config(select=("BG208",))).findings


SESSION = """
NO_LIMIT = aiohttp.ClientTimeout(total=None)
LIMIT = aiohttp.ClientTimeout(total=None, sock_read=9)

async def work(url):
    async with aiohttp.ClientSession({given}) as session:
        async with session.get(url{to_call}) as response:
            await response.text()
"""


@pytest.mark.parametrize(
    ("given", "to_call", "codes"),
    [
        ("timeout=NO_LIMIT", "", ["BG304"]),
        ("timeout=NO_LIMIT", ", timeout=LIMIT", []),
        ("timeout=LIMIT", "", []),
        ("timeout=None", "", []),
        ("", "", []),
    ],
)
def test_sessions_without_end(tmp_path: Path, given: str, to_call: str, codes: list[str]) -> None:
    (tmp_path / "main.py").write_text(APP.format(definitions=SESSION.format(given=given, to_call=to_call)))
    assert [f.code for f in lint([tmp_path], Config(select=("BG304",))).findings] == codes


CONSUMERS = {
    "a channel of Redis": (
        "async def work(name):\n    async with redis.asyncio.Redis().pubsub() as channel:\n"
        "        await channel.subscribe(name)\n        async for message in channel.listen():\n            print(message)\n",
        ["BG302"],
    ),
    "a channel of Redis in a thread": (
        "def work(name):\n    channel = redis.Redis().pubsub()\n    for message in channel.listen():\n        print(message)\n",
        ["BG302"],
    ),
    "a channel that is left": (
        "def work(name):\n    channel = redis.Redis().pubsub()\n    for message in channel.listen():\n"
        "        if message['data'] == name:\n            channel.unsubscribe()\n",
        [],
    ),
    "a channel for as long as there is a socket": (
        "async def work(socket: WebSocket):\n    channel = redis.asyncio.Redis().pubsub()\n"
        "    async for message in channel.listen():\n        await socket.send_text(message['data'])\n",
        [],
    ),
    "a topic of Kafka": (
        "async def work(name):\n    consumer = aiokafka.AIOKafkaConsumer(name)\n    await consumer.start()\n"
        "    async for message in consumer:\n        print(message)\n",
        ["BG302"],
    ),
    "a topic of Kafka in a thread": (
        "def work(name):\n    for message in kafka.KafkaConsumer(name):\n        print(message)\n",
        ["BG302"],
    ),
    "what a topic of Kafka has now": (
        "def work(name):\n    for message in kafka.KafkaConsumer(name, consumer_timeout_ms=500):\n        print(message)\n",
        [],
    ),
    "an MQTT client": (
        "def work(name):\n    client = mqtt.Client()\n    client.connect(name)\n    client.loop_forever()\n",
        ["BG302"],
    ),
    "an MQTT client in a thread of its own": (
        "def work(name):\n    client = mqtt.Client()\n    threading.Thread(target=client.loop_forever).start()\n",
        [],
    ),
    "an MQTT client that leaves": (
        "def left(client, *more):\n    client.disconnect()\n\n"
        "def work(name):\n    client = mqtt.Client()\n    client.on_publish = left\n    client.loop_forever()\n",
        [],
    ),
}


@pytest.mark.parametrize(("definitions", "codes"), CONSUMERS.values(), ids=CONSUMERS)
def test_consumers(tmp_path: Path, definitions: str, codes: list[str]) -> None:
    imports = (
        "import threading\nimport aiokafka, kafka, redis, redis.asyncio\nimport paho.mqtt.client as mqtt\n"
    )
    imports += "from fastapi import WebSocket\n"
    (tmp_path / "main.py").write_text(imports + APP.format(definitions=definitions))
    assert [f.code for f in lint([tmp_path], Config(select=("BG302",))).findings] == codes


BLOCKING = {
    "a search index": ("meilisearch.Client('u').index('films').add_documents([name])", "BG202"),
    "an upload": ("cloudinary.uploader.upload(name)", "BG202"),
    "a push": ("pywebpush.webpush({}, name, timeout=5)", "BG202"),
    "a page": ("notion_client.Client().pages.create(parent=name)", "BG202"),
    "files of another machine": ("pysftp.Connection(name)", "BG202"),
    "a query": ("oracledb.connect().cursor().execute(name)", "BG203"),
    "an awaited page": ("await notion_client.AsyncClient().pages.create(parent=name)", None),
    "an awaited push": ("await pywebpush.webpush_async({}, name)", None),
    "an awaited query": ("await (await oracledb.connect_async()).execute(name)", None),
}


@pytest.mark.parametrize(("call", "code"), BLOCKING.values(), ids=BLOCKING)
def test_calls_that_block(tmp_path: Path, call: str, code: str | None) -> None:
    imports = "import cloudinary.uploader, meilisearch, notion_client, oracledb, pysftp, pywebpush\n"
    definitions = f"async def work(name):\n    {call}\n"
    (tmp_path / "main.py").write_text(imports + APP.format(definitions=definitions))
    found = lint([tmp_path], Config(select=("BG202", "BG203"))).findings
    assert {f.code for f in found} == ({code} if code else set())


KEPT = """
import cachetools
from fastapi import BackgroundTasks, FastAPI

app = FastAPI()
{name} = cachetools.{made}


def work(key):
    {name}[key] = "done"


@app.post("/jobs")
async def start(tasks: BackgroundTasks):
    tasks.add_task(work, "a")


@app.get("/jobs")
async def look():
    return {name}.get("a")
"""


@pytest.mark.parametrize(
    ("name", "made", "codes"),
    [
        ("jobs", "TTLCache(maxsize=9, ttl=60)", ["BG701"]),
        ("jobs", "LRUCache(9)", ["BG701"]),
        ("rate_cache", "TTLCache(maxsize=9, ttl=60)", []),
    ],
)
def test_states_in_a_cache(tmp_path: Path, name: str, made: str, codes: list[str]) -> None:
    (tmp_path / "main.py").write_text(KEPT.format(name=name, made=made))
    assert [f.code for f in lint([tmp_path], Config(select=("BG701",))).findings] == codes


PAGES = """
from fastapi import BackgroundTasks, FastAPI
from playwright.async_api import Page

app = FastAPI()


async def work(pages: list[Page]) -> None:
    for page in pages:
        await page.{call}


@app.post("/jobs")
async def start(tasks: BackgroundTasks):
    tasks.add_task(work, app.state.pages)
"""


@pytest.mark.parametrize(("call", "codes"), [("goto('a')", ["BG305"]), ("close()", [])])
def test_pages_one_by_one(tmp_path: Path, call: str, codes: list[str]) -> None:
    (tmp_path / "main.py").write_text(PAGES.format(call=call))
    assert [f.code for f in lint([tmp_path], Config(select=("BG305",))).findings] == codes
