"""Which resources a request names: what access rules are about, and what the audit tells.

Names are taken as they are given: the servicer refuses what is none. But how many there are, and how long they are, is
bounded here: rules are asked about each, and remember it. What a request only refers to (proposals that are checked
against the act, filters of a list) is no resource of the call.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from itertools import chain, islice
from typing import Any, Final, TypeAlias

from kms.core.errors import InvalidArgument, Reason
from kms.server.doors import Asked

NAMES_MAX: Final = 1000
"""More than any call takes (batches: 512)."""
NAME_CHARACTERS_MAX: Final = 512
"""As in kms.core.names."""

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

    Of a call whose client streams: of one of its messages. Before the first one nothing is known. Raises
    InvalidArgument: too many names, or one that is too long for any.
    """
    action = action_of(method)
    if action in NAMED_LATER and not hasattr(request, "DESCRIPTOR"):
        return Asked(action)
    names = tuple(islice(_READ.get(action, _name_or_parent)(request), NAMES_MAX + 1))
    if len(names) > NAMES_MAX:
        raise InvalidArgument(Reason.BATCH_TOO_LARGE, f"a call may be about {NAMES_MAX} things at most")
    if max(map(len, names), default=0) > NAME_CHARACTERS_MAX:
        raise InvalidArgument(Reason.NAME_INVALID, f"a resource name has at most {NAME_CHARACTERS_MAX} characters")
    return Asked(action, tuple(dict.fromkeys(filter(None, names))))


def _name_or_parent(request: Any) -> Iterable[str]:
    """What most requests have, one or the other."""
    return (getattr(request, "name", "") or getattr(request, "parent", ""),)


def _each_name(request: Any) -> Iterable[str]:
    """Of a batch; its parent where it is empty."""
    return (part.name for part in request.requests) if request.requests else (request.parent,)


def _each_parent(request: Any) -> Iterable[str]:
    return (part.parent for part in request.requests) if request.requests else (request.parent,)


_READ: Final[dict[str, _Read]] = {
    "ApprovalService.CreateProposal": lambda request: (request.parent, request.subject),
    "ConsentService.AcquireLease": lambda request: (request.consent, request.artifact, request.device),
    "ConsentService.GrantConsent": lambda request: chain(
        (request.parent,), (each.artifact for each in request.artifacts), request.devices
    ),
    "DeviceService.AttestDevice": lambda request: (request.challenge,),
    "EnvelopeService.OpenEnvelopes": _each_name,
    "KeyService.SetAlias": lambda request: (request.alias.name, request.alias.key),
    "KeyService.UpdateKey": lambda request: (request.key.name,),
    "LogService.BatchAppendEntries": _each_parent,
    "ReleaseService.AnchorDeviceAudit": lambda request: (request.device,),
    "ReleaseService.CreateRelease": lambda request: (request.parent, request.model, request.key_version),
    "ReleaseService.RequestArtifactKey": lambda request: (request.artifact, request.consent),
    "RemovalService.RequestDeletion": lambda request: (request.device, request.artifact),
    "RemovalService.SubmitDeletionReceipt": lambda request: (request.removal,),
    "RevocationService.Revoke": lambda request: (request.subject,),
    "SigningService.BatchSign": _each_name,
    "SigningService.BatchVerify": _each_name,
    "SigningService.SignStream": lambda request: (request.header.name,),
    "TenantService.UpdateTenant": lambda request: (request.tenant.name,),
}
"""By action; of all others see `_name_or_parent`."""
