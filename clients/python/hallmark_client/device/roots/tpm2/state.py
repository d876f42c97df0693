"""The file beside a vault that says which TPM, counter and attestation key are its own.

Canonical JSON, mode 0600: {"ak": {"private", "public"}, "format", "index", "name", "parent": {"handle", "name"},
"protected", "salt", "uses": [{"epoch", "index"}]}. name and ak are empty until the counter was made, so that a crash in
between leaves no counter that nobody knows. salt: 32 random bytes; with the caller's authorization value they make the
one that the TPM knows: a program with access to the TPM, but not to this file, can neither count nor open.
"""

import hashlib
from dataclasses import dataclass
from typing import Any, Final

from hallmark_client.device.errors import RootLost
from hallmark_client.device.roots.tpm2.templates import NV_HANDLES, PERSISTENT_HANDLES
from hallmark_events.canonical import canonical_json, encode_base64, parse_base64, parse_canonical

STATE_MAX: Final = 64 * 1024
SALT_SIZE: Final = 32
USES_MAX: Final = 1024
NAME_SIZE: Final = 34
"""Of a TPM name: TPM_ALG_SHA256 and a digest (TPM 2.0 Library 1.59, Part 1, 16)."""

_FORMAT: Final = "hallmark-tpm2-root-v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class UseCounter:
    """An NV index that counts the uses of something sealed for `epoch`."""

    index: int
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TpmState:
    """index, name: of the counter. parent_handle: 0 where the parent is made at every call. ak_public, ak_private:
    TPM2B_PUBLIC and TPM2B_PRIVATE. protected: an authorization value belongs to it.
    """

    index: int
    salt: bytes
    protected: bool
    parent_handle: int
    parent_name: bytes
    name: bytes = b""
    ak_public: bytes = b""
    ak_private: bytes = b""
    uses: tuple[UseCounter, ...] = ()

    @property
    def made(self) -> bool:
        return bool(self.name)

    def auth_value(self, auth: bytes | bytearray) -> bytearray:
        """What the TPM knows: SHA-256(salt || auth), 32 bytes, whatever the length of auth."""
        return bytearray(hashlib.sha256(self.salt + auth).digest())

    def to_bytes(self) -> bytes:
        return canonical_json(
            {
                "ak": {"private": encode_base64(self.ak_private), "public": encode_base64(self.ak_public)},
                "format": _FORMAT,
                "index": self.index,
                "name": encode_base64(self.name),
                "parent": {"handle": self.parent_handle, "name": encode_base64(self.parent_name)},
                "protected": self.protected,
                "salt": encode_base64(self.salt),
                "uses": [{"epoch": each.epoch, "index": each.index} for each in self.uses],
            }
        )


def parse_state(data: bytes) -> TpmState:
    """Raises RootLost for whatever `TpmState.to_bytes` does not give."""
    value = parse_canonical(data, what="the file", max_bytes=STATE_MAX, refuse=_damaged)
    try:
        state = _read(value)
    except (LookupError, TypeError) as error:
        raise _damaged(f"{type(error).__name__}: {error}") from None
    handles = [state.index, *(each.index for each in state.uses)]
    placed = all(handle >> 24 == NV_HANDLES for handle in handles)
    parented = state.parent_handle == 0 or state.parent_handle >> 24 == PERSISTENT_HANDLES
    sizes = (
        placed,
        parented,
        len(state.salt) == SALT_SIZE,
        len(state.parent_name) == NAME_SIZE,
        len(state.uses) <= USES_MAX,
    )
    complete = len(state.name) == NAME_SIZE and state.ak_public and state.ak_private
    begun = not (state.name or state.ak_public or state.ak_private)
    if not all(sizes) or not (complete or begun) or state.to_bytes() != data:
        raise _damaged("it has other fields, handles or sizes than this version writes")
    return state


def _read(value: dict[str, Any]) -> TpmState:
    if not isinstance(value["protected"], bool):
        raise _damaged("protected is neither true nor false")
    return TpmState(
        index=_handle(value["index"]),
        salt=_bytes(value["salt"]),
        protected=value["protected"],
        parent_handle=_handle(value["parent"]["handle"]),
        parent_name=_bytes(value["parent"]["name"]),
        name=_bytes(value["name"]),
        ak_public=_bytes(value["ak"]["public"]),
        ak_private=_bytes(value["ak"]["private"]),
        uses=tuple(UseCounter(index=_handle(each["index"]), epoch=_number(each["epoch"])) for each in value["uses"]),
    )


def _number(value: object) -> int:
    if type(value) is not int or value < 0:
        raise _damaged("a number is not one")
    return value


def _handle(value: object) -> int:
    handle = _number(value)
    if handle >= 1 << 32:
        raise _damaged("a handle has 32 bits")
    return handle


def _bytes(value: object) -> bytes:
    return parse_base64(value, what="a field", refuse=_damaged)


def _damaged(why: str) -> RootLost:
    return RootLost("ROOT_LOST", f"this is not the file of a TPM root ({why}): put it back from a backup")
