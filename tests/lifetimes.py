"""Follow the sessions, clients and files of an app: when each is opened, used and closed, and when the app answers."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
from sqlalchemy.orm import Session

from tests.witness import Witnessed

WATCHED: dict[type, dict[str, str]] = {
    Session: {
        **dict.fromkeys(("execute", "scalar", "scalars", "get", "flush", "commit", "refresh"), "used"),
        "__init__": "opened",
        "close": "closed",
    },
    httpx.AsyncClient: {"__init__": "opened", "send": "used", "aclose": "closed", "__aexit__": "closed"},
    httpx.Client: {"__init__": "opened", "send": "used", "close": "closed", "__exit__": "closed"},
}


@dataclass(frozen=True)
class Event:
    what: str
    resource: Any = None


class Lifetimes(list[Event]):
    """What happened, in order: a resource was opened, used or closed; the app has answered, is finished."""

    def at(self, what: str, resource: object = None) -> list[int]:
        """When it happened, as places in the order of events."""
        return [
            place for place, event in enumerate(self) if event.what == what and event.resource is resource
        ]

    @property
    def resources(self) -> list[Any]:
        return [event.resource for event in self if event.what == "opened"]

    def used_after_close(self) -> bool:
        """A resource did work after somebody had closed it."""
        return any(
            used > closed
            for each in self.resources
            for closed in self.at("closed", each)[:1]
            for used in self.at("used", each)
        )

    def outlived_the_answer(self) -> bool:
        """A resource of the request did work after the answer, and its owner closed it with the request."""
        (answered,), (finished,) = self.at("answered"), self.at("finished")
        return any(
            self.at("opened", each)[0] < answered < max(self.at("used", each), default=0)
            and min(self.at("closed", each), default=finished) < finished
            for each in self.resources
        )


class _Announced:
    """The app, with a note where it has sent its answer and where the server is done with it."""

    def __init__(self, app: Any, events: Lifetimes) -> None:
        self._app, self._events = app, events

    def __getattr__(self, name: str) -> Any:
        return getattr(self._app, name)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def announce(message: Any) -> None:
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                self._events.append(Event("answered"))

        try:
            await self._app(scope, receive, announce)
        finally:
            self._events.append(Event("finished"))


async def lifetimes(app: Witnessed) -> Lifetimes:
    """Send the request, and tell what became of the resources."""
    events = Lifetimes()
    app.module.app = _Announced(app.asgi, events)
    with _watching(events):
        await app.go()
    return events


@contextlib.contextmanager
def _watching(events: Lifetimes) -> Iterator[None]:
    places = [(owner, name, what) for owner, names in WATCHED.items() for name, what in names.items()]
    real = [getattr(owner, name) for owner, name, _ in places]
    for (owner, name, what), method in zip(places, real, strict=True):
        setattr(owner, name, _noting(method, what, events))
    try:
        yield
    finally:
        for (owner, name, _), method in zip(places, real, strict=True):
            setattr(owner, name, method)


def _noting(method: Any, what: str, events: Lifetimes) -> Any:
    @functools.wraps(method)
    def noted(self: Any, *args: Any, **kwargs: Any) -> Any:
        events.append(Event(what, self))
        return method(self, *args, **kwargs)

    return noted
