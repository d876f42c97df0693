"""Every kind: what is genuine is read, what is not is refused, and the archive gives the same value back."""

import json
from base64 import b64encode
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from attestation.amd_collateral import AmdCollateral
from attestation.arm_collateral import ArmEndorsements
from attestation.errors import CollateralError
from attestation.fido_metadata import FidoMetadata
from attestation.formats.intel_quote import Tee
from attestation.formats.sev_snp_tcb import Product
from attestation.intel_collateral import CollateralPieces
from attestation.model import METADATA, Anchors, Format
from attestation.testing.amd import VirtualAmd
from attestation.testing.certificates import KeyKind, new_key, spki_of
from attestation.testing.crl import CrlRequest, issue_crl
from attestation.testing.fido_metadata import entry, write_blob
from attestation.testing.intel_pcs import PcsState, virtual_collateral
from attestation.testing.intel_platform import FMSPC, PLATFORM_CA, VirtualIntel, pem
from attestation.tpm_collateral import TpmCollateral
from kms.collateral.model import CollateralKind, falls_behind
from kms.collateral.readers import CRL_BEGIN, CRL_END, Delivery, read_collateral, restore
from support.clock import START

NOBODY = Anchors(())


@dataclass(frozen=True)
class Genuine:
    """A piece that its vendor made, for those who believe the vendor."""

    kind: CollateralKind
    data: bytes
    anchors: Anchors
    key: str
    label: str = ""


def _relabelled(intel: VirtualIntel, form: Format, *uses: str) -> Anchors:
    root = intel.anchors.items[0]
    return Anchors((replace(root, formats=frozenset({form}), uses=frozenset(uses)),))


def _crl_pem(intel: VirtualIntel, *, signer: Any = None, days: int = 0) -> bytes:
    ca = intel.cas[PLATFORM_CA]
    issued = START + timedelta(days=days)
    request = CrlRequest(
        issuer=ca.subject, this_update=issued, next_update=issued + timedelta(days=30), revoked={7: START}
    )
    der = issue_crl(request, signer=signer or ca.key)
    return CRL_BEGIN + b"\n" + b64encode(der) + b"\n" + CRL_END + b"\n" + pem(ca.chain)


def _bundle(pieces: CollateralPieces) -> bytes:
    document = {
        "tcb_info": pieces.tcb_info.decode(),
        "tcb_info_signature": pieces.tcb_info_signature.hex(),
        "tcb_info_issuer_chain": pieces.tcb_info_chain.decode(),
        "qe_identity": pieces.qe_identity.decode(),
        "qe_identity_signature": pieces.qe_identity_signature.hex(),
        "qe_identity_issuer_chain": pieces.qe_identity_chain.decode(),
        "pck_crl": pieces.pck_crl.hex(),
        "pck_crl_issuer_chain": pieces.pck_crl_chain.decode(),
        "root_ca_crl": pieces.root_ca_crl.hex(),
    }
    return json.dumps(document).encode()


@pytest.fixture(scope="module")
def intel() -> VirtualIntel:
    return VirtualIntel.create(now=START)


@pytest.fixture(scope="module")
def genuine(intel: VirtualIntel) -> dict[CollateralKind, Genuine]:
    amd = VirtualAmd.create(Product.GENOA, now=START)
    crl = CrlRequest(issuer=amd.root_name, this_update=START, next_update=START + timedelta(days=30))
    spki = spki_of(new_key(KeyKind.EC_P256))
    collateral = virtual_collateral(intel, PcsState(tee=Tee.TDX), now=START)
    tpm_keys = {"tpm_keys": [{"name": "000b" + "ab" * 32}, {"spki": b64encode(spki).decode()}]}
    tpm_keys["tpm_keys"].append({"certificate_sha256": "cd" * 32})
    arm = {"arm_devices": [{"instance_id": "01" * 33, "keys": [b64encode(spki).decode()]}]}
    ca_key = "Intel-SGX-PCK-Platform-CA/"
    pieces = (
        Genuine(CollateralKind.ANDROID_STATUS, b'{"entries": {}}', NOBODY, ""),
        Genuine(CollateralKind.AMD_CRL, issue_crl(crl, signer=amd.root_key), amd.anchors, "ARK-Genoa"),
        Genuine(
            CollateralKind.INTEL_TCB, _bundle(collateral.pieces), intel.anchors, f"TDX/{FMSPC.hex()}/{PLATFORM_CA}"
        ),
        Genuine(CollateralKind.TPM_CRL, _crl_pem(intel), _relabelled(intel, Format.TPM), ca_key),
        Genuine(CollateralKind.NVIDIA_CRL, _crl_pem(intel), _relabelled(intel, Format.NVIDIA_GPU), ca_key),
        Genuine(
            CollateralKind.FIDO_METADATA,
            write_blob(intel.root, [entry(bytes(range(16)), "FIDO_CERTIFIED_L1")], now=START),
            _relabelled(intel, Format.WEBAUTHN, METADATA),
            "",
        ),
        Genuine(CollateralKind.TPM_KEYS, json.dumps(tpm_keys).encode(), NOBODY, "plant", "plant"),
        Genuine(CollateralKind.ARM_DEVICES, json.dumps(arm).encode(), NOBODY, "maker", "maker"),
    )
    return {piece.kind: piece for piece in pieces}


def _read(piece: Genuine, **changes: Any) -> Any:
    delivery = Delivery(piece.data, START, piece.anchors, piece.label)
    return read_collateral(piece.kind, replace(delivery, **changes))


@pytest.mark.parametrize("kind", list(CollateralKind))
def test_what_is_genuine_is_read_and_comes_back_from_the_archive(
    kind: CollateralKind, genuine: dict[CollateralKind, Genuine]
) -> None:
    piece = genuine[kind]
    reading = _read(piece)
    assert reading.kind is kind
    assert reading.key.startswith(piece.key)
    assert restore(kind, reading.archived.data, fetched_at=START) == reading.value
    assert (reading.next_update is not None) is kind.signed_by_vendor
    assert bool(reading.version) is kind.signed_by_vendor


@pytest.mark.parametrize("kind", [kind for kind in CollateralKind if kind.signed_by_vendor])
def test_nobody_is_believed_without_an_anchor(kind: CollateralKind, genuine: dict[CollateralKind, Genuine]) -> None:
    with pytest.raises(CollateralError):
        _read(genuine[kind], anchors=NOBODY)
    others = tuple(
        replace(anchor, formats=frozenset({Format.APPLE_APP_ATTEST})) for anchor in genuine[kind].anchors.items
    )
    with pytest.raises(CollateralError):
        _read(genuine[kind], anchors=Anchors(others))


@pytest.mark.parametrize("kind", [kind for kind in CollateralKind if kind.signed_by_vendor])
def test_a_changed_byte_is_noticed(kind: CollateralKind, genuine: dict[CollateralKind, Genuine]) -> None:
    data = genuine[kind].data
    refused = 0
    for position in range(5, len(data), max(1, len(data) // 60)):
        changed = data[:position] + bytes([data[position] ^ 0x01]) + data[position + 1 :]
        try:
            reading = _read(genuine[kind], data=changed)
        except CollateralError:
            refused += 1
        else:  # white space, the case of hex, Base64 bits without meaning
            assert reading.version == _read(genuine[kind]).version
    assert refused > 40


@pytest.mark.parametrize("kind", list(CollateralKind))
@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b"null", b"\xff" * 40, b"[" * 20_000, CRL_BEGIN + b"!!" + CRL_END, b"a.b.c", b"0\x80"]
)
def test_other_bytes_are_refused(kind: CollateralKind, data: bytes, genuine: dict[CollateralKind, Genuine]) -> None:
    with pytest.raises(CollateralError):
        _read(genuine[kind], data=data)


def test_a_list_of_another_ca_behind_a_trusted_chain_is_refused(intel: VirtualIntel) -> None:
    stranger = new_key(KeyKind.EC_P256)
    data = _crl_pem(intel, signer=stranger)
    with pytest.raises(CollateralError, match="CRL"):
        read_collateral(CollateralKind.TPM_CRL, Delivery(data, START, _relabelled(intel, Format.TPM)))


def test_a_list_stands_on_the_shelf_under_the_key_that_signed_it(intel: VirtualIntel) -> None:
    """Another CA of the same name, under another trusted root, does not take its place."""
    other = VirtualIntel.create(now=START)
    roots = (_relabelled(intel, Format.TPM).items[0], _relabelled(other, Format.TPM).items[0])
    keys = {
        read_collateral(CollateralKind.TPM_CRL, Delivery(_crl_pem(maker), START, Anchors(roots))).key
        for maker in (intel, other)
    }
    assert len(keys) == 2


def test_the_root_may_be_left_out(intel: VirtualIntel) -> None:
    whole = _crl_pem(intel)
    chain = pem(intel.cas[PLATFORM_CA].chain[:1])
    data = whole[: whole.index(CRL_END) + len(CRL_END)] + b"\n" + chain
    reading = read_collateral(CollateralKind.TPM_CRL, Delivery(data, START, _relabelled(intel, Format.TPM)))
    assert reading.value.revoked_at("7") == START  # type: ignore[attr-defined]


def test_what_intel_says_later_is_not_behind(intel: VirtualIntel) -> None:
    def version(days: int) -> tuple[int, ...]:
        now = START + timedelta(days=days)
        pieces = virtual_collateral(intel, PcsState(tee=Tee.SGX), now=now).pieces
        return read_collateral(CollateralKind.INTEL_TCB, Delivery(_bundle(pieces), now, intel.anchors)).version

    assert not falls_behind(version(1), version(0))
    assert falls_behind(version(0), version(1))


@pytest.mark.parametrize(
    "item",
    [
        {},
        {"name": "00"},
        {"name": "zz"},
        {"certificate_sha256": "00"},
        {"spki": "AAAA"},
        {"name": "000b" + "ab" * 32, "spki": "AAAA"},
        7,
    ],
)
def test_keys_of_tpms_that_are_none(item: object) -> None:
    data = json.dumps({"tpm_keys": [item]}).encode()
    with pytest.raises(CollateralError):
        read_collateral(CollateralKind.TPM_KEYS, Delivery(data, START, NOBODY, "plant"))


def test_values_are_of_their_classes(genuine: dict[CollateralKind, Genuine]) -> None:
    assert isinstance(_read(genuine[CollateralKind.FIDO_METADATA]).value, FidoMetadata)
    assert isinstance(_read(genuine[CollateralKind.ARM_DEVICES]).value, ArmEndorsements)
    keys = _read(genuine[CollateralKind.TPM_KEYS]).value
    assert isinstance(keys, TpmCollateral)
    assert len(keys.enrolled_names) == len(keys.enrolled_keys) == len(keys.enrolled_certificates) == 1
    crl = _read(genuine[CollateralKind.AMD_CRL])
    assert AmdCollateral((crl.value,)) == AmdCollateral.parse([crl.archived.data])
