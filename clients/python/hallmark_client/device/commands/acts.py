"""What each command does. Each gives what there is to tell, and raises HallmarkError, ReleaseError, OSError."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from hallmark_client.device.agent.opening import attester_of, check_enrolled, opened_root
from hallmark_client.device.commands.arguments import secret_of
from hallmark_client.device.commands.policy_file import allowing, read_policy
from hallmark_client.device.commands.telling import DONE, FAILED, Line, Told, line
from hallmark_client.device.errors import ArtifactSuspended, ArtifactUnknown
from hallmark_client.device.life import Device, DeviceStatus, FeedSettings, LifeSettings, NotEnrolled
from hallmark_client.device.model import Artifact
from hallmark_client.device.policy import DENY_ALL, VaultPolicy
from hallmark_client.device.roots.port import RootOfTrust
from hallmark_client.device.updates import Installed
from hallmark_client.model.result import rfc3339
from hallmark_client.profile import Profile
from hallmark_client.system import System
from hallmark_client.watch.ladder import Rung
from hallmark_client.watch.status import Status
from hallmark_release.trust import ReleaseTrust

HEAR_SECONDS: Final = 10.0
"""Before an update: who was revoked meanwhile is told so, and who is offline goes on."""
_LOOK_SECONDS: Final = 0.05
_SETTINGS: Final = LifeSettings(feeds=FeedSettings(more={"begin_with": Rung.POLL}))
"""One question is answered at once; a stream proves that it is current with its first heartbeat."""


def enrol(asked: argparse.Namespace) -> Told:
    service = Profile.load(asked.service)
    policy = allowing(asked.allow) if asked.allow else None if asked.policy is None else read_policy(asked.policy)
    with opened_root(asked.vault, asked.root, secret=secret_of(asked)) as root:
        device, is_new = _enrolled(asked, root, service, policy)
        with device:
            facts, is_closed = device.facts(), device.vault.policy == DENY_ALL
    lines = [
        f"{'Enrolled as' if is_new else 'Enrolled before, as'} {facts.device}.",
        f"  key          {facts.purpose.value.lower().replace('_', '-')}, with the {facts.key_place.value}",
        f"  certificate  until {rfc3339(facts.certificate_expire_time)}",
        f"  root         {facts.root.name}, {facts.root.assurance.value}: {facts.root.detail}",
        *(f"  but          {caveat}" for caveat in facts.root.caveats),
    ]
    if is_closed:
        lines.append("Nobody may read what will be here yet: run this again with --allow APPLICATION or --policy FILE.")
    lines.append("Next: python -m hallmark_client.device update --help")
    return Told(facts={"is_new": is_new, "readable": not is_closed, **facts.to_dict()}, text="\n".join(lines))


def _enrolled(
    asked: argparse.Namespace, root: RootOfTrust, service: Profile, policy: VaultPolicy | None
) -> tuple[Device, bool]:
    """A device that is one already asks nobody: this may run at every boot. After a crash in the middle it goes on."""
    attester = attester_of(root)
    try:
        check_enrolled(asked.vault)
        return Device.open(asked.vault, root=root, attester=attester, policy=policy), False
    except NotEnrolled as error:
        if error.reason != "NOT_ENROLLED":
            raise
    with line() as shown:
        shown.say(f"giving evidence to {service.address}")
        return Device.enrol(asked.vault, bootstrap=service, root=root, attester=attester, policy=policy), True


def status(asked: argparse.Namespace) -> Told:
    with _device(asked) as device:
        found = device.status()
        here = [(each, _why_not(device, each)) for each in device.vault.artifacts()]
    artifacts = [{"name": each.name, "version": each.version, "size": each.size, "why_not": why} for each, why in here]
    lines = [*_status_lines(found), *(f"  {_named(each)}: {why or 'may be used'}" for each, why in here)]
    return Told(facts={**found.to_dict(), "artifacts": artifacts}, text="\n".join(lines))


def update(asked: argparse.Namespace) -> Told:
    trust = ReleaseTrust.load(asked.trust)
    with _device(asked) as device, line() as shown:
        is_heard = _live(device, HEAR_SECONDS, shown)
        shown.say("looking for the current release")
        installed = device.update(asked.model, asked.source, trust, consent=asked.consent, progress=shown.progress)
        why_not = _why_not(device, installed.artifact)
    artifact = installed.artifact
    facts = {
        "is_new": installed.is_new,
        "model": artifact.name,
        "version": artifact.labels.get("version", ""),
        "epoch": artifact.version,
        "digest": artifact.digest,
        "size": artifact.size,
        "fetched": installed.fetched,
        "parts": [part.path for part in artifact.parts],
        "removed": [each.version for each in installed.removed],
        "why_not": why_not,
        "heard": is_heard,
    }
    return Told(facts=facts, text="\n".join(_update_lines(installed, why_not, is_heard=is_heard)))


def work(asked: argparse.Namespace) -> Told:
    with _device(asked) as device, line() as shown:
        is_heard = _live(device, asked.seconds, shown)
        found = device.status()
    lines = _status_lines(found)
    if not is_heard:
        reasons = ", ".join(found.watch.reasons) if found.watch else ""
        lines.append(f"  not heard    the service, for {asked.seconds:g} s ({reasons}): run this again when online")
    is_well = is_heard and not (found.blocked or found.trouble or found.receipts_owed)
    return Told(facts={"heard": is_heard, **found.to_dict()}, text="\n".join(lines), code=DONE if is_well else FAILED)


@contextmanager
def _device(asked: argparse.Namespace) -> Iterator[Device]:
    """Enrolled before; nothing is made where there is none."""
    check_enrolled(asked.vault)
    with (
        opened_root(asked.vault, asked.root, secret=secret_of(asked)) as root,
        Device.open(asked.vault, root=root, attester=attester_of(root), settings=_SETTINGS) as device,
    ):
        yield device


def _live(device: Device, seconds: float, shown: Line, system: System | None = None) -> bool:
    """One round of life: the feeds until they are current, for `seconds` at most, and all that is due: deletions,
    receipts, the certificate. Whether the service was heard; what needs it is not waited for where it was not.
    """
    system = system or System()
    shown.say("hearing the service")
    device.start()
    until = system.monotonic() + seconds
    while not _has_heard(device.status()) and system.monotonic() < until:
        system.sleep(_LOOK_SECONDS)
    is_heard = _has_heard(device.status())
    if is_heard:
        device.work()
    return is_heard


def _has_heard(found: DeviceStatus) -> bool:
    return bool(found.blocked) or (found.watch is not None and found.watch.status is Status.VALID)


def _why_not(device: Device, artifact: Artifact) -> str:
    """Empty where it may be used."""
    try:
        device.vault.check_usable(artifact)
    except (ArtifactSuspended, ArtifactUnknown) as error:
        return error.message
    return ""


def _named(artifact: Artifact) -> str:
    return f"{artifact.name}, epoch {artifact.version}, {artifact.size:,} bytes"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _status_lines(found: DeviceStatus) -> list[str]:
    told: dict[str, Any] = {
        "certificate": f"until {rfc3339(found.certificate_expire_time)}",
        "blocked": found.blocked and f"{found.blocked}: nothing may be used",
        "receipts": found.receipts_owed and f"{found.receipts_owed} are owed to the service",
        "suspended": found.suspended,
        "audit": f"{found.anchored_size} entries are anchored in the log",
        **{task: f"failed: {why}" for task, why in found.trouble.items()},
    }
    return [found.device, *(f"  {name:<11}  {text}" for name, text in told.items() if text)]


def _update_lines(installed: Installed, why_not: str, *, is_heard: bool) -> list[str]:
    artifact = installed.artifact
    label = f"{artifact.name} {artifact.labels.get('version', '')}, epoch {artifact.version}"
    if installed.is_new:
        lines = [f"Installed {label}: {artifact.size:,} bytes in {_counted(len(artifact.parts), 'file')}."]
    else:
        lines = [f"Already installed: {label} is the current release."]
    lines += [f"Deleted epoch {each.version}." for each in installed.removed]
    if why_not:
        lines.append(f"But: {why_not}.")
    if not is_heard:
        lines.append("The service was not heard: what it took back meanwhile is not known yet.")
    return lines
