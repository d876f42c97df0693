"""The actions that access rules are about: every RPC, with its service and its class, as the policy rows of the server
say (kms.server.policy, handed in by whoever stands above).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from kms.core.identity import Role

_EXEMPT: Final = "/grpc.health.v1."
"""Asked by load balancers, about no tenant."""


class ActionClass(StrEnum):
    """Told by the roles that an RPC is for."""

    READ = "read"
    """What auditors, who change nothing, may call."""
    USE = "use"
    """What is neither."""
    ADMINISTER = "administer"
    """What admins alone may call."""


@dataclass(frozen=True, slots=True)
class Action:
    """An RPC: `name` such as SigningService.Sign, and the roles it is for."""

    name: str
    roles: frozenset[Role]

    @property
    def service(self) -> str:
        return self.name.partition(".")[0]

    @property
    def kind(self) -> ActionClass:
        if Role.AUDITOR in self.roles:
            return ActionClass.READ
        return ActionClass.ADMINISTER if self.roles == {Role.ADMIN} else ActionClass.USE


class Actions:
    """All of them, by name."""

    def __init__(self, actions: Iterable[Action]) -> None:
        self._by_name = {action.name: action for action in sorted(actions, key=lambda action: action.name)}

    @classmethod
    def of_rows(cls, roles: Mapping[str, frozenset[Role]]) -> "Actions":
        """`roles` by the path of an RPC, such as /hallmark.v1.SigningService/Sign. Health checks are left out."""
        named = ((path.rpartition(".")[2].replace("/", "."), path) for path in roles)
        return cls(Action(name, roles[path]) for name, path in named if not path.startswith(_EXEMPT))

    def __iter__(self) -> Iterator[Action]:
        return iter(self._by_name.values())

    def find(self, name: str) -> Action | None:
        return self._by_name.get(name)

    def services(self) -> list[str]:
        return sorted({action.service for action in self})

    def is_for(self, name: str, role: Role) -> bool:
        """Whether the role wall lets the role through."""
        action = self._by_name.get(name)
        return action is not None and role in action.roles


READERS: Final[Mapping[str, tuple[str, ...]]] = {
    "aliases": ("KeyService.GetKey", "KeyService.GetPublicKey"),
    "accessPolicies": ("AccessService.GetAccessPolicy",),
    "anchors": ("CollateralService.GetAnchor",),
    "consents": ("ConsentService.GetConsent",),
    "devices": ("DeviceService.GetDevice",),
    "grants": ("AccessService.GetGrant",),
    "keys": ("KeyService.GetKey", "KeyService.GetPublicKey"),
    "policies": ("AppraisalService.GetPolicy",),
    "proposals": ("ApprovalService.GetProposal",),
    "releases": ("ReleaseService.GetRelease",),
    "removals": ("RemovalService.GetRemoval",),
    "verdicts": ("DeviceService.GetVerdict",),
}
"""By kind of resource: who may do one of these to it may know that it is there. Of kinds that are not here nothing is
hidden within the tenant: they have no RPC that reads one by its name. An alias is read as the key that it stands for.
"""
