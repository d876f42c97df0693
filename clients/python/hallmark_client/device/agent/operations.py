"""What an application may ask of the vault, one method for each operation. What it may not is the policy's."""

from collections.abc import Callable, Iterable, Mapping
from typing import BinaryIO, Final, cast

from hallmark_client.device.agent.accounts import Account
from hallmark_client.device.agent.channel import Channel
from hallmark_client.device.agent.errors import AgentInvalid
from hallmark_client.device.agent.frames import Members, Op
from hallmark_client.device.agent.house import House
from hallmark_client.device.agent.sent import SentFile
from hallmark_client.device.agent.sight import Sight
from hallmark_client.device.agent.values import (
    AgentStatus,
    artifact_json,
    clause_json,
    deletion_json,
    status_json,
)
from hallmark_client.device.errors import ArtifactUnknown
from hallmark_client.device.model import Artifact
from hallmark_client.device.policy import Operation
from hallmark_client.model.consents import ArtifactKind
from hallmark_events.canonical import Json

_PAGE_PARTS: Final = 10_000
"""Of all artifacts of a page together, at least: then the next page begins."""
_NAMES_MAX: Final = 1_000
_NONCE_MAX: Final = 64

Answer = dict[str, Json]


class Operations:
    """Of one application."""

    def __init__(self, house: House, account: Account, sight: Sight) -> None:
        self._house = house
        self._vault = house.vault
        self._account = account
        self._sight = sight
        self.plain: Final[Mapping[Op, Callable[[Members], Answer]]] = {
            Op.DELETE: self._delete,
            Op.EFFECTIVE_POLICY: self._effective_policy,
            Op.FIND: self._find,
            Op.LIST: self._list,
            Op.STATUS: self._status,
        }

    def get(self, params: Members) -> tuple[Answer, Channel]:
        params.only("name", "part", "version")
        artifact = self._named(params, Operation.GET)
        with self._house.accounts.reader(self._account) as done:
            reader = self._vault.get(
                artifact.name, version=artifact.version, part=params.text("part"), caller=self._sight.caller
            )
            try:
                seconds = self._house.accounts.limits.frame_seconds
                channel = Channel(reader, work=self._account.work, done=done, seconds=seconds)
            except BaseException:
                reader.close()
                raise
        return {"artifact": artifact_json(reader.artifact, (reader.part,))}, channel

    def put(self, params: Members, source: SentFile, told: Callable[[int], None] | None) -> Answer:
        """told: called with the bytes taken so far."""
        artifact = self._vault.put(
            cast("BinaryIO", source),
            name=params.text("name"),
            kind=params.choice("kind", ArtifactKind),
            version=params.number("version"),
            needs_permission=params.flag("needs_permission"),
            labels=params.pairs("labels"),
            progress=told,
            caller=self._sight.caller,
        )
        return {"artifact": artifact_json(artifact, artifact.parts)}

    def _find(self, params: Members) -> Answer:
        artifact = self._named(params.only("name", "version"), Operation.LIST)
        return {"artifact": artifact_json(artifact, artifact.parts)}

    def _list(self, params: Members) -> Answer:
        after = params.only("after").optional("after", lambda name: _place(params.members(name)))
        found = self._vault.artifacts(caller=self._sight.caller)
        rest = [each for each in found if after is None or (each.name, each.version) > after]
        page, parts = 0, 0
        while page < len(rest) and parts < _PAGE_PARTS:
            parts += 1 + len(rest[page].parts)
            page += 1
        return {
            "artifacts": [artifact_json(each, each.parts) for each in rest[:page]],
            "more": page < len(rest),
        }

    def _effective_policy(self, params: Members) -> Answer:
        artifact = self._named(params.only("name", "version"), Operation.LIST)
        clauses = self._vault.effective_policy(artifact.name, self._sight.caller, artifact.version)
        return {"clauses": [clause_json(clause) for clause in clauses]}

    def _delete(self, params: Members) -> Answer:
        nonce = params.only("artifacts", "nonce").optional("nonce", lambda name: params.data(name, at_most=_NONCE_MAX))
        wanted = params.many("artifacts", lambda item: item.only("artifact_id", "name"))
        if not 1 <= len(wanted) <= _NAMES_MAX:
            raise AgentInvalid(f"1 to {_NAMES_MAX} artifacts are deleted at a time")
        self._account.deletions.take()
        found = [artifact for item in wanted for artifact in self._doomed(item)]
        return {"deletion": deletion_json(self._vault.delete(*found, caller=self._sight.caller, nonce=nonce))}

    def _doomed(self, item: Members) -> Iterable[Artifact]:
        name, artifact_id = item.text("name"), item.optional("artifact_id", item.text)
        versions = self._sight.named(name, Operation.DELETE)
        found = [each for each in versions if artifact_id in (None, each.artifact_id)]
        if not found:
            raise ArtifactUnknown("ARTIFACT_UNKNOWN", f"this version of {name!r:.300} is not here any more")
        return found

    def _status(self, params: Members) -> Answer:
        params.only()
        status = AgentStatus(
            application=self._account.application,
            tenant=self._vault.tenant,
            epoch=self._vault.epoch,
            policy_version=self._vault.policy.version,
            readers=self._account.readers,
            readers_max=self._house.accounts.limits.readers,
            root=self._vault.root_facts,
        )
        return {"status": status_json(status)}

    def _named(self, params: Members, operation: Operation) -> Artifact:
        version = params.optional("version", params.number)
        return self._sight.find(params.text("name"), version, operation)


def _place(found: Members) -> tuple[str, int]:
    found.only("name", "version")
    return found.text("name"), found.number("version")
