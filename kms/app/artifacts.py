"""Artifacts, put together."""

from kms.artifacts.rpc import ArtifactServicer
from kms.artifacts.service import ArtifactStatusService
from kms.events.appending import Events


def make_artifacts(events: Events) -> ArtifactServicer:
    """Their revocation is listed with the other subjects: kms.artifacts.revocable.RevocableArtifacts."""
    return ArtifactServicer(ArtifactStatusService(events=events))
