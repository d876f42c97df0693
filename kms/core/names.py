"""Resource names (AIP-122): tenants/{tenant}/keys/{key}/versions/{number} and their relatives."""

import re
from dataclasses import dataclass
from typing import Self

from kms.core.errors import InvalidArgument, Reason

ID_PATTERN = r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?"
UUID_PATTERN = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_ID = re.compile(ID_PATTERN)
_NAME_BYTES_MAX = 512


def check_id(value: str, field: str) -> str:
    """1..63 characters: lower-case letters, digits and hyphens; begins with a letter, does not end with a hyphen."""
    if not _ID.fullmatch(value):
        raise InvalidArgument(
            Reason.FIELD_INVALID,
            f"{field} must be 1 to 63 lower-case letters, digits or hyphens, begin with a letter and not end with '-'",
            field=field,
        )
    return value


def _match(pattern: str, text: str, shape: str, field: str) -> re.Match[str]:
    found = re.fullmatch(pattern, text) if len(text) <= _NAME_BYTES_MAX else None
    if found is None:
        raise InvalidArgument(Reason.NAME_INVALID, f"{field} must look like {shape}", field=field)
    return found


@dataclass(frozen=True, slots=True)
class TenantName:
    tenant: str

    def __str__(self) -> str:
        return f"tenants/{self.tenant}"

    @classmethod
    def parse(cls, text: str, field: str = "parent") -> Self:
        return cls(_match(f"tenants/({ID_PATTERN})", text, "tenants/{tenant}", field)[1])


@dataclass(frozen=True, slots=True)
class KeyName:
    tenant: str
    key: str

    def __str__(self) -> str:
        return f"tenants/{self.tenant}/keys/{self.key}"

    @classmethod
    def parse(cls, text: str, field: str = "name") -> Self:
        found = _match(f"tenants/({ID_PATTERN})/keys/({ID_PATTERN})", text, "tenants/{tenant}/keys/{key}", field)
        return cls(found[1], found[2])


@dataclass(frozen=True, slots=True)
class KeyVersionName:
    tenant: str
    key: str
    version: int

    def __str__(self) -> str:
        return f"{self.key_name}/versions/{self.version}"

    @property
    def key_name(self) -> KeyName:
        return KeyName(self.tenant, self.key)

    @classmethod
    def parse(cls, text: str, field: str = "name") -> Self:
        shape = "tenants/{tenant}/keys/{key}/versions/{number}"
        found = _match(f"tenants/({ID_PATTERN})/keys/({ID_PATTERN})/versions/([1-9][0-9]{{0,8}})", text, shape, field)
        return cls(found[1], found[2], int(found[3]))


@dataclass(frozen=True, slots=True)
class AliasName:
    """Another name of a key, in a collection of its own so that it can not hide one."""

    tenant: str
    alias: str

    def __str__(self) -> str:
        return f"tenants/{self.tenant}/aliases/{self.alias}"

    @classmethod
    def parse(cls, text: str, field: str = "name") -> Self:
        shape = "tenants/{tenant}/aliases/{alias}"
        found = _match(f"tenants/({ID_PATTERN})/aliases/({ID_PATTERN})", text, shape, field)
        return cls(found[1], found[2])


def parse_key_or_version(text: str, field: str = "name") -> KeyName | KeyVersionName:
    """Either a key or one of its versions."""
    return KeyVersionName.parse(text, field) if "/versions/" in text else KeyName.parse(text, field)


@dataclass(frozen=True, slots=True)
class ChildName:
    """A tenant's resource with a UUID: challenges, verdicts, devices, revocations."""

    tenant: str
    collection: str
    id: str

    def __str__(self) -> str:
        return f"tenants/{self.tenant}/{self.collection}/{self.id}"

    @classmethod
    def parse(cls, text: str, collection: str, field: str = "name") -> Self:
        shape = f"tenants/{{tenant}}/{collection}/{{uuid}}"
        found = _match(f"tenants/({ID_PATTERN})/{collection}/({UUID_PATTERN})", text, shape, field)
        return cls(found[1], collection, found[2])


@dataclass(frozen=True, slots=True)
class DigestName:
    """A tenant's resource that is named by a SHA-256: artifacts, anchors."""

    tenant: str
    collection: str
    digest: str

    def __str__(self) -> str:
        return f"tenants/{self.tenant}/{self.collection}/{self.digest}"

    @classmethod
    def parse(cls, text: str, collection: str, field: str = "name") -> Self:
        shape = f"tenants/{{tenant}}/{collection}/{{sha256, 64 lower-case hex digits}}"
        found = _match(f"tenants/({ID_PATTERN})/{collection}/([0-9a-f]{{64}})", text, shape, field)
        return cls(found[1], collection, found[2])


@dataclass(frozen=True, slots=True)
class NumberName:
    """A tenant's resource that is numbered from 1: policies."""

    tenant: str
    collection: str
    number: int

    def __str__(self) -> str:
        return f"tenants/{self.tenant}/{self.collection}/{self.number}"

    @classmethod
    def parse(cls, text: str, collection: str, field: str = "name") -> Self:
        shape = f"tenants/{{tenant}}/{collection}/{{number}}"
        found = _match(f"tenants/({ID_PATTERN})/{collection}/([1-9][0-9]{{0,8}})", text, shape, field)
        return cls(found[1], collection, int(found[2]))
