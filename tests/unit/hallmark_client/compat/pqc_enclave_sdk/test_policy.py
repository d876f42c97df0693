import pytest

from hallmark_client.compat.pqc_enclave_sdk import (
    AccessPolicy,
    ArtifactKind,
    ArtifactMetadata,
    ArtifactPolicy,
    PolicyViolationError,
)
from hallmark_client.device.policy import VaultPolicy
from hallmark_client.model.consents import ArtifactKind as KindInVault

META = ArtifactMetadata("id", "n", ArtifactKind.CREDENTIAL)


def test_it_becomes_a_policy_of_the_vault() -> None:
    policy = AccessPolicy().add(ArtifactPolicy(ArtifactKind.CREDENTIAL, frozenset({"b", "a"}), True, 5)).in_vault(3)
    rule = policy.kinds[KindInVault.CREDENTIAL.value]
    assert policy.version == 3
    assert rule.callers.applications == ("a", "b")
    assert (rule.max_uses.uses, rule.max_uses.seconds) == (5, 3600)
    assert rule.user_present is not None
    assert VaultPolicy.parse(policy.to_bytes()) == policy


def test_biometry_is_read() -> None:
    policy = AccessPolicy().add(ArtifactPolicy(ArtifactKind.CREDENTIAL, frozenset({"a"}), require_biometric=True))
    with pytest.raises(PolicyViolationError, match="presence"):
        policy.check(META, "a")
    with pytest.raises(PolicyViolationError, match="none of the bundles"):
        policy.check(META, "b")
