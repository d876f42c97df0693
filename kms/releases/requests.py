"""What callers ask of releases, read from the wire and checked."""

from typing import Final, TypeVar

from hallmark.v1 import consent_pb2, releases_pb2
from kms.artifacts.model import ModelName
from kms.consent.model import ArtifactKind
from kms.consent.requests import KINDS, own_artifact, own_child, own_tenant
from kms.core.call import Call
from kms.core.errors import InvalidArgument, PermissionDenied, Reason, not_found
from kms.core.idempotency import RequestKey
from kms.core.identity import device_of
from kms.core.names import ChildName, DigestName, KeyVersionName
from kms.keys.paging import read_page_token
from kms.log.wire import wants_published
from kms.releases.conditions import Asked
from kms.releases.derived import derived_request
from kms.releases.giving import KeyWanted
from kms.releases.info import content_key_info
from kms.releases.model import (
    COLLECTION,
    DIGEST_BYTES,
    EPOCH_MAX,
    NONCE_BYTES_MAX,
    NONCE_BYTES_MIN,
    VERSION_CHARACTERS_MAX,
    AuditAnchor,
    Release,
    SealedKey,
)
from kms.releases.store import After

_Name = TypeVar("_Name", DigestName, ModelName, KeyVersionName)
_EPOCH_DIGITS: Final = len(str(EPOCH_MAX))
_DIGEST_DIGITS: Final = 2 * DIGEST_BYTES


def release_from_wire(request: releases_pb2.CreateReleaseRequest, call: Call) -> Release:
    """Raises InvalidArgument; the uniform not-found for what is another tenant's."""
    tenant = own_tenant(request.parent, call)
    statement = _bytes(request.statement_sha256, "statement_sha256", DIGEST_BYTES, DIGEST_BYTES)
    epoch, version = _number(request.epoch, "epoch", 1, EPOCH_MAX), _version(request.version)
    model = own_model(request.model, call)
    return Release(
        name=DigestName(tenant, COLLECTION, statement.hex()),
        model=model,
        version=version,
        epoch=epoch,
        minimum_epoch=_number(request.minimum_epoch, "minimum_epoch", 0, epoch),
        kind=_kind(request.kind),
        index_sha256=_bytes(request.index_sha256, "index_sha256", DIGEST_BYTES, DIGEST_BYTES),
        content_key=SealedKey(
            key_version=_own(KeyVersionName.parse(request.key_version, "key_version"), call),
            envelope=request.content_key_envelope,
            info=_content_key_info(request.content_key_info, content_key_info(model, version, epoch)),
        ),
        requires_consent=request.requires_consent,
        creator=call.caller.spiffe_id,
        create_time=call.now,
    )


def own_release(text: str, call: Call) -> DigestName:
    return _own(DigestName.parse(text, COLLECTION), call)


def own_model(text: str, call: Call) -> ModelName:
    return _own(ModelName.parse(text, "model"), call)


def key_wanted_from_wire(request: releases_pb2.RequestArtifactKeyRequest, call: Call) -> KeyWanted:
    """A device asks for itself. Raises InvalidArgument, PermissionDenied/ROLE_NOT_ALLOWED, the uniform not-found."""
    device, artifact = _calling_device(call), own_artifact(request.artifact, call)
    consent = own_child(request.consent, "consents", call, "consent") if request.consent else None
    key = RequestKey.of_message(call.caller, call.method, request)
    about = ("lease", key.request_id, str(consent), str(artifact))
    return KeyWanted(
        asked=Asked(device, artifact, call.now),
        nonce=_bytes(request.nonce, "nonce", NONCE_BYTES_MIN, NONCE_BYTES_MAX),
        consent=consent,
        request=key,
        lease_request=derived_request(call.caller.spiffe_id, *about),
        published=wants_published(request.log_wait),
    )


def anchor_from_wire(request: releases_pb2.AnchorDeviceAuditRequest, call: Call) -> AuditAnchor:
    """Each device its own. Raises InvalidArgument, PermissionDenied/ROLE_NOT_ALLOWED, the uniform not-found."""
    named, device = own_child(request.device, "devices", call, "device"), _calling_device(call)
    if named != device:
        raise not_found(request.device)
    return AuditAnchor(
        device=device,
        size=_number(request.size, "size", 1, EPOCH_MAX),
        head=_bytes(request.head, "head", DIGEST_BYTES, DIGEST_BYTES),
        anchor_time=call.now,
    )


def token_of(last: Release) -> str:
    """What a page token holds: where the next page begins."""
    return f"{last.epoch:0{_EPOCH_DIGITS}d}{last.name.digest}"


def after_from_wire(page_token: str) -> After | None:
    """None for the first page. Raises InvalidArgument/PAGE_TOKEN_INVALID."""
    text = read_page_token(page_token)
    if not text:
        return None
    epoch, digest = text[:_EPOCH_DIGITS], text[_EPOCH_DIGITS:]
    fits = len(text) == _EPOCH_DIGITS + _DIGEST_DIGITS and epoch.isascii() and epoch.isdigit() and digest.isalnum()
    if not fits:
        sentence = "page_token is not one of ours; begin without it"
        raise InvalidArgument(Reason.PAGE_TOKEN_INVALID, sentence, field="page_token")
    return After(int(epoch), digest)


def _own(name: _Name, call: Call) -> _Name:
    """Raises the uniform not-found for another tenant's."""
    call.caller.may_see(name.tenant, str(name))
    return name


def _calling_device(call: Call) -> ChildName:
    device = device_of(call.caller)
    if device is None:
        raise PermissionDenied(
            Reason.ROLE_NOT_ALLOWED, "this is for attested devices: use the certificate that attesting gave"
        )
    return device


def _kind(number: consent_pb2.ArtifactKind) -> ArtifactKind:
    if number and number not in KINDS:
        raise InvalidArgument(Reason.FIELD_INVALID, "kind is not one of the listed ones", field="kind")
    return KINDS.get(number, ArtifactKind.OTHER)


def _content_key_info(given: bytes, wanted: bytes) -> bytes:
    if given != wanted:
        sentence = f"content_key_info must be {wanted.decode()}: have the content key sealed with it"
        raise InvalidArgument(Reason.FIELD_INVALID, sentence, field="content_key_info")
    return given


def _version(text: str) -> str:
    if not (1 <= len(text) <= VERSION_CHARACTERS_MAX and text.isprintable()):
        sentence = f"version must have 1 to {VERSION_CHARACTERS_MAX} printable characters"
        raise InvalidArgument(Reason.FIELD_INVALID, sentence, field="version")
    return text


def _number(value: int, field: str, least: int, most: int) -> int:
    if not least <= value <= most:
        raise InvalidArgument(Reason.FIELD_INVALID, f"{field} must be {least} to {most}", field=field)
    return value


def _bytes(value: bytes, field: str, least: int, most: int) -> bytes:
    if not least <= len(value) <= most:
        size = str(least) if least == most else f"{least} to {most}"
        raise InvalidArgument(Reason.FIELD_INVALID, f"{field} must have {size} bytes", field=field)
    return value
