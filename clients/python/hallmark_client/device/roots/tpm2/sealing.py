"""The key of a secret, into the TPM and out of it."""

from typing import Any

from hallmark_client.device.errors import DeviceError, LimitReached, RootUnavailable
from hallmark_client.device.roots import sealed
from hallmark_client.device.roots.port import RootPower
from hallmark_client.device.roots.tpm2 import failures, templates
from hallmark_client.device.roots.tpm2.blob import Conditions, Sealed
from hallmark_client.device.roots.tpm2.chip import Reached
from hallmark_client.device.roots.tpm2.failures import REFUSED_BY_POLICY, Code, code_of
from hallmark_client.device.roots.tpm2.policies import PolicyStep, UseCounted, digest_of


def seal_key(here: Reached, key: bytearray, policy: bytes) -> tuple[bytes, bytes]:
    """TPM2B_PUBLIC and TPM2B_PRIVATE of an object that opens by this policy."""
    tss = here.connection.tss
    sensitive = tss.TPMS_SENSITIVE_CREATE(userAuth=here.chip.auth_value, data=bytes(key))
    template = templates.sealed_object(tss, policy, protected=here.chip.state.protected)
    private, public, *_ = here.connection.esapi.create(
        here.parent, tss.TPM2B_SENSITIVE_CREATE(sensitive), template, session1=here.session
    )
    return public.marshal(), private.marshal()


def unseal_key(here: Reached, found: Sealed, counter: Any) -> bytearray:
    """The caller wipes it. Raises LimitReached, RootUnavailable (boot state, clock), RootLost.

    What can be told beforehand is told beforehand: a refusal that is certain takes no use.
    """
    conditions, connection = found.conditions, here.connection
    _check_clock(here, conditions)
    uses, uses_name = _use_counter(here, conditions)
    steps = here.steps(conditions, uses_name=uses_name)
    _check_policy(here, found, digest_of(steps))
    item = here.load(found.public, found.private)
    session = connection.policy_session(here.parent)
    for step in steps:
        index = uses if isinstance(step, UseCounted) else counter
        try:
            connection.satisfy(session, step, index=index, authorized_by=here.session)
        except connection.tss.TSS2_Exception as error:
            raise _why(error, step) or error from error
    try:
        data = connection.esapi.unseal(item, session1=session)
    except connection.tss.TSS2_Exception as error:
        if code_of(error) in REFUSED_BY_POLICY:
            raise sealed.not_sealed_here() from error
        raise
    key = bytearray(data.buffer)
    data.buffer[:] = bytes(len(key))
    return key


def _why(error: Exception, step: PolicyStep) -> DeviceError | None:
    code = code_of(error)
    if isinstance(step, UseCounted) and code == Code.AUTH_UNAVAILABLE:
        return LimitReached(RootPower.MAX_USES, "this was opened as often as it was sealed for")
    return sealed.not_sealed_here() if code in REFUSED_BY_POLICY else None


def _check_clock(here: Reached, conditions: Conditions) -> None:
    """The TPM checks it again, by its policy."""
    if conditions.deadline is None:
        return
    clock, safe = here.clock()
    if clock >= conditions.deadline:
        raise LimitReached(RootPower.NOT_AFTER, "the time for which this was sealed is over")
    if not safe:
        raise RootUnavailable(
            "ROOT_UNAVAILABLE",
            "the TPM lost power without being told and is not certain of its clock yet, so nothing with a time limit "
            "opens: that passes by itself, after at most 70 minutes",
        )


def _use_counter(here: Reached, conditions: Conditions) -> tuple[Any, bytes]:
    if conditions.uses is None:
        return None, b""
    if conditions.uses >> 24 != templates.NV_HANDLES or not here.connection.exists(conditions.uses):
        raise failures.counter_gone()
    handle = here.connection.esapi.tr_from_tpmpublic(conditions.uses)
    here.chip.authorize(here.connection, handle)
    return handle, here.connection.name_of(handle)


def _check_policy(here: Reached, found: Sealed, digest: bytes) -> None:
    """The object was made for the conditions that the blob names, and the registers are as they were then."""
    tss, conditions = here.connection.tss, found.conditions
    try:
        area, _ = tss.TPM2B_PUBLIC.unmarshal(found.public)
    except tss.TSS2_Exception as error:
        raise sealed.not_sealed_here() from error
    if bytes(area.publicArea.authPolicy) != digest:
        raise sealed.not_sealed_here()
    if here.registers_sha256(conditions.pcrs) != conditions.pcrs_sha256:
        names = ", ".join(map(str, conditions.pcrs))
        raise RootUnavailable(
            "ROOT_UNAVAILABLE",
            f"the boot state (registers {names}) is not the one that this was sealed to: start the system that it was "
            "sealed under, or fetch it from the service again",
        )
