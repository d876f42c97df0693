import pytest

from hallmark_client import Algorithm, Client
from hallmark_tlog.vkey import parse_vkey

EVERYWHERE = {
    Algorithm.MLDSA65_ECDSA_P256_SHA512,
    Algorithm.MLDSA44_ECDSA_P256_SHA256,
    Algorithm.MLDSA87_ECDSA_P384_SHA512,
    Algorithm.HPKE_MLKEM768_X25519,
    Algorithm.HPKE_MLKEM1024_P384,
}


@pytest.mark.parametrize("role", ["admin", "backend", "auditor", "device"])
def test_everybody_may_ask_what_the_server_can_do(client_under_test, role) -> None:
    found = client_under_test(role).capabilities()
    assert found.default_algorithm is Algorithm.MLDSA65_ECDSA_P256_SHA512
    assert EVERYWHERE <= set(found.algorithms) <= set(Algorithm) - {Algorithm.UNKNOWN}
    assert found.limits.max_message_bytes == 1 << 20
    assert found.limits.max_context_bytes == 255
    assert any(engine.signs for engine in found.engines)


def test_the_log_names_its_keys(admin: Client) -> None:
    log = admin.capabilities().log
    keys = [parse_vkey(line) for line in log.verifier_keys]
    assert [key.type for key in keys] == [0x01, 0x06]
    assert {key.name for key in keys} == {log.origin}


def test_the_answer_is_plain_json(admin: Client) -> None:
    import json

    assert json.loads(json.dumps(admin.capabilities().to_dict()))["default_algorithm"] == "id-MLDSA65-ECDSA-P256-SHA512"
