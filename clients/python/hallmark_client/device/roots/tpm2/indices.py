"""The NV index that is a vault's epoch, and what all its indices need: a free handle, the owner's authorization.

Removing the epoch counter and making it again brings nothing back: a new counter begins above what any counter had
reached that was removed (TPM 2.0 Library 1.59, Part 3, 31.8), so `counter == n` for a past n never holds again. It only
loses what is sealed, as clearing the TPM does.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Final

from hallmark_client.device.errors import RootUnavailable
from hallmark_client.device.roots.tpm2 import failures, templates
from hallmark_client.device.roots.tpm2.chip import Reached
from hallmark_client.device.roots.tpm2.connection import Connection
from hallmark_client.device.roots.tpm2.failures import WRONG_AUTH, code_of

_FIRST: Final = 0x01800000  # of the owner's NV indices: TCG Registry of Reserved TPM 2.0 Handles 1.1, 2.2.2
_RANGE_BITS: Final = 22
_TRIES: Final = 16


def free_index(connection: Connection, random_bytes: Callable[[int], bytes]) -> int:
    """A handle that nothing is defined at."""
    for _ in range(_TRIES):
        index = _FIRST + (int.from_bytes(random_bytes(4)) >> 32 - _RANGE_BITS)
        if not connection.exists(index):
            return index
    raise RootUnavailable("ROOT_UNAVAILABLE", "the TPM has no free NV index of the owner: look at its other users")


def make_counter(here: Reached) -> bytes:
    """Defines the counter of the state and counts once, which is what makes it readable. Gives its name. Repeats what a
    crash interrupted.
    """
    connection, state = here.connection, here.chip.state
    if not connection.exists(state.index):
        define(here, templates.counter(connection.tss, state.index, protected=state.protected))
    counter = connection.esapi.tr_from_tpmpublic(state.index)
    here.chip.authorize(connection, counter)
    if not public_area(connection, counter).attributes & connection.tss.TPMA_NV.WRITTEN:
        with here.counting():
            connection.esapi.nv_increment(counter, session1=here.session)
    here.count(counter)  # known only to who made it, so nobody else's counter is taken for ours
    return connection.name_of(connection.esapi.tr_from_tpmpublic(state.index))


def define(here: Reached, public: Any) -> None:
    with as_owner(here) as owner:
        here.connection.esapi.nv_define_space(here.chip.auth_value, public, owner, session1=here.session)


@contextlib.contextmanager
def as_owner(here: Reached) -> Iterator[Any]:
    owner = here.chip.authorize_owner(here.connection)
    try:
        yield owner
    except here.connection.tss.TSS2_Exception as error:
        if code_of(error) in WRONG_AUTH:
            raise failures.owner_refuses() from error
        raise


def public_area(connection: Connection, handle: Any) -> Any:
    """TPMS_NV_PUBLIC."""
    public, _ = connection.esapi.nv_read_public(handle)
    return public.nvPublic
