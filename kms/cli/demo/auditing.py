"""Step: an auditor who has the log's public files and its verifier keys, and nothing else."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from kms.cli.child import ask
from kms.cli.demo.stage import Stage, hold

_CHECKPOINT = "checkpoint"


def audit_log(stage: Stage) -> Sequence[str]:
    """In another process and another folder. And a copy with one changed byte is refused."""
    folder = stage.outside / "auditor"
    public = folder / "public"
    _copy_log(stage.home / "public", public)
    for file in (stage.vkeys, stage.early_checkpoint):
        shutil.copy(file, folder)
    arguments = ("log", "verify", "--public", "public", "--vkey", "log.vkey")
    found = ask(*arguments, "--since", "last.checkpoint", folder=folder)
    hold(found.exit_code == 0, f"the auditor refuses the log: {found.words}")
    size, earlier = found.document["size"], found.document["consistent_from"]
    _change_one_byte(public, size)
    refused = ask(*arguments, folder=folder)
    hold(refused.exit_code == 1, f"the auditor did not notice a changed entry: {refused.words}")
    stage.findings.log_size = size
    stage.findings.inclusion_verified = size > 0 and found.document["inclusions_verified"] == size
    stage.findings.consistency_verified = earlier is not None and 0 < earlier < size
    signers = len(found.document["signers"])
    return (
        f"checkpoint of size {size} with {signers} good signatures (Ed25519 and ML-DSA-44)",
        f"{found.document['inclusions_verified']} of {size} entries proved to be included",
        f"the tree of size {earlier}, whose checkpoint was kept from before, is its beginning",
        "with one byte changed in a copy, the audit fails",
    )


def _copy_log(source: Path, target: Path) -> None:
    """The checkpoint first: tiles are published before it, so what is copied later covers it."""
    target.mkdir(parents=True)
    shutil.copy(source / _CHECKPOINT, target)
    shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns(_CHECKPOINT))


def _change_one_byte(public: Path, size: int) -> None:
    """Of the first entries, in the file that a tree of this size is read from."""
    from hallmark_tlog.tiles import tile_at

    bundle = public / tile_at(None, 0, size).path
    data = bytearray(bundle.read_bytes())
    data[-1] ^= 1
    bundle.write_bytes(data)
