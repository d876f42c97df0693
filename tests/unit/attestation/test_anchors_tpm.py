"""The table of keys that vouch for TPMs."""

from attestation import Format
from attestation.anchors_tpm import AK, CLOUD_TPMS, EK, TPM, TPM_MAKERS
from attestation.policy_tpm import LENIENT_MAKERS
from attestation.signatures import load_key, weakness


def test_every_key_is_one_and_stands_there_once():
    for anchor in TPM.items:
        load_key(anchor.spki)
        assert weakness(anchor.spki) is None
    assert len({anchor.spki for anchor in TPM.items}) == len(TPM.items) == len({anchor.name for anchor in TPM.items})


def test_makers_vouch_for_endorsement_keys_only():
    assert all(anchor.uses == {EK} and anchor.formats == {Format.TPM} for anchor in TPM_MAKERS.items)
    assert not set(TPM.for_use(Format.TPM, AK)) & set(TPM_MAKERS.items)
    assert set(TPM.for_use(Format.AZURE_VTPM, AK)) <= set(CLOUD_TPMS.items)


def test_only_named_makers_get_lenient_parsing():
    makers = {anchor.name.partition("/")[0] for anchor in TPM_MAKERS.items}
    assert makers >= LENIENT_MAKERS


def test_issuing_cas_of_azure_have_their_period():
    for anchor in CLOUD_TPMS.items:
        assert (anchor.not_after is not None) is ("CA - 0" in anchor.name)
