"""The TPM of one vault as it is met at a call: is it there, is it the same one, and what does its counter say?"""

import contextlib
import hashlib
from collections.abc import Iterator
from typing import Any, Final

from hallmark_client.device.roots import sealed
from hallmark_client.device.roots.tpm2 import failures, templates
from hallmark_client.device.roots.tpm2.blob import Conditions
from hallmark_client.device.roots.tpm2.connection import Connection, connected
from hallmark_client.device.roots.tpm2.failures import WRONG_AUTH, code_of, is_about_arguments
from hallmark_client.device.roots.tpm2.policies import (
    Authorized,
    ClockBefore,
    CounterIs,
    PolicyStep,
    Registers,
    UseCounted,
)
from hallmark_client.device.roots.tpm2.state import TpmState


class Chip:
    """How to reach the TPM, and what authorizes. auth_value: 32 bytes, as `TpmState.auth_value` gives; owner_auth: of
    the storage hierarchy. Both are this object's to wipe.
    """

    def __init__(self, *, tcti: str, state: TpmState, auth_value: bytearray, owner_auth: bytearray) -> None:
        self.tcti: Final = tcti
        self.state = state
        self._auth_value = auth_value
        self._owner_auth = owner_auth

    def wipe(self) -> None:
        sealed.wipe(self._auth_value)
        sealed.wipe(self._owner_auth)

    @contextlib.contextmanager
    def reached(self) -> Iterator["Reached"]:
        """For one call. Raises RootUnavailable, RootLost."""
        with connected(self.tcti) as connection:
            parent = storage_parent(connection, self.state.parent_handle, self._owner_auth)
            if connection.name_of(parent) != self.state.parent_name:
                raise failures.another_tpm()
            yield Reached(connection, parent, self)

    def authorize(self, connection: Connection, handle: Any) -> None:
        connection.esapi.tr_set_auth(handle, bytes(self._auth_value))

    def authorize_owner(self, connection: Connection) -> Any:
        """The handle of the storage hierarchy."""
        owner = connection.tss.ESYS_TR.OWNER
        connection.esapi.tr_set_auth(owner, bytes(self._owner_auth))
        return owner

    @property
    def auth_value(self) -> bytes:
        return bytes(self._auth_value)


class Reached:
    """session: an HMAC session, salted and encrypting, that authorizes what the chip has the values for."""

    def __init__(self, connection: Connection, parent: Any, chip: Chip) -> None:
        self.connection: Final = connection
        self.parent: Final = parent
        self.chip: Final = chip
        self.session: Final = connection.hmac_session(parent)

    def counter(self) -> Any:
        """The handle of the vault's counter. Raises RootLost where it is gone or another stands there."""
        state, connection = self.chip.state, self.connection
        if not connection.exists(state.index):
            raise failures.counter_gone()
        handle = connection.esapi.tr_from_tpmpublic(state.index)
        if connection.name_of(handle) != state.name:
            raise failures.counter_gone()
        self.chip.authorize(connection, handle)
        return handle

    def count(self, counter: Any) -> int:
        with self.counting():
            data = self.connection.esapi.nv_read(counter, templates.COUNTER_BYTES, session1=self.session)
        return int.from_bytes(bytes(data))

    @contextlib.contextmanager
    def counting(self) -> Iterator[None]:
        """Without a value that people chose, a wrong one means another counter: its name can be copied, this not."""
        try:
            yield
        except self.connection.tss.TSS2_Exception as error:
            if code_of(error) in WRONG_AUTH and not self.chip.state.protected:
                raise failures.counter_gone() from error
            raise

    def load(self, public: bytes, private: bytes) -> Any:
        """An object under the parent. Raises RootLost where it is none of this TPM."""
        tss, connection = self.connection.tss, self.connection
        try:
            area, _ = tss.TPM2B_PUBLIC.unmarshal(public)
            secret, _ = tss.TPM2B_PRIVATE.unmarshal(private)
        except tss.TSS2_Exception as error:
            raise sealed.not_sealed_here() from error
        try:
            handle = connection.keep(connection.esapi.load(self.parent, secret, area, session1=self.session))
        except tss.TSS2_Exception as error:
            if is_about_arguments(error):
                raise sealed.not_sealed_here() from error
            raise
        self.chip.authorize(connection, handle)
        return handle

    def attestation_key(self) -> Any:
        return self.load(self.chip.state.ak_public, self.chip.state.ak_private)

    def steps(self, conditions: Conditions, *, uses_name: bytes) -> list[PolicyStep]:
        """The use is counted last: nothing else may refuse after it."""
        steps: list[PolicyStep] = [CounterIs(self.chip.state.name, conditions.epoch)]
        if conditions.pcrs:
            steps.append(Registers(conditions.pcrs, conditions.pcrs_sha256))
        if conditions.deadline is not None:
            steps.append(ClockBefore(conditions.deadline))
        steps.append(Authorized())
        if conditions.uses is not None:
            steps.append(UseCounted(uses_name))
        return steps

    def registers_sha256(self, pcrs: tuple[int, ...]) -> bytes:
        """Of the values as they are now; empty for no registers."""
        values = self.connection.read_registers(pcrs)
        return hashlib.sha256(b"".join(values.values())).digest() if pcrs else b""

    def clock(self) -> tuple[int, bool]:
        """Milliseconds that the TPM was powered, and whether it is certain of them."""
        info = self.connection.esapi.read_clock()
        return int(info.clockInfo.clock), bool(info.clockInfo.safe)


def storage_parent(connection: Connection, handle: int, owner_auth: bytes | bytearray) -> Any:
    """The storage key at this persistent handle; 0: made for this connection, the same one each time until the TPM is
    cleared.
    """
    esapi, tss = connection.esapi, connection.tss
    if handle:
        if not connection.exists(handle):
            raise failures.another_tpm()
        return esapi.tr_from_tpmpublic(handle)
    esapi.tr_set_auth(tss.ESYS_TR.OWNER, bytes(owner_auth))
    try:
        session = connection.hmac_session(None)
        made, *_ = esapi.create_primary(
            tss.TPM2B_SENSITIVE_CREATE(), templates.storage_key(tss), tss.ESYS_TR.OWNER, session1=session
        )
    except tss.TSS2_Exception as error:
        if code_of(error) in WRONG_AUTH:
            raise failures.owner_refuses() from error
        raise
    return connection.keep(made)
