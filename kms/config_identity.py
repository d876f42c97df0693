"""Settings of who may call: bearer tokens of OpenID issuers, SPIFFE trust domains, the operator's own certificates."""

from typing import Literal, Self, TypeAlias

from pydantic import Field, model_validator

from kms.config_section import Section
from kms.core.names import ID_PATTERN

Algorithm: TypeAlias = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
PersonRole: TypeAlias = Literal["admin", "backend", "auditor"]
"""Devices are attested, edges are of the service: neither comes in by the word of somebody else."""
_TRUST_DOMAIN = r"[a-z0-9._-]{1,255}"


class IssuerConfig(Section):
    name: str = Field(
        pattern=r"^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$",
        max_length=20,
        description="Short name of the issuer; the names of its callers begin with it. Never change it.",
    )
    issuer: str = Field(description="The `iss` of its tokens: an https URL; http on this machine only.")
    audiences: tuple[str, ...] = Field(min_length=1, description="A token must be meant for one of these (`aud`).")
    jwks: str | None = Field(
        None, description="File or URL of its keys (RFC 7517); default: what its discovery document names."
    )
    algorithms: tuple[Algorithm, ...] = Field(
        ("RS256", "PS256", "ES256", "ES384", "EdDSA"), min_length=1, description="Signatures that are taken."
    )
    types: tuple[str, ...] = Field(
        ("JWT", "at+jwt"), description="What the header `typ` may say, where a token has one (RFC 8725, section 3.11)."
    )
    tenant: str | None = Field(None, pattern=f"^{ID_PATTERN}$", description="Tenant of every caller of this issuer.")
    tenant_claim: str | tuple[str, ...] | None = Field(
        None, description="Or the claim that names the tenant; a list is a path into nested claims."
    )
    tenants: tuple[str, ...] = Field(
        (), description="Tenants that tenant_claim may name. Default: every one but the operators' own."
    )
    role: PersonRole | None = Field(None, description="Role of every caller of this issuer.")
    role_claim: str | tuple[str, ...] | None = Field(
        None, description="Or the claim, a text or a list of texts, whose values `roles` translates."
    )
    roles: dict[str, PersonRole] = Field(
        {}, description="Value of role_claim = role. When several fit, the one that is written first counts."
    )
    name_claim: str | tuple[str, ...] = Field(
        "sub", description="What tells callers apart. It must never pass from one person to another, as e-mails do."
    )
    required: dict[str, str | bool | int | tuple[str, ...]] = Field(
        {}, description="Claims that must be there with this value, or one of these."
    )
    lifetime_seconds_max: int = Field(
        86400, ge=60, le=7 * 86400, description="Tokens that were issued for longer are refused."
    )
    leeway_seconds: int = Field(30, ge=0, le=60, description="How far the clocks of issuer and service may differ.")

    @model_validator(mode="after")
    def _one_source_each(self) -> Self:
        if (self.tenant is None) == (self.tenant_claim is None):
            raise ValueError("give either tenant or tenant_claim")
        if (self.role is None) == (self.role_claim is None):
            raise ValueError("give either role or role_claim")
        if (self.role_claim is None) != (not self.roles):
            raise ValueError("role_claim and roles go together")
        if self.tenants and self.tenant_claim is None:
            raise ValueError("tenants limits tenant_claim, and there is none")
        return self


class PathRuleConfig(Section):
    path: str = Field(
        pattern=r"^(?:/(?:[A-Za-z0-9._-]+|\*))+$",
        description="Path of SPIFFE IDs, such as /ns/payments/sa/*: a star stands for one whole segment.",
    )
    tenant: str = Field(pattern=f"^{ID_PATTERN}$", description="Tenant of these callers.")
    role: PersonRole = Field(description="Their role.")
    name: str = Field(
        pattern=r"^[a-z{][a-z0-9{}-]*$",
        description="Their name, such as payments-{1}: {1} is what the first star stands for.",
    )


class TrustDomainConfig(Section):
    trust_domain: str = Field(pattern=f"^{_TRUST_DOMAIN}$", description="A SPIFFE trust domain other than our own.")
    bundle: str = Field(description="PEM file with its authorities; read again when it changes.")
    rules: tuple[PathRuleConfig, ...] = Field(min_length=1, description="Who is who; the first rule that fits counts.")


class IdentityConfig(Section):
    token_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="gRPC port for callers with a bearer token and no certificate; 0 takes a free one. Off by default.",
    )
    issuers: tuple[IssuerConfig, ...] = Field((), description="Whose tokens are believed (OpenID Connect).")
    jwks_refresh_seconds: float = Field(600, ge=1, description="How often the keys of issuers are read again.")
    jwks_stale_seconds: float = Field(
        86400, ge=60, description="For how long the last keys are used while the issuer can not be reached."
    )
    spiffe: tuple[TrustDomainConfig, ...] = Field((), description="Other SPIFFE trust domains that may call.")
    server_certificate: str | None = Field(
        None, description="PEM file with the server's certificate and its intermediates, instead of the local one."
    )
    server_key: str | None = Field(None, description="PEM file with its private key, mode 0600.")
    client_authorities: str | None = Field(
        None,
        description="PEM file with the authorities of client certificates. The local authority is then believed for "
        "devices only, so the folders under clients/ open nothing any more.",
    )
    crls: tuple[str, ...] = Field((), description="CRL files (PEM or DER) of client certificates.")
    reload_seconds: float = Field(
        5, ge=0.1, description="How often the files above are looked at. What is broken changes nothing and is told."
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.server_certificate is None) != (self.server_key is None):
            raise ValueError("server_certificate and server_key go together")
        if self.token_port is not None and not self.issuers:
            raise ValueError("token_port needs issuers: nobody could come in")
        for what, values in (
            ("issuers", [issuer.name for issuer in self.issuers]),
            ("issuers", [issuer.issuer for issuer in self.issuers]),
            ("spiffe", [domain.trust_domain for domain in self.spiffe]),
        ):
            if len(set(values)) != len(values):
                raise ValueError(f"{what} are told apart by name and URL; one stands there twice")
        return self
