"""Rows of Apple App Attest: one JSON file with the attestation, what the relying party knew of it (client data, App ID,
key id), and perhaps an assertion with its client data and the counter before it. A file with an assertion alone brings
the stored key.
"""

import json
from dataclasses import replace
from typing import Any, Final

from attestation.anchors_apple import APPLE
from attestation.case import Case
from attestation.formats import apple_app_assertion, apple_app_attest
from attestation.model import Collateral, Evidence, Expectation
from attestation.policy import Policy
from attestation.policy_apple import ApplePolicy
from attestation.reasons import Reason
from attestation.samples.row_values import base64_octets, row_time
from attestation.samples.sample import Folder, Row, Sample

_NO_CLIENT_DATA: Final = b"no client data were given"
# Words of rows for reasons that have a name of their own here.
PHRASES: Final = {"CHALLENGE_MISMATCH": Reason.NONCE_MISMATCH, "KEY_ID_MISMATCH": Reason.KEY_MISMATCH}


def load(row: Row, folder: Folder) -> Sample:
    (name,) = folder.files(row, ending=".json")
    content = json.loads(folder.read(name))
    evidence, expectation = _attestation(content) if "attestation" in content else _assertion(content)
    policy = ApplePolicy(app_ids=frozenset({content["appId"]}))
    strict = Case(evidence, expectation, APPLE, Collateral(), Policy(apple=policy), row_time(row))
    return Sample(strict, replace(strict, policy=Policy(apple=replace(policy, allow_development=True))))


def _attestation(content: dict[str, Any]) -> tuple[Evidence, Expectation]:
    asserted = None
    if "assertion" in content:
        asserted = base64_octets(content["assertion"]), base64_octets(content.get("assertionClientData", ""))
    key_id = base64_octets(content["keyId"]) if "keyId" in content else None
    evidence = apple_app_attest.evidence(base64_octets(content["attestation"]), key_id=key_id, assertion=asserted)
    client_data = base64_octets(content["clientData"]) or _NO_CLIENT_DATA
    return evidence, Expectation(client_data, last_counter=content.get("previousCounter"))


def _assertion(content: dict[str, Any]) -> tuple[Evidence, Expectation]:
    client_data = base64_octets(content.get("assertionClientData") or content["clientData"]) or _NO_CLIENT_DATA
    expectation = Expectation(
        client_data, key_spki=base64_octets(content["publicKeySpki"]), last_counter=content.get("previousCounter")
    )
    return apple_app_assertion.evidence(base64_octets(content["assertion"])), expectation
