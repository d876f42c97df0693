"""A device whose key and epochs are in a TPM (swtpm): enrolment by activation, receipts certified by its counter."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from attestation.testing.tpm_wire import name_of
from hallmark_client import Client
from hallmark_client.device.life import KeyPlace
from hallmark_client.model.enums import CollateralKind
from rpc.device.test_life import is_usable
from rpc.device.world import Place, grant, put, until
from rpc.wire import fresh_name
from support.service import RunningService
from support.swtpm import NEEDS_SWTPM, running_software_tpm
from support.swtpm_root import TpmRootBench

pytestmark = list(NEEDS_SWTPM)


@pytest.fixture
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TpmRootBench]:
    folder = tmp_path_factory.mktemp("tpm")
    with running_software_tpm(folder) as tpm:
        yield TpmRootBench(tpm, folder / "root.json")


@pytest.fixture
def backend(service: RunningService) -> Iterator[Client]:
    with service.client("backend") as client:
        yield client


def test_enrolled_by_activation_and_deleted_with_the_counters_word(service, backend, bench, tmp_path: Path) -> None:
    from hallmark_client.device.roots.tpm2.attestation import TpmAttester

    with contextlib.closing(bench.open()) as root:
        attester = TpmAttester(root)
        known = json.dumps({"tpm_keys": [{"name": name_of(attester.keys().ek_public).hex()}]}).encode()
        with service.client() as admin:
            admin.collateral.put(CollateralKind.TPM_KEYS, known, label=fresh_name("ek"))
        place = Place(service, tmp_path / "vault", root=root, attester=attester)
        with place.enrol() as device:
            assert device.facts().key_place is KeyPlace.ATTESTER
            assert device.facts().has_evidence
            digest = put(device)
            device.start()
            consent = grant(backend, device, digest)
            until(lambda: is_usable(device), device.status)
            (asked,) = backend.consents.withdraw(consent).removals
            until(lambda: backend.removals.get(asked).grade, device.status)
            assert str(backend.removals.get(asked).grade) == "A2", device._ground.store.works()
            device.renew()
        with place.open() as again:
            assert again.vault.artifacts() == ()
