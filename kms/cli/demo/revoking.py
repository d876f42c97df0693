"""Steps: a back office watches, and learns of a revocation."""

import time
from collections.abc import Sequence

from kms.cli.demo.stage import Stage, hold
from kms.cli.demo.watcher import Watcher
from kms.cli.output import short

_SERVICE_KEY = "tenants/system/keys/revocation-events"


def open_watch(stage: Stage) -> Sequence[str]:
    signing_version = stage.client("auditor").keys.public_key(_SERVICE_KEY).name
    stage.watcher = Watcher(stage.new_client("auditor"), service_key=signing_version)
    stage.watcher.wait_until_watching()
    return (
        "a back office with an identity of its own follows the feed; it believes what the service's hybrid key signed",
    )


def revoke_old_version(stage: Stage) -> Sequence[str]:
    """Latency: from just before Revoke is called until the verified event is in its hands."""
    subject = stage.first.key_version
    began = time.monotonic()
    stage.client("admin").revocations.revoke(subject, "SUPERSEDED")
    arrival = stage.watcher.next()
    hold(arrival.event.subject == subject, f"the watcher learned of {arrival.event.subject}, not of {subject}")
    stage.findings.revocation_latency_ms = round((arrival.at - began) * 1000, 1)
    return (
        f"{short(subject)} revoked: {arrival.event.reason}",
        f"verified by the watcher {stage.findings.revocation_latency_ms} ms after the call began",
    )
