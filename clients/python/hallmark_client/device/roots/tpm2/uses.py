"""Use counters: NV indices of type PIN_PASS, each successful authorization of which takes one use.

Each belongs to one sealed secret of one epoch. The file of the root knows them before the TPM does, so that none is
left behind; those of a past epoch are removed, because what they were for opens no more.
"""

import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from hallmark_client.device.errors import RootFailed
from hallmark_client.device.roots.state_file import StateFile
from hallmark_client.device.roots.tpm2 import failures, templates
from hallmark_client.device.roots.tpm2.chip import Reached
from hallmark_client.device.roots.tpm2.indices import as_owner, define, free_index, public_area
from hallmark_client.device.roots.tpm2.policies import NeverWritten, digest_of
from hallmark_client.device.roots.tpm2.state import USES_MAX, TpmState, UseCounter, parse_state

USES_END: Final = 1 << 32

_ONLY_ONCE: Final = digest_of((NeverWritten(),))


class UseCounters:
    """The caller holds the lock of the file: another process may use the same root."""

    def __init__(self, file: StateFile, random_bytes: Callable[[int], bytes]) -> None:
        self._file = file
        self._random_bytes = random_bytes

    def make(self, here: Reached, uses: int, *, epoch: int) -> tuple[int, bytes]:
        """Handle and name. Raises RootUnavailable where the TPM has no room, or the owner authorization is wrong."""
        state = self._read()
        if len(state.uses) == USES_MAX:
            raise failures.too_many_uses()
        index = free_index(here.connection, self._random_bytes)
        self._file.write(replace(state, uses=(*state.uses, UseCounter(index=index, epoch=epoch))).to_bytes())
        try:
            return index, _make(here, index, uses)
        except (RootFailed, here.connection.tss.TSS2_Exception):
            with contextlib.suppress(RootFailed, here.connection.tss.TSS2_Exception):
                if not here.connection.exists(index):
                    self._file.write(state.to_bytes())
            raise

    def sweep(self, here: Reached, *, before: int) -> None:
        """Those of epochs before this one. What can not be removed now stays in the file for the next time."""
        state = self._read()
        for each in state.uses:
            if each.epoch < before:
                with contextlib.suppress(RootFailed, here.connection.tss.TSS2_Exception):
                    _remove(here, each.index)
                    state = replace(state, uses=tuple(kept for kept in state.uses if kept != each))
        if state != self._read():
            self._file.write(state.to_bytes())

    def _read(self) -> TpmState:
        data = self._file.read()
        if data is None:
            raise failures.file_gone()
        return parse_state(data)


def _make(here: Reached, index: int, uses: int) -> bytes:
    """For so many uses, and never more: its policy lets nobody write it twice. Gives its name."""
    connection = here.connection
    define(here, templates.use_counter(connection.tss, index, _ONLY_ONCE))
    handle = connection.esapi.tr_from_tpmpublic(index)
    session = connection.policy_session(here.parent)
    connection.satisfy(session, NeverWritten())
    connection.esapi.nv_write(handle, bytes(4) + uses.to_bytes(4), session1=session)
    return connection.name_of(connection.esapi.tr_from_tpmpublic(index))


def _remove(here: Reached, index: int) -> None:
    """Where there is one at this handle; anything else that stands there is left alone."""
    connection = here.connection
    if not connection.exists(index):
        return
    handle = connection.esapi.tr_from_tpmpublic(index)
    area = public_area(connection, handle)
    is_pin = area.attributes >> 4 & 0xF == connection.tss.TPM2_NT.PIN_PASS
    if is_pin and bytes(area.authPolicy) == _ONLY_ONCE:
        with as_owner(here) as owner:
            connection.esapi.nv_undefine_space(handle, owner, session1=here.session)
