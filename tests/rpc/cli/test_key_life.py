import time
import urllib.error
import urllib.request

from rpc.wire import fresh_name


def download(url: str, seconds: float = 20) -> bytes:
    """Public files follow within moments."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(url) as answer:
                return answer.read()
        except urllib.error.HTTPError:
            assert time.monotonic() < deadline, f"{url} was not published"
            time.sleep(0.05)


def test_a_rotation_is_rehearsed_published_and_activated(hallmark) -> None:
    name = fresh_name()
    hallmark("keys", "create", name)
    rehearsed = hallmark("keys", "rotate", name, "--validate-only", "--lead", "1h", "--json")
    assert rehearsed.document["key"]["versions"][0]["state"] == "PRE_ACTIVE"
    assert "Nothing was changed" in hallmark("keys", "rotate", name, "--validate-only").out
    assert len(hallmark("keys", "show", name, "--json").document["versions"]) == 1
    made = hallmark("keys", "rotate", name, "--lead", "1h")
    assert (made.code, "signs from" in made.out) == (0, True)
    readiness = hallmark("trust", "readiness", name, "--json").document
    assert readiness["next_version"].endswith(f"{name}/versions/2")
    assert "clients ready" in hallmark("trust", "readiness", name).out
    activated = hallmark("keys", "activate", f"{name}/versions/2", "--json").document
    assert activated["primary_version"].endswith("/2")


def test_a_version_goes_through_its_life(hallmark) -> None:
    name = fresh_name()
    hallmark("keys", "create", name, "--destroy-wait", "7d")
    version = f"{name}/versions/1"
    assert "No version" in hallmark("keys", "suspend", version).out
    assert hallmark("keys", "resume", version).code == 0
    refused = hallmark("keys", "destroy", version)
    assert (refused.code, "deactivated" in refused.err) == (3, True), "says from where it is possible"
    hallmark("keys", "deactivate", version)
    assert "hallmark keys restore" in hallmark("keys", "destroy", version).out
    assert hallmark("keys", "restore", version, "--json").document["versions"][0]["state"] == "DEACTIVATED"


def test_settings_are_updated_one_by_one(hallmark) -> None:
    name = fresh_name()
    hallmark("keys", "create", name, "--rotate-every", "90d", "--lead", "7d", "--max-uses", "1000")
    changed = hallmark("keys", "update", name, "--verify-tail", "365d", "--not-after", "2030-01-01", "--json").document
    assert changed["rotation"]["period"] == 90 * 86400
    assert changed["rotation"]["verify_tail"] == 365 * 86400
    assert changed["usage_limits"]["total"] == 1000
    assert changed["usage_limits"]["not_after"] == "2030-01-01T00:00:00Z"
    shown = hallmark("keys", "update", name, "--rotate-every", "0", "--max-uses", "0", "--lead", "0")
    assert (shown.code, "every" in shown.out, "in all" in shown.out) == (0, False, False)
    assert hallmark("keys", "update", name).code == 2
    assert hallmark("keys", "update", name, "--rotate-every", "soon").code == 2


def test_a_compromise_is_reported(hallmark) -> None:
    name = fresh_name()
    hallmark("keys", "create", name)
    outcome = hallmark("keys", "compromise", f"{name}/versions/1", "--since", "2026-01-01", "--json").document
    assert outcome["key"]["primary_version"].endswith("/2")
    assert len(outcome["revocations"]) == 1
    assert "signs now" in hallmark("keys", "compromise", f"{name}/versions/2").out


def test_an_alias_signs(hallmark) -> None:
    name, alias = fresh_name(), fresh_name()
    hallmark("keys", "create", name)
    assert hallmark("keys", "alias", "set", alias, name).code == 0
    assert alias in hallmark("keys", "alias", "list").out
    assert hallmark("keys", "public", f"aliases/{alias}", "--json").document["name"].endswith(f"{name}/versions/1")
    assert hallmark("keys", "alias", "delete", alias).code == 0
    assert hallmark("keys", "alias", "delete", alias, "--json").document["error"]["reason"] == "ALIAS_NOT_FOUND"


def test_a_trust_bundle_is_shown_acknowledged_and_verified_offline(hallmark, service, tmp_path) -> None:
    name = fresh_name()
    hallmark("keys", "create", name)
    shown = hallmark("trust", "show", "--json").document
    assert f"tenants/default/keys/{name}" in {key["name"] for key in shown["keys"]}
    assert "the signature holds" in hallmark("trust", "show").out
    acknowledged = hallmark("trust", "ack", "--json").document
    assert acknowledged["sequence"] == acknowledged["latest_sequence"] >= shown["sequence"]

    hallmark("keys", "public", "tenants/system/keys/trust-bundle", "--output", "service.pem")
    url = f"{service.facts['public_url']}/trust/default/latest.json"
    (tmp_path / "latest.json").write_bytes(download(url))
    verified = hallmark("trust", "verify", "latest.json", "--key", "service.pem")
    assert (verified.code, "the signature holds" in verified.out) == (0, True)
    assert hallmark("trust", "verify", "latest.json", "--key", "service.pem", "--tenant", "others").code == 1
    assert hallmark("trust", "verify", "latest.json", "--key", "service.pem", "--newest-seen", "9999").code == 1
    hallmark("keys", "public", name, "--output", "other.pem")
    assert hallmark("trust", "verify", "latest.json", "--key", "other.pem").code == 1
    (tmp_path / "latest.json").write_text("{}")
    assert hallmark("trust", "verify", "latest.json", "--key", "service.pem").code == 1


def test_public_keys_of_every_kind_are_exported(hallmark) -> None:
    for algorithm in ("mldsa44", "p256", "ed25519"):
        name = fresh_name()
        hallmark("keys", "create", name, "--algorithm", algorithm)
        assert hallmark("keys", "public", name).out.startswith("-----BEGIN PUBLIC KEY-----")
    name = fresh_name()
    hallmark("keys", "create", name, "--purpose", "envelope")
    assert hallmark("keys", "public", name).code == 2
    assert hallmark("keys", "public", name, "--json").document["raw"]
