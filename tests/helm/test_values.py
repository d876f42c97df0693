"""What the chart refuses, and that it says why. Skips without helm (tools.py)."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from helm.tools import VALUES, VERSIONS, find_tools, manifests_of, of_kind

MANY = {
    "settings": {"log": {"origin": "log.example/one"}, "hsm": {"module": "/opt/hsm/p11.so"}},
    "database": {"existingSecret": "database"},
    "hsm": {"kind": "pkcs11", "pin": {"existingSecret": "pin"}},
    "authority": {"existingSecret": "authority"},
    "public": {"accessModes": ["ReadWriteMany"]},
    "api": {"replicas": 2},
}
EDGE = {"enabled": True, "identity": {"existingSecret": "edge"}}
WRONG_SHAPES: list[dict[str, Any]] = [
    {"setings": {}},
    {"settings": {"server": {"prot": 7443}}},
    {"settings": {"server": {"port": 70000}}},
    {"settings": {"server": {"port": "7443"}}},
    {"settings": {"log": {"witness_mode": "sometimes"}}},
    {"settings": {"home": "/elsewhere"}},
    {"settings": {"database": {"url": "postgresql+psycopg://hallmark:secret@db/hallmark"}}},
    {"settings": {"identity": {"issuers": [{"name": "corp"}]}}},
    {"image": {"digest": "sha256:short"}},
    {"api": {"replicas": 0}},
    {"api": {"resources": {"request": {}}}},
    {"database": {"password": "secret"}},
    {"hsm": {"pin": {"value": "1234"}}},
    {"hsm": {"kind": "tpm"}},
    {"edges": {"settings": {"edge": {"profil": "x"}}}},
    {"networkPolicy": {"clients": [{}]}},
    {"migration": {"edgeRole": "edge; DROP TABLE key"}},
]
WRONG_TOGETHER = {
    "database.existingSecret": MANY | {"database": {}},
    "SoftHSM lives in one pod": MANY | {"hsm": {"kind": "softhsm"}},
    "authority.existingSecret": MANY | {"authority": {}},
    "settings.log.origin": MANY | {"settings": {"hsm": {"module": "/opt/hsm/p11.so"}}},
    "ReadWriteMany": MANY | {"public": {}},
    "hsm.pin.existingSecret": MANY | {"hsm": {"kind": "pkcs11"}},
    "settings.hsm.module": MANY | {"settings": {"log": {"origin": "log.example/one"}}},
    "edges.identity.existingSecret": MANY | {"edges": {"enabled": True}},
    "edges.database.existingSecret": {"public": {"existingClaim": "files"}, "edges": EDGE},
    "nothing would run": {"api": {"enabled": False}},
    "edges.api": {"api": {"enabled": False}, "database": {"existingSecret": "database"}, "edges": EDGE},
    "public.readFrom=edges": {"public": {"readFrom": "edges"}},
}


def written(tmp_path: Path, values: dict[str, Any]) -> Path:
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    return file


@pytest.mark.parametrize("values", WRONG_SHAPES, ids=str)
def test_a_wrong_value_fails_lint(tmp_path: Path, values: dict[str, Any]) -> None:
    outcome = find_tools().lint(written(tmp_path, values))
    assert outcome.status == 1
    assert "values don't meet the specifications of the schema" in outcome.output
    assert outcome.output.count("\n- at '") == 1, "one mistake, one line"


@pytest.mark.parametrize("says", WRONG_TOGETHER)
def test_what_can_not_be_is_refused_before_anything_is_made(tmp_path: Path, says: str) -> None:
    outcome = find_tools().template(written(tmp_path, WRONG_TOGETHER[says]))
    assert outcome.status == 1
    assert says in outcome.output


def test_the_values_that_these_go_wrong_from_are_right(tmp_path: Path) -> None:
    find_tools().template(written(tmp_path, MANY)).must_succeed()
    find_tools().template(written(tmp_path, MANY | {"edges": EDGE})).must_succeed()


def test_an_older_kubernetes_is_refused() -> None:
    outcome = find_tools().template(VALUES / "minimal.yaml", version="1.26.0")
    assert outcome.status == 1
    assert "requires kubeVersion" in outcome.output
    assert VERSIONS[0] == "1.27.0"


def test_network_policies_can_be_left_out(tmp_path: Path) -> None:
    text = find_tools().template(written(tmp_path, {"networkPolicy": {"enabled": False}})).must_succeed()
    assert not of_kind(manifests_of(text), "NetworkPolicy")


def test_the_schemas_find_what_is_wrong() -> None:
    wrong = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "one"}, "spec": {"ports": [{"prot": 7443}]}}
    assert "Service/one: spec.ports.0" in find_tools().check_against_schemas([wrong], VERSIONS[-1])
