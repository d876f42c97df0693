"""From what a caller names (a key, a version or an alias) to the key. For every RPC that uses or reads a key."""

from typing import TypeAlias

from sqlalchemy.engine import Connection

from kms.core.errors import NotFound, Reason, not_found
from kms.core.names import AliasName, KeyName, KeyVersionName, parse_key_or_version
from kms.keys import alias_store, store
from kms.keys.model import Key

KeyReference: TypeAlias = KeyName | KeyVersionName | AliasName


def parse_reference(text: str, field: str = "name") -> KeyReference:
    """Raises InvalidArgument/NAME_INVALID."""
    return AliasName.parse(text, field) if "/aliases/" in text else parse_key_or_version(text, field)


def resolve(tx: Connection, reference: KeyReference) -> KeyName | KeyVersionName:
    """Where an alias points now; anything else is itself. Raises NotFound/ALIAS_NOT_FOUND."""
    if not isinstance(reference, AliasName):
        return reference
    alias = alias_store.find_alias(tx, reference)
    if alias is None:
        raise alias_not_found(reference)
    return alias.key


def find_referenced(tx: Connection, reference: KeyReference) -> tuple[Key, int | None]:
    """The key, and the number when a version was named. Raises the uniform not-found.

    Whether the version may be used is for `model.signing_version` to say.
    """
    name = resolve(tx, reference)
    key_name, number = (name.key_name, name.version) if isinstance(name, KeyVersionName) else (name, None)
    key = store.find_key(tx, key_name)
    if key is None or (number is not None and key.version(number) is None):
        raise not_found(str(reference))
    return key, number


def alias_not_found(name: AliasName) -> NotFound:
    return NotFound(Reason.ALIAS_NOT_FOUND, f"{name} was not found", resource=str(name))
