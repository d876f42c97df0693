import base64
import json

from rpc.wire import fresh_id
from support.service import RunningService


def _enrol(service: RunningService):
    with service.client("device") as client:
        challenge = client.devices.create_challenge()
        chain = [part.data for part in service.phone.generate_key(challenge.challenge).evidence.parts]
        return client.devices.attest(challenge.name, chain)


def test_a_device_from_list_to_replay(service: RunningService, hallmark) -> None:
    enrolled = _enrol(service)
    assert enrolled.device is not None
    device, verdict = (name.rpartition("/")[2] for name in (enrolled.device.name, enrolled.verdict.name))
    listed = hallmark("devices", "list", "--state", "attested", "--class", "hardware")
    assert device in listed.out
    assert {"name": enrolled.device.name}.items() <= next(
        found for found in hallmark("devices", "list", "--json").document["devices"] if device in found["name"]
    ).items()
    shown = hallmark("devices", "show", device)
    assert (shown.code, verdict in shown.out, "HARDWARE" in shown.out) == (0, True, True)
    assert hallmark("devices", "show", device, "--json").document["latest_verdict"]["appraised"] is True
    result = hallmark("devices", "verdict", verdict)
    assert (result.code, '"ear_status": "affirming"' in result.out) == (0, True)
    document = hallmark("devices", "verdict", verdict, "--json").document
    assert document["claims_set"]["submods"]["device"]["hallmark_verdict"]["name"] == enrolled.verdict.name
    payload = hallmark("devices", "verdict", verdict, "--jwt").out.split(".")[1]
    assert json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))) == document["claims_set"]
    replayed = hallmark("devices", "replay", verdict)
    assert (replayed.code, "The same" in replayed.out) == (0, True)
    assert hallmark("devices", "replay", verdict, "--json").document["differences"] == []


def test_what_is_not_there_ends_3(hallmark) -> None:
    for command in ("show", "verdict", "replay"):
        assert hallmark("devices", command, fresh_id()).code == 3


def test_help_teaches(hallmark) -> None:
    assert "hallmark devices list" in hallmark("devices", "--help").out
