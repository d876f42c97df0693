"""Names of callers in what people write: spiffe://{trust domain}/tenants/{tenant}/{role}/{name}, or a pattern."""

import re
from dataclasses import dataclass
from typing import Final

from kms.core.errors import InvalidArgument, Reason
from kms.core.identity import Caller, Role
from kms.core.names import ID_PATTERN

_NAME: Final = re.compile(rf"([a-z]+)/({ID_PATTERN})")
_TAIL: Final = re.compile(r"[a-z0-9/-]{0,100}")


@dataclass(frozen=True, slots=True)
class Principals:
    """Of one trust domain."""

    trust_domain: str

    def parse(self, text: str, tenant: str, field: str = "principal") -> Caller:
        """One caller of the tenant. Raises InvalidArgument."""
        found = _NAME.fullmatch(text.removeprefix(self._below(tenant)))
        if not text.startswith(self._below(tenant)) or found is None or found[1] not in set(Role):
            raise InvalidArgument(
                Reason.FIELD_INVALID,
                f"{field} must look like {self._below(tenant)}{{role}}/{{name}}, with a role of {', '.join(Role)}",
                field=field,
            )
        return _named(text, tenant, Role(found[1]), found[2])

    def of_seen_call(self, text: str, tenant: str) -> Caller | None:
        """As the audit of calls keeps it: all devices are one, named "-". None for what is no caller."""
        *_, role, name = f"//{text}".split("/")
        if not text.startswith(self._below(tenant)) or role not in set(Role):
            return None
        return _named(text, tenant, Role(role), name)

    def check_pattern(self, text: str, tenant: str, field: str) -> str:
        """One caller of the tenant, or many with * as the last character. Raises InvalidArgument."""
        if not text.endswith("*"):
            return self.parse(text, tenant, field).spiffe_id
        below = self._below(tenant)
        if not text.startswith(below) or not _TAIL.fullmatch(text[len(below) : -1]):
            raise InvalidArgument(
                Reason.FIELD_INVALID, f"{field} must begin with {below} and have * at its end only", field=field
            )
        return text

    def _below(self, tenant: str) -> str:
        return f"spiffe://{self.trust_domain}/tenants/{tenant}/"


def _named(text: str, tenant: str, role: Role, name: str) -> Caller:
    """Names with -- are those of token callers (kms.server.identity_mapping). Whether a token was bound to a
    certificate can not be told from its name.
    """
    return Caller(text, tenant, role, name, authentication="oidc" if "--" in name else "mtls")


def fits(pattern: str, text: str) -> bool:
    """`pattern` with * as its last character stands for all that begin like it."""
    return text.startswith(pattern[:-1]) if pattern.endswith("*") else text == pattern
