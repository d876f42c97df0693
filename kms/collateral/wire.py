"""Collateral and anchors on the wire: model <-> protobuf."""

from datetime import UTC, datetime
from typing import Final

from google.protobuf import timestamp_pb2

from attestation.model import Format, TrustAnchor
from hallmark.v1 import collateral_pb2, devices_pb2
from kms.collateral.anchors import OwnAnchor, read_key
from kms.collateral.model import CollateralItem, CollateralKind, CollateralState, SourceStatus, check_label
from kms.collateral.service import Offer
from kms.core.errors import InvalidArgument, Reason

DATA_BYTES_MAX: Final = 3 * 1024 * 1024
KEY_BYTES_MAX: Final = 16 * 1024

_KINDS: Final = {
    CollateralKind.ANDROID_STATUS: collateral_pb2.COLLATERAL_KIND_ANDROID_STATUS,
    CollateralKind.AMD_CRL: collateral_pb2.COLLATERAL_KIND_AMD_CRL,
    CollateralKind.INTEL_TCB: collateral_pb2.COLLATERAL_KIND_INTEL_TCB,
    CollateralKind.TPM_CRL: collateral_pb2.COLLATERAL_KIND_TPM_CRL,
    CollateralKind.FIDO_METADATA: collateral_pb2.COLLATERAL_KIND_FIDO_METADATA,
    CollateralKind.TPM_KEYS: collateral_pb2.COLLATERAL_KIND_TPM_KEYS,
    CollateralKind.ARM_DEVICES: collateral_pb2.COLLATERAL_KIND_ARM_DEVICES,
    CollateralKind.NVIDIA_CRL: collateral_pb2.COLLATERAL_KIND_NVIDIA_CRL,
}
_KINDS_READ: Final = {number: kind for kind, number in _KINDS.items()}
_STATES: Final = {
    CollateralState.IN_FORCE: collateral_pb2.COLLATERAL_STATE_IN_FORCE,
    CollateralState.STALE: collateral_pb2.COLLATERAL_STATE_STALE,
    CollateralState.OVERRIDDEN: collateral_pb2.COLLATERAL_STATE_OVERRIDDEN,
}
_NAMED_OTHERWISE: Final = {Format.SOFTWARE: "SOFTWARE"}
_FORMATS: Final[dict[Format, devices_pb2.EvidenceFormat]] = {
    form: getattr(devices_pb2, "EVIDENCE_FORMAT_" + _NAMED_OTHERWISE.get(form, form.value.upper().replace("-", "_")))
    for form in Format
}
_FORMATS_READ: Final = {number: form for form, number in _FORMATS.items()}


def kind_from_wire(number: collateral_pb2.CollateralKind) -> CollateralKind:
    if number not in _KINDS_READ:
        raise InvalidArgument(Reason.FIELD_INVALID, "kind is required: one of those listed", field="kind")
    return _KINDS_READ[number]


def filter_from_wire(number: collateral_pb2.CollateralKind) -> CollateralKind | None:
    """None: every kind."""
    return None if number == collateral_pb2.COLLATERAL_KIND_UNSPECIFIED else kind_from_wire(number)


def offer_from_wire(request: collateral_pb2.PutCollateralRequest, now: datetime) -> Offer:
    """Checks presence and bounds before a byte is parsed. Raises InvalidArgument."""
    kind = kind_from_wire(request.kind)
    if not 1 <= len(request.data) <= DATA_BYTES_MAX:
        raise InvalidArgument(
            Reason.FIELD_INVALID,
            f"data must have 1 to {DATA_BYTES_MAX} bytes; larger pieces come through the operator's folder or mirror",
            field="data",
        )
    return Offer(kind=kind, data=request.data, source="call", fetched_at=now, label=check_label(kind, request.label))


def item_to_wire(item: CollateralItem, state: CollateralState) -> collateral_pb2.Collateral:
    return collateral_pb2.Collateral(
        name=str(item.name),
        kind=_KINDS[item.kind],
        key=item.key,
        sha256=item.sha256,
        source=item.source,
        size_bytes=item.size,
        state=_STATES[state],
        issue_time=_time(item.issue_time),
        next_update=_time(item.next_update),
        fetch_time=_time(item.fetch_time),
        update_time=_time(item.update_time),
    )


def source_to_wire(status: SourceStatus) -> collateral_pb2.ListCollateralResponse.Source:
    return collateral_pb2.ListCollateralResponse.Source(
        kind=_KINDS[status.kind], source=status.source, attempt_time=_time(status.attempt_time), error=status.error
    )


def anchor_from_wire(anchor: collateral_pb2.Anchor, added_by: str) -> TrustAnchor:
    """Raises InvalidArgument."""
    if len(anchor.spki) > KEY_BYTES_MAX:
        raise InvalidArgument(Reason.FIELD_INVALID, f"spki may have {KEY_BYTES_MAX} bytes", field="spki")
    try:
        spki = read_key(anchor.spki, "spki")
    except ValueError as error:
        raise InvalidArgument(Reason.FIELD_INVALID, str(error), field="spki") from error
    if unknown := set(anchor.formats) - set(_FORMATS_READ):
        raise InvalidArgument(
            Reason.FIELD_INVALID, f"formats names one that this server does not know: {min(unknown)}", field="formats"
        )
    return TrustAnchor(
        name=anchor.display_name,
        formats=frozenset(_FORMATS_READ[number] for number in anchor.formats),
        spki=spki,
        source=added_by,
        not_before=_moment(anchor, "not_before"),
        not_after=_moment(anchor, "not_after"),
        uses=frozenset(anchor.uses),
        common_name=anchor.common_name or None,
        is_root=anchor.is_root,
    )


def anchor_to_wire(own: OwnAnchor) -> collateral_pb2.Anchor:
    fact = own.anchor
    return collateral_pb2.Anchor(
        name=str(own.name),
        display_name=fact.name,
        spki=fact.spki,
        formats=sorted(_FORMATS[form] for form in fact.formats),
        uses=sorted(fact.uses),
        common_name=fact.common_name or "",
        is_root=fact.is_root,
        not_before=_time(fact.not_before),
        not_after=_time(fact.not_after),
        source=fact.source,
        create_time=_time(own.create_time),
    )


def _moment(anchor: collateral_pb2.Anchor, field: str) -> datetime | None:
    if not anchor.HasField(field):
        return None
    try:
        moment: datetime = getattr(anchor, field).ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidArgument(
            Reason.FIELD_INVALID, f"{field} is not a valid google.protobuf.Timestamp", field=field
        ) from None
    return moment


def _time(moment: datetime | None) -> timestamp_pb2.Timestamp | None:
    if moment is None:
        return None
    message = timestamp_pb2.Timestamp()
    message.FromDatetime(moment)
    return message
