"""Key-encryption keys as objects in the token; their order is in kek_order.py."""

from typing import Any, Final

from pkcs11 import Attribute, KeyType, ObjectClass

from .kek_order import Kek, generation_of, label_of

_KEK_BITS: Final = 256
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
    # With WRAP or UNWRAP the key could be used to carry other keys out of the token, or known ones in.
    Attribute.WRAP: False,
    Attribute.UNWRAP: False,
}


def find_keks(session: Any) -> list[Kek]:
    """Oldest first. Raises errors of the driver."""
    found = []
    for key in session.get_objects({Attribute.CLASS: ObjectClass.SECRET_KEY}):
        generation = generation_of(key.label)
        if generation is not None:
            found.append((generation, bytes(key[Attribute.ID])))
    return sorted(found)


def generate_kek(session: Any, *, generation: int, kek_id: bytes) -> None:
    """Raises errors of the driver."""
    session.generate_key(KeyType.AES, _KEK_BITS, id=kek_id, label=label_of(generation), store=True, template=_TEMPLATE)
