"""Every RPC: the names of resources in its request are read, all of them."""

from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from architecture.test_policy_covers_every_rpc import FILES
from hallmark.v1 import consent_pb2, keys_pb2, log_pb2
from kms.core.errors import InvalidArgument, Reason
from kms.server.resources import NAMED_LATER, NAMES_MAX, action_of, asked_of

METHODS = {
    f"/{service.full_name}/{method.name}": method
    for file in FILES
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
# Text that names no resource which the call is about. By the last field, or by message and field.
NO_NAMES = {
    "request_id", "page_token", "etag", "reason", "title", "label", "display_name", "key_id", "tenant_id", "receiver_id",
    "event_type", "event_key", "person", "audience", "controller", "purposes", "lawful_basis", "withdrawal_method",
    "storage_locations", "cursor", "paths", "ack", "networks", "regions", "principal", "action", "context",
    "formats", "detail", "description",
}  # fmt: skip
REFERRED_TO = {
    "proposal": "checked against the act by kms.approvals",
    "policy": "TestAccess looks at it, and at who asks, itself",
    "resource": "TestAccess and ListEffectiveGrants: asked about, not touched",
    "grant": "what a grant is about is not touched by giving it",
    "wrapping_key": "the service's own",
    "exported_as": "of another server",
    "feeds": "of the tenant, each feed is open to who it is for",
    "set_errs": "answers to events",
}
NARROWED_BY = {
    "AccessService.ListGrants principal",
    "ConsentService.ListConsents device",
    "ConsentService.ListConsents subject",
    "ConsentService.ListLeases consent",
    "ConsentService.ListLeases device",
    "LogService.ListEntries subject",
    "ReleaseService.ListReleases model",
    "RemovalService.ListRemovals consent",
    "RemovalService.ListRemovals device",
    "RevocationService.ListRevocations subject",
}
"""Filters of lists: less than the parent."""
ON_BEHALF_OF = {
    "EnvelopeService.GenerateDataKey device",
    "EnvelopeService.OpenEnvelope device",
    "EnvelopeService.OpenEnvelopes requests.device",
    "SigningService.BatchSign requests.device",
    "SigningService.Sign device",
    "SigningService.SignStream header.device",
}
"""The key's attestation gate asks about the device; the call is about the key."""
OWN_WORDS = {
    "ConsentService.GrantConsent subject",
    "LogService.AppendEntry subject",
    "LogService.AppendStream subject",
    "LogService.BatchAppendEntries requests.subject",
    "ReleaseService.CreateRelease version",
}
"""A person, or what the caller calls it."""
NOTHING_NAMED = {
    "EdgeService.SignHeartbeats",
    "KeyService.GetCapabilities",
    "LogService.GetCheckpoint",
    "LogService.GetConsistencyProof",
    "LogService.GetCoseReceipt",
    "LogService.GetEntry",
    "LogService.GetInclusionProof",
    "LogService.ListLogKeys",
    "LogService.OpenCommitments",
    "LogService.RotateLogKey",
    "LogService.StreamEntries",
    "TenantService.CreateTenant",
    "TenantService.ListTenants",
}
"""About the caller's tenant, or an entry of the log, which is named by a key of its own."""
ALL_NAMED = {
    "ApprovalService.CreateProposal": {"parent", "subject"},
    "ConsentService.AcquireLease": {"consent", "artifact", "device"},
    "ConsentService.GrantConsent": {"parent", "artifacts.artifact", "devices"},
    "DeviceService.AttestDevice": {"challenge"},
    "EnvelopeService.OpenEnvelopes": {"requests.name"},
    "KeyService.SetAlias": {"alias.name", "alias.key"},
    "KeyService.UpdateKey": {"key.name"},
    "LogService.BatchAppendEntries": {"requests.parent"},
    "ReleaseService.AnchorDeviceAudit": {"device"},
    "ReleaseService.CreateRelease": {"parent", "model", "key_version"},
    "ReleaseService.RequestArtifactKey": {"artifact", "consent"},
    "RemovalService.RequestDeletion": {"device", "artifact"},
    "RemovalService.SubmitDeletionReceipt": {"removal"},
    "RevocationService.Revoke": {"subject"},
    "SigningService.BatchSign": {"requests.name"},
    "SigningService.BatchVerify": {"requests.name"},
    "SigningService.SignStream": {"header.name"},
    "TenantService.UpdateTenant": {"tenant.name"},
}
# Further names in messages that are the answer's, of which a request uses the name alone.
ANSWERS = {"key": {"key.name"}, "alias": {"alias.name", "alias.key"}, "tenant": {"tenant.name"}}


def _texts(descriptor: Any, path: str = "", depth: int = 0) -> Iterator[str]:
    """Paths of all text fields, without maps."""
    for field in descriptor.fields:
        here = f"{path}{field.name}"
        if field.type == FieldDescriptor.TYPE_STRING:
            yield here
        elif field.message_type is not None and not field.message_type.GetOptions().map_entry and depth < 3:
            yield from _texts(field.message_type, f"{here}.", depth + 1)


def _filled(message: Message, depth: int = 0) -> None:
    """Every text is its own path; of what repeats there is one."""

    def fill(message: Message, path: str, depth: int) -> None:
        for field in message.DESCRIPTOR.fields:
            here = f"{path}{field.name}"
            if field.message_type is not None and field.message_type.GetOptions().map_entry:
                continue
            if field.type == FieldDescriptor.TYPE_STRING:
                if field.is_repeated:
                    getattr(message, field.name).append(here)
                elif field.containing_oneof is None or not message.WhichOneof(field.containing_oneof.name):
                    setattr(message, field.name, here)
            elif field.message_type is not None and depth < 3:
                part = getattr(message, field.name).add() if field.is_repeated else getattr(message, field.name)
                if field.is_repeated or field.containing_oneof is None or field.name == "header":
                    part.SetInParent()
                    fill(part, f"{here}.", depth + 1)

    fill(message, "", depth)


def _expected(action: str, method: MethodDescriptor) -> set[str]:
    if action in ALL_NAMED:
        return ALL_NAMED[action]
    texts = set(_texts(method.input_type))
    return {"name"} & texts or {"parent"} & texts


@pytest.mark.parametrize("path", METHODS)
def test_the_names_in_a_request_are_read(path: str) -> None:
    method, action = METHODS[path], action_of(path)
    request = GetMessageClass(method.input_type)()
    _filled(request)
    asked = asked_of(path, request)
    assert (asked.action, set(asked.resources)) == (action, _expected(action, method))


@pytest.mark.parametrize("path", METHODS)
def test_every_other_text_is_known_to_name_nothing_the_call_is_about(path: str) -> None:
    """A new field fails here until somebody has thought about it."""
    method, action = METHODS[path], action_of(path)
    for text in set(_texts(method.input_type)) - _expected(action, method):
        first, last = text.partition(".")[0], text.rpartition(".")[2]
        known = {last, first} & {*NO_NAMES, *REFERRED_TO} or first in ANSWERS or _is_inside(text)
        listed = f"{action} {text}" in NARROWED_BY | ON_BEHALF_OF | OWN_WORDS
        assert known or listed or text == "parent", f"{action} {text}"


def test_what_names_nothing_is_listed() -> None:
    named = {action_of(path): _expected(action_of(path), method) for path, method in METHODS.items()}
    assert {action for action, names in named.items() if not names} == NOTHING_NAMED


def _is_inside(text: str) -> bool:
    """Contents: of keys to be made, evidence, receipts, recipients, anchors, what an edge tells of its streams."""
    return text.partition(".")[0] in {
        "attestation_gate", "evidence", "receipt", "recipient", "anchor", "hpke_key", "tpm", "quotas", "channel_rules",
        "leaves", "lost", "lease_terms", "update_mask", "rotation", "usage_limits",
    }  # fmt: skip


def test_each_name_is_asked_about_once_and_in_order() -> None:
    names = ["tenants/a/keys/x", "tenants/a/keys/y", "tenants/a/keys/x"]
    request = keys_pb2.BatchSignRequest(
        parent="tenants/a", requests=[keys_pb2.SignRequest(name=name) for name in names]
    )
    assert asked_of("/hallmark.v1.SigningService/BatchSign", request).resources == tuple(names[:2])
    assert asked_of(
        "/hallmark.v1.SigningService/BatchSign", keys_pb2.BatchSignRequest(parent="tenants/a")
    ).resources == ("tenants/a",)


def test_streams_name_things_message_by_message() -> None:
    async def requests() -> Any:
        yield keys_pb2.SignStreamRequest(chunk=b"x")

    sign = "/hallmark.v1.SigningService/SignStream"
    assert asked_of(sign, requests()).resources == ()
    assert asked_of(sign, keys_pb2.SignStreamRequest(chunk=b"x")).resources == ()
    header = keys_pb2.SignStreamRequest(header=keys_pb2.SignRequest(name="tenants/a/keys/x"))
    assert asked_of(sign, header).resources == ("tenants/a/keys/x",)
    append = log_pb2.AppendEntryRequest(parent="tenants/a")
    assert asked_of("/hallmark.v1.LogService/AppendStream", append).resources == ("tenants/a",)


def test_all_calls_whose_client_streams_are_known() -> None:
    assert {action_of(path) for path, method in METHODS.items() if method.client_streaming} == NAMED_LATER


@pytest.mark.parametrize("name", ["", "nonsense", "tenants/", "x" * 512, "\0"])
def test_names_that_are_none_are_taken_as_they_are(name: str) -> None:
    asked = asked_of("/hallmark.v1.KeyService/GetKey", keys_pb2.GetKeyRequest(name=name))
    assert asked.resources == ((name,) if name else ())


def test_health_checks_name_nothing() -> None:
    assert asked_of("/grpc.health.v1.Health/Check", object()).resources == ()


@pytest.mark.parametrize(
    ("path", "request_", "reason"),
    [
        ("KeyService/GetKey", keys_pb2.GetKeyRequest(name="tenants/a/keys/" + "x" * 600), Reason.NAME_INVALID),
        (
            "SigningService/BatchSign",
            keys_pb2.BatchSignRequest(requests=[keys_pb2.SignRequest()] * (NAMES_MAX + 1)),
            Reason.BATCH_TOO_LARGE,
        ),
        (
            "ConsentService/GrantConsent",
            consent_pb2.GrantConsentRequest(devices=[f"d{number}" for number in range(NAMES_MAX)], parent="p"),
            Reason.BATCH_TOO_LARGE,
        ),
    ],
)
def test_names_are_bounded_before_rules_are_asked_about_them(path: str, request_: Message, reason: Reason) -> None:
    """Each would be looked at by every rule, and remembered."""
    with pytest.raises(InvalidArgument) as refused:
        asked_of(f"/hallmark.v1.{path}", request_)
    assert refused.value.reason is reason
