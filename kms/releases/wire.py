"""Releases on the wire: model -> protobuf. What comes in is in requests.py."""

from datetime import datetime
from typing import Final

from google.protobuf import timestamp_pb2

from hallmark.v1 import releases_pb2
from kms.consent.payload import StatusUri
from kms.consent.requests import KINDS
from kms.consent.wire import lease_to_wire
from kms.log.wire import promise_to_wire
from kms.releases.anchoring import Anchored
from kms.releases.creating import Created
from kms.releases.giving import Given
from kms.releases.model import Listed, ReleaseState

_KIND_NUMBERS: Final = {kind: number for number, kind in KINDS.items()}
_STATES: Final = {
    ReleaseState.AVAILABLE: releases_pb2.Release.AVAILABLE,
    ReleaseState.REVOKED: releases_pb2.Release.REVOKED,
    ReleaseState.SUSPENDED: releases_pb2.Release.SUSPENDED,
    ReleaseState.SUPERSEDED: releases_pb2.Release.SUPERSEDED,
}


def release_to_wire(listed: Listed) -> releases_pb2.Release:
    release = listed.release
    return releases_pb2.Release(
        name=str(release.name),
        artifact=str(release.artifact),
        model=str(release.model),
        version=release.version,
        epoch=release.epoch,
        minimum_epoch=release.minimum_epoch,
        kind=_KIND_NUMBERS[release.kind],
        statement_sha256=bytes.fromhex(release.name.digest),
        index_sha256=release.index_sha256,
        key_version=str(release.content_key.key_version),
        requires_consent=release.requires_consent,
        state=_STATES[listed.state],
        create_time=_time(release.create_time),
        creator=release.creator,
    )


def created_to_wire(made: Created) -> releases_pb2.ReleaseResponse:
    return releases_pb2.ReleaseResponse(
        release=release_to_wire(made.listed), log=promise_to_wire(made.promise), replayed=made.replayed
    )


def given_to_wire(given: Given, status_uri: StatusUri, now: datetime) -> releases_pb2.ArtifactKey:
    answer = given.answer
    return releases_pb2.ArtifactKey(
        release=given.release,
        kem_id=answer.kem_id,
        envelope=answer.envelope,
        info=answer.info,
        lease=None if given.lease is None else lease_to_wire(given.lease, status_uri, now),
        log=promise_to_wire(answer.promise),
    )


def anchored_to_wire(anchored: Anchored) -> releases_pb2.AnchorDeviceAuditResponse:
    return releases_pb2.AnchorDeviceAuditResponse(
        anchor_time=_time(anchored.answer.anchor_time),
        log=promise_to_wire(anchored.answer.promise),
        replayed=anchored.replayed,
    )


def _time(moment: datetime) -> timestamp_pb2.Timestamp:
    message = timestamp_pb2.Timestamp()
    message.FromDatetime(moment)
    return message
