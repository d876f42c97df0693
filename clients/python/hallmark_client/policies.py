"""client.policies: what devices are judged by. Set a version, see what it would change, activate it."""

from collections.abc import Iterator

from hallmark.v1 import appraisal_pb2, keys_pb2
from hallmark_client import rpc
from hallmark_client.calls import Calls
from hallmark_client.model.enums import PolicyForm
from hallmark_client.model.policies import SIGNING_KEY, DeviceChange, DryRun, Policy, PolicyChange
from hallmark_client.model.signed import TrustedKeys
from hallmark_client.wire.keys import public_key_of
from hallmark_client.wire.policies import device_change_of, policy_change_of, policy_of
from hallmark_client.wire.scalars import enum_argument, log_wait_argument, number_of


class Policies:
    """Reached as `client.policies`. A policy may be named by its number alone, or as "active".

    change = client.policies.set(Path("policy.toml").read_bytes())
    print(client.policies.dry_run(change.policy.name).changes)
    client.policies.activate(change.policy.name)
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def set(
        self,
        document: bytes,
        *,
        form: PolicyForm | str = PolicyForm.TOML,
        wait: str = "committed",
        request_id: str | None = None,
    ) -> PolicyChange:
        """Keep a policy file (at most 256 KiB) as a new version; nothing is judged by it yet.

        Raises InvalidArgument (POLICY_INVALID, which names every mistake).
        """
        request = appraisal_pb2.SetPolicyRequest(
            parent=self._calls.names.parent,
            document=document,
            form=number_of(enum_argument(PolicyForm, form, "form")),
            request_id=self._calls.request_id(request_id),
            log_wait=log_wait_argument(wait),
        )
        return self._calls(rpc.SET_POLICY, request, policy_change_of)

    def get(self, name: str = "active") -> Policy:
        """By default the one in force. Raises NotFound."""
        request = appraisal_pb2.GetPolicyRequest(name=self._calls.names.policy(name))
        return self._calls(rpc.GET_POLICY, request, policy_of)

    def list(self, *, page_size: int = 0) -> Iterator[Policy]:
        """Newest first, fetched page by page, without their documents."""
        token = ""
        while True:
            request = appraisal_pb2.ListPoliciesRequest(
                parent=self._calls.names.parent, page_size=page_size, page_token=token
            )
            page, token = self._calls(
                rpc.LIST_POLICIES,
                request,
                lambda page: ([policy_of(each) for each in page.policies], page.next_page_token),
            )
            yield from page
            if not token:
                return

    def dry_run(self, name: str, *, page_size: int = 0) -> DryRun:
        """Which devices would be judged otherwise if this version were activated now. page_size: devices a call.

        Raises NotFound, FailedPrecondition, ResourceExhausted (QUEUE_FULL).
        """
        token, examined, changes = "", 0, list[DeviceChange]()
        while True:
            request = appraisal_pb2.DryRunPolicyRequest(
                name=self._calls.names.policy(name), page_size=page_size, page_token=token
            )
            count, found, token = self._calls(
                rpc.DRY_RUN_POLICY,
                request,
                lambda page: (page.examined, [device_change_of(each) for each in page.changes], page.next_page_token),
            )
            examined += count
            changes += found
            if not token:
                return DryRun(examined=examined, changes=tuple(changes))

    def activate(
        self, name: str, *, proposal: str = "", wait: str = "committed", request_id: str | None = None
    ) -> PolicyChange:
        """From now on devices are judged by this version, and those that are known are judged again. "0" goes back to
        the built-in one.

        proposal: its id, where the server asks for approvals (act policy_change, subject: the policy's name,
        parameters_sha256: its `activation_sha256`). Raises FailedPrecondition (STATE_TRANSITION_INVALID,
        APPROVAL_REQUIRED, PROPOSAL_NOT_APPROVED, ...), NotFound.
        """
        request = appraisal_pb2.ActivatePolicyRequest(
            name=self._calls.names.policy(name),
            proposal=self._calls.names.proposal(proposal) if proposal else "",
            request_id=self._calls.request_id(request_id),
            log_wait=log_wait_argument(wait),
        )
        return self._calls(rpc.ACTIVATE_POLICY, request, policy_change_of)

    def service_keys(self) -> TrustedKeys:
        """The key that signs policies now, as this connection tells it, for `Policy.verify`."""
        request = keys_pb2.GetPublicKeyRequest(name=SIGNING_KEY)
        key = self._calls(rpc.GET_PUBLIC_KEY, request, public_key_of)
        return {key.name: key.composite()}
