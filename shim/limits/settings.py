"""The environment variables that say how often and how much at once."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated

from limits import RateLimitItem, parse
from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode

Network = IPv4Network | IPv6Network

_REDIS = ("redis://", "rediss://", "unix://")


class LimitSettings(BaseSettings):
    """Empty values set no limit."""

    create_rate: str = Field(
        "10/minute",
        description="How often sessions may be created: by each key or token, and without them by each address. "
        "`20/hour`, `100/5 minutes`; empty: as often as anybody likes.",
    )
    status_rate: str = Field(
        "100/minute",
        description="How often a caller may ask for one session's status, stated like `CREATE_RATE`.",
    )
    redis_url: SecretStr | None = Field(
        None,
        description="Redis that counts for `CREATE_RATE` and `STATUS_RATE` over several REST servers, as "
        "`redis://host:6379/0` or `rediss://...`. Unset: each server counts for itself.",
    )
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode] = Field(
        (),
        description="Addresses and networks, separated by commas, of the proxies before the REST server: they alone "
        "may say in `X-Forwarded-For` and `X-Forwarded-Proto` who asks and how. `127.0.0.1, 10.0.0.0/8`.",
    )
    session_generations: int | None = Field(
        5,
        ge=1,
        description="Videos that may be made at once for one session, over all REST servers. Empty: any number.",
    )

    @field_validator("create_rate", "status_rate")
    @classmethod
    def _readable_rate(cls, value: str) -> str:
        rate_of(value)
        return value.strip()

    @field_validator("redis_url")
    @classmethod
    def _readable_address(cls, value: SecretStr | None) -> SecretStr | None:
        address = "" if value is None else value.get_secret_value().strip()
        if address and not address.startswith(_REDIS):
            raise ValueError(f"the address has to begin with one of {', '.join(_REDIS)}")
        return SecretStr(address) if address else None

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _parsed_networks(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(_network_of(word.strip()) for word in value.split(",") if word.strip())

    @field_validator("session_generations", mode="before")
    @classmethod
    def _empty_is_no_limit(cls, value: object) -> object:
        return value.strip() or None if isinstance(value, str) else value


def rate_of(value: str) -> RateLimitItem | None:
    """The rate that a setting states; None for none. Raises ValueError."""
    if not value.strip():
        return None
    try:
        rate = parse(value.strip())
    except ValueError:
        raise ValueError("a rate is stated as `10/minute`, `20/hour` or `100/5 minutes`") from None
    if rate.amount < 1 or rate.get_expiry() < 1:
        raise ValueError("a rate lets at least one request through")
    return rate


def _network_of(word: str) -> Network:
    try:
        return ip_network(word)
    except ValueError:
        raise ValueError("every word has to be an address or a network, such as `10.0.0.0/8`") from None
