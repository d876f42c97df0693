import pytest

from rpc.wire import fresh_name


@pytest.fixture
def bob(service) -> tuple[str, str]:
    """Options that make a command Bob's."""
    return "--profile", str(service.home / "clients" / "bob")


def test_from_the_proposal_to_the_act(hallmark, service, bob, tmp_path) -> None:
    name = fresh_name()
    hallmark("keys", "create", name, "--purpose", "envelope")
    hallmark("keys", "rotate", name)
    proposed = hallmark("approvals", "propose", "shred", f"{name}/versions/1", "--reason", "end of retention")
    assert (proposed.code, "another person's approval" in proposed.out) == (0, True)
    number = proposed.out.split("Its ID is ")[1].split(".")[0]
    own = hallmark("approvals", "approve", number, "--yes", "--json")
    assert (own.code, own.document["error"]["reason"]) == (3, "PROPOSAL_NOT_APPROVED")
    unasked = hallmark("approvals", "approve", number, *bob)
    assert (unasked.code, "end of retention" in unasked.err, "--yes" in unasked.err) == (2, True, True)
    approved = hallmark("approvals", "approve", number, "--yes", *bob)
    assert (approved.code, "that is enough" in approved.out) == (0, True)
    shown = hallmark("approvals", "show", number)
    assert "/admin/bob" in shown.out
    assert number in hallmark("approvals", "list", "--state", "approved").out
    assert hallmark("envelope", "shred", f"{name}/versions/1", "--proposal", number, "--yes").code == 0
    assert hallmark("approvals", "show", number, "--json").document["state"] == "EXECUTED"


def test_a_rejected_proposal(hallmark, bob) -> None:
    made = hallmark("approvals", "propose", "policy-change", "tenants/default", "--hours", "1", "--json").document
    number = made["name"].rpartition("/")[2]
    assert hallmark("approvals", "reject", number, *bob).code == 0
    late = hallmark("approvals", "approve", number, "--yes", *bob)
    assert (late.code, "hallmark approvals show" in late.err) == (3, True)
    listed = hallmark("approvals", "list", "--state", "rejected", "--json").document["proposals"]
    assert number in {proposal["name"].rpartition("/")[2] for proposal in listed}


def test_a_lifetime_has_its_bounds(hallmark) -> None:
    assert hallmark("approvals", "propose", "destroy", "x/versions/1", "--hours", "200").code == 2
