"""Appraisal policies of the fake: kept, signed, activated. The fake's devices are judged by one fixed rule, whatever a
policy says, so that a dry run finds nothing that would change; sections of a policy are not looked into.
"""

import hashlib
import json
import re
import tomllib
from typing import Any, Final

from hallmark.v1 import appraisal_pb2, approvals_pb2, common_pb2
from hallmark_client.model.policies import POLICY_CONTEXT
from hallmark_client.testing.approvals import FakeApprovals
from hallmark_client.testing.devices import FakeDevices
from hallmark_client.testing.key_rules import stamp
from hallmark_client.testing.keys import POLICY_SERVICE_KEY, FakeKeys
from hallmark_client.testing.refusals import invalid, not_found, precondition
from hallmark_client.testing.state import State
from hallmark_composite import prehash

_NAME: Final = re.compile(r"tenants/([a-z][a-z0-9-]*)/policies/(0|[1-9][0-9]{0,8}|active)")
_MAX_BYTES: Final = 256 * 1024


class FakePolicies:
    """The AppraisalService."""

    def __init__(self, state: State, keys: FakeKeys, approvals: FakeApprovals, devices: FakeDevices) -> None:
        self._state = state
        self._keys = keys
        self._approvals = approvals
        self._devices = devices
        self._policies: list[appraisal_pb2.Policy] = []
        self._active = 0

    def set(self, request: appraisal_pb2.SetPolicyRequest) -> appraisal_pb2.SetPolicyResponse:
        self._state.check_parent(request.parent)
        title = _title(request)
        policy = appraisal_pb2.Policy(
            name=f"{request.parent}/policies/{len(self._policies) + 1}",
            title=title,
            document=request.document,
            form=request.form or appraisal_pb2.POLICY_FORM_TOML,
            policy_sha256=hashlib.sha256(request.document).hexdigest(),
            create_time=stamp(self._state.now()),
        )
        self._sign(policy)
        self._policies.append(policy)
        log = self._record("policy.set", policy, request.log_wait)
        return appraisal_pb2.SetPolicyResponse(policy=self._shown(policy), log=log)

    def get(self, request: appraisal_pb2.GetPolicyRequest) -> appraisal_pb2.Policy:
        return self._shown(self._find(request.name))

    def list(self, request: appraisal_pb2.ListPoliciesRequest) -> appraisal_pb2.ListPoliciesResponse:
        self._state.check_parent(request.parent)
        if not 0 <= request.page_size <= 100:
            raise invalid("page_size", "must be 0 to 100")
        names = [policy.name for policy in reversed(self._policies)]
        if request.page_token and request.page_token not in names:
            raise invalid("page_token", "is not one of ours", "PAGE_TOKEN_INVALID")
        begin = names.index(request.page_token) + 1 if request.page_token else 0
        end = begin + (request.page_size or 20)
        page = [self._shown(self._find(name)) for name in names[begin:end]]
        for policy in page:
            policy.ClearField("document")
        return appraisal_pb2.ListPoliciesResponse(
            policies=page, next_page_token=names[end - 1] if len(names) > end else ""
        )

    def dry_run(self, request: appraisal_pb2.DryRunPolicyRequest) -> appraisal_pb2.DryRunPolicyResponse:
        self._find(request.name)
        return appraisal_pb2.DryRunPolicyResponse(examined=self._devices.count())

    def activate(self, request: appraisal_pb2.ActivatePolicyRequest) -> appraisal_pb2.ActivatePolicyResponse:
        policy = self._find(request.name)
        if request.name.endswith("/active"):
            raise not_found(request.name)
        number = int(policy.name.rpartition("/")[2])
        if number == self._active:
            raise precondition("STATE_TRANSITION_INVALID", f"{policy.name} is active already")
        self._approvals.consume(request.proposal, approvals_pb2.PROPOSED_ACT_POLICY_CHANGE, policy.name)
        self._active = number
        if number:  # the built-in one has no times
            policy.activate_time.CopyFrom(stamp(self._state.now()))
        log = self._record("policy.activated", policy, request.log_wait)
        return appraisal_pb2.ActivatePolicyResponse(policy=self._shown(policy), log=log)

    def _find(self, name: str) -> appraisal_pb2.Policy:
        found = _NAME.fullmatch(name)
        if found is None:
            raise invalid("name", "must look like tenants/{tenant}/policies/{number}", "NAME_INVALID")
        number = self._active if found[2] == "active" else int(found[2])
        if found[1] != self._state.tenant or number > len(self._policies):
            raise not_found(name)
        if number:
            return self._policies[number - 1]
        return appraisal_pb2.Policy(
            name=f"{self._state.parent}/policies/0",
            title="strict",
            document=b'name = "strict"\n',
            form=appraisal_pb2.POLICY_FORM_TOML,
            policy_sha256=hashlib.sha256(b'name = "strict"\n').hexdigest(),
        )

    def _shown(self, policy: appraisal_pb2.Policy) -> appraisal_pb2.Policy:
        shown = appraisal_pb2.Policy()
        shown.CopyFrom(policy)
        was_active = policy.HasField("activate_time") or not policy.payload
        shown.state = appraisal_pb2.POLICY_STATE_REPLACED if was_active else appraisal_pb2.POLICY_STATE_PENDING
        if policy.name == f"{self._state.parent}/policies/{self._active}":
            shown.state = appraisal_pb2.POLICY_STATE_ACTIVE
        return shown

    def _sign(self, policy: appraisal_pb2.Policy) -> None:
        content = {
            "v": 1,
            "name": policy.name,
            "title": policy.title,
            "form": appraisal_pb2.PolicyForm.Name(policy.form).removeprefix("POLICY_FORM_").lower(),
            "document_sha256": hashlib.sha256(policy.document).hexdigest(),
            "policy_sha256": policy.policy_sha256,
            "create_time": policy.create_time.ToDatetime().strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        }
        policy.payload = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        signer = self._keys.version(POLICY_SERVICE_KEY, None).name
        pair = self._keys.pair(signer)
        policy.signature.key_version = signer
        policy.signature.signature = pair.sign(prehash(pair.algorithm, policy.payload), POLICY_CONTEXT.encode())
        policy.signature.context = POLICY_CONTEXT
        policy.signature.sign_time.CopyFrom(policy.create_time)

    def _record(self, kind: str, policy: appraisal_pb2.Policy, wait: int) -> common_pb2.LogPromise:
        details = {"policy_sha256": policy.policy_sha256}
        if policy.payload:
            details["payload_sha256"] = hashlib.sha256(policy.payload).hexdigest()
        return self._state.record(kind, policy.name, details, wait=wait)


def _title(request: appraisal_pb2.SetPolicyRequest) -> str:
    """Raises InvalidArgument: too large, or neither TOML nor JSON as it says."""
    if len(request.document) > _MAX_BYTES:
        raise invalid("document", f"may have {_MAX_BYTES} bytes", "MESSAGE_TOO_LARGE")
    read: Any = json.loads if request.form == appraisal_pb2.POLICY_FORM_JSON else tomllib.loads
    try:
        return str(read(request.document.decode()).get("name", "strict"))
    except (ValueError, AttributeError) as error:
        raise invalid("document", f"can not be read: {error}", "POLICY_INVALID") from None
