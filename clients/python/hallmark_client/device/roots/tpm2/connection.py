"""One connection to a TPM, for one call: everything that was made through it is gone when it ends.

tpm2-pytss is imported here and nowhere else, and only when a TPM is asked for. Its objects are of type Any: it has no
types. Sessions are salted with the storage key and encrypt the first parameter both ways (Part 1, 19 and 21), so a
listener on the bus sees neither the secret nor the authorization value, and can not change a command.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import Any, Final, assert_never

from hallmark_client.device.errors import RootUnavailable
from hallmark_client.device.roots.tpm2 import failures
from hallmark_client.device.roots.tpm2.policies import (
    Authorized,
    ClockBefore,
    CounterIs,
    NeverWritten,
    PolicyStep,
    Registers,
    UseCounted,
)
from hallmark_client.device.roots.tpm2.waiting import Waiting, turn

DEFAULT_TCTI: Final = "device:/dev/tpmrm0"
"""The kernel's resource manager. What the TSS would choose by itself may end in a socket that anybody can serve."""


def load_driver() -> Any:
    """The module tpm2_pytss. Raises RootUnavailable where it is not installed."""
    # The TSS writes every refusal to stderr, also those that are facts here. Read by it once, at its first message.
    os.environ.setdefault("TSS2_LOG", "all+none")
    try:
        import tpm2_pytss.utils  # binds tpm2_pytss, with its module of EK templates
    except ImportError as error:
        raise RootUnavailable(
            "ROOT_UNAVAILABLE",
            f"a TPM is reached through the package tpm2-pytss, which can not be loaded here ({error}): install the "
            "TSS libraries (Debian: libtss2-dev and a compiler) and then `pip install tpm2-pytss`",
        ) from None
    return tpm2_pytss


@contextlib.contextmanager
def connected(tcti: str) -> Iterator["Connection"]:
    """Errors of the TPM or the way to it that nobody catches before come out as RootUnavailable or RootLost."""
    tss = load_driver()
    with turn(tcti), contextlib.ExitStack() as closing:
        waiting = Waiting(tcti)
        closing.callback(waiting.end)
        try:
            esapi = waiting.open(tss.ESAPI)
        except (RuntimeError, ValueError) as error:  # TSS2_Exception is a RuntimeError
            raise failures.unreachable(tcti, error) from None
        try:
            with contextlib.ExitStack() as flushing:
                yield Connection(esapi, tss, flushing)
        except tss.TSS2_Exception as error:
            raise failures.failure_of(error, tcti) from error


class Connection:
    """esapi: tpm2_pytss.ESAPI, with a time limit. tss: the module tpm2_pytss."""

    def __init__(self, esapi: Any, tss: Any, flushing: contextlib.ExitStack) -> None:
        self.esapi: Final = esapi
        self.tss: Final = tss
        self._flushing = flushing

    def keep(self, handle: Any) -> Any:
        """A transient object or session, flushed when the connection ends. Gives it back."""
        self._flushing.callback(self._flush, handle)
        return handle

    def exists(self, handle: int) -> bool:
        """An NV index or persistent object."""
        _, found = self.esapi.get_capability(self.tss.TPM2_CAP.HANDLES, handle, 1)
        handles = found.data.handles
        return len(handles) > 0 and int(handles[0]) == handle

    def name_of(self, handle: Any) -> bytes:
        return bytes(self.esapi.tr_get_name(handle))

    def hmac_session(self, salted_with: Any | None, *, encrypts: bool = True) -> Any:
        """Authorizes any number of commands. salted_with None: only for commands that need no secrecy. encrypts: of the
        sessions of one command, one does.
        """
        return self._session(self.tss.TPM2_SE.HMAC, salted_with, encrypts=encrypts)

    def policy_session(self, salted_with: Any, *, encrypts: bool = True) -> Any:
        return self._session(self.tss.TPM2_SE.POLICY, salted_with, encrypts=encrypts)

    def read_registers(self, indices: Sequence[int]) -> dict[int, bytes]:
        """PCRs of the SHA-256 bank. Raises RootUnavailable where the TPM keeps no such bank."""
        values: dict[int, bytes] = {}
        for start in range(0, len(indices), 8):  # as many as one answer holds (Part 2, 10.9.7: TPML_DIGEST)
            wanted = ",".join(map(str, indices[start : start + 8]))
            _, _, digests = self.esapi.pcr_read(f"sha256:{wanted}")
            values |= {indices[start + place]: bytes(digests[place]) for place in range(len(digests))}
        if set(values) != set(indices):
            raise RootUnavailable(
                "ROOT_UNAVAILABLE", "this TPM has no SHA-256 bank of platform configuration registers"
            )
        return values

    def satisfy(self, session: Any, step: PolicyStep, *, index: Any = None, authorized_by: Any = None) -> None:
        """Sends one policy command. index: the counter of CounterIs or UseCounted; authorized_by: an HMAC session."""
        esapi, compare = self.esapi, self.tss.TPM2_EO
        match step:
            case CounterIs(value=value):
                esapi.policy_nv(index, index, session, value.to_bytes(8), compare.EQ, session1=authorized_by)
            case ClockBefore():
                for operand, offset, operation in step.comparisons():
                    esapi.policy_counter_timer(session, operand, compare(int(operation)), offset)
            case Registers(indices=indices):
                esapi.policy_pcr(session, None, "sha256:" + ",".join(map(str, indices)))
            case Authorized():
                esapi.policy_auth_value(session)
            case UseCounted():
                esapi.policy_secret(index, session, expiration=0, session1=authorized_by)
            case NeverWritten():
                esapi.policy_nv_written(session, False)
            case _:
                assert_never(step)

    def _session(self, kind: Any, salted_with: Any | None, *, encrypts: bool) -> Any:
        tss, esapi = self.tss, self.esapi
        key = tss.ESYS_TR.NONE if salted_with is None else salted_with
        cipher = tss.TPMT_SYM_DEF.parse("aes128cfb")
        session = self.keep(esapi.start_auth_session(key, tss.ESYS_TR.NONE, kind, cipher, tss.TPM2_ALG.SHA256))
        flags = tss.TPMA_SESSION
        both_ways = flags.DECRYPT | flags.ENCRYPT if encrypts else 0
        esapi.trsess_set_attributes(session, flags.CONTINUESESSION | both_ways)
        return session

    def _flush(self, handle: Any) -> None:
        # A TPM that went away has forgotten it.
        with contextlib.suppress(self.tss.TSS2_Exception, RootUnavailable):
            self.esapi.flush_context(handle)
