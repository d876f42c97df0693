"""The HTTP pages for kubelets, scrapers and people: /livez, /startupz, /readyz, /readyz/{part}, /healthz, /metrics.

A page tells nothing that is anybody's secret, and asks nobody who they are.
"""

import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

from kms.core.clock import format_time
from kms.server.health import Health

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, Scope

Page: TypeAlias = tuple[int, str, bytes]
"""Status, content type, body."""
Metrics: TypeAlias = Callable[[], Awaitable[bytes]]
_TEXT = "text/plain; charset=utf-8"
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def health_app(health: Health, metrics: Metrics) -> "ASGI3Application":
    """An ASGI application for GET and HEAD."""

    async def serve(scope: "Scope", _receive: "ASGIReceiveCallable", send: "ASGISendCallable") -> None:
        assert scope["type"] == "http", "PublicServer serves nothing else"
        if scope["method"] not in {"GET", "HEAD"}:
            status, kind, body = 405, _TEXT, b"method not allowed\n"
        else:
            status, kind, body = await page(scope["path"], health, metrics)
        headers = [
            (b"content-type", kind.encode()),
            (b"content-length", b"%d" % len(body)),
            (b"cache-control", b"no-store"),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers, "trailers": False})
        await send({"type": "http.response.body", "body": body, "more_body": False})

    return serve


async def page(path: str, health: Health, metrics: Metrics) -> Page:
    """What a path answers: 200 well, 503 not, 404 no such page."""
    match path.strip("/").split("/", 1):
        case ["metrics"]:
            return 200, METRICS_TYPE, await metrics()
        case ["livez"]:
            return 200, _TEXT, b"ok\n"  # it answers: what else can be told of the process from in here?
        case ["startupz"]:
            return _verdict("" if health.started.is_set() else "the server is starting")
        case ["readyz"]:
            return _verdict(await health.unready())
        case ["readyz", name]:
            problem = await health.problem(name)
            return (404, _TEXT, b"no such part\n") if problem is None else _verdict(problem)
        case ["healthz"]:
            return await _everything(health)
        case _:
            return 404, _TEXT, b"not found\n"


def _verdict(problem: str) -> Page:
    return (503, _TEXT, f"{problem}\n".encode()) if problem else (200, _TEXT, b"ok\n")


async def _everything(health: Health) -> Page:
    """ok: all works. degraded: ready, and something does not work. unready: no new connections should come."""
    parts, unready = await health.all_parts(), await health.unready()
    status = "unready" if unready else "degraded" if any(parts.values()) else "ok"
    document = {
        "status": status,
        "time": format_time(health.clock.now()),
        "started": health.started.is_set(),
        "draining": health.draining.is_set(),
        "problem": unready,
        "parts": {part: {"up": not problem, "problem": problem} for part, problem in parts.items()},
    }
    return 503 if unready else 200, "application/json", json.dumps(document, indent=2).encode() + b"\n"
