"""Releases from the wire."""

from collections.abc import Sequence
from typing import Any, Final

from hallmark.v1 import consent_pb2, releases_pb2
from hallmark_client.model.consents import ArtifactKind
from hallmark_client.model.releases import Anchored, ArtifactKey, Release, ReleaseCreated, ReleaseState
from hallmark_client.wire.consents import lease_of, number_argument
from hallmark_client.wire.log import promise_of
from hallmark_client.wire.scalars import moment

_STATES: Final = {
    releases_pb2.Release.AVAILABLE: ReleaseState.AVAILABLE,
    releases_pb2.Release.REVOKED: ReleaseState.REVOKED,
    releases_pb2.Release.SUSPENDED: ReleaseState.SUSPENDED,
    releases_pb2.Release.SUPERSEDED: ReleaseState.SUPERSEDED,
}
_KINDS: Final[dict[int, ArtifactKind]] = {
    consent_pb2.ArtifactKind.Value(f"ARTIFACT_KIND_{kind.value}"): kind
    for kind in ArtifactKind
    if kind is not ArtifactKind.UNKNOWN
}


def kind_argument(kind: str) -> Any:
    """The number on the wire. Raises InvalidArgument that lists the choices."""
    return number_argument(ArtifactKind, kind, "kind")


def release_of(wire: releases_pb2.Release) -> Release:
    """A state or kind of a newer server is UNKNOWN."""
    return Release(
        name=wire.name,
        artifact=wire.artifact,
        model=wire.model,
        version=wire.version,
        epoch=wire.epoch,
        minimum_epoch=wire.minimum_epoch,
        kind=_KINDS.get(wire.kind, ArtifactKind.UNKNOWN),
        statement_sha256=wire.statement_sha256,
        index_sha256=wire.index_sha256,
        key_version=wire.key_version,
        requires_consent=wire.requires_consent,
        state=_STATES.get(wire.state, ReleaseState.UNKNOWN),
        create_time=moment(wire.create_time),
        creator=wire.creator,
    )


def created_of(wire: releases_pb2.ReleaseResponse) -> ReleaseCreated:
    return ReleaseCreated(release=release_of(wire.release), log=promise_of(wire.log), replayed=wire.replayed)


def releases_of(wire: releases_pb2.ListReleasesResponse) -> tuple[Sequence[Release], str]:
    return [release_of(each) for each in wire.releases], wire.next_page_token


def artifact_key_of(wire: releases_pb2.ArtifactKey) -> ArtifactKey:
    return ArtifactKey(
        release=wire.release,
        kem_id=wire.kem_id,
        envelope=wire.envelope,
        info=wire.info,
        lease=lease_of(wire.lease) if wire.HasField("lease") else None,
        log=promise_of(wire.log),
    )


def anchored_of(wire: releases_pb2.AnchorDeviceAuditResponse) -> Anchored:
    return Anchored(time=moment(wire.anchor_time), log=promise_of(wire.log), replayed=wire.replayed)
