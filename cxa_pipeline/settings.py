"""Every setting, once: its environment variable, default and meaning.

The only module that reads the environment (and `.env` in the current folder). `cli` and `defs` read settings and
pass plain values down; nothing below them knows where a value came from.
"""

from __future__ import annotations

import os
from datetime import date
from functools import cached_property
from pathlib import Path
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from cxa_pipeline.errors import SettingsError


class Settings(BaseSettings):
    """The settings of one home; each is the environment variable `CXA_<NAME>`, or a line of `.env`."""

    model_config = SettingsConfigDict(env_prefix="CXA_", env_file=".env", extra="ignore", frozen=True)

    home: Path = Field(Path("data"), description="Folder that holds landing, lake, PostgreSQL and Dagster.")
    project: Path | None = Field(None, description="Checkout that holds sql/; by default that of the package.")
    landing: Path | None = Field(None, description="Where the shop drops its files; by default HOME/landing.")
    lake: Path | None = Field(None, description="Where kept bytes, versions and releases lie; by default HOME/lake.")
    postgres_url: SecretStr | None = Field(
        None,
        description="PostgreSQL that is published to; by default an embedded server below HOME/postgres.",
    )
    postgres_port: int | None = Field(
        None, description="Port on 127.0.0.1 that the embedded server opens, with a password, for BI tools."
    )
    memory: str = Field("2GB", description="Memory that the engine may use before it spills to disk.")
    threads: int | None = Field(None, description="Threads of the engine; by default all cores.")
    engine: str = Field("duckdb", description="Engine that computes the tables.")
    timezone: str | None = Field(None, description="Zone of the shop's days; by default that of its first source.")
    currency: str | None = Field(None, description="Currency of reports; by default that of the first source.")
    as_of: date | None = Field(None, description="Last day that counts; by default the latest day of the data.")
    inactive_after_months: int = Field(12, ge=1, description="Months without an order until inactive.")
    session_timeout_minutes: int = Field(30, ge=1, description="Minutes without an event that end a session.")
    funnel_window_days: int = Field(14, ge=1, description="Days from the first view in which a funnel may end.")
    rfm_window_days: int | None = Field(None, ge=1, description="Days of orders that RFM scores; by default all.")
    cluster_count: int | None = Field(None, ge=2, le=50, description="Clusters of customers; by default chosen.")
    basket_min_count: int | None = Field(
        None, ge=1, description="Orders that must hold an itemset; by default 5, or 1 in 2,000 of all."
    )
    clv_interest_rate: float = Field(0.1, ge=0, le=1, description="Yearly rate that discounts future money.")
    clv_margin: float = Field(1.0, gt=0, le=1, description="Part of net sales that counts as lifetime value.")
    recommendations_per_customer: int = Field(10, ge=1, le=100, description="Products recommended to each customer.")
    repurchase_days: int = Field(
        365, ge=0, le=30_000, description="Days in which a product is not recommended to its buyer again."
    )
    min_group_size: int = Field(30, ge=1, description="Groups with fewer members are marked low_n and not ranked.")
    data_begin_is_shop_begin: bool = Field(
        False, description="The data begin with the shop, so that its first cohort holds new customers."
    )
    max_bad_share: float = Field(
        0.05, ge=0, le=1, description="A file that rejects a larger share of its rows is refused as a whole."
    )
    max_bad_rows: int = Field(10, ge=1, description="A file with fewer rejected rows than this is never refused.")
    settle_seconds: float = Field(2.0, ge=0, description="A file that changed within this time is still being written.")
    keep_releases: int = Field(7, ge=1, description="Releases that stay in the lake for a rollback.")
    refresh_at: str = Field("02:30", description="Local time of the nightly refresh.", pattern=r"^\d\d:\d\d$")
    sensor_seconds: int = Field(30, ge=5, description="Seconds between two looks of the sensor into landing.")

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                ZoneInfo(value)
            except (KeyError, ValueError) as error:
                raise ValueError(f"{value} is no IANA time zone such as Europe/Berlin") from error
        return value

    @field_validator("engine")
    @classmethod
    def _known_engine(cls, value: str) -> str:
        if value != "duckdb":
            raise ValueError("the only engine is duckdb")
        return value

    @cached_property
    def landing_folder(self) -> Path:
        """Where files are dropped."""
        return (self.landing or self.home / "landing").absolute()

    @cached_property
    def lake_folder(self) -> Path:
        """Where the lake lies."""
        return (self.lake or self.home / "lake").absolute()

    @cached_property
    def postgres_folder(self) -> Path:
        """Where the embedded server keeps its data."""
        return (self.home / "postgres").absolute()

    @cached_property
    def dagster_folder(self) -> Path:
        """Dagster's home."""
        return (self.home / "dagster").absolute()

    @cached_property
    def sql_root(self) -> Path:
        """The folder `sql/` of the project."""
        return (self.project or Path(__file__).resolve().parent.parent).absolute() / "sql"

    @cached_property
    def thread_count(self) -> int:
        """Threads of the engine."""
        return self.threads or os.cpu_count() or 1


def load_settings(**overrides: object) -> Settings:
    """Read the settings in force; `overrides` (by field name) win over the environment.

    Raises:
        SettingsError: a value is malformed; names each variable.
    """
    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        evidence = [f"CXA_{'_'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors()]
        raise SettingsError(
            "A setting is not valid",
            where="environment, or .env in the current folder",
            evidence=evidence,
            advice="correct the value; `cxa status --settings` lists every setting with its meaning",
        ) from None


def describe(settings: Settings) -> list[tuple[str, str, str, str]]:
    """Variable, value in force (secrets masked), origin and meaning of every setting."""
    rows = []
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        shown = "" if value is None else "********" if isinstance(value, SecretStr) else str(value)
        origin = "set" if name in settings.model_fields_set else "default"
        rows.append((f"CXA_{name.upper()}", shown, origin, field.description or ""))
    return rows


THRESHOLDS = (
    "inactive_after_months",
    "session_timeout_minutes",
    "funnel_window_days",
    "rfm_window_days",
    "cluster_count",
    "basket_min_count",
    "clv_interest_rate",
    "clv_margin",
    "recommendations_per_customer",
    "repurchase_days",
    "min_group_size",
    "data_begin_is_shop_begin",
)
"""Settings that are columns of `core.parameters` under the same name."""


def home_values(settings: Settings) -> dict[str, object]:
    """The plain values that `pipeline.home.Home` takes."""
    return {
        "folder": settings.home.absolute(),
        "sql_root": settings.sql_root,
        "landing": settings.landing_folder,
        "lake_folder": settings.lake_folder,
        "postgres_url": settings.postgres_url.get_secret_value() if settings.postgres_url else None,
        "postgres_port": settings.postgres_port,
        "memory": settings.memory,
        "threads": settings.thread_count,
        "timezone": settings.timezone,
        "currency": settings.currency,
        "as_of": settings.as_of,
        "thresholds": {name: getattr(settings, name) for name in THRESHOLDS},
        "max_bad_share": settings.max_bad_share,
        "max_bad_rows": settings.max_bad_rows,
        "settle_seconds": settings.settle_seconds,
        "keep_releases": settings.keep_releases,
    }


def child_environment(**extra: str) -> dict[str, str]:
    """The environment of this process with `extra` added, for a program that it starts."""
    return {**os.environ, **extra}
