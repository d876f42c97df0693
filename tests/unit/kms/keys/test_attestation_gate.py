"""What a gate lets pass, as a pure rule; and how it is written down."""

from dataclasses import replace
from datetime import timedelta

import pytest

from attestation.claims import Measurement, SecurityLevel
from attestation.model import Format
from hallmark.v1 import devices_pb2, keys_pb2
from kms.core.errors import FailedPrecondition, InvalidArgument, Reason
from kms.core.names import ChildName, KeyName
from kms.devices import model as devices_model
from kms.keys.attestation_gate import (
    AllowedMeasurement,
    AttestationGate,
    DeviceClass,
    LiveVerdict,
    gate_document,
    read_gate,
)
from kms.keys.gate_wire import gate_from_wire, gate_to_wire
from support.clock import START

KEY = KeyName("default", "fleet")
A, B = b"a" * 32, b"b" * 32
VERDICT = LiveVerdict(
    name="tenants/default/verdicts/0190c2a4-0000-7000-8000-000000000001",
    device=ChildName("default", "devices", "0190c2a4-0000-7000-8000-000000000002"),
    format=Format.INTEL_TDX,
    level=SecurityLevel.ENCLAVE,
    device_class=DeviceClass.HARDWARE,
    measurements=(Measurement("MRTD", A), Measurement("RTMR0", B)),
    live_time=START,
)
FULL = AttestationGate(
    formats=frozenset({Format.INTEL_TDX, Format.AMD_SEV_SNP}),
    minimum_level=SecurityLevel.TEE,
    device_classes=frozenset({DeviceClass.HARDWARE}),
    measurements=(AllowedMeasurement("MRTD", frozenset({A, B})), AllowedMeasurement("RTMR0", frozenset({B}))),
    max_verdict_age=timedelta(hours=1),
    device_callers=True,
)


def test_a_verdict_that_meets_everything_passes_until_it_is_too_old() -> None:
    FULL.check(KEY, VERDICT, START)
    FULL.check(KEY, VERDICT, START + timedelta(hours=1))
    with pytest.raises(FailedPrecondition) as refused:
        FULL.check(KEY, VERDICT, START + timedelta(hours=1, microseconds=1))
    assert refused.value.reason is Reason.VERDICT_TOO_OLD
    assert refused.value.metadata["verdict"] == VERDICT.name


def test_ages_are_told_in_words() -> None:
    gate = AttestationGate(max_verdict_age=timedelta(days=1, hours=1))
    with pytest.raises(FailedPrecondition) as refused:
        gate.check(KEY, VERDICT, START + timedelta(days=3, hours=1, seconds=7))
    assert "within 1 day 1 hour;" in refused.value.message
    assert "last did 3 days 1 hour ago, at " in refused.value.message
    with pytest.raises(FailedPrecondition, match=r"within 1 second; .* 2 seconds ago"):
        AttestationGate(max_verdict_age=timedelta(seconds=1)).check(KEY, VERDICT, START + timedelta(seconds=2))


def test_a_gate_with_nothing_set_takes_devices_that_hardware_vouches_for() -> None:
    AttestationGate().check(KEY, replace(VERDICT, level=None), START)
    with pytest.raises(FailedPrecondition):
        AttestationGate().check(KEY, replace(VERDICT, device_class=DeviceClass.SOFTWARE), START)
    AttestationGate(device_classes=frozenset(DeviceClass)).check(
        KEY, replace(VERDICT, device_class=DeviceClass.SOFTWARE), START
    )


@pytest.mark.parametrize(
    ("gate", "verdict", "missing"),
    [
        (FULL, replace(VERDICT, format=Format.ANDROID_KEY), "formats"),
        (FULL, replace(VERDICT, level=SecurityLevel.SOFTWARE), "minimum_level"),
        (FULL, replace(VERDICT, level=None), "minimum_level"),
        (replace(FULL, minimum_level=SecurityLevel.SOFTWARE), replace(VERDICT, level=None), "minimum_level"),
        (FULL, replace(VERDICT, device_class=DeviceClass.FACTORY), "device_classes"),
        (FULL, replace(VERDICT, measurements=(Measurement("MRTD", A),)), "measurements"),
        (FULL, replace(VERDICT, measurements=(*VERDICT.measurements, Measurement("RTMR0", A))), "measurements"),
        (FULL, replace(VERDICT, measurements=(Measurement("MRTD", A), Measurement("RTMR0", A))), "measurements"),
        (FULL, replace(VERDICT, measurements=(Measurement("mrtd", A), Measurement("RTMR0", B))), "measurements"),
    ],
)
def test_what_is_missing_is_said(gate: AttestationGate, verdict: LiveVerdict, missing: str) -> None:
    with pytest.raises(FailedPrecondition) as refused:
        gate.check(KEY, verdict, START)
    assert refused.value.reason is Reason.VERDICT_INSUFFICIENT
    assert refused.value.metadata["missing"] == missing
    assert str(KEY) in refused.value.message


@pytest.mark.parametrize("gate", [AttestationGate(), FULL])
def test_it_is_read_as_it_was_written(gate: AttestationGate) -> None:
    assert read_gate(gate_document(gate)) == gate
    assert gate_from_wire(keys_pb2.Key(attestation_gate=gate_to_wire(gate))) == gate


def test_the_document_is_canonical() -> None:
    assert gate_document(AttestationGate()) == (
        '{"device_callers":false,"device_classes":["factory","hardware"],"max_verdict_age_seconds":86400}'
    )


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"formats": [99]}, "formats"),
        ({"formats": [devices_pb2.EVIDENCE_FORMAT_UNSPECIFIED]}, "formats"),
        ({"formats": [devices_pb2.EVIDENCE_FORMAT_APPLE_APP_ASSERTION]}, "formats"),
        ({"device_classes": [99]}, "device_classes"),
        ({"formats": [devices_pb2.EVIDENCE_FORMAT_SOFTWARE]}, "device_classes"),
        (
            {
                "formats": [devices_pb2.EVIDENCE_FORMAT_SOFTWARE],
                "device_classes": [devices_pb2.DEVICE_CLASS_HARDWARE, devices_pb2.DEVICE_CLASS_SOFTWARE],
                "minimum_level": keys_pb2.SECURITY_LEVEL_TEE,
            },
            "minimum_level",
        ),
        (
            {
                "device_classes": [devices_pb2.DEVICE_CLASS_SOFTWARE],
                "minimum_level": keys_pb2.SECURITY_LEVEL_TEE,
            },
            "minimum_level",
        ),
        ({"minimum_level": 99}, "minimum_level"),
        ({"measurements": {"MRTD": {"digests": []}}}, "measurements"),
        ({"measurements": {"MRTD": {"digests": [b"x" * 65]}}}, "measurements"),
        ({"measurements": {"": {"digests": [A]}}}, "measurements"),
        ({"measurements": {"Prüfsumme": {"digests": [A]}}}, "measurements"),
        ({"measurements": {f"M{number}": {"digests": [A]} for number in range(65)}}, "measurements"),
        ({"max_verdict_age": {"seconds": 0}}, "max_verdict_age"),
        ({"max_verdict_age": {"seconds": 1, "nanos": 1000}}, "max_verdict_age"),
        ({"max_verdict_age": {"seconds": 367 * 86_400}}, "max_verdict_age"),
        ({"max_verdict_age": {"seconds": 1 << 62}}, "max_verdict_age"),
    ],
)
def test_what_can_not_be_meant_is_refused_by_its_field(fields: dict, field: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        gate_from_wire(keys_pb2.Key(attestation_gate=keys_pb2.AttestationGate(**fields)))
    assert refused.value.field == f"attestation_gate.{field}"


def test_a_gate_that_no_device_can_pass_says_what_to_add() -> None:
    """Evidence in software makes devices of class software, which the classes left to themselves leave out."""
    with pytest.raises(InvalidArgument, match="--gate-class software"):
        AttestationGate(formats=frozenset({Format.SOFTWARE}))
    passable = AttestationGate(
        formats=frozenset({Format.SOFTWARE}),
        device_classes=frozenset({DeviceClass.SOFTWARE}),
        minimum_level=SecurityLevel.SOFTWARE,
    )
    software = replace(
        VERDICT,
        format=Format.SOFTWARE,
        level=SecurityLevel.SOFTWARE,
        device_class=DeviceClass.SOFTWARE,
    )
    passable.check(KEY, software, START)
    AttestationGate(formats=frozenset({Format.SOFTWARE, Format.TPM})).check(
        KEY, replace(VERDICT, format=Format.TPM), START
    )


def test_the_classes_are_those_of_devices() -> None:
    assert [each.value for each in DeviceClass] == [each.value for each in devices_model.DeviceClass]
