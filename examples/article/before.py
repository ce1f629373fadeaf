"""The client waits for work that it does not need."""

import time

from fastapi import FastAPI

app = FastAPI()


@app.post("/subscribe")
def subscribe(email: str) -> dict[str, str]:
    time.sleep(3)  # stands for writing the welcome letter
    return {"status": "subscribed", "email": email}
