"""client.access: who may do what. Policies in Cedar, grants that expire, and what follows from them."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from hallmark.v1 import access_pb2, keys_pb2
from hallmark_client import access_rpc as rpc
from hallmark_client.calls import Calls
from hallmark_client.model.access import (
    SIGNING_KEY,
    AccessChange,
    AccessDryRun,
    AccessGrant,
    AccessGrantChange,
    AccessPolicy,
    AccessPolicyChange,
    AccessTest,
    EffectiveAccess,
)
from hallmark_client.model.signed import TrustedKeys
from hallmark_client.rpc import GET_PUBLIC_KEY
from hallmark_client.wire.access import (
    access_change_of,
    access_policy_change_of,
    access_policy_of,
    access_test_of,
    effective_access_of,
    grant_change_of,
    grant_of,
)
from hallmark_client.wire.keys import public_key_of
from hallmark_client.wire.scalars import log_wait_argument, timestamp_argument


class Access:
    """Reached as `client.access`. A policy may be named by its number alone, or as "active"; a grant by its id.

    change = client.access.set(Path("access.cedar").read_bytes(), title="only by day")
    print(client.access.dry_run(change.policy.name).changes)
    client.access.activate(change.policy.name)
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def set(
        self,
        document: bytes,
        *,
        title: str = "",
        validate_only: bool = False,
        wait: str = "committed",
        request_id: str | None = None,
    ) -> AccessPolicyChange:
        """Keep a policy (at most 256 KiB) as a new version; nothing is decided by it yet. validate_only: keep nothing.

        Raises InvalidArgument (POLICY_INVALID, with line and reason of every mistake).
        """
        request = access_pb2.SetAccessPolicyRequest(
            parent=self._calls.names.parent,
            title=title,
            document=document,
            validate_only=validate_only,
            request_id=self._calls.request_id(request_id),
            log_wait=log_wait_argument(wait),
        )
        return self._calls(rpc.SET_ACCESS_POLICY, request, access_policy_change_of)

    def get(self, name: str = "active") -> AccessPolicy:
        """By default the one in force. Raises NotFound."""
        request = access_pb2.GetAccessPolicyRequest(name=self._policy(name))
        return self._calls(rpc.GET_ACCESS_POLICY, request, access_policy_of)

    def list(self, *, page_size: int = 0) -> Iterator[AccessPolicy]:
        """Newest first, fetched page by page, without their documents."""
        token = ""
        while True:
            request = access_pb2.ListAccessPoliciesRequest(
                parent=self._calls.names.parent, page_size=page_size, page_token=token
            )
            page, token = self._calls(
                rpc.LIST_ACCESS_POLICIES,
                request,
                lambda answer: (tuple(map(access_policy_of, answer.policies)), answer.next_page_token),
            )
            yield from page
            if not token:
                return

    def dry_run(self, name: str, *, page_size: int = 0) -> AccessDryRun:
        """Which calls of late would be decided otherwise if this version were activated. Raises NotFound."""
        token, examined, changes = "", 0, list[AccessChange]()
        while True:
            request = access_pb2.DryRunAccessPolicyRequest(
                name=self._policy(name), page_size=page_size, page_token=token
            )
            count, found, token = self._calls(
                rpc.DRY_RUN_ACCESS_POLICY,
                request,
                lambda page: (page.examined, tuple(map(access_change_of, page.changes)), page.next_page_token),
            )
            examined += count
            changes += found
            if not token:
                return AccessDryRun(examined=examined, changes=tuple(changes))

    def activate(
        self, name: str, *, proposal: str = "", wait: str = "committed", request_id: str | None = None
    ) -> AccessPolicyChange:
        """From now on this version decides. "0" goes back to the roles alone.

        proposal: its id, where the server asks for approvals (act policy_change, subject: the policy's name,
        parameters_sha256: its `activation_sha256`). Raises FailedPrecondition (LOCKOUT, STATE_TRANSITION_INVALID,
        APPROVAL_REQUIRED, ...), NotFound.
        """
        request = access_pb2.ActivateAccessPolicyRequest(
            name=self._policy(name),
            proposal=self._calls.names.proposal(proposal) if proposal else "",
            request_id=self._calls.request_id(request_id),
            log_wait=log_wait_argument(wait),
        )
        return self._calls(rpc.ACTIVATE_ACCESS_POLICY, request, access_policy_change_of)

    def grant(
        self,
        principal: str,
        actions: Sequence[str],
        *,
        expire_time: datetime,
        resources: Sequence[str] = (),
        condition: str = "",
        reason: str = "",
        wait: str = "committed",
        request_id: str | None = None,
    ) -> AccessGrantChange:
        """Permit a principal something until expire_time, at most 90 days ahead; nobody grants themselves anything.

        resources: full names, * as the last character for all below. Raises InvalidArgument, PermissionDenied.
        """
        request = access_pb2.CreateGrantRequest(
            parent=self._calls.names.parent,
            grant=access_pb2.Grant(
                principal=principal,
                actions=actions,
                resources=resources,
                condition=condition,
                reason=reason,
                expire_time=timestamp_argument(expire_time, "expire_time"),
            ),
            request_id=self._calls.request_id(request_id),
            log_wait=log_wait_argument(wait),
        )
        return self._calls(rpc.CREATE_GRANT, request, grant_change_of)

    def get_grant(self, name: str) -> AccessGrant:
        """Raises NotFound."""
        return self._calls(rpc.GET_GRANT, access_pb2.GetGrantRequest(name=self._grant(name)), grant_of)

    def grants(self, *, principal: str = "", show_ended: bool = False, page_size: int = 0) -> Iterator[AccessGrant]:
        """Newest first, fetched page by page. show_ended: also those that are over."""
        token = ""
        while True:
            request = access_pb2.ListGrantsRequest(
                parent=self._calls.names.parent,
                principal=principal,
                show_ended=show_ended,
                page_size=page_size,
                page_token=token,
            )
            page, token = self._calls(
                rpc.LIST_GRANTS, request, lambda answer: (tuple(map(grant_of, answer.grants)), answer.next_page_token)
            )
            yield from page
            if not token:
                return

    def revoke_grant(
        self, name: str, *, reason: str = "", wait: str = "committed", request_id: str | None = None
    ) -> AccessGrantChange:
        """Take it back at once. Raises NotFound, FailedPrecondition (STATE_TRANSITION_INVALID) when it is over."""
        request = access_pb2.RevokeGrantRequest(
            name=self._grant(name),
            reason=reason,
            request_id=self._calls.request_id(request_id),
            log_wait=log_wait_argument(wait),
        )
        return self._calls(rpc.REVOKE_GRANT, request, grant_change_of)

    def test(
        self,
        principal: str,
        action: str,
        *,
        resource: str = "",
        address: str = "",
        tls_group: str = "",
        time: datetime | None = None,
        policy: str = "",
    ) -> AccessTest:
        """Whether this caller might do that, and why. What is left out is as in this very call.

        policy: decide by this version instead of the one in force. Raises InvalidArgument, NotFound.
        """
        request = access_pb2.TestAccessRequest(
            parent=self._calls.names.parent,
            principal=principal,
            action=action,
            resource=resource,
            context=access_pb2.AccessContext(
                address=address,
                tls_group=tls_group,
                time=None if time is None else timestamp_argument(time, "time"),
            ),
            policy=self._policy(policy) if policy else "",
        )
        return self._calls(rpc.TEST_ACCESS, request, access_test_of)

    def effective(self, principal: str, *, resource: str = "") -> EffectiveAccess:
        """All that a principal may do, to anything or to one resource, and what it depends on."""
        request = access_pb2.ListEffectiveGrantsRequest(
            parent=self._calls.names.parent, principal=principal, resource=resource
        )
        return self._calls(rpc.LIST_EFFECTIVE_GRANTS, request, effective_access_of)

    def service_keys(self) -> TrustedKeys:
        """The key that signs policies now, as this connection tells it, for `AccessPolicy.verify`."""
        key = self._calls(GET_PUBLIC_KEY, keys_pb2.GetPublicKeyRequest(name=SIGNING_KEY), public_key_of)
        return {key.name: key.composite()}

    def _policy(self, name: str) -> str:
        return self._name(name, "accessPolicies")

    def _grant(self, name: str) -> str:
        return self._name(name, "grants")

    def _name(self, text: str, collection: str) -> str:
        if text.startswith("tenants/"):
            return text
        return f"{self._calls.names.parent}/{collection}/{text.removeprefix(collection + '/')}"
