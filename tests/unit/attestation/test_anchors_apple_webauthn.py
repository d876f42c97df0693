"""The tables of roots: readable keys, each for its own kind of chain and no other."""

import pytest
from cryptography.hazmat.primitives.serialization import load_der_public_key

from attestation import GOOGLE, Anchors, Format
from attestation.anchors_apple import APPLE, APPLE_APP_ATTEST_ROOT, APPLE_ROOT_G3, APPLE_WEBAUTHN_ROOT
from attestation.anchors_webauthn import FIDO_METADATA_ROOT, MICROSOFT_TPM_ROOT, WEBAUTHN, YUBICO_U2F_ROOT
from attestation.model import METADATA, RECEIPT

ALL = Anchors((*GOOGLE.items, *APPLE.items, *WEBAUTHN.items))
SPKI = {
    APPLE_APP_ATTEST_ROOT: "1ae751fd29896d0f1f13fe226c063f445d40d8938acc6245c251ecc0679330bd",
    APPLE_WEBAUTHN_ROOT: "ab4f65d4e627b65121a5acdf087ee3906c42b5a66e758778fab0df4464d8dd57",
    APPLE_ROOT_G3: "9b219d0fbff36a5fb32090571906bceea68617c833a3f61b81e962a8e64db8af",
    YUBICO_U2F_ROOT: "29412da192720e5f4f22a408559c057e4ff25347eafb20cfb15a047a07601935",
    MICROSOFT_TPM_ROOT: "5eadfa0187a24edb747b98523f89cf92d33eeb20ec81b9d0a31e170b73c2dbb2",
    FIDO_METADATA_ROOT: "706bb1017c855c59169bad5c1781cf597f12d2cad2f63d1a4aa37493800ffb80",
}


@pytest.mark.parametrize("anchor", ALL.items, ids=lambda anchor: anchor.name)
def test_keys_are_readable_and_say_where_they_come_from(anchor):
    load_der_public_key(anchor.spki)
    assert anchor.source.startswith(("https://", "http://"))
    assert anchor.uses


@pytest.mark.parametrize("anchor", SPKI, ids=lambda anchor: anchor.name)
def test_the_keys_are_what_the_table_says(anchor):
    assert anchor.spki_sha256 == SPKI[anchor]


def names(wanted: Format, use: str) -> set[str]:
    return {anchor.name for anchor in ALL.for_use(wanted, use)}


def test_each_root_counts_for_its_own_kind_of_chain():
    assert names(Format.APPLE_APP_ATTEST, "attestation") == {APPLE_APP_ATTEST_ROOT.name}
    assert names(Format.APPLE_APP_ATTEST, RECEIPT) == {APPLE_ROOT_G3.name}
    assert names(Format.WEBAUTHN, "apple") == {APPLE_WEBAUTHN_ROOT.name}
    assert names(Format.WEBAUTHN, "tpm") == {MICROSOFT_TPM_ROOT.name}
    assert names(Format.WEBAUTHN, METADATA) == {FIDO_METADATA_ROOT.name}
    assert names(Format.WEBAUTHN, "android-key") == {anchor.name for anchor in GOOGLE.items}
    assert {name.partition("-")[0] for name in names(Format.WEBAUTHN, "packed")} == {"yubico"}


def test_an_anchor_without_uses_counts_for_evidence_only():
    plain = Anchors((type(YUBICO_U2F_ROOT)("own", frozenset({Format.WEBAUTHN}), YUBICO_U2F_ROOT.spki, "own"),))
    assert plain.for_use(Format.WEBAUTHN, "packed")
    assert not plain.for_use(Format.WEBAUTHN, METADATA)
    assert not plain.for_use(Format.WEBAUTHN, RECEIPT)
