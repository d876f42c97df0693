"""Witness policies of transparency-dev/formats."""

from hallmark_tlog.errors import FormatError
from hallmark_tlog.policy import Policy, parse_policy


def test_policies(records, refusal) -> None:
    for record in records("policy/policies.json"):
        if not record["ok"]:
            assert refusal(FormatError, parse_policy, record["policy"]), record["policy"]
            continue
        policy = parse_policy(record["policy"])
        assert parse_policy(str(policy)) == policy
        missing = policy.missing(())
        assert set(missing) <= {witness.name for witness in policy.witnesses}
        assert bool(missing) == (policy.quorum != "none")
        if record.get("n") is not None:
            assert top_threshold(policy) == record["n"], record["policy"]


def top_threshold(policy: Policy) -> int:
    """How many members of the quorum it takes; a single witness is one."""
    if policy.quorum == "none":
        return 0
    return next((group.threshold for group in policy.groups if group.name == policy.quorum), 1)
