"""Intel's texts and how they are put together: raw as signed, bounded, refused when they are not what PCS gives out."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_from_bytes

import pytest

from attestation import Collateral, CollateralError, verify_case
from attestation.digests import plain
from attestation.formats.intel_quote import Tee
from attestation.intel_collateral import CollateralPieces, IntelCollateral, parse_intel_collateral
from attestation.intel_tcb import TcbStatus, parse_qe_identity, parse_tcb_info
from attestation.testing.intel_bench import Bench

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
BENCH = Bench.create(Tee.TDX, now=NOW)


@pytest.fixture(scope="module")
def good() -> IntelCollateral:
    found = BENCH.collateral().intel
    assert found is not None
    return found


def bundle(pieces: CollateralPieces, **changes: Any) -> bytes:
    return json.dumps(
        {
            "tcb_info": pieces.tcb_info.decode(),
            "tcb_info_signature": pieces.tcb_info_signature.hex(),
            "tcb_info_issuer_chain": pieces.tcb_info_chain.decode(),
            "qe_identity": pieces.qe_identity.decode(),
            "qe_identity_signature": pieces.qe_identity_signature.hex(),
            "qe_identity_issuer_chain": pieces.qe_identity_chain.decode(),
            "pck_crl": pieces.pck_crl.hex(),
            "pck_crl_issuer_chain": pieces.pck_crl_chain.decode(),
            "root_ca_crl": pieces.root_ca_crl.hex(),
            **changes,
        }
    ).encode()


def test_a_bundle_gives_the_same_pieces(good: IntelCollateral):
    assert CollateralPieces.from_bundle(bundle(good.pieces)) == good.pieces


def test_answers_of_the_service_give_the_same_pieces(good: IntelCollateral):
    pieces = good.pieces

    def answer(name: str, text: bytes, signature: bytes) -> bytes:
        return b'{"' + name.encode() + b'":' + text + b',"signature":"' + signature.hex().encode() + b'"}'

    found = CollateralPieces.from_pcs(
        tcb_info=answer("tcbInfo", pieces.tcb_info, pieces.tcb_info_signature),
        tcb_info_chain=quote_from_bytes(pieces.tcb_info_chain).encode(),
        qe_identity=answer("enclaveIdentity", pieces.qe_identity, pieces.qe_identity_signature),
        qe_identity_chain=pieces.qe_identity_chain,
        pck_crl=pieces.pck_crl,
        pck_crl_chain=quote_from_bytes(pieces.pck_crl_chain).encode(),
        root_ca_crl=pieces.root_ca_crl,
    )
    assert found == pieces
    assert verify_case(replace(BENCH.case(), collateral=Collateral(intel=parse_intel_collateral(found)))).appraised


def test_the_text_is_signed_as_it_stands(good: IntelCollateral):
    """The same JSON written with spaces says the same and is not signed."""
    spaced = json.dumps(json.loads(good.pieces.tcb_info), indent=1).encode()
    assert parse_tcb_info(spaced) == good.tcb_info
    collateral = parse_intel_collateral(replace(good.pieces, tcb_info=spaced))
    assert not verify_case(replace(BENCH.case(), collateral=Collateral(intel=collateral))).authentic


def test_digest_covers_every_piece(good: IntelCollateral):
    assert plain(good) == {"sha256": good.sha256}
    moved = replace(good.pieces, tcb_info=good.pieces.tcb_info + b" ")
    assert parse_intel_collateral(moved).sha256 != good.sha256


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b"{" * 100_000,
        b" " * (4 * 1024 * 1024 + 1),
    ],
    ids=["empty", "list", "no fields", "deep", "oversize"],
)
def test_bundles_that_are_none(data: bytes):
    with pytest.raises(CollateralError):
        CollateralPieces.from_bundle(data)


@pytest.mark.parametrize(
    "changes",
    [
        {"tcb_info": 7},
        {"tcb_info": "\ud800"},
        {"tcb_info": "{}"},
        {"tcb_info_signature": "00"},
        {"tcb_info_signature": "no hex"},
        {"tcb_info_issuer_chain": "no PEM"},
        {"qe_identity": "{}"},
        {"pck_crl": "3000"},
        {"root_ca_crl": None},
    ],
    ids=str,
)
def test_pieces_that_are_none(good: IntelCollateral, changes: dict[str, Any]):
    with pytest.raises(CollateralError):
        parse_intel_collateral(CollateralPieces.from_bundle(bundle(good.pieces, **changes)))


def test_service_answers_that_are_none(good: IntelCollateral):
    with pytest.raises(CollateralError, match="signature"):
        CollateralPieces.from_pcs(
            tcb_info=good.pieces.tcb_info, tcb_info_chain=b"", qe_identity=b"", qe_identity_chain=b"",
            pck_crl=b"", pck_crl_chain=b"", root_ca_crl=b"",
        )  # fmt: skip


def changed(text: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    document = json.loads(text)
    change(document)
    return json.dumps(document).encode()


def first_level(**changes: Any) -> Callable[[dict[str, Any]], object]:
    return lambda document: document["tcbLevels"][0].update(changes)


def first_tcb(**changes: Any) -> Callable[[dict[str, Any]], object]:
    return lambda document: document["tcbLevels"][0]["tcb"].update(changes)


WRONG = {
    "another version": lambda document: document.update(version=2),
    "another TEE": lambda document: document.update(id="VBS"),
    "another type": lambda document: document.update(tcbType=1),
    "time without zone": lambda document: document.update(issueDate="2026-01-01T00:00:00"),
    "no time": lambda document: document.update(nextUpdate="soon"),
    "short FMSPC": lambda document: document.update(fmspc="00"),
    "negative number": lambda document: document.update(tcbEvaluationDataNumber=-1),
    "flag in place of a number": lambda document: document.update(tcbEvaluationDataNumber=True),
    "no levels": lambda document: document.pop("tcbLevels"),
    "too many levels": lambda document: document.update(tcbLevels=document["tcbLevels"] * 300),
    "unknown status": first_level(tcbStatus="Fine"),
    "advisory that is none": first_level(advisoryIDs=[7]),
    "advisory with a line break": first_level(advisoryIDs=["INTEL-SA-00001\n"]),
    "fifteen components": first_tcb(sgxtcbcomponents=[{"svn": 1}] * 15),
    "component too large": first_tcb(sgxtcbcomponents=[{"svn": 256}] * 16),
    "no TDX components": first_tcb(tdxtcbcomponents=None),
    "module without signer": lambda document: document["tdxModuleIdentities"][0].pop("mrsigner"),
    "module that is none": lambda document: document.update(tdxModule=7),
}


@pytest.mark.parametrize("name", WRONG)
def test_tcb_info_that_is_none(good: IntelCollateral, name: str):
    with pytest.raises(CollateralError):
        parse_tcb_info(changed(good.pieces.tcb_info, WRONG[name]))


@pytest.mark.parametrize("name", ["mrsigner", "isvprodid", "attributes", "attributesMask", "miscselect", "id"])
def test_identity_needs_every_field(good: IntelCollateral, name: str):
    with pytest.raises(CollateralError, match=name):
        parse_qe_identity(changed(good.pieces.qe_identity, lambda document: document.pop(name)))


def test_a_key_twice_is_refused(good: IntelCollateral):
    """Readers differ on which one counts."""
    with pytest.raises(CollateralError, match="twice"):
        parse_tcb_info(good.pieces.tcb_info.replace(b'{"id"', b'{"id":"SGX","id"', 1))


def test_levels_keep_their_order(good: IntelCollateral):
    def add(document: dict[str, Any]) -> None:
        document["tcbLevels"].append({**document["tcbLevels"][0], "tcbStatus": "Revoked"})

    levels = parse_tcb_info(changed(good.pieces.tcb_info, add)).levels
    assert [item.level.status for item in levels] == [TcbStatus.UP_TO_DATE, TcbStatus.REVOKED]
