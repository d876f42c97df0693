"""Requests that do not arrive as they should, and faults of our own."""

import asyncio
from typing import Any

import pytest

from kms.core.errors import InternalError, Reason, Unavailable
from kms.ssf import asgi
from kms.ssf.asgi import Answer, Request, ssf_app


class _Endpoints:
    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.requests: list[Request] = []

    async def answer(self, request: Request) -> Answer:
        self.requests.append(request)
        if self.error is not None:
            raise self.error
        return Answer(200, {})


async def _sent(endpoints: _Endpoints, *messages: dict[str, Any]) -> list[dict[str, Any]]:
    coming, sent = list(messages), []

    async def receive() -> dict[str, Any]:
        if not coming:
            await asyncio.Event().wait()
        return coming.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": []}
    await ssf_app(endpoints)(scope, receive, send)  # type: ignore[arg-type]
    return sent


def _part(body: bytes, *, more: bool) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


async def test_a_body_in_parts() -> None:
    endpoints = _Endpoints()
    await _sent(endpoints, _part(b"{", more=True), _part(b"}", more=False))
    assert endpoints.requests[0].body == b"{}"


async def test_a_body_that_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asgi, "BODY_SECONDS", 0.01)
    sent = await _sent(_Endpoints(), _part(b"{", more=True))
    assert sent[0]["status"] == 408


async def test_whoever_leaves_is_answered_nothing() -> None:
    endpoints = _Endpoints()
    assert await _sent(endpoints, _part(b"{", more=True), {"type": "http.disconnect"}) == []
    assert endpoints.requests == []


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Unavailable(Reason.DATABASE_UNAVAILABLE, "secret"), 503),
        (InternalError(Reason.INTERNAL, "secret"), 500),
        (ValueError("secret"), 500),
    ],
)
async def test_our_own_faults_tell_nothing(error: Exception, status: int) -> None:
    sent = await _sent(_Endpoints(error), _part(b"", more=False))
    assert sent[0]["status"] == status
    assert b"secret" not in sent[1]["body"]
    assert (b"retry-after" in dict(sent[0]["headers"])) is (status == 503)
