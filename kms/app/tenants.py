"""Tenants, put together: their service, the door that every call passes, and what their quotas count."""

from kms.config_tenants import TenantsConfig
from kms.core.clock import Clock
from kms.core.database import Database
from kms.core.randomness import Randomness
from kms.core.resources import Sensitivity
from kms.devices.store import count_devices
from kms.keys.quota import count_keys
from kms.log.service import TransparencyLog
from kms.server.local_ca import LOCAL_TENANT
from kms.tenants.counts import CountQuota
from kms.tenants.model import DEVICES, KEYS, ChannelMode, ChannelRules, Quotas
from kms.tenants.rpc import TenantServicer
from kms.tenants.service import TenantService
from kms.tenants.terms import TenantTerms, TermsSettings


def terms_settings(config: TenantsConfig) -> TermsSettings:
    channels = config.channels
    return TermsSettings(
        quotas=Quotas(**config.quotas.model_dump()),
        channels=ChannelRules(
            mode=ChannelMode(channels.mode),
            classical_sensitivity=Sensitivity[channels.classical_sensitivity.upper()],
            classical_bytes_per_day=channels.classical_bytes_per_day,
        ),
        require_registered=config.require_registered,
    )


def make_terms(config: TenantsConfig, database: Database, clock: Clock) -> TenantTerms:
    """The kms.server.doors.TenantDoor."""
    return TenantTerms(database, clock, terms_settings(config))


def make_tenants(
    config: TenantsConfig, *, database: Database, log: TransparencyLog, randomness: Randomness, terms: TenantTerms
) -> TenantServicer:
    """`terms`: the door of this process, which looks a tenant up again when it was changed here."""
    service = TenantService(
        database=database,
        log=log,
        randomness=randomness,
        operator_tenant=LOCAL_TENANT,
        default_channels=terms_settings(config).channels,
        changed=terms.forget,
    )
    return TenantServicer(service)


def key_quota(config: TenantsConfig, clock: Clock) -> CountQuota:
    """A kms.keys.quota.KeyQuota."""
    return CountQuota(kind=KEYS, count=count_keys, default=terms_settings(config).quotas, clock=clock)


def device_quota(config: TenantsConfig, clock: Clock) -> CountQuota:
    """A kms.devices.quota.DeviceQuota."""
    return CountQuota(kind=DEVICES, count=count_devices, default=terms_settings(config).quotas, clock=clock)
