"""The token session with what hsm/custody.py needs: several key-encryption keys, and keys that come and go."""

import os
from typing import Any, Final

from cryptography.hazmat.primitives import keywrap
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass
from pkcs11 import exceptions as driver
from pkcs11.util.ec import encode_named_curve_parameters

from hallmark_composite import EcCurve
from hsm import der, foreign_keys
from hsm.custody_requests import NEWEST_KEK_STAYS
from hsm.der import DerError
from hsm.errors import ExportForbidden, ImportRefused, InvalidRequest, UnsupportedAlgorithm
from hsm.key_targets import ClassicalKind
from hsm.material import CKA_ID_SIZE
from hsm.secret import Secret

from .attributes import read_attribute, unwrap_octet_string
from .faults import translate
from .kek import find_keks, generate_kek
from .kek_order import Kek, newest_of
from .token import (
    CURVE_NAMES,
    ED25519_OID,
    PRIVATE_TEMPLATE,
    PUBLIC_TEMPLATE,
    TokenSession,
)

_CARRIER_SIZE: Final = 32
_BLOCK_SIZE: Final = 8
"""Of RFC 5649."""
_CARRIER_TEMPLATE: Final = {
    Attribute.CLASS: ObjectClass.SECRET_KEY,
    Attribute.KEY_TYPE: KeyType.AES,
    Attribute.TOKEN: False,
    Attribute.PRIVATE: True,
    Attribute.SENSITIVE: True,
    Attribute.EXTRACTABLE: False,
    Attribute.WRAP: True,
}
_DATA_TEMPLATE: Final = {Attribute.CLASS: ObjectClass.DATA, Attribute.APPLICATION: "hallmark"}
_NO_DATA_OBJECTS: Final = (
    driver.AttributeTypeInvalid,
    driver.AttributeValueInvalid,
    driver.FunctionNotSupported,
    driver.FunctionRejected,
    driver.TemplateInconsistent,
)
_NOT_EXTRACTABLE: Final = (driver.KeyUnextractable, driver.KeyNotWrappable)


class CustodySession(TokenSession):
    """`kek_id` is always the newest the session knows of."""

    def __init__(self, token: Any, session: Any, pin: Secret, kek_id: bytes) -> None:
        """`kek_id` stands where the token shows none; then everything says that it has lost its objects."""
        try:
            newest = newest_of(find_keks(session))
        except driver.PKCS11Error as error:
            raise translate(error) from None
        super().__init__(token, session, pin, kek_id if newest is None else newest[1])

    def keks(self) -> list[Kek]:
        """Oldest first."""
        return self.carry_out(lambda: find_keks(self._session))

    def create_kek(self) -> Kek:
        """Never repeated: a second try could leave two."""
        newest = newest_of(self.keks())
        generation = 1 if newest is None else newest[0] + 1
        kek_id = os.urandom(CKA_ID_SIZE)
        try:
            generate_kek(self._session, generation=generation, kek_id=kek_id)
        except driver.PKCS11Error as error:
            raise translate(error) from None
        return generation, kek_id

    def adopt_newest_kek(self) -> bool:
        """Seals under it from now on. True when it is another than before. Raises HsmError when it does not seal."""
        newest = newest_of(self.keks())
        if newest is None or newest[1] == self.kek_id:
            return False
        before = self.kek_id, self._probe, self.sealing_fault
        self.kek_id = newest[1]
        self._probe, self.sealing_fault = self._try_to_seal()
        if self.sealing_fault is not None:
            fault, (self.kek_id, self._probe, self.sealing_fault) = self.sealing_fault, before
            raise fault
        return True

    def destroy_kek(self, kek_id: bytes) -> None:
        """Raises InvalidRequest for the newest. What is not a key-encryption key of ours is left alone."""
        keks = self.keks()
        newest = newest_of(keks)
        if newest is not None and newest[1] == kek_id:
            raise InvalidRequest(NEWEST_KEK_STAYS)
        if kek_id in {found for _, found in keks}:
            self.destroy(kek_id)

    def generate_exportable(self, kind: ClassicalKind, cka_id: bytes, label: str) -> bytes:
        """The public key of a pair whose private half is sensitive but extractable. Never repeated."""
        curve, key_type = _curve_of(kind)
        generator = Mechanism.EC_KEY_PAIR_GEN if isinstance(kind, EcCurve) else Mechanism.EC_EDWARDS_KEY_PAIR_GEN
        try:
            domain = self._session.create_domain_parameters(key_type, {Attribute.EC_PARAMS: curve}, local=True)
            public_key, _ = domain.generate_keypair(
                mechanism=generator,
                store=True,
                id=cka_id,
                label=label,
                public_template=PUBLIC_TEMPLATE,
                private_template={**PRIVATE_TEMPLATE, Attribute.EXTRACTABLE: True},
            )
        except driver.PKCS11Error as error:
            raise translate(error) from None
        return unwrap_octet_string(read_attribute(public_key, Attribute.EC_POINT))

    def put(self, kind: ClassicalKind, cka_id: bytes, label: str, secret: Secret, *, exportable: bool) -> None:
        """C_CreateObject with the private template. Raises UnsupportedAlgorithm where the token takes none."""
        curve, key_type = _curve_of(kind)
        template = {
            **PRIVATE_TEMPLATE,
            Attribute.CLASS: ObjectClass.PRIVATE_KEY,
            Attribute.KEY_TYPE: key_type,
            Attribute.EC_PARAMS: curve,
            Attribute.ID: cka_id,
            Attribute.LABEL: label,
            Attribute.EXTRACTABLE: exportable,
            Attribute.VALUE: secret.reveal(),
        }
        try:
            self._session.create_object(template)
        except (driver.AttributeReadOnly, driver.AttributeSensitive, driver.FunctionRejected):
            raise UnsupportedAlgorithm("this token takes no foreign private keys") from None
        except driver.PKCS11Error as error:
            raise translate(error) from None

    def extract(self, kind: ClassicalKind, cka_id: bytes, label: str) -> Secret:
        """The private key, wrapped by the token (RFC 5649) under a key made for this alone, and unwrapped here."""
        carrier_value = os.urandom(_CARRIER_SIZE)

        def act() -> bytes:
            private_key = self._find(ObjectClass.PRIVATE_KEY, cka_id, label)
            carrier = self._session.create_object({**_CARRIER_TEMPLATE, Attribute.VALUE: carrier_value})
            try:
                wrapped: bytes = carrier.wrap_key(private_key, mechanism=Mechanism.AES_KEY_WRAP_PAD)
            except _NOT_EXTRACTABLE:
                raise ExportForbidden("the token's half of this key is not extractable") from None
            finally:
                carrier.destroy()
            return wrapped

        try:
            encoded = keywrap.aes_key_unwrap_with_padding(carrier_value, self.carry_out(act))
            key = foreign_keys.parse(kind, _without_padding(encoded), expand=None)
        except (keywrap.InvalidUnwrap, ImportRefused, DerError):
            raise UnsupportedAlgorithm("this token wraps private keys in a form this version does not know") from None
        assert key.classical is not None
        return key.classical

    def read_data(self, name: str) -> list[bytes]:
        """The values of all data objects of ours with this label."""

        def act() -> list[bytes]:
            found = self._session.get_objects({**_DATA_TEMPLATE, Attribute.LABEL: name})
            return [bytes(each[Attribute.VALUE]) for each in list(found)]

        return self.carry_out(act)

    def write_data(self, name: str, value: bytes) -> None:
        """A new object, then away with the older ones. Raises UnsupportedAlgorithm where the token keeps none."""
        template = {**_DATA_TEMPLATE, Attribute.TOKEN: True, Attribute.PRIVATE: True, Attribute.LABEL: name}

        def act() -> None:
            older = list(self._session.get_objects({**_DATA_TEMPLATE, Attribute.LABEL: name}))
            try:
                self._session.create_object({**template, Attribute.VALUE: value})
            except _NO_DATA_OBJECTS:
                raise UnsupportedAlgorithm("this token keeps no data objects") from None
            for each in older:
                each.destroy()

        self.carry_out(act)


def _without_padding(encoded: bytes) -> bytes:
    """SoftHSM pads the key to a multiple of 8 bytes before it wraps, so zeros follow the PKCS#8."""
    content, padding = der.take(encoded, der.SEQUENCE)
    if any(padding) or len(padding) >= _BLOCK_SIZE:
        raise DerError
    return der.element(der.SEQUENCE, content)


def _curve_of(kind: ClassicalKind) -> tuple[bytes, KeyType]:
    if isinstance(kind, EcCurve):
        return encode_named_curve_parameters(CURVE_NAMES[kind]), KeyType.EC
    return encode_named_curve_parameters(ED25519_OID), KeyType.EC_EDWARDS
