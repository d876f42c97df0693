"""A root of trust in a PKCS#11 token: an AES-256 key for each epoch, made in the token, that never leaves it.

CKA_LABEL of a key is "hallmark root NAME epoch N", CKA_ID 16 random bytes. The lowest N there is is the present epoch:
`advance` makes the next key and destroys the old one, and with that one step the epoch has changed. Two processes that
make the next key at once make two; a blob names the one it needs, and both go when their epoch ends.

A blob: one byte 2 (the version), the CKA_ID, a random 96-bit nonce, AES-256-GCM of the secret, its 16-byte tag
(CKM_AES_GCM, PKCS#11 v3.1, 6.13). Associated data as in sealed.py, with the name as "root".
"""

import re
from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Final

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass
from pkcs11 import exceptions as driver

from hallmark_client.device.errors import RootLost, RootUnavailable
from hallmark_client.device.model import Enforcement
from hallmark_client.system import System

from . import sealed
from .pkcs11_token import DeviceToken, Pin, TokenFacts, TokenPlace, join
from .port import EpochEvidence, Limits, RootFacts, RootPower

_VERSION: Final = b"\x02"
_ID_SIZE: Final = 16
_TAG_BITS: Final = 8 * sealed.TAG_SIZE
_HEADER_SIZE: Final = len(_VERSION) + _ID_SIZE + sealed.NONCE_SIZE
_LABEL: Final = "hallmark root {name} epoch {epoch}"
_KEYS: Final = {Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.KEY_TYPE: KeyType.AES}
_TEMPLATE: Final = {
    Attribute.TOKEN: True,
    Attribute.PRIVATE: True,
    Attribute.SENSITIVE: True,
    Attribute.EXTRACTABLE: False,
    Attribute.ENCRYPT: True,
    Attribute.DECRYPT: True,
    Attribute.SIGN: False,
    Attribute.VERIFY: False,
    Attribute.DERIVE: False,
    # With one of these the key could be used to carry other keys out of the token, or known ones in.
    Attribute.WRAP: False,
    Attribute.UNWRAP: False,
}
_MADE_HERE: Final = (Attribute.LOCAL, Attribute.NEVER_EXTRACTABLE)
"""What the token says of keys that were made in it and could never be read (PKCS#11 v3.1, 4.10)."""
_DID_NOT_OPEN: Final = (
    driver.GeneralError,  # what SoftHSM says when the tag does not match
    driver.FunctionFailed,
    driver.EncryptedDataInvalid,
    driver.EncryptedDataLenRange,
    driver.DataInvalid,
    driver.DataLenRange,
)


class Pkcs11Root:
    """`RootOfTrust`. Made by `open_pkcs11_root`."""

    def __init__(self, token: DeviceToken, name: str, system: System) -> None:
        self._token = token
        self._name = name
        self._random_bytes = system.random_bytes
        self._seen = 0
        self._closed = False
        self._facts = _facts(token.facts, name)
        if not token.carry_out(self._keys):
            token.carry_out_anew(self._begin)

    @property
    def facts(self) -> RootFacts:
        return self._facts

    def seal(self, secret: bytes | bytearray, *, epoch: int, label: bytes, limits: Limits | None = None) -> bytes:
        sealed.check_sealing(secret, label=label, limits=limits, powers=self._facts.powers)
        sealed.check_present_or_next(epoch, present=self.epoch())
        return self._token.carry_out(lambda session: self._encrypt(session, secret, epoch, label))

    def open(self, blob: bytes, *, epoch: int, label: bytes) -> bytearray:
        sealed.check_label(label)
        present = self.epoch()
        if epoch != present:
            raise sealed.epoch_is_not(epoch, present=present)
        if (
            blob[: len(_VERSION)] != _VERSION
            or not 1 <= len(blob) - _HEADER_SIZE - sealed.TAG_SIZE <= sealed.SECRET_MAX
        ):
            raise sealed.not_sealed_here()
        return self._token.carry_out(lambda session: self._decrypt(session, blob, epoch, label))

    def epoch(self) -> int:
        if self._closed:
            raise RootUnavailable("ROOT_UNAVAILABLE", "this root of trust was closed: open it again")
        # A session whose login has ended shows no keys: look again in a new one before anything is given up for lost.
        keys = self._token.carry_out(self._keys) or self._token.carry_out_anew(self._keys)
        if not keys:
            raise RootLost("ROOT_LOST", f"the token holds no key of the root {self._name!r} any more: it was cleared")
        present = min(keys)
        if present < self._seen:
            raise RootLost("ROOT_LOST", "an older key was put back into the token: what it shows can not be trusted")
        self._seen = present
        return present

    def advance(self, to: int) -> None:
        present = self.epoch()
        sealed.check_present_or_next(to, present=present)
        if to != present:
            self._token.carry_out(lambda session: self._advance(session, to))
            self._seen = to

    def evidence(self, nonce: bytes) -> EpochEvidence | None:
        sealed.check_nonce(nonce)
        self.epoch()
        return None

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._token.leave()

    def _keys(self, session: Any) -> dict[int, list[Any]]:
        """Keys of this root by epoch; of one epoch in the order of their ids."""
        pattern = re.compile(re.escape(_LABEL.format(name=self._name, epoch="")) + "([1-9][0-9]{0,14})", re.ASCII)
        found: dict[int, list[Any]] = {}
        for key in list(session.get_objects(_KEYS)):
            if match := pattern.fullmatch(key.label or ""):
                found.setdefault(int(match[1]), []).append(key)
        return {epoch: sorted(keys, key=lambda key: bytes(key[Attribute.ID])) for epoch, keys in found.items()}

    def _begin(self, session: Any) -> None:
        if not self._keys(session):
            self._generate(session, 1)

    def _generate(self, session: Any, epoch: int) -> Any:
        label = _LABEL.format(name=self._name, epoch=epoch)
        identity = self._random_bytes(_ID_SIZE)
        return session.generate_key(KeyType.AES, 256, id=identity, label=label, store=True, template=_TEMPLATE)

    def _advance(self, session: Any, to: int) -> None:
        keys = self._keys(session)
        if to not in keys:
            self._generate(session, to)
        for passed in [key for epoch in keys if epoch < to for key in keys[epoch]]:
            passed.destroy()

    def _encrypt(self, session: Any, secret: bytes | bytearray, epoch: int, label: bytes) -> bytes:
        key = (self._keys(session).get(epoch) or [None])[0] or self._generate(session, epoch)
        if not all(key[attribute] for attribute in _MADE_HERE):
            raise RootUnavailable(
                "ROOT_UNAVAILABLE",
                f"the key {key.label!r} was brought into the token from outside, so others may have it: remove it",
            )
        nonce = self._random_bytes(sealed.NONCE_SIZE)
        return _VERSION + bytes(key[Attribute.ID]) + nonce + self._gcm(key.encrypt, bytes(secret), nonce, epoch, label)

    def _decrypt(self, session: Any, blob: bytes, epoch: int, label: bytes) -> bytearray:
        identity, nonce = blob[len(_VERSION) :][:_ID_SIZE], blob[:_HEADER_SIZE][-sealed.NONCE_SIZE :]
        for key in self._keys(session).get(epoch, []):
            if bytes(key[Attribute.ID]) == identity:
                try:
                    return bytearray(self._gcm(key.decrypt, blob[_HEADER_SIZE:], nonce, epoch, label))
                except _DID_NOT_OPEN:
                    self._check_well(key, epoch)
        raise sealed.not_sealed_here()

    def _check_well(self, key: Any, epoch: int) -> None:
        """Tokens report a wrong tag with the same error as a breakdown: one that opens what it has just sealed is well.

        Raises errors of the driver.
        """
        nonce = self._random_bytes(sealed.NONCE_SIZE)
        probe = self._gcm(key.encrypt, _VERSION, nonce, epoch, _VERSION)
        self._gcm(key.decrypt, probe, nonce, epoch, _VERSION)

    def _gcm(self, act: Callable[..., bytes], data: bytes, nonce: bytes, epoch: int, label: bytes) -> bytes:
        aad = sealed.associated_data(root=self._name, epoch=epoch, label=label)
        return act(data, mechanism=Mechanism.AES_GCM, mechanism_param=pkcs11.GCMParams(nonce, aad, _TAG_BITS))


def open_pkcs11_root(place: TokenPlace, pin: Pin, *, name: str = "default", system: System | None = None) -> Pkcs11Root:
    """Makes the first key where there is none. name: one for each vault in this token. A wrong PIN is tried once.

    Raises RootUnavailable: no such library or token, PIN refused, a token that lacks CKM_AES_GCM.
    """
    sealed.check_name(name)
    token = join(place, pin)
    try:
        return Pkcs11Root(token, name, system or System())
    except BaseException:
        token.leave()
        raise


def _facts(token: TokenFacts, name: str) -> RootFacts:
    enforcement = Enforcement.HARDWARE if token.hardware else Enforcement.PLATFORM
    caveats = ["Whoever has the PIN and the token can open what is sealed, and destroy its keys."]
    if not token.hardware:
        caveats.append("This token is a program: a copy of its files from before, with the PIN, has the old keys.")
    return RootFacts(
        name="pkcs11",
        assurance=enforcement,
        powers=MappingProxyType({RootPower.SHRED: enforcement}),
        detail=f"token {token.label!r} (model {token.model!r}, serial {token.serial}), keys of the root {name!r}",
        caveats=tuple(caveats),
    )
