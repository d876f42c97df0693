"""Grants: a permission for one principal, or a few, for a while. Each becomes one Cedar statement."""

import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import cedarpy

from kms.access.actions import Actions
from kms.access.principals import Principals, fits
from kms.access.reading import Statement, parse_one, validation_problems
from kms.access.statements import take_apart
from kms.core.errors import InvalidArgument, PermissionDenied, Reason
from kms.core.identity import Caller, Role
from kms.core.names import ChildName

COLLECTION: Final = "grants"
LIFETIME_MAX: Final = timedelta(days=90)
ACTIONS_MAX: Final = 50
RESOURCES_MAX: Final = 50
CONDITION_CHARACTERS_MAX: Final = 2000
PATTERN_CHARACTERS_MAX: Final = 128
"""As in kms.access.statements, of one grant."""
REASON_CHARACTERS_MAX: Final = 1000
LIVE_MAX: Final = 200
"""Of a tenant, that are in force at the same time."""
_RESOURCE_TAIL: Final = re.compile(
    r"(?:/[A-Za-z0-9._-]{1,100}){0,10}|(?:/[A-Za-z0-9._-]{1,100}){0,9}/[A-Za-z0-9._-]{0,100}\*"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """As tenants/{tenant}/grants/{id}; see protos/hallmark/v1/access.proto."""

    name: ChildName
    principal: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    condition: str
    reason: str
    create_time: datetime
    expire_time: datetime
    grantor: str
    revoke_time: datetime | None = None

    def is_in_force(self, now: datetime) -> bool:
        return self.revoke_time is None and now < self.expire_time


def check_grant(grant: Grant, *, grantor: Caller, principals: Principals, actions: Actions) -> None:
    """All that Cedar does not see. Raises InvalidArgument, PermissionDenied for a grant to oneself."""
    tenant = grant.name.tenant
    principals.check_pattern(grant.principal, tenant, "grant.principal")
    if fits(grant.principal, grantor.spiffe_id):
        raise PermissionDenied(
            Reason.ACCESS_DENIED, "nobody grants themselves anything; let another admin do it", resource=str(grant.name)
        )
    _check_actions(grant.actions, actions)
    if not grant.principal.endswith("*"):
        _check_role(grant.actions, principals.parse(grant.principal, tenant).role, actions)
    if len(grant.resources) > RESOURCES_MAX:
        raise _invalid("resources", f"at most {RESOURCES_MAX} names")
    for name in grant.resources:
        tail = name.removeprefix(f"tenants/{tenant}")
        if tail == name or not _RESOURCE_TAIL.fullmatch(tail):
            raise _invalid(
                "resources", f"names of tenants/{tenant}, or such names with * at their end; {name!r} is not"
            )
    if not grant.create_time < grant.expire_time <= grant.create_time + LIFETIME_MAX:
        raise _invalid("expire_time", f"after now, and at most {LIFETIME_MAX.days} days ahead")
    if len(grant.reason) > REASON_CHARACTERS_MAX or not grant.reason.isprintable():
        raise _invalid("reason", f"at most {REASON_CHARACTERS_MAX} printable characters")


def check_statement(grant: Grant, schema: cedarpy.Schema) -> None:
    """The condition is one expression that the schema knows. Call it in a thread. Raises InvalidArgument."""
    if len(grant.condition) > CONDITION_CHARACTERS_MAX:
        raise _invalid("condition", f"at most {CONDITION_CHARACTERS_MAX} characters")
    try:
        text = statement_of(grant).text
        pieces = take_apart(text, pattern_characters_max=PATTERN_CHARACTERS_MAX)
        if len(pieces) != 1:
            raise _invalid("condition", "one Cedar expression")
        read = parse_one(text, 1)
        plain = parse_one(_statement(grant, "true"), 1)
    except InvalidArgument as error:
        raise _invalid("condition", f"a Cedar expression; {error.message}") from None
    own = (read.effect, read.principal, read.action, read.resource, read.clauses[:-1], len(read.clauses))
    if own != (plain.effect, plain.principal, plain.action, plain.resource, plain.clauses[:-1], len(plain.clauses)):
        raise _invalid("condition", "one Cedar expression, and nothing that ends it")
    problems, _ = validation_problems(text, schema)
    if problems:
        raise _invalid("condition", f"an expression that fits `hallmark access schema`; {problems[0]}")


def statement_of(grant: Grant) -> Statement:
    """The permit that it is. Its @id is the grant's name."""
    return Statement(str(grant.name), 0, _statement(grant, grant.condition or "true"))


def _statement(grant: Grant, condition: str) -> str:
    actions = ", ".join(f"Action::{json.dumps(name.removesuffix('.*'))}" for name in grant.actions)
    return (
        f'@id("{grant.name}")\n'
        f"permit(principal, action in [{actions}], resource)\n"
        f"when {{ {_fits('principal.spiffe_id', grant.principal)} }}\n"
        f"when {{ {_among(grant)} }}\n"
        f"when {{ {condition}\n}};"  # on a line of its own: a comment at the end of the condition ends before it
    )


def _among(grant: Grant) -> str:
    if not grant.resources:
        return f'resource.tenant == "{grant.name.tenant}"'
    return " || ".join(
        _fits("resource.name", name) if name.endswith("*") else f"resource in Resource::{json.dumps(name)}"
        for name in grant.resources
    )


def _fits(attribute: str, pattern: str) -> str:
    return f"{attribute} {'like' if pattern.endswith('*') else '=='} {json.dumps(pattern)}"


def _check_actions(names: tuple[str, ...], actions: Actions) -> None:
    if not 1 <= len(names) <= ACTIONS_MAX:
        raise _invalid("actions", f"1 to {ACTIONS_MAX} actions")
    services = {f"{service}.*" for service in actions.services()}
    for name in names:
        if actions.find(name) is None and name not in services:
            raise _invalid("actions", f"such as SigningService.Sign or SigningService.*; {name!r} is none")


def _check_role(names: tuple[str, ...], role: Role, actions: Actions) -> None:
    """No grant goes beyond the roles of an RPC: one that could never have an effect is a mistake."""
    for name in names:
        if not any(actions.is_for(each.name, role) for each in actions if name in {each.name, f"{each.service}.*"}):
            raise _invalid("actions", f"for role {role}, and {name} is not, whatever is granted")


def _invalid(field: str, wanted: str) -> InvalidArgument:
    return InvalidArgument(Reason.FIELD_INVALID, f"{field} of a grant must be {wanted}", field=f"grant.{field}")
