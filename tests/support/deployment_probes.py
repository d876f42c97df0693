"""Requests for every RPC, made from the descriptors: which fields are names, and of what.

A probe is a request of one tenant's caller that names another tenant's things. The same request is made with names of
things that exist and with names of the same form that do not; a caller must not be able to tell the two apart.
"""

import importlib
import pkgutil
import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

import hallmark.v1

Names = dict[str, str]
"""By kind, such as `key`: a full resource name."""


@dataclass(frozen=True, slots=True)
class Rpc:
    """One method."""

    method: MethodDescriptor

    @property
    def path(self) -> str:
        return f"/{self.method.containing_service.full_name}/{self.method.name}"

    @property
    def action(self) -> str:
        return f"{self.method.containing_service.name}.{self.method.name}"

    def request(self) -> Any:
        return GetMessageClass(self.method.input_type)()

    def answer(self, data: bytes) -> Message:
        return GetMessageClass(self.method.output_type).FromString(data)


def every_rpc() -> list[Rpc]:
    """Of all services of the API, by path."""
    found = []
    for module in pkgutil.iter_modules(hallmark.v1.__path__):
        if module.name.endswith("_pb2"):
            file = importlib.import_module(f"hallmark.v1.{module.name}").DESCRIPTOR
            found += [Rpc(method) for service in file.services_by_name.values() for method in service.methods]
    return sorted(found, key=lambda rpc: rpc.path)


KINDS: Final[dict[str, dict[str, str]]] = {
    "AccessService": {"parent": "tenant", "*.name": "accessPolicy", "grant.name": "", "policy": ""},
    "AccessService.GetGrant": {"name": "grant"},
    "AccessService.RevokeGrant": {"name": "grant"},
    "AccessService.CreateGrant": {"parent": "tenant"},
    "AppraisalService": {"parent": "tenant", "*.name": "policy"},
    "ApprovalService": {"parent": "tenant", "*.name": "proposal", "subject": "version"},
    "ArtifactService": {"parent": "tenant", "*.name": "artifact"},
    "ArtifactService.SetMinimumVersion": {"name": "family"},
    "AuditService": {"parent": "tenant"},
    "CollateralService": {"parent": "tenant", "*.name": "collateral"},
    "CollateralService.GetAnchor": {"name": "anchor"},
    "CollateralService.RemoveAnchor": {"name": "anchor"},
    "CollateralService.AddAnchor": {"parent": "tenant"},
    "ConsentService": {"parent": "tenant", "*.name": "consent", "consent": "consent", "artifact": "artifact", "device": "device"},
    "DeviceService": {"parent": "tenant", "*.name": "device", "challenge": "challenge"},
    "DeviceService.GetVerdict": {"name": "verdict"},
    "DeviceService.ReplayVerdict": {"name": "verdict"},
    "EdgeService": {},
    "EnvelopeService": {"parent": "tenant", "*.name": "envelopeKey", "requests.name": "envelopeKey", "device": "device"},
    "EnvelopeService.OpenEnvelope": {"name": "envelopeVersion", "device": "device"},
    "EnvelopeService.ShredEpoch": {"name": "envelopeVersion"},
    "EventService": {"parent": "tenant"},
    "KeyService": {"parent": "tenant", "*.name": "key", "key.name": "key", "wrapping_key": "wrappingKey"},
    "KeyService.ChangeKeyVersionState": {"name": "version"},
    "KeyService.ExportKey": {"name": "version"},
    "KeyService.SetAlias": {"alias.name": "alias", "alias.key": "key"},
    "KeyService.DeleteAlias": {"name": "alias"},
    "KeyService.GetCapabilities": {},
    "TrustService": {"parent": "tenant", "*.name": "key"},
    "SigningService": {"parent": "tenant", "*.name": "key", "requests.name": "key", "header.name": "key"},
    "LogService": {"event_key": "eventKey", "parent": "tenant", "requests.parent": "tenant"},
    "ReleaseService": {"parent": "tenant", "*.name": "release", "model": "family", "key_version": "envelopeVersion"},
    "ReleaseService.RequestArtifactKey": {"artifact": "released", "consent": "consent"},
    "ReleaseService.AnchorDeviceAudit": {"device": "device"},
    "RemovalService": {"parent": "tenant", "*.name": "removal", "device": "device", "artifact": "artifact", "removal": "removal"},
    "RevocationService": {"parent": "tenant", "subject": "key"},
    "SsfService": {"parent": "tenant", "*.name": "ssfReceiver"},
    "TenantService": {"*.name": "tenant", "tenant.name": "tenant"},
    "TenantService.CreateTenant": {},
}  # fmt: skip
"""Which fields of the requests of a service, or of one RPC, hold names, and of what; `*.name` is `name`."""


def kinds_of(rpc: Rpc) -> dict[str, str]:
    service = KINDS[rpc.method.containing_service.name]
    own = KINDS.get(rpc.action)
    found = service if own is None else own
    return {path.removeprefix("*."): kind for path, kind in found.items() if kind}


def set_names(rpc: Rpc, request: Any, names: Names) -> list[str]:
    """Fills in what it has of the fields that hold names. The kinds that were used."""
    used = []
    for path, kind in kinds_of(rpc).items():
        target, *inner = path.split(".")
        if target not in request.DESCRIPTOR.fields_by_name:
            continue
        if inner:
            field = request.DESCRIPTOR.fields_by_name[target]
            holder = getattr(request, target)
            holder = (holder[0] if len(holder) else holder.add()) if field.is_repeated else holder
            if inner[0] not in holder.DESCRIPTOR.fields_by_name:
                continue
            setattr(holder, inner[0], names[kind])
        else:
            setattr(request, target, names[kind])
        used.append(kind)
    return used


def fill(message: Any, values: Callable[[FieldDescriptor], Any], *, depth: int = 2) -> None:
    """Gives a value to every field for which `values` has one (not None); the first member of a oneof."""
    for field in message.DESCRIPTOR.fields:
        if field.containing_oneof is not None and field.containing_oneof.fields[0] is not field:
            continue
        if field.message_type is not None and not field.message_type.GetOptions().map_entry:
            if depth and field.message_type.full_name.startswith("hallmark."):
                inner = getattr(message, field.name)
                fill(inner.add() if field.is_repeated else inner, values, depth=depth - 1)
            continue
        value = None if field.message_type is not None else values(field)
        if value is not None:
            if field.is_repeated:
                getattr(message, field.name).append(value)
            else:
                setattr(message, field.name, value)


def another_of_its_form(name: str) -> str:
    """What is not there: another character at the end of its id."""
    parts = name.split("/")
    place = min(len(parts), 4) - 1
    last = parts[place][-1]
    parts[place] = parts[place][:-1] + ("1" if last != "1" else "2")
    return "/".join(parts)


def without_names(text: str, names: Iterator[str] | list[str]) -> str:
    """A message without the names it repeats, whole or by their id."""
    for name in sorted(names, key=len, reverse=True):
        text = text.replace(name, "<name>")
    for part in sorted({part for name in names for part in name.split("/")[1::2] if len(part) > 3}, key=len)[::-1]:
        text = text.replace(part, "<id>")
    return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "<uuid>", text)


def fresh_id() -> str:
    return str(uuid.uuid4())
