"""The letter is sent after the answer, and nobody else is answered meanwhile."""

import time

from fastapi import BackgroundTasks, FastAPI

app = FastAPI()


async def send_welcome(email: str) -> None:
    time.sleep(5)  # stands for the mail server
    print(f"welcome letter sent to {email}")


@app.post("/subscribe")
async def subscribe(email: str, tasks: BackgroundTasks) -> dict[str, str]:
    tasks.add_task(send_welcome, email)
    return {"status": "subscribed"}
