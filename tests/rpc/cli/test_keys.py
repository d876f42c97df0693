from rpc.wire import fresh_name


def test_a_key_from_the_first_day_to_the_first_rotation(hallmark) -> None:
    name = fresh_name()
    created = hallmark("keys", "create", name, "--label", "team=models", "--json")
    assert created.code == 0
    assert created.document["labels"] == {"team": "models"}
    assert created.document["algorithm"] == "id-MLDSA65-ECDSA-P256-SHA512"
    rotated = hallmark("keys", "rotate", name, "--etag", created.document["etag"], "--json").document
    assert rotated["primary_version"].endswith(f"keys/{name}/versions/2")
    shown = hallmark("keys", "show", name)
    assert (shown.code, "DEACTIVATED" in shown.out, "ACTIVE" in shown.out) == (0, True, True)
    assert name in hallmark("keys", "list").out
    assert name in {key["name"].rpartition("/")[2] for key in hallmark("keys", "list", "--json").document["keys"]}


def test_what_was_revoked_is_seen(hallmark) -> None:
    name = fresh_name()
    hallmark("keys", "create", name)
    hallmark("keys", "rotate", name)
    columns = {version: _cells(hallmark("keys", "show", name).out, version, "REVOKED") for version in ("1", "2")}
    assert columns == {"1": "", "2": ""}
    hallmark("revoke", f"{name}/versions/1", "--reason", "policy-violation")
    shown = hallmark("keys", "show", name).out
    assert _cells(shown, "1", "REVOKED").startswith("20")
    assert not _cells(shown, "2", "REVOKED")
    bundle = hallmark("trust", "show").out
    assert _cells(bundle, f"{name}/versions/1", "REVOKED").startswith("20")
    assert not _cells(bundle, f"{name}/versions/2", "REVOKED")


def _cells(table: str, row: str, column: str) -> str:
    """What stands in a column of a table, in the row that begins so."""
    lines = table.splitlines()
    head = next(line for line in lines if line.startswith("VERSION"))
    start = head.index(column)
    end = next((place for place in range(start + len(column), len(head)) if head[place] != " "), None)
    found = next(line for line in lines if line.split()[:1] == [row])
    return found[start:end].strip()


def test_the_other_algorithms_by_their_short_names(hallmark) -> None:
    for short, full in (
        ("mldsa44-p256", "id-MLDSA44-ECDSA-P256-SHA256"),
        ("mldsa87-p384", "id-MLDSA87-ECDSA-P384-SHA512"),
    ):
        found = hallmark("keys", "create", fresh_name(), "--algorithm", short, "--json").document
        assert found["algorithm"] == full


def test_a_taken_name_ends_3_and_says_what_to_do(hallmark) -> None:
    name = fresh_name()
    hallmark("keys", "create", name)
    again = hallmark("keys", "create", name)
    assert (again.code, "hallmark keys rotate" in again.err) == (3, True)


def test_an_unknown_key_ends_3(hallmark) -> None:
    outcome = hallmark("keys", "show", fresh_name(), "--json")
    assert (outcome.code, outcome.document["error"]["reason"]) == (3, "RESOURCE_NOT_FOUND")


def test_a_stale_etag_ends_3(hallmark) -> None:
    name = fresh_name()
    etag = hallmark("keys", "create", name, "--json").document["etag"]
    hallmark("keys", "rotate", name)
    assert hallmark("keys", "rotate", name, "--etag", etag, "--json").document["error"]["reason"] == "ETAG_MISMATCH"


def test_a_role_that_may_not_ends_3_and_names_the_way_out(hallmark) -> None:
    outcome = hallmark("keys", "create", fresh_name(), "--as", "device")
    assert (outcome.code, "--as" in outcome.err) == (3, True)


def test_a_label_is_name_and_value(hallmark) -> None:
    assert hallmark("keys", "create", fresh_name(), "--label", "nonsense").code == 2


def test_a_server_that_is_gone_ends_4(hallmark, service, tmp_path) -> None:
    profile = tmp_path / "profile"
    profile.mkdir(mode=0o700)
    for file in (service.home / "clients" / "backend").iterdir():
        (profile / file.name).write_bytes(file.read_bytes())
        (profile / file.name).chmod(0o600)
    (profile / "profile.json").write_text('{"address": "localhost:1", "tenant": "default"}')
    outcome = hallmark("keys", "list", "--profile", profile)
    assert (outcome.code, "hallmark serve" in outcome.err) == (4, True)
