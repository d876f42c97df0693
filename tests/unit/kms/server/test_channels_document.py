"""docs/channels.md tells the class of every call as kms.server.policy has it."""

from itertools import groupby
from pathlib import Path

from kms.core.resources import Sensitivity
from kms.server.policy import POLICY

DOCUMENT = Path(__file__).resolve().parents[4] / "docs" / "channels.md"
BEGIN, END = "<!-- calls: written from kms/server/policy.py -->\n", "<!-- end of calls -->"


def _calls(level: Sensitivity) -> str:
    """Service: method, method. In the order of the policy."""
    methods = [path.strip("/").split("/") for path, row in POLICY.items() if row.sensitivity is level]
    by_service = groupby(sorted(methods, key=lambda each: each[0]), key=lambda each: each[0].rpartition(".")[2])
    return "; ".join(f"**{service}** {', '.join(name for _, name in found)}" for service, found in by_service)


def table() -> str:
    rows = [f"| {level.name} | {_calls(level)} |" for level in Sensitivity]
    return "\n".join(["| class | calls |", "|---|---|", *rows, ""])


def test_the_table_of_calls_is_the_policy() -> None:
    _, _, rest = DOCUMENT.read_text().partition(BEGIN)
    found, _, _ = rest.partition(END)
    assert found == table(), f"replace it by:\n{table()}"


def test_what_harms_most_is_in_the_highest_class() -> None:
    """Nothing that only tells public facts is above LOW, and nothing that can not be taken back is below MAXIMUM."""
    classes = {path.rpartition("/")[2]: row.sensitivity for path, row in POLICY.items()}
    public = ("GetPublicKey", "GetTrustBundle", "GetCheckpoint", "GetInclusionProof", "Verify", "Check")
    final = ("ExportKey", "ImportKey", "ShredEpoch", "EraseCommitments", "ActivateAccessPolicy", "ApproveProposal")
    assert {classes[name] for name in public} == {Sensitivity.LOW}
    assert {classes[name] for name in final} == {Sensitivity.MAXIMUM}
    assert classes["Sign"] is classes["AttestDevice"] is Sensitivity.STANDARD
    assert classes["CreateKey"] is classes["Revoke"] is Sensitivity.HIGH
