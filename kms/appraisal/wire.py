"""Appraisal policies on the wire: model <-> protobuf."""

from datetime import datetime

from google.protobuf import timestamp_pb2

from attestation.policy_file import PolicyForm
from hallmark.v1 import appraisal_pb2
from kms.appraisal.model import DeviceChange, DeviceStanding, PolicyState, PolicyVersion
from kms.core.errors import InvalidArgument, Reason
from kms.keys.wire import service_signature_to_wire

_FORMS: dict[appraisal_pb2.PolicyForm, PolicyForm] = {
    appraisal_pb2.POLICY_FORM_UNSPECIFIED: PolicyForm.TOML,
    appraisal_pb2.POLICY_FORM_TOML: PolicyForm.TOML,
    appraisal_pb2.POLICY_FORM_JSON: PolicyForm.JSON,
}
_FORM_NUMBERS = {form: number for number, form in _FORMS.items()}
_STATE_NUMBERS = {
    PolicyState.PENDING: appraisal_pb2.POLICY_STATE_PENDING,
    PolicyState.ACTIVE: appraisal_pb2.POLICY_STATE_ACTIVE,
    PolicyState.REPLACED: appraisal_pb2.POLICY_STATE_REPLACED,
    PolicyState.REVOKED: appraisal_pb2.POLICY_STATE_REVOKED,
}


def form_from_wire(number: appraisal_pb2.PolicyForm) -> PolicyForm:
    if number not in _FORMS:
        raise InvalidArgument(Reason.FIELD_INVALID, "form must be TOML or JSON, or be left out", field="form")
    return _FORMS[number]


def policy_to_wire(version: PolicyVersion, *, with_document: bool = True) -> appraisal_pb2.Policy:
    signature = version.signature
    return appraisal_pb2.Policy(
        name=str(version.name),
        title=version.title,
        state=_STATE_NUMBERS[version.state],
        document=version.document if with_document else b"",
        form=_FORM_NUMBERS[version.form],
        policy_sha256=version.policy_sha256,
        payload=version.payload,
        signature=None if signature is None else service_signature_to_wire(signature),
        create_time=_time(version.create_time),
        activate_time=_time(version.activate_time),
    )


def change_to_wire(change: DeviceChange) -> appraisal_pb2.DeviceChange:
    message = appraisal_pb2.DeviceChange(device=str(change.device), to=_standing(change.after))
    getattr(message, "from").CopyFrom(_standing(change.before))
    message.by_policy = change.by_policy
    return message


def _standing(standing: DeviceStanding) -> appraisal_pb2.Standing:
    return appraisal_pb2.Standing(authentic=standing.authentic, appraised=standing.appraised, reasons=standing.reasons)


def _time(moment: datetime | None) -> timestamp_pb2.Timestamp | None:
    if moment is None:
        return None
    message = timestamp_pb2.Timestamp()
    message.FromDatetime(moment)
    return message
