"""Settings: one frozen tree, one reader of files and environment. An unknown key is an error that names it.

Order: defaults < TOML file (`hallmark serve --config FILE`) < environment (HALLMARK__SECTION__KEY) < command line.
Paths that are not absolute are taken from `home`.
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from kms.config_audit import AuditConfig
from kms.config_channels import ChannelsConfig
from kms.config_edge import EdgeConfig
from kms.config_identity import IdentityConfig
from kms.config_observing import ObservingConfig
from kms.config_permission import ConsentConfig, EventsConfig, RemovalConfig, SsfConfig
from kms.config_section import Section
from kms.config_tenants import LimitsConfig, TenantsConfig

ENVIRONMENT_PREFIX = "HALLMARK__"


class ConfigError(Exception):
    """A setting is wrong; the text says which and what it should be."""


class ServerConfig(Section):
    address: str = Field("127.0.0.1", description="Address the gRPC port binds to.")
    port: int = Field(7443, ge=0, le=65535, description="gRPC port; 0 takes a free one.")
    public_address: str = Field("127.0.0.1", description="Address the public files' HTTP port binds to.")
    public_port: int = Field(7480, ge=0, le=65535, description="HTTP port of the public files; 0 takes a free one.")
    host_names: tuple[str, ...] = Field(
        ("localhost", "127.0.0.1", "::1"), description="Names and addresses in the server's certificate."
    )
    trust_domain: str = Field("hallmark.local", description="SPIFFE trust domain of client certificates.")
    admins: tuple[str, ...] = Field(
        (), description="Names of further admins, beside 'admin': each gets a profile in the folder clients/NAME."
    )
    require_pq_tls: bool = Field(False, description="Refuse connections without a post-quantum TLS group.")
    rate_per_second: float = Field(2000, gt=0, description="Calls a second allowed to one caller, sustained.")
    device_rate_per_second: float = Field(50, gt=0, description="The same for a device.")
    streams_per_caller: int = Field(16, ge=1, description="Streams one caller may hold open.")
    streams_total: int = Field(10_000, ge=1, description="Streams this process holds open.")
    drain_seconds: float = Field(5, ge=0, description="How long running calls may go on after a stop is asked for.")
    drain_notice_seconds: float = Field(
        0,
        ge=0,
        description="After SIGTERM, how long health says NOT_SERVING while calls are still taken: load balancers look "
        "away meanwhile. 0 for a single server; behind a load balancer more than its probe takes, such as 5.",
    )
    connection_age_seconds: float = Field(
        0,
        ge=0,
        description="Connections are asked to come again after so long, a tenth more or less (gRPC's own jitter), so "
        "that load spreads over all replicas after a rolling restart. 0: never. Behind a load balancer, such as 1800.",
    )


class HsmConfig(Section):
    module: str | None = Field(None, description="PKCS#11 library; default: SoftHSM where it is usually found.")
    token_label: str = Field("hallmark", description="Label of the token.")
    pin_file: str | None = Field(None, description="File with the user PIN, mode 0600; default: made on first run.")
    pin_variable: str | None = Field(None, description="Environment variable with the PIN, instead of the file.")
    token_serial: str | None = Field(None, description="Serial number of the token; finds it before the label does.")
    engine: str | None = Field(
        None, description="Post-quantum engine that signs: cryptography, pycryptodome or liboqs. Default: the fastest."
    )
    signers: int = Field(0, ge=0, le=64, description="Signer processes; 0: one for each core.")


class RequiredApprovals(Section):
    destroy: int = Field(0, ge=0, le=32, description="For destroying key versions and shredding epochs.")
    export: int = Field(0, ge=0, le=32, description="For letting a wrapped private key out; always one at least.")
    policy_change: int = Field(0, ge=0, le=32, description="For changing policies.")
    trust_root_change: int = Field(0, ge=0, le=32, description="For changing roots of trust.")


class ApprovalsConfig(Section):
    required: RequiredApprovals = Field(
        RequiredApprovals(),
        description="How many people, beside the one who proposes it, must sign that an act may be done. 0 asks "
        "nobody: fit for one operator and for tests. In production set 2 or more; server.admins lists the people.",
    )


class EnvelopesConfig(Section):
    key_lifetime_seconds: int = Field(
        86400,
        ge=600,
        le=30 * 86400,
        description="How long a client may seal to a key it was given: within this time all learn of a new epoch.",
    )


class DatabaseConfig(Section):
    url: str | None = Field(None, description="SQLAlchemy URL; default: SQLite in the home folder.")
    commit_interval_seconds: float = Field(
        0.003, ge=0, le=1, description="Least time between two commits: under load, calls share more of them."
    )


class LogConfig(Section):
    origin: str | None = Field(None, description="Origin of the log; default: made on first run and kept.")
    checkpoint_interval_seconds: float = Field(
        0.03,
        ge=0.001,
        description="Least time between two checkpoints while somebody waits for a proof; else a second lies between "
        "them. However long one takes, the next begins a fifth of that later at the earliest.",
    )
    refresh_seconds: float = Field(600, ge=1, description="Sign again at this age even when nothing is new.")
    public_folder: str = Field("public", description="Folder of the public files.")
    guard_file: str = Field(
        "log-guard",
        description="File that remembers the newest checkpoint, so that a restored backup is noticed. In production "
        "put it on another volume than home and database, and never restore it.",
    )
    guard_token_interval_seconds: float = Field(
        60,
        ge=0,
        description="The token remembers a checkpoint too, in a data object: at start, at close, and at most this "
        "often between. 0: it is not asked.",
    )
    witness_policy: str | None = Field(
        None,
        description="File with the log's witnesses, their URLs and the quorum (C2SP tlog-policy). URLs are https, or "
        "http on this machine. The public file `policy` tells it to auditors, with this log's keys.",
    )
    witness_mode: Literal["open", "closed"] = Field(
        "open",
        description="Without the quorum, open publishes all the same once the witnesses had their time (and again with "
        "what they send later), closed publishes nothing and gives no proof.",
    )
    witness_timeout_seconds: float = Field(
        1,
        gt=0,
        le=60,
        description="How long a witness may take, and a checkpoint waits for the quorum. In open mode nobody waits for "
        "witnesses that are known to be away.",
    )
    witness_interval_seconds: float = Field(
        1,
        ge=0,
        le=3600,
        description="Least time between two submissions to a witness, and so between two checkpoints: public witnesses "
        "ask for a rate. Proofs wait for a checkpoint; lower it for witnesses of your own.",
    )
    history_interval_seconds: float = Field(
        60, ge=1, description="Least time between two checkpoints that are kept in history.json and history/SIZE."
    )
    partial_tiles_seconds: float = Field(
        600, ge=0, description="How long partial tiles stay for slow readers once the full tile is published."
    )
    export: str | None = Field(
        None,
        description="s3://BUCKET/PREFIX: a copy of the public files in an object store that has conditional writes. "
        "Credentials come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_SHARED_CREDENTIALS_FILE.",
    )
    export_endpoint: str | None = Field(None, description="URL of the object store; default: AWS.")
    export_region: str | None = Field(None, description="Its region; default: AWS_REGION.")
    export_path_style: bool = Field(
        True, description="Name the bucket in the path of requests; false: in the host name, as AWS prefers."
    )
    export_interval_seconds: float = Field(
        1, ge=0.1, description="Least time between two copies of a checkpoint: each costs a few requests."
    )


class DevicesConfig(Section):
    challenge_lifetime_seconds: int = Field(300, ge=10, le=3600, description="How long a challenge may be used.")
    certificate_lifetime_seconds: int = Field(
        8 * 3600, ge=300, le=7 * 86400, description="How long a device's client certificate holds; it attests again."
    )
    result_lifetime_seconds: int = Field(
        3600, ge=60, le=86400, description="How long a relying party may go on with a signed attestation result."
    )
    android_status: str | None = Field(
        None,
        description="File or URL of the Android attestation status list. Without one, Android devices are refused "
        "(STATUS_LIST_MISSING): a verifier that can not see revocations fails closed.",
    )
    android_status_max_age_seconds: int = Field(86400, ge=60, description="Older lists are refused.")
    android_status_refresh_seconds: int = Field(3600, ge=1, description="How often the list is read again.")
    extra_android_roots: tuple[str, ...] = Field(
        (), description="PEM certificates or public keys trusted beside Google's roots (tests and demos)."
    )


class SourceConfig(Section):
    kind: str = Field(description="A kind of collateral, as `hallmark collateral list` writes it, such as amd-crl.")
    location: str = Field(description="File, https URL of the vendor or a mirror, or http URL of this machine.")
    label: str = Field("", description="For tpm-keys and arm-devices: whose list it is.")


class CollateralConfig(Section):
    folder: str | None = Field(
        "collateral",
        description="Watched folder: what lies in its subfolders, named after kinds (such as amd-crl), is taken in.",
    )
    sources: tuple[SourceConfig, ...] = Field((), description="What is kept up to date: files, or URLs of a mirror.")
    refresh_seconds: int = Field(3600, ge=1, description="How often a URL is read again; earlier when its end is near.")
    fail_mode: dict[str, Literal["open", "closed"]] = Field(
        {},
        description="What a missing piece means where a tenant has no policy of its own: closed refuses, open goes on. "
        "Default: closed for android-status, amd-crl, intel-tcb, nvidia-crl; open for tpm-crl, fido-metadata.",
    )


class Config(Section):
    """The whole tree."""

    home: Path = Field(Path("hallmark-data"), description="Folder of everything the server keeps.")
    server: ServerConfig = ServerConfig()
    hsm: HsmConfig = HsmConfig()
    approvals: ApprovalsConfig = ApprovalsConfig()
    envelopes: EnvelopesConfig = EnvelopesConfig()
    database: DatabaseConfig = DatabaseConfig()
    log: LogConfig = LogConfig()
    devices: DevicesConfig = DevicesConfig()
    events: EventsConfig = EventsConfig()
    consent: ConsentConfig = ConsentConfig()
    removal: RemovalConfig = RemovalConfig()
    ssf: SsfConfig = SsfConfig()
    collateral: CollateralConfig = CollateralConfig()
    identity: IdentityConfig = IdentityConfig()
    tenants: TenantsConfig = TenantsConfig()
    limits: LimitsConfig = LimitsConfig()
    channels: ChannelsConfig = ChannelsConfig()
    audit: AuditConfig = AuditConfig()
    observing: ObservingConfig = ObservingConfig()
    edge: EdgeConfig = EdgeConfig()

    def path(self, text: str) -> Path:
        """A setting's path, seen from the home folder."""
        return self.home / text

    @property
    def database_url(self) -> str:
        return self.database.url or f"sqlite:///{self.home.resolve() / 'hallmark.db'}"


def load_config(
    file: Path | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Config:
    """Raises ConfigError with every wrong setting on its own line."""
    tree: dict[str, Any] = {}
    if file is not None:
        try:
            tree = tomllib.loads(file.read_text())
        except OSError as error:
            raise ConfigError(f"can not read {file}: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{file} is not TOML: {error}") from error
    for name, value in (os.environ if environment is None else environment).items():
        if name.startswith(ENVIRONMENT_PREFIX):
            _set(tree, name[len(ENVIRONMENT_PREFIX) :].lower().split("__"), value)
    for dotted, value in (overrides or {}).items():
        if value is not None:
            _set(tree, dotted.split("."), value)
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors()]
        raise ConfigError("wrong settings:\n  " + "\n  ".join(lines)) from None


def _set(tree: dict[str, Any], path: list[str], value: Any) -> None:
    for part in path[:-1]:
        tree = tree.setdefault(part, {})
    tree[path[-1]] = value
