"""client.releases: make releases of models known; get the keys of what is in them, as a device."""

from collections.abc import Iterator

from hallmark.v1 import releases_pb2
from hallmark_client import releases_rpc as rpc
from hallmark_client.calls import Calls
from hallmark_client.model.consents import ArtifactKind
from hallmark_client.model.enums import LogWait
from hallmark_client.model.releases import Anchored, ArtifactKey, Release, ReleaseCreated, release_key_info
from hallmark_client.wire import releases as wire
from hallmark_client.wire.scalars import log_wait_argument


class Releases:
    """Reached as `client.releases`. Names may be short: a model's id, the SHA-256 (hex) of a release's statement.

    The files of a release lie elsewhere; the service knows its digests (statement_sha256, index_sha256: 32 bytes each)
    and keeps its content key sealed: key_version and content_key_envelope are what `client.envelopes.data_key` gave for
    `info=client.releases.content_key_info(model, version=..., epoch=...)`; a key that was sealed for anything else is
    refused. epoch: greater than any before of the model. minimum_epoch: nothing of the model below it may be used any
    more; 0 leaves it as it was. requires_consent: devices get the key under a live lease only.

    To take a release back: `client.revocations.revoke("artifacts/{sha256}", ...)`, or `client.artifacts.suspend`.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def create(
        self,
        model: str,
        *,
        version: str,
        epoch: int,
        minimum_epoch: int = 0,
        kind: ArtifactKind | str,
        statement_sha256: bytes,
        index_sha256: bytes,
        key_version: str,
        content_key_envelope: bytes,
        content_key_info: bytes | None = None,
        requires_consent: bool = False,
        wait: LogWait = "committed",
        request_id: str | None = None,
    ) -> ReleaseCreated:
        """Make a release known; see the class. content_key_info: None for what it has to be.

        Raises AlreadyExists (RELEASE_EXISTS), FailedPrecondition (EPOCH_NOT_NEWER, ARTIFACT_REVOKED, PURPOSE_MISMATCH,
        KEY_VERSION_NOT_ACTIVE), EnvelopeInvalid, NotFound, InvalidArgument.
        """
        info = self.content_key_info(model, version=version, epoch=epoch)
        request = releases_pb2.CreateReleaseRequest(
            parent=self._calls.names.parent,
            model=self._name(model, "models"),
            version=version,
            epoch=epoch,
            minimum_epoch=minimum_epoch,
            kind=wire.kind_argument(kind),
            statement_sha256=statement_sha256,
            index_sha256=index_sha256,
            key_version=self._calls.names.key(key_version),
            content_key_envelope=content_key_envelope,
            content_key_info=info if content_key_info is None else content_key_info,
            requires_consent=requires_consent,
            request_id=self._calls.request_id(request_id),
            log_wait=log_wait_argument(wait),
        )
        return self._calls(rpc.CREATE_RELEASE, request, wire.created_of)

    def content_key_info(self, model: str, *, version: str, epoch: int) -> bytes:
        """What the content key has to be sealed with."""
        return release_key_info(model=self._name(model, "models"), version=version, epoch=epoch)

    def get(self, name: str) -> Release:
        """Raises NotFound."""
        request = releases_pb2.GetReleaseRequest(name=self._name(name, "releases"))
        return self._calls(rpc.GET_RELEASE, request, wire.release_of)

    def list(self, model: str | None = None, *, page_size: int = 0) -> Iterator[Release]:
        """Greatest epoch first, fetched page by page; only those of a model."""
        request = releases_pb2.ListReleasesRequest(
            parent=self._calls.names.parent,
            page_size=page_size,
            model="" if model is None else self._name(model, "models"),
        )
        while True:
            page, request.page_token = self._calls(rpc.LIST_RELEASES, request, wire.releases_of)
            yield from page
            if not request.page_token:
                return

    def request_key(
        self,
        artifact: str,
        *,
        nonce: bytes,
        consent: str | None = None,
        wait: LogWait = "committed",
        request_id: str | None = None,
    ) -> ArtifactKey:
        """The content key of a release, sealed to the device whose certificate this connection has; see its `open`.

        nonce: 16 to 64 random bytes, to be compared with the answer. consent: to acquire a lease from, where there is
        none yet. Raises NotFound, PermissionDenied, FailedPrecondition: ARTIFACT_REVOKED, ARTIFACT_SUSPENDED,
        ARTIFACT_SUPERSEDED, LEASE_REQUIRED, DEVICE_KEY_MISSING (attest with hpke_key), DEVICE_REVOKED, REMOVAL_OVERDUE,
        VERDICT_REFUSED, VERDICT_TOO_OLD, VERDICT_INSUFFICIENT (attest again).
        """
        request = releases_pb2.RequestArtifactKeyRequest(
            artifact=self._name(artifact, "artifacts"),
            nonce=nonce,
            consent="" if consent is None else self._name(consent, "consents"),
            request_id=self._calls.request_id(request_id),
            log_wait=log_wait_argument(wait),
        )
        return self._calls(rpc.REQUEST_ARTIFACT_KEY, request, wire.artifact_key_of)

    def anchor_audit(
        self, device: str, *, size: int, head: bytes, wait: LogWait = "committed", request_id: str | None = None
    ) -> Anchored:
        """Put the head (32 bytes) of the calling device's audit chain, after `size` entries, into the log.

        Raises FailedPrecondition (AUDIT_DIVERGED): it does not follow from what was anchored before.
        """
        request = releases_pb2.AnchorDeviceAuditRequest(
            device=self._calls.names.device(device),
            size=size,
            head=head,
            request_id=self._calls.request_id(request_id),
            log_wait=log_wait_argument(wait),
        )
        return self._calls(rpc.ANCHOR_DEVICE_AUDIT, request, wire.anchored_of)

    def _name(self, text: str, collection: str) -> str:
        """A whole resource name of a short one."""
        if text.startswith("tenants/"):
            return text
        return f"{self._calls.names.parent}/{collection}/{text.removeprefix(collection + '/')}"
