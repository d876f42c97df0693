"""Collateral and trust anchors from the wire, and anchors to it."""

from hallmark.v1 import collateral_pb2
from hallmark_client.model.collateral import (
    Anchor,
    AnchorChange,
    Collateral,
    CollateralChange,
    CollateralOverview,
    CollateralSource,
    Removal,
)
from hallmark_client.model.enums import CollateralKind, CollateralState, EvidenceFormat
from hallmark_client.wire.log import promise_of
from hallmark_client.wire.scalars import enum_argument, member_of, moment, moment_or_none, number_of, timestamp_argument


def collateral_of(wire: collateral_pb2.Collateral) -> Collateral:
    return Collateral(
        name=wire.name,
        kind=member_of(CollateralKind, wire.kind),
        key=wire.key,
        sha256=wire.sha256,
        source=wire.source,
        size_bytes=wire.size_bytes,
        state=member_of(CollateralState, wire.state),
        issue_time=moment_or_none(wire, "issue_time"),
        next_update=moment_or_none(wire, "next_update"),
        fetch_time=moment(wire.fetch_time),
        update_time=moment(wire.update_time),
    )


def overview_of(wire: collateral_pb2.ListCollateralResponse) -> CollateralOverview:
    sources = (
        CollateralSource(
            kind=member_of(CollateralKind, source.kind),
            source=source.source,
            attempt_time=moment(source.attempt_time),
            error=source.error,
        )
        for source in wire.sources
    )
    return CollateralOverview(collateral=tuple(map(collateral_of, wire.collateral)), sources=tuple(sources))


def change_of(wire: collateral_pb2.PutCollateralResponse) -> CollateralChange:
    return CollateralChange(
        collateral=collateral_of(wire.collateral),
        changed=wire.changed,
        log=promise_of(wire.log),
        replayed=wire.replayed,
    )


def removal_of(wire: collateral_pb2.RemoveCollateralResponse | collateral_pb2.RemoveAnchorResponse) -> Removal:
    return Removal(log=promise_of(wire.log), replayed=wire.replayed)


def anchor_of(wire: collateral_pb2.Anchor) -> Anchor:
    return Anchor(
        name=wire.name,
        display_name=wire.display_name,
        spki=wire.spki,
        formats=tuple(member_of(EvidenceFormat, number) for number in wire.formats),
        uses=tuple(wire.uses),
        common_name=wire.common_name,
        is_root=wire.is_root,
        not_before=moment_or_none(wire, "not_before"),
        not_after=moment_or_none(wire, "not_after"),
        source=wire.source,
        create_time=moment_or_none(wire, "create_time"),
    )


def anchor_change_of(wire: collateral_pb2.AddAnchorResponse) -> AnchorChange:
    return AnchorChange(anchor=anchor_of(wire.anchor), log=promise_of(wire.log), replayed=wire.replayed)


def anchor_argument(anchor: Anchor) -> collateral_pb2.Anchor:
    """Raises InvalidArgument for a format that is none, and for a time without a zone."""
    wire = collateral_pb2.Anchor(
        display_name=anchor.display_name,
        spki=anchor.spki,
        formats=[number_of(enum_argument(EvidenceFormat, form, "formats")) for form in anchor.formats],
        uses=anchor.uses,
        common_name=anchor.common_name,
        is_root=anchor.is_root,
    )
    if anchor.not_before is not None:
        wire.not_before.CopyFrom(timestamp_argument(anchor.not_before, "not_before"))
    if anchor.not_after is not None:
        wire.not_after.CopyFrom(timestamp_argument(anchor.not_after, "not_after"))
    return wire
