"""Steps: the consent is withdrawn and the model is gone from the phone; and that is proved."""

import shutil
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hallmark_client.device.errors import RolledBack
from hallmark_client.device.vault import Vault
from hallmark_client.model.removals import RemovalState
from hallmark_tlog.acceptance import accept_signed_by
from hallmark_tlog.fetch import http_fetcher
from hallmark_tlog.locate import PublicLog
from hallmark_tlog.vkey import parse_vkey
from kms.cli.demo.ota import key_refusal
from kms.cli.demo.ota_device import boot_phone, has_model, is_usable
from kms.cli.demo.ota_stage import MODEL, OtaStage, milliseconds_since, until
from kms.cli.demo.stage import DemoFailed, Stage, hold
from kms.cli.output import short

if TYPE_CHECKING:
    from hallmark_client.model.removals import Removal


def withdraw_consent(stage: Stage) -> Sequence[str]:
    """Latency: from just before the call until the service has the phone's receipt."""
    ota, auditor = stage.ota, stage.client("auditor")
    _copy_vault(ota)
    boot_phone(stage)
    until(lambda: is_usable(ota), "the phone can not use the model after it was switched off and on")
    before, began = ota.running().vault.epoch, time.monotonic()
    (asked,) = stage.client("backend").consents.withdraw(ota.consent, reason="changed my mind").removals
    until(lambda: not is_usable(ota), "the model is still usable on the phone")
    unusable_ms = milliseconds_since(began)
    until(lambda: auditor.removals.get(asked).grade, "the service has no receipt of the phone")
    stage.findings.removal_latency_ms = milliseconds_since(began)
    hold(not has_model(ota), "something of the model is still in the vault")
    ota.removal, after = asked, ota.running().vault.epoch
    hold(after > before, f"the vault is still in epoch {after}: its key was not replaced")
    refused = key_refusal(stage)
    ota.turn_off()
    return (
        "before: the phone was off, its vault's folder was copied, and the copy opened",
        f"not usable on the phone {unusable_ms} ms after the withdrawal began; its key is refused again: {refused}",
        f"its files are gone, and so is the key above them: epoch {before} of the vault ended, {after} began",
        f"the phone's receipt was with the service after {stage.findings.removal_latency_ms} ms",
    )


def prove_removal(stage: Stage) -> Sequence[str]:
    """By the copy of the vault, by the service's word, and by the public log."""
    removal = stage.client("auditor").removals.get(stage.ota.removal)
    hold(removal.state is RemovalState.DELETED, f"the service says that the removal is {removal.state}")
    assert removal.grade is not None
    refusal = _copy_refusal(stage.ota)
    index = _prove_receipt(stage, removal)
    stage.findings.receipt_grade, stage.findings.removal_proven = removal.grade.value, True
    return (
        f"the copy of the vault's folder does not open any more: {refusal}",
        "(a passphrase root is a file: with an old copy of that, too, it would; a TPM's counter can not be copied)",
        f"the service says {removal.state.value}; receipt of grade {removal.grade.value}, signed by the attested key",
        f"its countersignature holds, and the public log proves the receipt: entry {index}",
    )


def _copy_vault(ota: OtaStage) -> None:
    """Of a phone that is off. It opens, and has the model: so it is worth something."""
    ota.turn_off()
    shutil.copytree(ota.vault, ota.copy)
    assert ota.root is not None
    with Vault.open(ota.copy, ota.root) as vault:
        hold(vault.find(MODEL).digest == ota.release.statement.sha256.hex(), "the copy does not have the model")


def _copy_refusal(ota: OtaStage) -> str:
    """The reason. Raises DemoFailed when it opens."""
    assert ota.root is not None
    try:
        Vault.open(ota.copy, ota.root).close()
    except RolledBack as error:
        return error.reason
    raise DemoFailed("a copy of the vault from before the deletion still opens")


def _prove_receipt(stage: Stage, removal: "Removal") -> int:
    """Its index in the log, proved with the public files alone. Raises DemoFailed, and what does not hold."""
    receipt = removal.receipt
    assert receipt is not None
    assert receipt.log is not None
    receipt.verify(stage.client("device").consents.service_keys(), removal.name)
    accept = accept_signed_by([parse_vkey(key) for key in stage.log.verifier_keys], origin=stage.log.origin)
    fetch, leaf = http_fetcher(stage.server.public_url), receipt.log.leaf_hash
    problem = f"the receipt of {short(removal.name)} is not in the log"
    until(lambda: PublicLog(fetch, accept).index_of_leaf(leaf) is not None, problem)
    log = PublicLog(fetch, accept)
    index = log.index_of_leaf(leaf)
    assert index is not None
    hold(log.prove(index).verified.index == index, problem)
    return index
