"""What an app is told of its artifacts, over restarts of the agent."""

from collections.abc import Iterator
from typing import Final

from hallmark_client.device.agent.asking import Asking, Conversation
from hallmark_client.device.agent.changes import differences
from hallmark_client.device.agent.errors import AgentUnavailable
from hallmark_client.device.agent.frames import Op
from hallmark_client.device.agent.values import PermissionChange, Standing, read_change

_SILENCE_SECONDS: Final = 24 * 3600.0
"""The agent says nothing while nothing changes; after this time it is asked anew."""


def watched(asking: Asking) -> Iterator[PermissionChange]:
    """Each difference to what was told before. Raises AgentFailed when the agent stays away."""
    known: dict[str, PermissionChange] = {}
    while True:
        with asking.conversation() as conversation:
            conversation.ask(Op.WATCH, {}).only()
            yield from _heard(conversation, known)


def _heard(conversation: Conversation, known: dict[str, PermissionChange]) -> Iterator[PermissionChange]:
    """Until the connection ends. Keeps `known`."""
    while True:
        try:
            said = conversation.heard(_SILENCE_SECONDS).only("changes", "whole")
        except AgentUnavailable:
            return
        told = said.many("changes", read_change)
        whole = said.flag("whole")
        changes = differences(known, {each.artifact_id: each for each in told}) if whole else told
        for change in changes:
            if change.standing is Standing.GONE:
                known.pop(change.artifact_id, None)
            else:
                known[change.artifact_id] = change
            yield change
