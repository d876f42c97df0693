"""Settings of devices. Filled in by kms.config, the only reader of files and environment."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from attestation.model import Anchors, TrustAnchor
from attestation.policy import AndroidPolicy, Policy
from kms.collateral.anchors import BUILT_IN
from kms.collateral.fail_modes import FailMode, apply_modes
from kms.collateral.model import CollateralKind


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicesSettings:
    """`android_status_source` is a file path, an https URL, or an http URL of this machine; None: no list is read, and
    unless `android_policy` allows it to be missing, Android evidence is refused with STATUS_LIST_MISSING.

    `status_max_age` counts from the last good fetch (of a file: from its last change). `trust_anchors` are accepted
    beside the vendors' own.
    """

    challenge_lifetime_seconds: int = 300
    certificate_lifetime: timedelta = timedelta(hours=8)
    result_lifetime: timedelta = timedelta(hours=1)
    android_status_source: str | None = None
    status_max_age: timedelta = timedelta(days=1)
    status_refresh: timedelta = timedelta(hours=1)
    trust_anchors: tuple[TrustAnchor, ...] = ()
    android_policy: AndroidPolicy = field(default_factory=AndroidPolicy)
    fail_modes: Mapping[CollateralKind, FailMode] = field(default_factory=dict)

    @property
    def anchors(self) -> Anchors:
        return Anchors((*BUILT_IN.items, *self.trust_anchors))

    @property
    def policy(self) -> Policy:
        """The built-in strict one, with what the settings say; for tenants without a policy of their own."""
        android = replace(self.android_policy, status_list_max_age=self.status_max_age)
        return apply_modes(Policy(android=android), self.fail_modes)
