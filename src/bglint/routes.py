"""Which URL a handler answers: the path of its route behind the prefixes of its routers, across modules."""

from __future__ import annotations

from functools import cached_property

from bglint import tree as t
from bglint.project import Project, task_function
from bglint.roles import Role
from bglint.values import Const, Frame, Items, Outside

_INCLUDES = r"\b(include_router|mount)\s*\("
_ADDS = r"\badd_api_route\s*\("
_UNKNOWN = "..."
_DEPTH = 8

Use = tuple[t.Call, Frame]
"""A call, and the frame in which it stands."""


class Routes:
    """Routers are told apart by the calls that make them."""

    def __init__(self, project: Project) -> None:
        self._project = project

    def title(self, role: Role) -> str:
        """ "POST /v1/orders" of a route; "" where no path is to be found."""
        written = self._decorator(role) or self._added.get(role.function)
        if written is None or not isinstance(written[0].func, t.Attribute):
            return ""
        call, frame = written
        paths = [prefix + self._text(call.argument(0, "path"), frame) for prefix in self._prefixes(*written)]
        return f"{self._verb(call, frame)} {', '.join(dict.fromkeys(paths))}"

    def _decorator(self, role: Role) -> Use | None:
        if role.router is None:
            return None
        parent = self._project.roles.parent(role.function)
        module = self._project.names.module_frame(role.function.source.path)
        return role.router, self._project.frame(parent) if parent else module

    def _verb(self, call: t.Call, frame: Frame) -> str:
        verb = t.last_name(call.func)
        if verb not in ("api_route", "add_api_route"):
            return verb.upper()
        given = self._project.evaluate(call.keyword("methods"), frame) if call.keyword("methods") else ()
        listed = [value for each in given if isinstance(each, Items) for value in each.elements()]
        names = [str(value.value) for value in listed if isinstance(value, Const)]
        return "/".join(names) or ("GET" if not call.keyword("methods") else "ANY")

    # --------------------------------------------------------------- prefixes

    def _prefixes(self, call: t.Call, frame: Frame) -> list[str]:
        """What stands before the path of a route, once for each way to its router."""
        assert isinstance(call.func, t.Attribute)
        routers = self._routers(call.func.value, frame)
        return [prefix for router in routers for prefix in self._of_router(*router, _DEPTH)] or [""]

    def _of_router(self, router: t.Call, frame: Frame, depth: int) -> list[str]:
        own = self._text(router.keyword("prefix"), frame)
        ways = self._included.get(router, []) if depth else []
        return [before + own for way in ways for before in self._before(*way, depth - 1)] or [own]

    def _before(self, include: t.Call, frame: Frame, depth: int) -> list[str]:
        """The prefixes that one `include_router` or `mount` puts before a router's own."""
        assert isinstance(include.func, t.Attribute)
        mounts = include.func.name == "mount"
        own = self._text(include.argument(0, "path") if mounts else include.keyword("prefix"), frame)
        parents = self._routers(include.func.value, frame)
        return [before + own for parent in parents for before in self._of_router(*parent, depth)] or [own]

    def _routers(self, expr: t.Expr, frame: Frame) -> list[Use]:
        """The calls that make the routers which an expression stands for."""
        births = [v.birth for v in self._project.evaluate(expr, frame) if isinstance(v, Outside) and v.birth]
        return [(birth.node, birth.frame) for birth in births if isinstance(birth.node, t.Call)]

    def _text(self, expr: t.Expr | None, frame: Frame) -> str:
        if expr is None:
            return ""
        values = self._project.evaluate(expr, frame)
        texts = [value.value for value in values if isinstance(value, Const) and isinstance(value.value, str)]
        return texts[0] if len(texts) == len(values) == 1 else _UNKNOWN

    # ---------------------------------------------------------- the whole project

    @cached_property
    def _included(self) -> dict[t.Call, list[Use]]:
        """The `include_router` and `mount` calls of each router."""
        found: dict[t.Call, list[Use]] = {}
        for call, frame in self._project.method_calls(_INCLUDES, "include_router", "mount"):
            position, name = (0, "router") if t.last_name(call.func) == "include_router" else (1, "app")
            given = call.argument(position, name)
            for router, _ in self._routers(given, frame) if given else ():
                found.setdefault(router, []).append((call, frame))
        return found

    @cached_property
    def _added(self) -> dict[t.Function, Use]:
        """The `add_api_route` call of each function that has one."""
        found: dict[t.Function, Use] = {}
        for call, frame in self._project.method_calls(_ADDS, "add_api_route"):
            endpoint = call.argument(1, "endpoint")
            for value in self._project.evaluate(endpoint, frame) if endpoint else ():
                function = task_function(value)
                if function is not None:
                    found.setdefault(function, (call, frame))
        return found
