"""Evidence is judged by what concerns it and nothing else."""

from dataclasses import replace
from datetime import timedelta

import pytest

from attestation.arm_collateral import ArmDevice, ArmEndorsements
from attestation.model import Collateral, Evidence, Format, Part
from attestation.testing.catalogue import FACTORIES
from attestation.testing.certificates import KeyKind, new_key, spki_of
from attestation.testing.intel_platform import FMSPC, PLATFORM_CA
from attestation.tpm_collateral import TpmCollateral
from attestation.verify import verify_case
from attestation.x509 import COMMON_NAME
from kms.collateral.model import READ_BY, CollateralItem, CollateralKind
from kms.collateral.readers import intel_key
from kms.collateral.selection import Held, select
from kms.core.names import ChildName
from support.clock import START


def _held(kind: CollateralKind, key: str, value: object) -> Held:
    item = CollateralItem(
        name=ChildName("system", "collateral", "x"),
        kind=kind,
        key=key,
        sha256="",
        source="",
        size=0,
        version=(),
        issue_time=None,
        next_update=START + timedelta(days=1),
        fetch_time=START,
        update_time=START,
    )
    return Held(item, value)


def _shelf(collateral: Collateral) -> dict[CollateralKind, dict[str, Held]]:
    """The shelf of somebody who has just this."""
    kind = CollateralKind
    tpm = collateral.tpm or TpmCollateral()
    values: dict[CollateralKind, list[object]] = {
        kind.ANDROID_STATUS: [collateral.android_status],
        kind.AMD_CRL: [*(collateral.amd.crls if collateral.amd else ())],
        kind.NVIDIA_CRL: [*(collateral.nvidia.crls if collateral.nvidia else ())],
        kind.TPM_CRL: [*tpm.crls],
        kind.TPM_KEYS: [replace(tpm, crls=(), previous=None, credential_name=None, credential_ek=None)],
        kind.FIDO_METADATA: [collateral.fido_metadata],
        kind.ARM_DEVICES: [collateral.arm],
    }
    shelf = {
        kind: {str(number): _held(kind, str(number), value) for number, value in enumerate(found) if value is not None}
        for kind, found in values.items()
    }
    if (intel := collateral.intel) is not None:
        key = intel_key(intel.tcb_info.id, intel.tcb_info.fmspc, intel.pck_crl.issuer.get(COMMON_NAME) or "")
        shelf[kind.INTEL_TCB] = {key: _held(kind.INTEL_TCB, key, intel)}
    return shelf


@pytest.mark.parametrize("form", list(FACTORIES))
def test_what_is_chosen_is_enough_for_the_judge(form: Format) -> None:
    """Of every format, all that is accepted with its own collateral is accepted with what the shelf gives out."""
    for good in FACTORIES[form].good(START):
        shelf = _shelf(good.case.collateral)
        found = select(good.case.evidence, lambda kind, shelf=shelf: shelf.get(kind, {}))
        if (own := good.case.collateral.tpm) is not None:  # what the relying party knows of this one exchange
            mine = {
                "previous": own.previous,
                "credential_name": own.credential_name,
                "credential_ek": own.credential_ek,
            }
            found = replace(found, tpm=replace(found.tpm or TpmCollateral(), **mine))
        verdict = verify_case(replace(good.case, collateral=found))
        assert verdict.appraised, (good.name, verdict.reasons)


def test_intels_is_that_of_the_platform_which_the_quote_names() -> None:
    case = next(iter(FACTORIES[Format.INTEL_TDX].good(START))).case
    intel = case.collateral.intel
    assert intel is not None
    other = _held(CollateralKind.INTEL_TCB, "", intel)
    for key in (intel_key("SGX", FMSPC, PLATFORM_CA), intel_key("TDX", bytes(6), PLATFORM_CA)):
        assert select(case.evidence, lambda _, key=key: {key: other}).intel is None
    right = intel_key("TDX", FMSPC, PLATFORM_CA)
    assert select(case.evidence, lambda _: {right: other}).intel == intel


def test_a_quote_that_can_not_be_read_gets_none() -> None:
    pieces = {"x": _held(CollateralKind.INTEL_TCB, "x", None)}
    for parts in ((), (Part("quote", b"\x00" * 40),)):
        assert select(Evidence(Format.INTEL_TDX, parts), lambda _: pieces) == Collateral()


def test_arm_devices_are_those_that_the_evidence_names() -> None:
    key = spki_of(new_key(KeyKind.EC_P256))
    devices = [ArmDevice(b"\x01" + bytes([number]) * 32, (key,)) for number in range(1, 9)]
    other_key = spki_of(new_key(KeyKind.EC_P256))
    pieces = {
        "a": _held(CollateralKind.ARM_DEVICES, "a", ArmEndorsements(tuple(devices))),
        "b": _held(
            CollateralKind.ARM_DEVICES, "b", ArmEndorsements((ArmDevice(devices[2].instance_id, (other_key,)),))
        ),
    }
    evidence = Evidence(Format.ARM_PSA, (Part("token", b"abc" + devices[2].instance_id + b"def"),))
    found = select(evidence, lambda kind: pieces if kind is CollateralKind.ARM_DEVICES else {})
    assert found.arm == ArmEndorsements((devices[2],)), "the first list counts"
    nobody = Evidence(Format.ARM_PSA, (Part("token", b"abc"),))
    assert select(nobody, lambda kind: pieces if kind is CollateralKind.ARM_DEVICES else {}).arm == ArmEndorsements(())


def test_every_kind_is_read_by_some_format() -> None:
    assert set(READ_BY) == set(CollateralKind)
    assert all(READ_BY.values())
