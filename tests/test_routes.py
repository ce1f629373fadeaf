"""The URLs of handlers in `bglint tasks`: routes behind the prefixes of their routers, across modules."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from bglint import Config
from bglint.taskmap import task_map

ORDERS = """\
from fastapi import APIRouter, BackgroundTasks

router = APIRouter({prefix})


@router.post("{path}")
def order(tasks: BackgroundTasks) -> None:
    tasks.add_task(print)
"""
APPS = {
    "nothing included": ("", "/orders", "", "POST /orders"),
    "own prefix": ('prefix="/orders"', "", "", "POST /orders"),
    "included with a prefix": (
        'prefix="/orders"',
        "/{id}",
        """
        from fastapi import FastAPI
        from orders import router
        app = FastAPI()
        app.include_router(router, prefix="/v1")
        """,
        "POST /v1/orders/{id}",
    ),
    "a router in a router in a factory": (
        "tags=['orders']",
        "/orders",
        """
        import orders
        from fastapi import APIRouter, FastAPI
        API = "/api"
        v1 = APIRouter(prefix="/v1")
        v1.include_router(orders.router)

        def create_app():
            app = FastAPI()
            app.include_router(v1, prefix=API)
            return app
        """,
        "POST /api/v1/orders",
    ),
    "included twice": (
        "",
        "/orders",
        """
        import orders
        from fastapi import FastAPI
        app = FastAPI()
        app.include_router(orders.router)
        app.include_router(orders.router, prefix="/old")
        """,
        "POST /orders, /old/orders",
    ),
    "mounted": (
        "",
        "/orders",
        """
        import orders
        from fastapi import FastAPI
        shop = FastAPI()
        shop.include_router(orders.router, prefix="/v1")
        app = FastAPI()
        app.mount("/shop", shop)
        """,
        "POST /shop/v1/orders",
    ),
    "a prefix that is not known": (
        "",
        "/orders",
        """
        import os
        import orders
        from fastapi import FastAPI
        app = FastAPI()
        app.include_router(orders.router, prefix=os.environ["PREFIX"])
        """,
        "POST .../orders",
    ),
    "a circle": (
        "",
        "/orders",
        """
        import orders
        orders.router.include_router(orders.router)
        """,
        "POST /orders",
    ),
}


@pytest.mark.parametrize("app", APPS)
def test_prefixes(app: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prefix, path, main, title = APPS[app]
    (tmp_path / "orders.py").write_text(ORDERS.format(prefix=prefix, path=path))
    (tmp_path / "main.py").write_text(dedent(main))
    monkeypatch.chdir(tmp_path)
    assert [origin.title for origin in task_map(["."], Config())] == [title]


ADDED = """\
from fastapi import APIRouter, BackgroundTasks

router = APIRouter(prefix="/shop")
ORDERS = "/orders"


{decorator}
def order(tasks: BackgroundTasks) -> None:
    tasks.add_task(print)


{call}
"""


@pytest.mark.parametrize(
    ("decorator", "call", "title"),
    [
        ("", 'router.add_api_route("/orders", order, methods=["PUT", "POST"])', "PUT/POST /shop/orders"),
        ("", "router.add_api_route(ORDERS, endpoint=order)", "GET /shop/orders"),
        ('@router.api_route(ORDERS, methods=["PUT"])', "", "PUT /shop/orders"),
        ("@router.delete(path=ORDERS)", "", "DELETE /shop/orders"),
        ("@router.post(str(ORDERS))", "", "POST /shop..."),
    ],
)
def test_other_ways_to_write_a_route(
    decorator: str, call: str, title: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "app.py").write_text(ADDED.format(decorator=decorator, call=call))
    monkeypatch.chdir(tmp_path)
    assert [origin.title for origin in task_map(["."], Config())] == [title]
