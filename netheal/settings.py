"""Settings: read once at an entry point into a frozen object, and passed down from there."""

import os
from pathlib import Path
from tomllib import TOMLDecodeError
from typing import Any

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings import (
    SettingsError as SourceError,
)

from netheal.errors import SettingsError
from netheal.loopback import is_loopback, split_host
from netheal.stop_bounds import JOB_ALONE_S, JOB_LEAST_S

_CONF_VARIABLE = "NETHEAL_CONF"
_DATA_VARIABLE = "NETHEAL_SHARED_DATA"
"""Where tests and training look for public data; no setting of a running netheal."""

_REST_SHARE = 5
"""One of so many threads of the API is kept for REST, however many sockets the settings allow."""

PROJECT_ROOT = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """Everything a process of netheal can be told.

    Each field is the environment variable `NETHEAL_<FIELD>`, or a key of the TOML file that
    `NETHEAL_CONF` names (`conf/netheal.toml` where it names none); the environment wins.
    """

    model_config = SettingsConfigDict(env_prefix="NETHEAL_", frozen=True, extra="forbid")

    var_dir: Path = Field(PROJECT_ROOT / "var", description="Data, logs and state of a single machine")
    tools_dir: Path = Field(PROJECT_ROOT / "var" / "jars", description="Where the fetched jars lie")
    conf_dir: Path = PROJECT_ROOT / "conf"
    starter_models_dir: Path = PROJECT_ROOT / "research" / "models"

    min_free_disk_mb: int = Field(2048, ge=0, description="MB that must be free under var_dir for a start")
    stop_drain_s: float = Field(
        10.0, ge=0, description="Seconds that `netheal up`, asked to stop, goes on scoring rows that wait"
    )
    job_stop_s: float = Field(
        JOB_ALONE_S,
        ge=JOB_LEAST_S,
        description="Seconds in which the streaming job, asked to stop, ends; `netheal up` gives it what it has",
    )

    kafka_bootstrap_servers: str = Field("", description="Empty: the embedded broker")
    kafka_options: dict[str, str] = Field(
        default_factory=dict, description="librdkafka options for a secured cluster, as a JSON object"
    )
    spark_kafka_options: dict[str, str] = Field(
        default_factory=dict, description="The same for Spark's Java client, without the `kafka.` prefix"
    )
    postgres_dsn: SecretStr = Field(SecretStr(""), description="postgresql://… URL; empty: the embedded server")
    embedded_kafka_port: int = Field(0, ge=0, le=65535, description="0: any free port")
    embedded_postgres_port: int = Field(0, ge=0, le=65535, description="0: any free port")

    input_topic: str = "network-traffic"
    output_topic: str = "network-predictions"
    topic_partitions: int = Field(2, ge=1, le=1023)

    store_root: str = Field("", description="Folder or URI of the Delta tables; empty: under var_dir")
    serving_days: int = Field(
        7, ge=1, le=36_500, description="Days before today whose rows Postgres serves; Delta keeps every row"
    )
    checkpoint_dir: str = Field("", description="Folder or URI of the checkpoint; empty: under var_dir")
    max_offsets_per_batch: int = Field(200_000, ge=1)
    driver_memory: str = Field("2g", description="Heap of the driver on a single machine")
    scoring_tasks: int = Field(2, ge=1, description="Spark tasks a micro-batch is scored in")

    artefacts_root: str = Field(
        "", description="Folder of the served models, shared by the job and the API; empty: under var_dir"
    )
    api_host: str = Field("127.0.0.1", description="Address the API listens on; any but loopback needs tokens")
    api_port: int = Field(8000, ge=0, le=65535, description="0: any free port")
    api_threads: int = Field(200, ge=4, description="Threads of the API at most; each open WebSocket holds one")
    api_sockets: int = Field(160, ge=1, description="Open WebSockets at most; a fifth of the threads is kept for REST")
    api_socket_rows_per_s: float = Field(
        200.0, gt=0, description="Rows a WebSocket gets; it is told how many it missed"
    )
    api_socket_stall_s: float = Field(5.0, gt=0, description="Seconds a WebSocket may not read before it is dropped")
    api_hosts: list[str] = Field(
        default_factory=list,
        description="Host names the API answers to, beside api_host and loopback's; any other name needs tokens",
    )
    api_origins: list[str] = Field(
        default_factory=list,
        description="Origins of web pages that may use the API, beside its own; any but loopback's needs tokens",
    )
    api_requests_per_minute: int = Field(
        6000,
        ge=1,
        description="Requests that each token may make; without one, each address, each proxy, and on this machine"
        " programs, our page, and visits from other pages, each apart; and bad tokens of an address",
    )
    api_uploads_per_minute: int = Field(60, ge=1, description="Uploads of models or files a token may make")
    api_waiting_uploads: int = Field(
        8, ge=1, description="Uploads that are received, or examined, at the same time; half of them for one caller"
    )
    api_waiting_upload_bytes: int = Field(
        1_100 * 2**20,
        ge=1,
        description="Bytes of these together, which lie on disk until they are answered; half for one caller",
    )
    models_max: int = Field(200, ge=1, description="Models in the registry; deleted ones do not count")
    models_max_bytes: int = Field(
        10 * 2**30, ge=1, description="Bytes of served models on disk, deleted ones included until their files are"
    )
    api_head_timeout_s: float = Field(3.0, gt=0, description="Seconds in which all of a request's head must come")
    api_body_timeout_s: float = Field(
        30.0, gt=0, description="Seconds a body may take, and more as long as 16 KiB/s come: see api_body_total_s"
    )
    api_body_total_s: float = Field(600.0, gt=0, description="Seconds in which all of a body must come, however large")
    api_bodies: int = Field(
        20,
        ge=1,
        description="Requests with a body handled at once, at most; half of them for one caller,"
        " and never more than half of the threads kept for REST",
    )

    api_tokens_required: bool = Field(False, description="Ask for tokens on loopback, too")
    api_url: str = Field("", description="The API that commands like `netheal tokens` talk to; empty: this machine's")
    api_token: SecretStr = Field(SecretStr(""), description="The token that these commands send")

    @property
    def asks_for_tokens(self) -> bool:
        """Whether every caller of the API needs a token: always where others than this machine may reach it.

        That is so where it listens on another address, and where it answers to, or takes requests of pages of,
        another host name than loopback's: then a proxy on this machine is in front of it, whose callers all seem
        to be local.
        """
        named = (self.api_host, *self.api_hosts, *map(_host_of, self.api_origins))
        return self.api_tokens_required or not all(is_loopback(n) or is_loopback(split_host(n)[0]) for n in named)

    @property
    def api_rest_threads(self) -> int:
        """Threads of the API that no WebSocket may hold."""
        return max(2, self.api_threads // _REST_SHARE)

    @property
    def delta_root(self) -> str:
        """Where the Delta tables are."""
        return self.store_root or str(self.var_dir / "delta")

    @property
    def checkpoint(self) -> str:
        """Where the job's checkpoint is."""
        return self.checkpoint_dir or str(self.var_dir / "checkpoint")

    @property
    def artefacts_dir(self) -> Path:
        """Where served bundles are, by content hash."""
        return Path(self.artefacts_root) if self.artefacts_root else self.var_dir / "artefacts"

    @property
    def examinations_dir(self) -> Path:
        """Where it is kept what examinations of the starter models found."""
        return self.var_dir / "cache" / "examinations"

    @property
    def policy_path(self) -> Path:
        """The healing policy."""
        return self.conf_dir / "healing_policy.json"

    @property
    def scratch_dir(self) -> Path:
        """Where processes of this machine have their temporary files, see `netheal.scratch`."""
        return self.var_dir / "tmp"

    @property
    def log_dir(self) -> Path:
        """Where child processes of a single machine write their logs."""
        return self.var_dir / "log"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then the environment, then the TOML file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def _host_of(origin: str) -> str:
    return origin.rstrip("/").rpartition("//")[2]


def load_settings(conf: Path | None = None, **overrides: Any) -> Settings:
    """The settings of this process; raises SettingsError with one sentence for each wrong one."""
    path = conf or Path(os.environ.get(_CONF_VARIABLE, PROJECT_ROOT / "conf" / "netheal.toml"))
    if _CONF_VARIABLE in os.environ and not path.is_file():
        raise SettingsError(f"{_CONF_VARIABLE} names {path}, which is no file: mend the path or unset it")
    known = {f"NETHEAL_{name.upper()}" for name in Settings.model_fields} | {_CONF_VARIABLE, _DATA_VARIABLE}
    unknown = sorted(name for name in os.environ if name.startswith("NETHEAL_") and name not in known)
    if unknown:
        raise SettingsError(f"there is no setting {', '.join(unknown)}: mend its name or unset it")

    class FileSettings(Settings):
        model_config = SettingsConfigDict(toml_file=path)

    try:
        resolved = FileSettings(**overrides)
    except ValidationError as error:
        lines = [f"NETHEAL_{'_'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors()]
        raise SettingsError("wrong settings: " + "; ".join(lines)) from error
    except (SourceError, TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"wrong settings: {' '.join(str(error).split())} (file {path})") from error
    return Settings.model_construct(**dict(resolved))
