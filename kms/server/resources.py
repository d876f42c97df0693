"""Which resources a request names: what access rules are about, and what the audit tells.

Names are taken as they are given: the servicer refuses what is none. What a request only refers to (proposals that are
checked against the act, filters of a list) is no resource of the call.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, Final, TypeAlias

from kms.server.doors import Asked

_Read: TypeAlias = Callable[[Any], Iterable[str]]

NAMED_LATER: Final = frozenset({"SigningService.SignStream", "LogService.AppendStream"})
"""Calls whose client streams: each message names what it is about, or goes on with what an earlier one named."""


@lru_cache(maxsize=1024)
def action_of(method: str) -> str:
    """/hallmark.v1.SigningService/Sign as SigningService.Sign."""
    service, _, name = method.rpartition("/")
    return f"{service.rpartition('.')[2]}.{name}"


def asked_of(method: str, request: Any) -> Asked:
    """What the request of this method is about: each name once. No name: the caller's tenant.

    Of a call whose client streams: of one of its messages. Before the first one nothing is known.
    """
    action = action_of(method)
    if action in NAMED_LATER and not hasattr(request, "DESCRIPTOR"):
        return Asked(action)
    names = _READ.get(action, _name_or_parent)(request)
    return Asked(action, tuple(dict.fromkeys(name for name in names if name)))


def _name_or_parent(request: Any) -> Iterable[str]:
    """What most requests have, one or the other."""
    return (getattr(request, "name", "") or getattr(request, "parent", ""),)


def _each_name(request: Any) -> Iterable[str]:
    """Of a batch; its parent where it is empty."""
    return [part.name for part in request.requests] or (request.parent,)


def _each_parent(request: Any) -> Iterable[str]:
    return [part.parent for part in request.requests] or (request.parent,)


_READ: Final[dict[str, _Read]] = {
    "ApprovalService.CreateProposal": lambda request: (request.parent, request.subject),
    "ConsentService.AcquireLease": lambda request: (request.consent, request.artifact, request.device),
    "ConsentService.GrantConsent": lambda request: (
        request.parent,
        *(each.artifact for each in request.artifacts),
        *request.devices,
    ),
    "DeviceService.AttestDevice": lambda request: (request.challenge,),
    "EnvelopeService.OpenEnvelopes": _each_name,
    "KeyService.SetAlias": lambda request: (request.alias.name, request.alias.key),
    "KeyService.UpdateKey": lambda request: (request.key.name,),
    "LogService.BatchAppendEntries": _each_parent,
    "RemovalService.RequestDeletion": lambda request: (request.device, request.artifact),
    "RemovalService.SubmitDeletionReceipt": lambda request: (request.removal,),
    "RevocationService.Revoke": lambda request: (request.subject,),
    "SigningService.BatchSign": _each_name,
    "SigningService.BatchVerify": _each_name,
    "SigningService.SignStream": lambda request: (request.header.name,),
    "TenantService.UpdateTenant": lambda request: (request.tenant.name,),
}
"""By action; of all others see `_name_or_parent`."""
