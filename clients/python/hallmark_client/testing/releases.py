"""Releases of the fake, by the rules of the service: real HPKE, opened and sealed to the device that asks."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import Final

import grpc

from hallmark.v1 import artifacts_pb2, consent_pb2, devices_pb2, keys_pb2, releases_pb2, removal_pb2
from hallmark_client.errors import HallmarkError
from hallmark_client.model.releases import CONTENT_KEY_BYTES, artifact_key_info, release_key_info
from hallmark_client.testing.artifacts import FakeArtifacts
from hallmark_client.testing.consents import FakeConsents
from hallmark_client.testing.devices import FakeDevices
from hallmark_client.testing.gates import FakeGates
from hallmark_client.testing.keys import FakeKeys
from hallmark_client.testing.refusals import invalid, not_found, precondition, refusal
from hallmark_client.testing.removals import FakeRemovals
from hallmark_client.testing.state import State
from hallmark_envelope import EnvelopeInvalid, HpkeKem, seal_envelope

_ID: Final = "[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAMES: Final[Mapping[str, re.Pattern[str]]] = {
    "models": re.compile(f"(tenants/{_ID})/models/({_ID})"),
    "releases": re.compile(f"(tenants/{_ID})/releases/([0-9a-f]{{64}})"),
    "artifacts": re.compile(f"(tenants/{_ID})/artifacts/([0-9a-f]{{64}})"),
}
_DEVICE: Final = re.compile("(?:device|.*/device/(?:d-([0-9a-f-]{36})|.*))")
_EPOCH_MAX: Final = 2**53
_VERDICT_LIFE: Final = timedelta(days=1)
_PAGE_MAX: Final = 1000
_PAGE_DEFAULT: Final = 100
_REFUSALS: Final = {
    releases_pb2.Release.REVOKED: "ARTIFACT_REVOKED",
    releases_pb2.Release.SUSPENDED: "ARTIFACT_SUSPENDED",
    releases_pb2.Release.SUPERSEDED: "ARTIFACT_SUPERSEDED",
}


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The parts of the fake that releases ask."""

    keys: FakeKeys
    gates: FakeGates
    devices: FakeDevices
    artifacts: FakeArtifacts
    consents: FakeConsents
    removals: FakeRemovals


@dataclass(slots=True)
class _Kept:
    release: releases_pb2.Release
    content_key: bytes


class FakeReleases:
    """The ReleaseService. `caller`: the SPIFFE ID, or the role, of who calls; a device is one whose name is d-{id}."""

    def __init__(self, state: State, neighbours: Neighbours) -> None:
        self._state = state
        self._near = neighbours
        self._kept: dict[str, _Kept] = {}
        self._anchors: dict[str, tuple[int, bytes]] = {}
        self.caller = ""

    def create(self, request: releases_pb2.CreateReleaseRequest) -> releases_pb2.ReleaseResponse:
        self._check(request)
        content_key = self._open(request)
        release = releases_pb2.Release(
            name=f"{request.parent}/releases/{request.statement_sha256.hex()}",
            artifact=f"{request.parent}/artifacts/{request.statement_sha256.hex()}",
            model=request.model,
            version=request.version,
            epoch=request.epoch,
            minimum_epoch=request.minimum_epoch,
            kind=request.kind or consent_pb2.ARTIFACT_KIND_OTHER,
            statement_sha256=request.statement_sha256,
            index_sha256=request.index_sha256,
            key_version=request.key_version,
            requires_consent=request.requires_consent,
            creator=self.caller,
        )
        release.create_time.FromDatetime(self._state.now())
        if request.minimum_epoch > self._minimum(request.model):
            self._near.artifacts.set_minimum(
                artifacts_pb2.SetMinimumVersionRequest(name=request.model, minimum_version=request.minimum_epoch)
            )
        self._kept[release.name] = _Kept(release, content_key)
        told = {"epoch": release.epoch, "model": release.model}
        log = self._state.record("release.created", release.name, told, wait=request.log_wait)
        return releases_pb2.ReleaseResponse(release=self._shown(release), log=log)

    def get(self, request: releases_pb2.GetReleaseRequest) -> releases_pb2.Release:
        self._own(request.name, "releases", "name")
        if request.name not in self._kept:
            raise not_found(request.name)
        return self._shown(self._kept[request.name].release)

    def list(self, request: releases_pb2.ListReleasesRequest) -> releases_pb2.ListReleasesResponse:
        self._state.check_parent(request.parent)
        if request.model:
            self._own(request.model, "models", "model")
        if not 0 <= request.page_size <= _PAGE_MAX:
            raise invalid("page_size", f"must be 0 to {_PAGE_MAX}")
        size, after = request.page_size or _PAGE_DEFAULT, _read_token(request.page_token)
        of_model = [each.release for each in self._kept.values() if request.model in {"", each.release.model}]
        found = sorted((each for each in of_model if _place(each) > after), key=_place)
        more = _token(found[size - 1]) if len(found) > size else ""
        shown = [self._shown(each) for each in found[:size]]
        return releases_pb2.ListReleasesResponse(releases=shown, next_page_token=more)

    def request_key(self, request: releases_pb2.RequestArtifactKeyRequest) -> releases_pb2.ArtifactKey:
        device = self._calling_device()
        self._own(request.artifact, "artifacts", "artifact")
        if not 16 <= len(request.nonce) <= 64:
            raise invalid("nonce", "must have 16 to 64 bytes")
        kept = self._kept.get(request.artifact.replace("/artifacts/", "/releases/"))
        if kept is None:
            raise not_found(request.artifact)
        release = self._shown(kept.release)
        if release.state in _REFUSALS:
            raise precondition(_REFUSALS[release.state], f"{release.artifact} may not be used")
        verdict = self._vouched(release, device)
        if not device.HasField("hpke_key"):
            raise precondition("DEVICE_KEY_MISSING", f"{device.name} has no HPKE key: attest again with hpke_key")
        lease = self._lease(release, device.name, request.consent)
        key = device.hpke_key
        info = artifact_key_info(
            artifact=release.artifact,
            device=device.name,
            epoch=release.epoch,
            public_key=key.public_key,
            nonce=request.nonce,
        )
        envelope = seal_envelope(key.public_key, HpkeKem(key.kem_id), kept.content_key, info=info)
        details = {"envelope_sha256": hashlib.sha256(envelope).hexdigest(), "verdict": verdict}
        log = self._state.record("artifact-key.released", release.artifact, details, wait=request.log_wait)
        return releases_pb2.ArtifactKey(
            release=release.name, kem_id=key.kem_id, envelope=envelope, info=info, lease=lease, log=log
        )

    def anchor(self, request: releases_pb2.AnchorDeviceAuditRequest) -> releases_pb2.AnchorDeviceAuditResponse:
        self._state.check_child_name(request.device, "devices")
        if self._calling_device().name != request.device:
            raise not_found(request.device)
        if not 1 <= request.size <= _EPOCH_MAX or len(request.head) != CONTENT_KEY_BYTES:
            raise invalid("head", "must have 32 bytes, and size must be 1 or more")
        size, head = self._anchors.get(request.device, (0, b""))
        told = {"size": request.size, "head": request.head.hex()}
        if request.size < size or (request.size == size and request.head != head):
            self._state.record("device.audit-diverged", request.device, told, wait=0)
            raise precondition("AUDIT_DIVERGED", f"the audit chain of {request.device} does not follow from before")
        self._anchors[request.device] = request.size, request.head
        log = self._state.record("device.audit-anchored", request.device, told, wait=request.log_wait)
        answer = releases_pb2.AnchorDeviceAuditResponse(log=log)
        answer.anchor_time.FromDatetime(self._state.now())
        return answer

    def _check(self, request: releases_pb2.CreateReleaseRequest) -> None:
        self._state.check_parent(request.parent)
        self._own(request.model, "models", "model")
        for field in ("statement_sha256", "index_sha256"):
            if len(getattr(request, field)) != hashlib.sha256().digest_size:
                raise invalid(field, "must have 32 bytes")
        if not (1 <= len(request.version) <= 64 and request.version.isprintable()):
            raise invalid("version", "must have 1 to 64 printable characters")
        if not 1 <= request.epoch <= _EPOCH_MAX or not 0 <= request.minimum_epoch <= request.epoch:
            raise invalid("epoch", "must be 1 or more, and not below minimum_epoch")
        wanted = release_key_info(model=request.model, version=request.version, epoch=request.epoch)
        if request.content_key_info != wanted:
            raise invalid("content_key_info", f"must be {wanted.decode()}")
        if f"{request.parent}/releases/{request.statement_sha256.hex()}" in self._kept:
            raise refusal(grpc.StatusCode.ALREADY_EXISTS, "RELEASE_EXISTS", "a statement is released once")
        epochs = [each.release.epoch for each in self._kept.values() if each.release.model == request.model]
        least = max([each + 1 for each in epochs] + [self._minimum(request.model)])
        if request.epoch < least:
            sentence = f"the next release of {request.model} has an epoch of {least} or more"
            raise precondition("EPOCH_NOT_NEWER", sentence, metadata={"least": str(least)})

    def _open(self, request: releases_pb2.CreateReleaseRequest) -> bytes:
        name, number = self._state.read_key_name(request.key_version)
        if number is None:
            raise invalid("key_version", "must name a version of a key", "NAME_INVALID")
        if self._near.keys.find(name).purpose != keys_pb2.KEY_PURPOSE_ENVELOPE:
            raise precondition("PURPOSE_MISMATCH", f"{name} opens nothing")
        opener = self._near.keys.opener(self._near.keys.version(name, number).name)
        try:
            content_key = opener.open(request.content_key_envelope, info=request.content_key_info)
        except EnvelopeInvalid:
            content_key = b""
        if len(content_key) != CONTENT_KEY_BYTES:
            raise invalid("content_key_envelope", "must open, and hold a key of 32 bytes", "ENVELOPE_INVALID")
        return content_key

    def _vouched(self, release: releases_pb2.Release, device: devices_pb2.Device) -> str:
        """The verdict that lets the device have it: by the gate of the envelope key, or a good one of today."""
        key = self._near.keys.find(release.key_version.partition("/versions/")[0])
        if device.state == devices_pb2.DEVICE_STATE_REVOKED:
            raise precondition("DEVICE_REVOKED", f"{device.name} was revoked")
        if not device.latest_verdict.appraised:
            raise precondition("VERDICT_REFUSED", f"the newest verdict about {device.name} is a refusal")
        if key.HasField("attestation_gate"):
            self._near.gates.caller = ""  # the service asks, for the device
            self._near.gates.check(key, device.name)
        elif self._state.now() - device.attest_time.ToDatetime(tzinfo=UTC) > _VERDICT_LIFE:
            raise precondition("VERDICT_TOO_OLD", f"{device.name} attested too long ago; let it attest again")
        return device.latest_verdict.name

    def _lease(self, release: releases_pb2.Release, device: str, consent: str) -> consent_pb2.Lease | None:
        """Needed where the release says so, and after a deletion was asked for."""
        asked = removal_pb2.ListRemovalsRequest(parent=self._state.parent, device=device)
        removals = self._near.removals.list(asked).removals
        was_asked = any(each.artifact == release.artifact and not each.consent for each in removals)
        if not (release.requires_consent or was_asked):
            return None
        consents = self._near.consents
        held = consents.leases(consent_pb2.ListLeasesRequest(parent=self._state.parent, device=device)).leases
        live = [each for each in held if each.artifact == release.artifact and each.live]
        if live:
            return live[-1]
        if not consent:
            raise precondition("LEASE_REQUIRED", f"{release.artifact} may be used with consent only: name one")
        named = consents.get(consent_pb2.GetConsentRequest(name=consent)).devices
        if named and device not in named:
            raise not_found(consent)
        return consents.acquire(
            consent_pb2.AcquireLeaseRequest(consent=consent, artifact=release.artifact, device=device)
        )

    def _shown(self, release: releases_pb2.Release) -> releases_pb2.Release:
        """As it is now."""
        shown = releases_pb2.Release()
        shown.CopyFrom(release)
        status = self._status(release.artifact)
        shown.state = releases_pb2.Release.AVAILABLE
        if status is not None and status.state == artifacts_pb2.ARTIFACT_STATE_REVOKED:
            shown.state = releases_pb2.Release.REVOKED
        elif status is not None and status.state == artifacts_pb2.ARTIFACT_STATE_SUSPENDED:
            shown.state = releases_pb2.Release.SUSPENDED
        elif release.epoch < self._minimum(release.model):
            shown.state = releases_pb2.Release.SUPERSEDED
        return shown

    def _minimum(self, model: str) -> int:
        status = self._status(model)
        return 0 if status is None else status.minimum_version

    def _status(self, name: str) -> artifacts_pb2.ArtifactStatus | None:
        request = artifacts_pb2.ListArtifactStatusesRequest(parent=self._state.parent, page_size=_PAGE_MAX)
        return next((each for each in self._near.artifacts.list(request).statuses if each.name == name), None)

    def _own(self, name: str, collection: str, field: str) -> None:
        found = _NAMES[collection].fullmatch(name)
        if found is None:
            raise invalid(field, f"must look like tenants/{{tenant}}/{collection}/...", "NAME_INVALID")
        if found[1] != self._state.parent:
            raise not_found(name)

    def _calling_device(self) -> devices_pb2.Device:
        found = _DEVICE.fullmatch(self.caller)
        if found is None or not found[1]:
            raise _no_device()
        return self._near.devices.find(f"{self._state.parent}/devices/{found[1]}")


def _no_device() -> HallmarkError:
    sentence = "this is for attested devices: use the certificate that attesting gave"
    return refusal(grpc.StatusCode.PERMISSION_DENIED, "ROLE_NOT_ALLOWED", sentence)


def _place(release: releases_pb2.Release) -> tuple[int, str]:
    """Greatest epoch first."""
    return -release.epoch, release.name


def _token(release: releases_pb2.Release) -> str:
    return base64.urlsafe_b64encode(json.dumps(_place(release)).encode()).decode()


def _read_token(token: str) -> tuple[int, str]:
    if not token:
        return -_EPOCH_MAX - 1, ""
    try:
        epoch, name = json.loads(base64.urlsafe_b64decode(token))
        return int(epoch), str(name)
    except (ValueError, TypeError):
        raise invalid("page_token", "is not one of ours", "PAGE_TOKEN_INVALID") from None
