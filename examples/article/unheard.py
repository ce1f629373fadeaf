"""The answer was "success"; whether the partner ever heard of the subscriber nobody knows."""

import httpx
from fastapi import BackgroundTasks, FastAPI

app = FastAPI()


def tell_partner(email: str) -> None:
    reply = httpx.post("https://partner.example/subscribers", json={"email": email}, timeout=5)
    reply.raise_for_status()


@app.post("/subscribe")
def subscribe(email: str, tasks: BackgroundTasks) -> dict[str, str]:
    tasks.add_task(tell_partner, email)
    return {"status": "success"}
