"""Collateral and trust anchors of the fake: kept and listed. Nothing is parsed, a piece is taken for what it is called,
and the fake's devices are judged by one fixed rule, whatever is in force.
"""

import hashlib
import re
from typing import Final

import grpc
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_public_key

from hallmark.v1 import approvals_pb2, collateral_pb2, devices_pb2
from hallmark_client.testing.approvals import FakeApprovals
from hallmark_client.testing.key_rules import stamp
from hallmark_client.testing.refusals import invalid, not_found, refusal
from hallmark_client.testing.state import State
from hallmark_client.wire.collateral import anchor_of

_ANCHOR: Final = re.compile(r"tenants/([a-z][a-z0-9-]*)/anchors/([0-9a-f]{64})")
_LABELLED: Final = {collateral_pb2.COLLATERAL_KIND_TPM_KEYS, collateral_pb2.COLLATERAL_KIND_ARM_DEVICES}
_UNSIGNED: Final = {*_LABELLED, collateral_pb2.COLLATERAL_KIND_ANDROID_STATUS}
_MAX_BYTES: Final = 3 * 1024 * 1024
_CHANGE: Final = approvals_pb2.PROPOSED_ACT_TRUST_ROOT_CHANGE


class FakeCollateral:
    """The CollateralService. No anchor is built in."""

    def __init__(self, state: State, approvals: FakeApprovals) -> None:
        self._state = state
        self._approvals = approvals
        self._pieces: dict[tuple[int, str], collateral_pb2.Collateral] = {}
        self._anchors: dict[str, collateral_pb2.Anchor] = {}

    def put(self, request: collateral_pb2.PutCollateralRequest) -> collateral_pb2.PutCollateralResponse:
        self._state.check_parent(request.parent)
        if not request.kind or request.kind not in collateral_pb2.CollateralKind.values():
            raise invalid("kind", "is required: one of those listed")
        if not 1 <= len(request.data) <= _MAX_BYTES:
            raise invalid("data", f"must have 1 to {_MAX_BYTES} bytes")
        if bool(request.label) is not (request.kind in _LABELLED):
            raise invalid("label", "is for endorsed keys, and they need one")
        digest = hashlib.sha256(request.data)
        if request.kind in _UNSIGNED:
            self._approvals.consume(request.proposal, _CHANGE, _subject(request), digest.digest())
        before = self._pieces.get((request.kind, request.label))
        changed = before is None or before.sha256 != digest.hexdigest()
        now = stamp(self._state.now())
        piece = collateral_pb2.Collateral(
            name=before.name if before is not None else f"{request.parent}/collateral/{self._state.new_id()}",
            kind=request.kind,
            key=request.label,
            sha256=digest.hexdigest(),
            source="call",
            size_bytes=len(request.data),
            state=collateral_pb2.COLLATERAL_STATE_IN_FORCE,
            fetch_time=now,
            update_time=now if before is None or changed else before.update_time,
        )
        self._pieces[request.kind, request.label] = piece
        log = self._state.record("collateral.updated", piece.name, {"sha256": piece.sha256}, wait=request.log_wait)
        return collateral_pb2.PutCollateralResponse(collateral=piece, changed=changed, log=log)

    def list(self, request: collateral_pb2.ListCollateralRequest) -> collateral_pb2.ListCollateralResponse:
        self._state.check_parent(request.parent)
        found = [piece for _, piece in sorted(self._pieces.items()) if request.kind in {0, piece.kind}]
        return collateral_pb2.ListCollateralResponse(collateral=found)

    def remove(self, request: collateral_pb2.RemoveCollateralRequest) -> collateral_pb2.RemoveCollateralResponse:
        self._state.check_child_name(request.name, "collateral")
        address = next((at for at, piece in self._pieces.items() if piece.name == request.name), None)
        if address is None:
            raise not_found(request.name)
        self._approvals.consume(request.proposal, _CHANGE, request.name)
        piece = self._pieces.pop(address)
        log = self._state.record("collateral.removed", piece.name, {"sha256": piece.sha256}, wait=request.log_wait)
        return collateral_pb2.RemoveCollateralResponse(log=log)

    def add_anchor(self, request: collateral_pb2.AddAnchorRequest) -> collateral_pb2.AddAnchorResponse:
        self._state.check_parent(request.parent)
        anchor = collateral_pb2.Anchor()
        anchor.CopyFrom(request.anchor)
        _check_anchor(anchor)
        anchor.name = f"{request.parent}/anchors/{hashlib.sha256(anchor.spki).hexdigest()}"
        if anchor.name in self._anchors:
            sentence = f"{anchor.name} is a trust anchor already"
            raise refusal(grpc.StatusCode.ALREADY_EXISTS, "ANCHOR_EXISTS", sentence)
        self._approvals.consume(request.proposal, _CHANGE, anchor.name, anchor_of(anchor).terms_sha256)
        anchor.create_time.CopyFrom(stamp(self._state.now()))
        anchor.source = "added by a call"
        self._anchors[anchor.name] = anchor
        log = self._state.record("anchor.added", anchor.name, {}, wait=request.log_wait)
        return collateral_pb2.AddAnchorResponse(anchor=anchor, log=log)

    def get_anchor(self, request: collateral_pb2.GetAnchorRequest) -> collateral_pb2.Anchor:
        return self._find(request.name)

    def list_anchors(self, request: collateral_pb2.ListAnchorsRequest) -> collateral_pb2.ListAnchorsResponse:
        self._state.check_parent(request.parent)
        return collateral_pb2.ListAnchorsResponse(anchors=[self._anchors[name] for name in sorted(self._anchors)])

    def remove_anchor(self, request: collateral_pb2.RemoveAnchorRequest) -> collateral_pb2.RemoveAnchorResponse:
        anchor = self._find(request.name)
        self._approvals.consume(request.proposal, _CHANGE, anchor.name)
        del self._anchors[anchor.name]
        log = self._state.record("anchor.removed", anchor.name, {}, wait=request.log_wait)
        return collateral_pb2.RemoveAnchorResponse(log=log)

    def _find(self, name: str) -> collateral_pb2.Anchor:
        found = _ANCHOR.fullmatch(name)
        if found is None:
            shape = "tenants/{tenant}/anchors/{sha256 of the key, hex}"
            raise invalid("name", f"must look like {shape}", "NAME_INVALID")
        if name not in self._anchors:
            raise not_found(name)
        return self._anchors[name]


def _subject(request: collateral_pb2.PutCollateralRequest) -> str:
    word = collateral_pb2.CollateralKind.Name(request.kind).removeprefix("COLLATERAL_KIND_").lower().replace("_", "-")
    return "/".join(filter(None, (request.parent, "collateral", word, request.label)))


def _check_anchor(anchor: collateral_pb2.Anchor) -> None:
    if not anchor.display_name:
        raise invalid("display_name", "must be: 1 to 127 letters, digits, spaces, dots, slashes or hyphens")
    known = set(devices_pb2.EvidenceFormat.values()) - {devices_pb2.EVIDENCE_FORMAT_UNSPECIFIED}
    if not anchor.formats or not set(anchor.formats) <= known:
        raise invalid("formats", "must be: at least one format of evidence that the key may vouch for")
    try:
        load_der_public_key(anchor.spki)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise invalid("spki", "is neither a certificate nor a public key") from error
