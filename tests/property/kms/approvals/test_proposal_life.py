"""The life of proposals as a state machine: whatever is done by whomever, an act is done only as it was agreed."""

import asyncio
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from google.protobuf import duration_pb2
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from hallmark.v1 import approvals_pb2
from kms.core.errors import FailedPrecondition, Reason
from support.approvals_world import approvals_world

PEOPLE = st.sampled_from(["alice", "bob", "carol", "dave"])


@dataclass
class Expected:
    """What the rules say of one proposal. `ends`: seconds on the fake clock."""

    proposal: approvals_pb2.Proposal
    proposer: str
    needed: int
    ends: float
    approvers: set[str] = field(default_factory=set)
    rejected: bool = False
    executed: bool = False

    def state(self, now: float) -> str:
        if self.executed:
            return "EXECUTED"
        if self.rejected:
            return "REJECTED"
        if now >= self.ends:
            return "EXPIRED"
        return "APPROVED" if len(self.approvers) >= self.needed else "OPEN"

    def alive(self, now: float) -> bool:
        return self.state(now) in {"OPEN", "APPROVED"}


class ProposalLife(RuleBasedStateMachine):
    proposals = Bundle("proposals")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.cleanup = AsyncExitStack()
        self.known: list[Expected] = []
        self.required = 0

    def run(self, work):
        return self.loop.run_until_complete(work)

    @property
    def now(self) -> float:
        return self.world.clock.monotonic()

    @initialize()
    def begin(self) -> None:
        folder = self.cleanup.enter_context(tempfile.TemporaryDirectory())
        self.world = self.run(self.cleanup.enter_async_context(approvals_world(Path(folder))))

    def teardown(self) -> None:
        self.run(self.cleanup.aclose())
        self.loop.close()

    @rule(required=st.integers(0, 3))
    def change_policy(self, required: int) -> None:
        self.required = required
        self.world.require(destroy=required)

    @rule(seconds=st.sampled_from([1, 300, 600]))
    def wait(self, seconds: int) -> None:
        self.world.clock.advance(seconds)

    @rule(target=proposals, who=PEOPLE, minutes=st.integers(10, 30))
    def propose(self, who: str, minutes: int) -> Expected:
        lifetime = duration_pb2.Duration(seconds=minutes * 60)
        made = self.run(self.world.propose(who, lifetime=lifetime))
        self.known.append(Expected(made, who, max(1, self.required), self.now + minutes * 60))
        return self.known[-1]

    @rule(expected=proposals, who=PEOPLE)
    def approve(self, expected: Expected, who: str) -> None:
        allowed = expected.alive(self.now) and who not in {expected.proposer, *expected.approvers}
        self._happens(self.world.approve(expected.proposal, who), allowed)
        if allowed:
            expected.approvers.add(who)

    @rule(expected=proposals, who=PEOPLE)
    def reject(self, expected: Expected, who: str) -> None:
        allowed = expected.alive(self.now)
        self._happens(self.world.reject(expected.proposal.name, who), allowed)
        expected.rejected |= allowed

    @rule(expected=proposals)
    def execute(self, expected: Expected) -> None:
        enough = len(expected.approvers) >= max(expected.needed, self.required)
        allowed = expected.alive(self.now) and enough
        self._happens(self.world.consume(expected.proposal.name), allowed)
        expected.executed |= allowed

    @rule()
    def act_without(self) -> None:
        self._happens(self.world.consume(""), self.required == 0, Reason.APPROVAL_REQUIRED)

    def _happens(self, work, allowed: bool, why: Reason | None = None) -> None:
        refused: Reason | None = None
        try:
            self.run(work)
        except FailedPrecondition as error:
            refused = error.reason
        assert (refused is None) is allowed
        assert why is None or refused in {None, why}

    @invariant()
    def states_are_what_the_rules_say(self) -> None:
        if not self.known:
            return
        shown = {proposal.name: proposal for proposal in self.run(self.world.list()).proposals}
        assert len(shown) == len(self.known)
        for expected in self.known:
            proposal = shown[expected.proposal.name]
            assert approvals_pb2.ProposalState.Name(proposal.state) == f"PROPOSAL_STATE_{expected.state(self.now)}"
            assert {approval.approver.rpartition("/")[2] for approval in proposal.approvals} == expected.approvers
            assert proposal.payload == expected.proposal.payload, "what was signed never changes"
            assert proposal.approvals_needed == expected.needed


TestProposalLife = ProposalLife.TestCase
TestProposalLife.settings = settings(max_examples=25, stateful_step_count=30)
