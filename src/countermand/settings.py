"""Everything that can be configured. Read from ``COUNTERMAND_*`` variables and a TOML file; defaults are here."""

import os
import re
from collections.abc import Callable, Collection, Iterable
from datetime import timedelta
from difflib import get_close_matches
from email.utils import parseaddr
from importlib.util import find_spec
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, get_args
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from platformdirs import user_data_path
from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from countermand.domain.addresses.address import AddressRules


def default_database() -> str:
    """A SQLite file in the user's data directory."""
    return f"sqlite:///{user_data_path('countermand') / 'countermand.sqlite3'}"


PLAZA_LIMITS: Final = {
    "GET orders": "400/hour",
    "PUT cancellation": "5000/day",
    "GET process-status": "50000/hour",
    "GET shipments": "400/hour",
    "POST shipments": "5000/day",
    "PUT transports": "5000/day",
}
"""bol's own quotas (docs/plaza.md)."""


RETAILER_LIMITS: Final = {
    "POST token": "",
    "GET orders": "25/minute",
    "GET order": "25/second",
    "PUT cancellation": "25/minute",
    "GET shipments": "7/minute",
    "GET shipment": "14/minute",
    "POST shipments": "25/second",
    "PUT transports": "10/second",
    "GET process-statuses": "2/second",
    "POST process-statuses": "2/second",
    "GET process-status": "100/second",
    "GET performance": "20/minute",
    "GET retailer": "20/minute",
    "subscriptions": "20/minute",
}
"""bol's own quotas of its later API, as far as they are known (docs/retailer.md)."""


def _quotas(usual: dict[str, str]) -> Callable[[dict[str, str]], dict[str, str]]:
    def completed(limits: dict[str, str]) -> dict[str, str]:
        for kind, quota in limits.items():
            if kind not in usual:
                raise ValueError(f"there is no quota {kind!r}; there are {', '.join(usual)}")
            _quota(quota)
        return usual | limits

    return completed


def _quota(quota: str) -> str:
    if quota and not re.fullmatch("[1-9][0-9]{0,8}/(second|minute|hour|day)", quota):
        raise ValueError(f"{quota!r} is no quota; write it like 400/hour")
    return quota


def _networks(texts: list[str]) -> list[str]:
    for text in texts:
        try:
            ip_network(text)
        except ValueError:
            raise ValueError(f"{text!r} is no network; write it like 10.0.0.0/8") from None
    return texts


def _origins(texts: list[str]) -> list[str]:
    for text in texts:
        if not re.fullmatch(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?", text):
            raise ValueError(f"{text!r} is no origin; write it like https://shop.example, without a path")
    return texts


def _sender(text: str) -> str:
    address = parseaddr(text)[1]
    local, _, host = address.rpartition("@")
    if text and not (local and host and address.isascii() and text.isprintable()):
        raise ValueError(f"{text!r} is no sender; write it like Shop <mail@shop.example>")
    return text


def _reachable(url: str) -> str:
    """Every link in an e-mail begins with it."""
    parts = urlsplit(url)
    fine = parts.scheme in ("http", "https") and parts.hostname and not (parts.query or parts.fragment)
    if url and not (fine and parts.port != 0 and re.fullmatch("[!-~]+", url)):
        raise ValueError(f"{url!r} is no address; write it like https://cancel.shop.example")
    return url


def _secure(url: str) -> str:
    """Who says who somebody is, is asked over https, or on this machine."""
    parts = urlsplit(_reachable(url))
    if url and parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        raise ValueError(f"{url!r} is not https")
    return url


def is_loopback(host: str) -> bool:
    """Whether a host, by name or address, is this machine itself."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _roles(groups: dict[str, str]) -> dict[str, str]:
    for group, role in groups.items():
        party, _, name = role.rpartition(":")
        if not (party.strip() and name in ROLES):
            known = ", ".join(ROLES)
            raise ValueError(f"{role!r} of {group!r} is no role; write it like Platform:{ROLES[0]}, with {known}")
    return groups


def _brokers(urls: list[str]) -> list[str]:
    for url in urls:
        parts = urlsplit(url)
        if parts.scheme not in ("nats", "tls") or not parts.hostname or parts.path or parts.username:
            raise ValueError(f"{url!r} is no address of a NATS server; write it like tls://nats.example.com:4222")
    return urls


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (OSError, KeyError, ValueError) as error:
        raise ValueError(f"there is no time zone {name}") from error
    return name


ROLES: Final = ("manager", "support", "viewer")
"""What somebody can be for a party, as ``admin/roles.py`` has it."""


PREFIX: Final = "COUNTERMAND_"
CONFIG: Final = f"{PREFIX}CONFIG"
"""The variable that names the file of settings."""
NEAR: Final = 0.75
"""How alike a variable must be to a setting to count as a misspelling of it."""


def misspelt(names: Iterable[str]) -> dict[str, str]:
    """Environment variables that mean a setting and do not name one, each with the nearest right name."""
    known = [f"{PREFIX}{name.upper()}" for name in Settings.model_fields]
    bare = {name.removeprefix(PREFIX): name for name in known}
    wrong = [name for name in names if name.upper().startswith(PREFIX) and name.upper() not in {*known, *BESIDES}]
    near = {name: get_close_matches(name.upper().removeprefix(PREFIX), bare, n=1, cutoff=NEAR) for name in wrong}
    return {name: bare[found[0]] for name, found in sorted(near.items()) if found}


BESIDES: Final = frozenset(
    f"{PREFIX}{name}"
    for name in (
        "CONFIG",
        "PASSWORD",
        "PLAZA_PUBLIC_KEY",
        "PLAZA_PRIVATE_KEY",
        "BOL_CLIENT_ID",
        "BOL_CLIENT_SECRET",
        "TOKEN",
        "TOKEN_FILE",
        "LISTEN_SECRET",
    )
)
"""Variables that commands read beside the settings."""


class Settings(BaseSettings):
    """The settings, each with its default. A flag beats the environment, which beats the file."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid")

    database: str = Field(default_factory=default_database, description="SQLAlchemy URL: sqlite:///… or postgresql://…")
    host: str = "127.0.0.1"
    port: int = Field(default=8765, ge=0, le=65535, description="0 takes any that is free")
    public_url: Annotated[str, AfterValidator(_reachable)] = Field(
        default="", description="How clients reach this service; default http://host:port"
    )
    processes: int = Field(default=1, ge=1, le=64, description="Processes that `serve` starts (PostgreSQL)")
    lanes: int = Field(default=3, ge=1, le=64, description="Transactions side by side (PostgreSQL), of each process")
    token_lifetime_s: int = Field(default=7200, ge=0, description="CRUX login tokens; 0 = no expiry")
    credential_cache_s: int = Field(default=5, ge=0, description="How long a revoked credential may still be honoured")
    login_limit: Annotated[str, AfterValidator(_quota)] = Field(
        default="5/minute", description="Failed CRUX log-ins of one person from one address; an empty text lifts it"
    )
    login_address_limit: Annotated[str, AfterValidator(_quota)] = Field(
        default="30/minute", description="Failed CRUX log-ins from one address, of all persons together"
    )
    login_person_limit: Annotated[str, AfterValidator(_quota)] = Field(
        default="100/hour",
        description="Failed CRUX log-ins of one person from all addresses; then each may try once a minute",
    )
    wrong_token_limit: Annotated[str, AfterValidator(_quota)] = Field(
        default="100/minute", description="Wrong tokens, keys, links and signatures from one address"
    )
    call_limit: Annotated[str, AfterValidator(_quota)] = Field(
        default="60000/minute", description="Calls of one token or key at any door"
    )
    link_limit: Annotated[str, AfterValidator(_quota)] = Field(
        default="60/minute", description="Uses of the links to one cancellation by one party"
    )
    provider_hint_limit: Annotated[str, AfterValidator(_quota)] = Field(
        default="1200/minute", description="Webhooks from one address for one payment provider"
    )
    console_password_above: int = Field(
        default=100, ge=0, description="Whole units of a currency above which the console asks for the password again"
    )
    oidc_issuer: Annotated[str, AfterValidator(_secure)] = Field(
        default="", description="Who else says who somebody is: the issuer of OpenID Connect, https://id.shop.example"
    )
    oidc_client_id: str = ""
    oidc_client_secret: SecretStr | None = Field(default=None, description="Without one, the client is a public one")
    oidc_name: str = Field(default="single sign-on", description="What people call it, for the button of the log-in")
    oidc_scopes: str = Field(default="openid email profile", description="What is asked for; openid and email at least")
    oidc_groups_claim: str = Field(default="groups", description="Where the ID token names the groups of a person")
    oidc_roles: Annotated[dict[str, str], AfterValidator(_roles)] = Field(
        default_factory=dict, description="The role of each group, as Platform:manager; without any, only users log in"
    )
    trusted_proxies: Annotated[list[str], AfterValidator(_networks)] = Field(
        default_factory=list, description="Networks of proxies whose X-Forwarded-For is believed"
    )
    cors_origins: Annotated[list[str], AfterValidator(_origins)] = Field(
        default_factory=list,
        description="Origins whose pages may call the native API from a browser, such as https://shop.example",
    )
    connections_max: int = Field(default=20_000, ge=1, le=1_000_000, description="Connections at once, of all callers")
    connections_per_address: int = Field(default=1_000, ge=1, le=1_000_000, description="Connections of one address")
    connection_idle_s: float = Field(default=75.0, gt=0, le=3600, description="How long a connection may do nothing")
    header_timeout_s: float = Field(default=30.0, gt=0, le=3600, description="How long the headers of a call may take")
    write_stall_s: float = Field(default=30.0, gt=0, le=3600, description="How long a caller may not read its answer")
    body_max_bytes: int = Field(default=256 * 1024, ge=1)
    order_max_bytes: int = Field(
        default=1024 * 1024, ge=1, description="The same for calls that carry the lines of an order"
    )
    body_timeout_s: float = Field(default=10.0, ge=0)
    crux_limit_is_page_size: bool = Field(
        default=False, description="CRUX list: limit counts orders instead of naming the position after the last one"
    )
    allow_losing_acknowledged_calls: bool = Field(
        default=False, description="Accept a PostgreSQL with fsync or synchronous_commit off"
    )
    database_timeout_s: float = Field(
        default=30.0, ge=0, description="How long PostgreSQL may take for one transaction; 0 is for ever"
    )
    standby: SecretStr | None = Field(default=None, description="Address of a standby of PostgreSQL, for lists")
    standby_lag_s: float = Field(default=5.0, ge=0.1, description="How late lists from the standby may be")
    database_pooler: bool = Field(
        default=False, description="Whether a pooler such as PgBouncer hands out PostgreSQL by transaction"
    )
    read_timeout_s: float = Field(default=5.0, ge=0, description="How long one read may take; 0 is for ever")
    key_file: Path | None = Field(default=None, description="Keys that open stored secrets; default beside the data")
    plaza_limits: Annotated[dict[str, str], AfterValidator(_quotas(PLAZA_LIMITS))] = Field(
        default_factory=lambda: dict(PLAZA_LIMITS),
        description="Calls per key, as '400/hour' or '5000/day'; an empty text lifts a limit",
    )
    retailer_limits: Annotated[dict[str, str], AfterValidator(_quotas(RETAILER_LIMITS))] = Field(
        default_factory=lambda: dict(RETAILER_LIMITS),
        description="Calls of bol's Retailer API per client, as '25/minute'; an empty text lifts a limit",
    )
    plaza_window_s: int = Field(
        default=300, ge=1, le=3600, description="How far the date of a signed Plaza call may be off"
    )
    webhook_inner_addresses: Annotated[list[str], AfterValidator(_networks)] = Field(
        default_factory=list, description="Networks that are not public and may be called all the same: 127.0.0.0/8"
    )
    webhook_http: bool = Field(default=False, description="Webhooks may be plain http, beyond this host too")
    webhook_ports: list[Annotated[int, Field(ge=1, le=65535)]] = Field(
        default_factory=lambda: [443], description="Ports of webhooks; an empty list allows all"
    )
    smtp_host: str = Field(default="", description="Mail server; without one no mailbox is registered")
    smtp_port: int = Field(default=587, ge=1, le=65535)
    smtp_tls: Literal["none", "starttls", "tls"] = "starttls"
    smtp_user: str = ""
    smtp_password: SecretStr | None = None
    mail_from: Annotated[str, AfterValidator(_sender)] = Field(
        default="", description="The sender of e-mails: mail@shop.example, or Shop <mail@shop.example>"
    )
    answer_link_days: int = Field(default=30, ge=1, le=3660, description="How long a link in an e-mail can be used")
    nats_urls: Annotated[list[str], AfterValidator(_brokers)] = Field(
        default_factory=list, description="NATS servers to whose stream all events go: tls://nats.example.com:4222"
    )
    nats_stream: str = Field(
        default="COUNTERMAND", pattern="^[A-Za-z0-9_-]{1,64}$", description="The name of the stream"
    )
    nats_subject: str = Field(
        default="countermand.events",
        pattern=r"^[A-Za-z0-9_-]{1,64}(\.[A-Za-z0-9_-]{1,64}){0,7}$",
        description="What the subjects of its messages begin with",
    )
    nats_user: str = ""
    nats_password: SecretStr | None = None
    nats_creds_file: Path | None = Field(
        default=None, description="A file of credentials, instead of user and password"
    )
    nats_ca_file: Path | None = Field(default=None, description="Certificates to trust, besides the system's")
    nats_replicas: int = Field(
        default=0, ge=0, le=5, description="Copies of a stream that is made; 0 = three in a cluster, else one"
    )
    nats_keep_days: int = Field(
        default=30, ge=0, le=3660, description="The stream is made to hold the events of so many days; 0 = all"
    )
    worker: bool = Field(default=True, description="Whether `serve` also sends notices and fires deadlines")
    worker_sends: int = Field(default=128, ge=1, le=10_000, description="Notices sent at once, and as many to failing")
    worker_lease_s: float = Field(default=25.0, ge=1, le=3600, description="After how long a dead worker is replaced")
    payment_providers: list[Literal["stripe", "mollie"]] = Field(
        default_factory=list, description="Who moves money back, besides people with a work list"
    )
    stripe_api_key: SecretStr | None = None
    stripe_webhook_secret: SecretStr | None = Field(default=None, description="whsec_…, of the endpoint made at Stripe")
    stripe_url: str = "https://api.stripe.com"
    mollie_api_key: SecretStr | None = None
    mollie_webhook_secret: SecretStr | None = Field(default=None, description="Only for Mollie's signed webhooks")
    mollie_url: str = "https://api.mollie.com"
    refund_check_days: int = Field(
        default=30, ge=0, le=3660, description="For how long providers are asked again about refunds; 0 = never"
    )
    score_zone: Annotated[str, AfterValidator(_zone)] = Field(
        default="Europe/Amsterdam",
        description="By whose clocks weeks of the score, promised days and the days of filters begin and end",
    )
    idempotency_days: int = Field(default=30, ge=30, le=3660, description="How long an idempotency key is remembered")
    notice_days: int = Field(default=90, ge=1, le=3660, description="How long notices are kept that were sent")
    attempt_days: int = Field(default=30, ge=1, le=3660, description="How long attempts to send notices are kept")
    dead_notice_days: int = Field(
        default=365, ge=1, le=3660, description="How long notices are kept that were given up"
    )
    process_status_days: int = Field(default=90, ge=1, le=3660, description="How long ended process statuses are kept")
    job_days: int = Field(default=30, ge=1, le=3660, description="How long jobs are kept that have ended")
    credential_days: int = Field(
        default=90, ge=1, le=3660, description="How long credentials are kept that have expired or were revoked"
    )
    customer_days: int = Field(
        default=0, ge=0, le=36_500, description="After how long the customer of an order is erased; 0 = never"
    )
    log_level: str = "info"
    log_format: Literal["json", "console"] = Field(
        default="json", description="json for a collector of logs, console for people"
    )
    metrics_host: str = Field(default="127.0.0.1", description="Where Prometheus reads the metrics")
    metrics_port: int = Field(default=0, ge=0, le=65535, description="Its port; 0 = no metrics")
    traces: bool = Field(default=False, description="Send traces by OpenTelemetry (pip install countermand[otel])")
    calls_max: int = Field(
        default=512, ge=8, le=100_000, description="Calls that are answered at once; the next one is turned away"
    )
    ready_lag_s: int = Field(
        default=120, ge=30, le=86_400, description="For how long the worker may get nothing done before /readyz says so"
    )
    ready_disk_mb: int = Field(
        default=256, ge=0, le=1_000_000, description="Free megabytes beside the SQLite file below which /readyz says so"
    )

    @model_validator(mode="after")
    def _mail_has_a_sender(self) -> Self:
        if self.smtp_host and not self.mail_from:
            raise ValueError("mail_from must be set where smtp_host is")
        return self

    @model_validator(mode="after")
    def _nats_has_a_client(self) -> Self:
        if self.nats_urls and not (find_spec("nats") and find_spec("nkeys")):
            raise ValueError("nats_urls needs more packages; install countermand[nats]")
        if self.nats_user and self.nats_creds_file:
            raise ValueError("set nats_user or nats_creds_file, not both")
        if bool(self.nats_user) != (self.nats_password is not None):
            raise ValueError("nats_user and nats_password must be set together")
        return self

    @model_validator(mode="after")
    def _openid_has_a_client(self) -> Self:
        if self.oidc_issuer and not self.oidc_client_id:
            raise ValueError("oidc_client_id must be set where oidc_issuer is")
        if self.oidc_issuer and not {"openid", "email"} <= set(self.oidc_scopes.split()):
            raise ValueError("oidc_scopes must have openid and email")
        if self.oidc_issuer and not (find_spec("authlib") and find_spec("joserfc")):
            raise ValueError("oidc_issuer needs more packages; install countermand[oidc]")
        return self

    @model_validator(mode="after")
    def _providers_have_secrets(self) -> Self:
        needed = {"stripe": ("stripe_api_key", "stripe_webhook_secret"), "mollie": ("mollie_api_key",)}
        for provider in self.payment_providers:
            for name in needed[provider]:
                secret = getattr(self, name)
                if secret is None or not secret.get_secret_value().strip():
                    raise ValueError(f"{name} must be set where payment_providers has {provider}")
        if self.mollie_webhook_secret is not None and not self.mollie_webhook_secret.get_secret_value().strip():
            raise ValueError(
                "mollie_webhook_secret must not be blank; leave it out if Mollie's webhooks are not signed"
            )
        return self

    def of_process(self, number: int) -> Self:
        """For one of several processes: each shows its metrics on a port of its own."""
        return self.model_copy(update={"metrics_port": self.metrics_port and self.metrics_port + number})

    @property
    def token_lifetime(self) -> timedelta | None:
        """``None`` when tokens do not expire."""
        return timedelta(seconds=self.token_lifetime_s) if self.token_lifetime_s else None

    @property
    def keys(self) -> Path:
        """The key file: as set, or beside a SQLite database, or in the user's data directory."""
        if self.key_file:
            return self.key_file
        return self.sqlite_path.with_suffix(".keys") if self.sqlite_path else user_data_path("countermand") / "keys"

    @property
    def retention(self) -> dict[str, int]:
        """For how many days what is kept, by the name of its setting."""
        return {
            "idempotency_days": self.idempotency_days,
            "notice_days": self.notice_days,
            "attempt_days": self.attempt_days,
            "dead_notice_days": self.dead_notice_days,
            "process_status_days": self.process_status_days,
            "job_days": self.job_days,
            "credential_days": self.credential_days,
            "customer_days": self.customer_days,
        }

    @property
    def nats_keep(self) -> timedelta | None:
        """``None`` when the stream is to hold all events."""
        return timedelta(days=self.nats_keep_days) if self.nats_keep_days else None

    @property
    def address_rules(self) -> AddressRules:
        """What the address of an endpoint may look like. A link in an e-mail has to work where it is read."""
        needed = {"smtp_host": self.smtp_host, "mail_from": self.mail_from, "public_url": self.public_url}
        lacks = tuple(name for name, value in needed.items() if not value)
        return AddressRules(http=self.webhook_http, ports=tuple(self.webhook_ports), mail_lacks=lacks)

    @property
    def base_url(self) -> str:
        """How clients reach this service, without a final slash."""
        return self.public_url.rstrip("/") or f"http://{self.host}:{self.port}"

    @property
    def sqlite_path(self) -> Path | None:
        """The file, when the database is one."""
        prefix, _, path = self.database.partition(":///")
        return Path(path) if prefix.startswith("sqlite") and path else None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flag, environment, file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=config_file())


def config_file() -> Path:
    """The file of settings: as the variable says, or in the folder where the command is started."""
    return Path(os.environ.get(CONFIG) or "countermand.toml")


def secret_names() -> frozenset[str]:
    """Settings that are shown to nobody. The address of a database has a password in it, but no other secret."""
    return frozenset(name for name, field in Settings.model_fields.items() if SecretStr in _kinds(field.annotation))


def _kinds(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) or (annotation,)


def origins(flags: Collection[str] = ()) -> dict[str, str]:
    """What decides about each setting: the flag, the variable, the file, or else ``default``."""
    in_file = TomlConfigSettingsSource(Settings, toml_file=config_file())()
    variables = {
        name.upper().removeprefix(PREFIX).lower(): name for name in os.environ if name.upper().startswith(PREFIX)
    }
    found = {}
    for name in Settings.model_fields:
        if name in flags:
            found[name] = f"--{name}"
        elif name in variables:
            found[name] = variables[name]
        else:
            found[name] = str(config_file()) if name in in_file else "default"
    return found
