"""What a TPM or the way to it says when it refuses, as errors of the device.

Response codes: TPM 2.0 Library 1.59, Part 2, 6.6; layers above the TPM: TCG TSS 2.0 Overview and Common Structures, 3.
"""

from enum import IntEnum
from typing import Final

from hallmark_client.device.errors import RootFailed, RootLost, RootUnavailable

_LAYER: Final = 0xFFFF0000
_TPM_LAYERS: Final = (0x00000000, 0x000B0000, 0x000C0000)  # the TPM; its resource managers, which pass its codes on
_TCTI_LAYER: Final = 0x000A0000
_IO_ERROR: Final = 0x000A  # TSS2_BASE_RC_IO_ERROR, in any layer
_FORMAT_ONE: Final = 0x080
_WARNING: Final = 0x100  # codes of format zero lie above, those of format one below


class Code(IntEnum):
    """Codes of the TPM without handle, parameter and session number."""

    AUTH_FAIL = 0x08E
    HANDLE = 0x08B
    POLICY_FAIL = 0x09D
    INTEGRITY = 0x09F
    BAD_AUTH = 0x0A2
    POLICY = 0x126
    PCR_CHANGED = 0x128
    AUTH_UNAVAILABLE = 0x12F
    NV_SPACE = 0x14B
    OBJECT_MEMORY = 0x902
    SESSION_MEMORY = 0x903
    NV_RATE = 0x920
    LOCKOUT = 0x921
    NV_UNAVAILABLE = 0x923


WRONG_AUTH: Final = (Code.AUTH_FAIL, Code.BAD_AUTH)
REFUSED_BY_POLICY: Final = (Code.POLICY_FAIL, Code.POLICY, Code.PCR_CHANGED)

_SENTENCES: Final = {
    Code.AUTH_FAIL: "the TPM says that the authorization value is wrong; it was not tried again, because too many "
    "wrong ones lock the TPM",
    Code.BAD_AUTH: "the TPM says that the authorization value is wrong; it was not tried again",
    Code.LOCKOUT: "the TPM is locked after too many wrong authorization values, here or by another program: wait (see "
    "TPM2_PT_LOCKOUT_INTERVAL in `tpm2_getcap properties-variable`), or let who has the lockout authorization run "
    "`tpm2_dictionarylockout --clear-lockout`",
    Code.NV_SPACE: "the TPM has no room for another NV index: remove what is not used any more (`tpm2_getcap "
    "handles-nv-index`), or advance the epoch, which frees the use counters of the one before",
    Code.NV_RATE: "the TPM slows down writing to save its memory from wear: try again in a minute",
    Code.NV_UNAVAILABLE: "the TPM can not write to its memory now: try again",
    Code.OBJECT_MEMORY: "the TPM has no room for another object: use it through a resource manager (/dev/tpmrm0)",
    Code.SESSION_MEMORY: "the TPM has no room for another session: use it through a resource manager (/dev/tpmrm0)",
}


def code_of(error: Exception) -> int | None:
    """The TPM's own code; None where the TPM was not reached or the software above it refused."""
    answered = int(getattr(error, "rc", _LAYER))
    if answered & _LAYER not in _TPM_LAYERS:
        return None
    code = answered & 0xFFFF
    return _FORMAT_ONE | code & 0x3F if code & _FORMAT_ONE else code


def is_about_arguments(error: Exception) -> bool:
    """The TPM found fault with what it was given; no warning, no state that passes (format one: Part 2, 6.6.2)."""
    code = code_of(error)
    return code is not None and bool(code & _FORMAT_ONE) and code < _WARNING


def failure_of(error: Exception, tcti: str) -> RootFailed:
    """For what no caller had a better word for."""
    answered, code = int(getattr(error, "rc", 0)), code_of(error)
    if code is None and (answered & _LAYER == _TCTI_LAYER or answered & ~_LAYER == _IO_ERROR):
        return unreachable(tcti, error)
    if code == Code.INTEGRITY:
        return another_tpm()
    known = {int(each): sentence for each, sentence in _SENTENCES.items()}
    return RootUnavailable("ROOT_UNAVAILABLE", known.get(code or 0, f"the TPM refused: {error}"))


def unreachable(tcti: str, error: Exception) -> RootUnavailable:
    return RootUnavailable(
        "ROOT_UNAVAILABLE",
        f"there is no TPM at {tcti} ({error}): is it there, and may this user use it (group tss)?",
    )


def another_tpm() -> RootLost:
    return RootLost(
        "ROOT_LOST",
        "this TPM is not the one that the vault was made with, or it was cleared since: what it sealed can not be "
        "opened any more",
    )


def counter_gone() -> RootLost:
    return RootLost(
        "ROOT_LOST",
        "the counter of this vault is not in the TPM any more, or somebody made another in its place: what was sealed "
        "can not be opened any more",
    )


def file_gone() -> RootLost:
    return RootLost("ROOT_LOST", "the file of this TPM root is gone: put it back from a backup")


def too_many_uses() -> RootUnavailable:
    return RootUnavailable(
        "ROOT_UNAVAILABLE", "too many secrets with a limited number of uses were sealed in this epoch: advance it first"
    )


def owner_refuses() -> RootUnavailable:
    return RootUnavailable(
        "ROOT_UNAVAILABLE",
        "the TPM's owner authorization is needed and the one given is wrong: give it when opening this root; a storage "
        "key at 0x81000001, there when the root is made, saves the need for it later",
    )
