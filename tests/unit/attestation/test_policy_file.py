"""Policy files: what may stand in them, and what their mistakes are called."""

import dataclasses
import json
import tomllib
from datetime import timedelta
from itertools import pairwise

import pytest

from attestation.claims import SecurityLevel
from attestation.errors import PolicyError
from attestation.formats.sev_snp_report import GuestPolicy, SigningKey
from attestation.formats.sev_snp_tcb import Product, Tcb
from attestation.intel_tcb import TcbStatus
from attestation.policy import AllowedApp, Policy
from attestation.policy_amd import TcbFloor
from attestation.policy_arm import RealmReference, SoftwareReference
from attestation.policy_file import FILE_BYTES_MAX, PolicyForm, read_policy, write_policy

BUSY = (
    """
name = "production"

[android]
levels = ["STRONGBOX"]
min_os_patch_level = 202601
status_list_max_age = "PT36H"

[[android.apps]]
package = "org.example.app"
signature_digests = ["00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF"]

[amd_sev_snp]
keys = ["VLEK"]
forbidden_guest_policy = ["DEBUG", 1048576]
min_abi = [1, 55]
vmpls = [0, 1]

[[amd_sev_snp.tcb_floors]]
product = "Milan"
cpu_model = "0x11"
[amd_sev_snp.tcb_floors.levels]
snp = 22

[intel]
tcb_statuses = ["UpToDate", "SWHardeningNeeded"]
out_of_date_grace = "P2WT1.5S"
[intel.tdx]
service_tds = "any"
allowed_attributes = "0x8000000010000000"

[arm]
software = [{digest = "AA32", kind = "BL", version = "any"}]
realms = [{initial = "BB32", extensible = [[0, "CC32"], [3, "DD32"]]}]

[webauthn]
aaguids = "any"

[rego]
module = '''
package hallmark
default allow := true
'''
""".replace("AA32", "aa" * 32)
    .replace("BB32", "bb" * 32)
    .replace("CC32", "cc" * 32)
    .replace("DD32", "dd" * 32)
)


def mistakes(text: str, form: PolicyForm = PolicyForm.TOML) -> tuple[str, ...]:
    with pytest.raises(PolicyError) as refused:
        read_policy(text.encode(), form)
    return refused.value.problems


def test_every_kind_of_value_is_read() -> None:
    policy = read_policy(BUSY.encode())
    android, amd, intel, arm = policy.android, policy.amd_sev_snp, policy.intel, policy.arm
    assert policy.name == "production"
    assert android.levels == {SecurityLevel.STRONGBOX}
    assert (android.min_os_patch_level, android.status_list_max_age) == (202601, timedelta(hours=36))
    assert android.apps == (AllowedApp("org.example.app", frozenset({b"\x00\xff" * 16})),)
    assert android.require_locked, "what is left out has its strict default"
    assert amd.keys == {SigningKey.VLEK}
    assert amd.forbidden_guest_policy == GuestPolicy.DEBUG | GuestPolicy.SINGLE_SOCKET
    assert (amd.min_abi, amd.vmpls) == ((1, 55), frozenset({0, 1}))
    assert amd.tcb_floors == (TcbFloor(Product.MILAN, Tcb(snp=22), 0x11),)
    assert intel.tcb_statuses == {TcbStatus.UP_TO_DATE, TcbStatus.SW_HARDENING_NEEDED}
    assert intel.out_of_date_grace == timedelta(weeks=2, seconds=1.5)
    assert intel.tdx.service_tds is None
    assert intel.tdx.allowed_attributes == 1 << 63 | 1 << 28
    assert arm.software == (SoftwareReference(b"\xaa" * 32, "BL", "any"),), "a text may be the word any"
    assert arm.realms == (RealmReference(b"\xbb" * 32, ((0, b"\xcc" * 32), (3, b"\xdd" * 32))),)
    assert policy.webauthn.aaguids is None
    assert policy.rego.module == "package hallmark\ndefault allow := true\n"


@pytest.mark.parametrize("explain", [True, False])
@pytest.mark.parametrize("policy", [Policy(), read_policy(BUSY.encode())], ids=["strict", "busy"])
def test_what_is_written_is_read_again(policy: Policy, *, explain: bool) -> None:
    assert read_policy(write_policy(policy, explain=explain)) == policy
    assert read_policy(write_policy(policy, PolicyForm.JSON), PolicyForm.JSON) == policy


def test_an_empty_file_is_the_strict_policy() -> None:
    assert read_policy(b"") == Policy()
    assert read_policy(b"{}", PolicyForm.JSON) == Policy()


def test_everything_there_is_stands_in_the_explained_file() -> None:
    """Each field of each section, set or as a comment, so that nobody has to read the source."""
    text = write_policy(Policy(), explain=True).decode()
    for section in dataclasses.fields(Policy):
        if section.name != "name":
            block = text.partition(f"[{section.name}]")[2].partition("\n[")[0]
            for field in dataclasses.fields(getattr(Policy(), section.name)):
                assert f"{field.name} " in block or f"[{section.name}.{field.name}]" in text, (section.name, field.name)


def test_lines_of_explanation_are_short() -> None:
    assert all(len(line) <= 120 for line in write_policy(Policy(), explain=True).decode().splitlines())


def test_every_mistake_is_named_at_once() -> None:
    found = mistakes('[andriod]\n[android]\nmin_os_patchlevel = 1\nlevels = ["tee"]\nrequire_locked = 1\n')
    assert found == (
        "andriod is not known; did you mean android?",
        "android.min_os_patchlevel is not known; did you mean min_os_patch_level?",
        "android.levels[0] may not be 'tee'; did you mean TEE?",
        "android.require_locked must be true or false",
    )


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("zzz = 1", "zzz is not known; there is: name, android"),
        ('[android]\nstatus_list_max_age = "1 day"', "must be a duration"),
        ('[android]\nstatus_list_max_age = "P"', "must be a duration"),
        ('[android]\nstatus_list_max_age = "P1DT"', "must be a duration"),
        ("[android]\nstatus_list_max_age = 86400", "must be a duration"),
        ("[android]\nmin_os_patch_level = true", "must be a whole number"),
        ("[android]\nmin_os_patch_level = -1", "must be 0 to 2^64 - 1"),
        ("[android]\nmin_os_patch_level = 202601.0", "must be a whole number"),
        ('[android]\nverified_boot_keys = ["abc"]', "android.verified_boot_keys[0] must be hexadecimal"),
        ('[android]\nverified_boot_keys = "ab"', "android.verified_boot_keys must be an array"),
        ("[android]\nverified_boot_keys = [['ab']]", "must be hexadecimal"),
        ('[[android.apps]]\npackage = "x"', "android.apps[0].signature_digests is missing"),
        ("[amd_sev_snp]\nmin_abi = [1]", "must have 2 items"),
        ('[amd_sev_snp]\nkeys = ["vlek"]', "did you mean VLEK?"),
        ("[amd_sev_snp]\nkeys = [[]]", "may not be []"),
        ('[amd_sev_snp]\nforbidden_guest_policy = ["CXL_ALLOWED"]', "did you mean CXL_ALLOW?"),
        ("[amd_sev_snp]\nforbidden_guest_policy = [[1]]", "may not be [1]"),
        ("android = 3", "android must be a table"),
        ('name = ""', "name must have 1 to 100 printable characters"),
        ('name = "a\\u0007"', "name must have 1 to 100 printable characters"),
        ('[rego]\nmodule = "package other"', "must begin with: package hallmark"),
        ("x = 1\nx = 2", "the file is not TOML"),
    ],
)
def test_a_mistake(text: str, mistake: str) -> None:
    assert any(mistake in found for found in mistakes(text)), mistakes(text)


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("[]", "the file must be a table"),
        ('{"name": "a", "name": "b"}', "same key twice"),
        ('{"name": "\\ud800"}', "name must be Unicode text"),
        ('{"name": NaN}', "name must be a text"),
        ("[" * 100_000, "the file is not JSON"),
        ("{", "the file is not JSON"),
    ],
)
def test_a_mistake_in_json(text: str, mistake: str) -> None:
    assert any(mistake in found for found in mistakes(text, PolicyForm.JSON))


def test_mistakes_are_counted_only_so_far() -> None:
    assert len(mistakes("\n".join(f"k{n} = 1" for n in range(1000)))) == 20


def test_foreign_bytes() -> None:
    with pytest.raises(PolicyError, match="UTF-8"):
        read_policy(b"\xff")
    with pytest.raises(PolicyError, match="bytes"):
        read_policy(b"#" * (FILE_BYTES_MAX + 1))


def test_null_is_any_in_json() -> None:
    document = json.dumps({"intel": {"tdx": {"service_tds": None}}, "android": {"min_os_patch_level": None}})
    policy = read_policy(document.encode(), PolicyForm.JSON)
    assert policy.intel.tdx.service_tds is None
    assert policy.android.min_os_patch_level is None


def test_sections_come_in_order() -> None:
    """Plain values stand before the tables, as TOML wants it."""
    document = tomllib.loads(write_policy(Policy()).decode())
    assert list(document) == [field.name for field in dataclasses.fields(Policy)]
    kinds = [isinstance(value, dict) for value in document.values()]
    assert all(not (before and not after) for before, after in pairwise(kinds))


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ('[android]\nverified_boot_keys = ["00"]', "android.verified_boot_keys has a value of 1 byte (00); it must have 32"),
        ("[android]\nmin_os_patch_level = 202613", "android.min_os_patch_level is 202613; it must be a month, YYYYMM"),
        ("[android]\nmin_vendor_patch_level = 5", "android.min_vendor_patch_level is 5"),
        ("[android]\nmin_boot_patch_level = 20260231", "android.min_boot_patch_level is 20260231"),
        ('[[android.apps]]\npackage = ""\nsignature_digests = []', "android.apps[0].package is ''"),
        ('[[android.apps]]\npackage = "a.b"\nsignature_digests = ["aa"]', "android.apps[0].signature_digests has a value"),
        ('[amd_sev_snp]\nmeasurements = ["00"]', "amd_sev_snp.measurements has a value of 1 byte (00); it must have 48"),
        ('[amd_sev_snp]\nchip_ids = ["00"]', "amd_sev_snp.chip_ids has a value of 1 byte (00); it must have 64 or 8"),
        ('[amd_sev_snp]\nhost_data = [""]', "amd_sev_snp.host_data has a value of 0 bytes; it must have 32"),
        ("[amd_sev_snp]\nvmpls = [4]", "amd_sev_snp.vmpls is 4; it must be 0 to 3"),
        (
            '[[amd_sev_snp.tcb_floors]]\nproduct = "Milan"\nlevels = {snp = 256}',
            "amd_sev_snp.tcb_floors[0].levels.snp is 256; it must be 0 to 255",
        ),
        ("[[aws_nitro.pcrs]]\nindex = 32\ndigests = []", "aws_nitro.pcrs[0].index is 32; it must be 0 to 31"),
        ('[[aws_nitro.pcrs]]\nindex = 0\ndigests = ["aa"]', "aws_nitro.pcrs[0].digests has a value of 1 byte"),
        ('[apple]\napp_ids = ["org.example.app"]', "apple.app_ids is 'org.example.app'; it must be a team identifier"),
        ('[webauthn]\naaguids = ["00"]', "webauthn.aaguids has a value of 1 byte (00); it must have 16"),
        ('[tpm]\nallowed_db_entries = ["00"]', "tpm.allowed_db_entries has a value of 1 byte"),
        ('[[tpm.pcrs]]\nbank = "sha256"\nindex = 24\ndigests = []', "tpm.pcrs[0].index is 24; it must be 0 to 23"),
        ('[[tpm.pcrs]]\nbank = "sha384"\nindex = 0\ndigests = ["aa"]', "tpm.pcrs[0].digests has a value of 1 byte (aa)"),
        ('[[tpm.pcrs]]\nbank = "md5"\nindex = 0\ndigests = ["aa"]', "tpm.pcrs[0].bank is 'md5'; it must be one of"),
        ('[intel.sgx]\nenclaves = ["00"]', "intel.sgx.enclaves has a value of 1 byte (00); it must have 32"),
        ('[intel.tdx]\nmr_td = ["00"]', "intel.tdx.mr_td has a value of 1 byte (00); it must have 48"),
        ("[intel.tdx]\nreplayed_registers = [4]", "intel.tdx.replayed_registers is 4"),
        ('[[arm.software]]\ndigest = "aa"', "arm.software[0].digest has a value of 1 byte (aa); it must have 32 or 48 or 64"),
        ("[[nvidia.measurements]]\nindex = 0\ndigests = []", "nvidia.measurements[0].index is 0; it must be 1 to 255"),
    ],
)  # fmt: skip
def test_a_reference_value_that_nothing_can_meet(text: str, mistake: str) -> None:
    assert [mistake in found for found in mistakes(text)] == [True], mistakes(text)


@pytest.mark.parametrize(
    "text",
    [
        "[android]\nmin_os_patch_level = 202601\nmin_boot_patch_level = 20260105\nmin_vendor_patch_level = 20260100",
        '[apple]\napp_ids = ["ABCDE12345.org.example-one.app"]',
        f'[amd_sev_snp]\nchip_ids = ["{"aa" * 8}", "{"bb" * 64}"]',
        f'[[tpm.pcrs]]\nbank = "sha1"\nindex = 23\ndigests = ["{"aa" * 20}"]',
        f'[webauthn]\naaguids = ["{"aa" * 16}"]',
    ],
)
def test_reference_values_of_the_right_size(text: str) -> None:
    assert read_policy(text.encode()) != Policy()
