"""BG202: the network on the event loop."""

from __future__ import annotations

from collections.abc import Iterator

from bglint.model import Finding
from bglint.project import Project
from bglint.questions.contacts import blocking_again
from bglint.questions.offload import blocked
from bglint.rule import rule


@rule("BG202", level="error", fixable="unsafe")
def blocking_network(project: Project) -> Iterator[Finding]:
    """An async task calls the network synchronously, and the whole server waits for the answer.

    ## What it does
    Finds synchronous network calls in what an `async def` task runs, at any depth, in any module of the project:
    requests, `httpx.Client`, urllib, sockets, smtplib, and the synchronous clients of vendors (OpenAI, Anthropic,
    Stripe, boto3 ...). Building such a client is fine; the calls that do the work are found.

    ## Why is this bad?
    An `async def` task runs on the event loop, the one thread that serves all requests. While a synchronous call waits
    for another server, this one answers nobody: a slow mail server takes your whole API down with it. `async def`
    alone does not make a call asynchronous, only `await` of an asynchronous client does.

    ## Example
    ```python
    import logging

    import requests
    from fastapi import BackgroundTasks, FastAPI

    logger = logging.getLogger(__name__)
    app = FastAPI()


    async def notify(text: str) -> None:
        try:
            requests.post("https://chat.example.com/hooks", json={"text": text}, timeout=10)
        except requests.RequestException:
            logger.exception("chat not notified")


    @app.post("/signup")
    async def signup(email: str, tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(notify, f"new user {email}")
        return {"status": "success"}
    ```

    ## Use instead
    ```python
    import logging

    import requests
    from fastapi import BackgroundTasks, FastAPI

    logger = logging.getLogger(__name__)
    app = FastAPI()


    def notify(text: str) -> None:
        try:
            requests.post("https://chat.example.com/hooks", json={"text": text}, timeout=10)
        except requests.RequestException:
            logger.exception("chat not notified")


    @app.post("/signup")
    async def signup(email: str, tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(notify, f"new user {email}")
        return {"status": "success"}
    ```
    A `def` task runs in a thread. A task that has to be asynchronous for another reason uses `httpx.AsyncClient`, the
    vendor's async client, or `await asyncio.to_thread(...)`.

    ## Verified by
    The witness watches `socket.connect`: in the bad apps a socket that waits is connected in the thread of the event
    loop, in the others all such sockets are connected elsewhere.
    """
    for meeting in blocking_again(project, "network"):
        yield blocked(project, "BG202", meeting, "waits for the network")
