"""Which changes of settings allow more."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from attestation.claims import Measurement, SecurityLevel
from attestation.model import Format
from kms.core.errors import FailedPrecondition
from kms.core.names import ChildName, KeyName
from kms.core.resources import Sensitivity
from kms.keys.attestation_gate import (
    AllowedMeasurement,
    AttestationGate,
    DeviceClass,
    LiveVerdict,
    gate_document,
    gate_loosened,
    read_gate,
)
from kms.keys.policies import KeySettings, RotationPolicy, UsageLimits, loosened
from support.clock import START

spans = st.integers(3600, 86_400 * 1000).map(lambda seconds: timedelta(seconds=seconds))
maybe = st.one_of(st.none(), spans)


@st.composite
def settings(draw: st.DrawFn) -> KeySettings:
    period = draw(maybe)
    lead = timedelta(seconds=draw(st.integers(0, 1800)))
    ends = draw(st.one_of(st.none(), spans.map(lambda span: START + span)))
    counts = st.one_of(st.none(), st.integers(1, 1000))
    return KeySettings(
        rotation=RotationPolicy(period=period, publish_lead=lead, verify_tail=draw(maybe)),
        usage_limits=UsageLimits(per_second=draw(counts), total=draw(counts), not_after=ends),
        destroy_wait=timedelta(days=draw(st.integers(1, 120))),
        sensitivity=draw(st.sampled_from(Sensitivity)),
    )


@st.composite
def gates(draw: st.DrawFn) -> AttestationGate | None:
    if draw(st.booleans()):
        return None
    digests = st.frozensets(st.sampled_from([b"a", b"b", b"c"]), min_size=1)
    measured = draw(st.dictionaries(st.sampled_from(["MRTD", "PCR0"]), digests))
    classes = draw(st.frozensets(st.sampled_from(DeviceClass), min_size=1))
    levels = [SecurityLevel.SOFTWARE] if classes == {DeviceClass.SOFTWARE} else list(SecurityLevel)
    return AttestationGate(
        formats=draw(st.frozensets(st.sampled_from([Format.TPM, Format.INTEL_TDX, Format.ANDROID_KEY]))),
        minimum_level=draw(st.one_of(st.none(), st.sampled_from(levels))),
        device_classes=classes,
        measurements=tuple(AllowedMeasurement(name, allowed) for name, allowed in sorted(measured.items())),
        max_verdict_age=timedelta(seconds=draw(st.sampled_from([1, 60, 3600]))),
        device_callers=draw(st.booleans()),
    )


@st.composite
def verdicts(draw: st.DrawFn) -> LiveVerdict:
    digests = st.sampled_from([b"a", b"b", b"c", b"d"])
    names = st.sampled_from(["MRTD", "PCR0", "PCR1"])
    return LiveVerdict(
        name="tenants/default/verdicts/v",
        device=ChildName("default", "devices", "d"),
        format=draw(st.sampled_from([Format.TPM, Format.INTEL_TDX, Format.ANDROID_KEY, Format.SOFTWARE])),
        level=draw(st.one_of(st.none(), st.sampled_from(SecurityLevel))),
        device_class=draw(st.sampled_from(DeviceClass)),
        measurements=tuple(draw(st.lists(st.builds(Measurement, names, digests), max_size=4))),
        live_time=START - timedelta(seconds=draw(st.sampled_from([0, 1, 2, 61, 3601]))),
    )


def _lets_pass(gate: AttestationGate | None, verdict: LiveVerdict | None, *, is_device: bool) -> bool:
    """`verdict`: about the device that is named, None when none is."""
    if is_device and (gate is None or not gate.device_callers):
        return False
    if gate is None:
        return True
    if verdict is None:
        return False
    try:
        gate.check(KeyName("default", "fleet"), verdict, START)
    except FailedPrecondition:
        return False
    return True


@given(gates(), gates(), st.one_of(st.none(), verdicts()), st.booleans())
def test_a_change_that_lets_somebody_in_is_a_looser_gate(
    before: AttestationGate | None, after: AttestationGate | None, verdict: LiveVerdict | None, is_device: bool
) -> None:
    if _lets_pass(after, verdict, is_device=is_device) and not _lets_pass(before, verdict, is_device=is_device):
        assert gate_loosened(before, after)


@given(gates(), gates(), gates())
def test_gates_loosen_like_other_settings(
    one: AttestationGate | None, two: AttestationGate | None, three: AttestationGate | None
) -> None:
    assert not gate_loosened(one, one)
    if one != two:
        assert gate_loosened(one, two) or gate_loosened(two, one)
    if gate_loosened(one, three):
        assert gate_loosened(one, two) or gate_loosened(two, three)
    named = "attestation_gate" in loosened(KeySettings(attestation_gate=one), KeySettings(attestation_gate=two))
    assert named is gate_loosened(one, two)


@given(gates())
def test_a_gate_is_read_as_it_was_written(gate: AttestationGate | None) -> None:
    if gate is not None:
        assert read_gate(gate_document(gate)) == gate


@given(settings(), settings())
def test_what_is_loosened_one_way_is_tightened_the_other(one: KeySettings, other: KeySettings) -> None:
    there, back = set(loosened(one, other)), set(loosened(other, one))
    assert not there & back
    same_export = one.export_policy == other.export_policy
    assert bool(there or back) == (one != other and same_export)


@given(settings())
def test_no_change_loosens_nothing(given_settings: KeySettings) -> None:
    assert loosened(given_settings, given_settings) == ()


@given(settings(), settings(), settings())
def test_loosening_adds_up(one: KeySettings, two: KeySettings, three: KeySettings) -> None:
    """Whoever loosens in two steps has loosened in one, unless a step took it back."""
    assert set(loosened(one, three)) <= set(loosened(one, two)) | set(loosened(two, three))
