"""Which resources a request names: what access rules are about."""

from collections.abc import Callable
from typing import Any, Final

from kms.server.doors import Asked

_BY_METHOD: Final[dict[str, Callable[[Any], tuple[str, ...]]]] = {}


def action_of(method: str) -> str:
    """/hallmark.v1.SigningService/Sign as SigningService.Sign."""
    service, _, name = method.rpartition("/")
    return f"{service.rpartition('.')[2]}.{name}"


def asked_of(method: str, request: Any) -> Asked:
    """What the request of this method is about."""
    read = _BY_METHOD.get(method, _named)
    return Asked(action_of(method), read(request))


def _named(request: Any) -> tuple[str, ...]:
    name = getattr(request, "name", "") or getattr(request, "parent", "")
    return (name,) if name else ()
