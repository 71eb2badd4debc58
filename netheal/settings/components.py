"""What can be set, by component.

A setting has one name outside: the key in the TOML file, and in upper case behind `NETHEAL_` the environment variable.
It is the field's name behind the component's `prefix`: `kafka.bootstrap_servers` is `kafka_bootstrap_servers` and
`NETHEAL_KAFKA_BOOTSTRAP_SERVERS`.
"""

import sys
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, SecretStr

from netheal.loopback import is_loopback, split_host
from netheal.settings.component import Component
from netheal.settings.location import Location, with_s3_scheme
from netheal.shutdown_budget import JOB_ALONE_S, JOB_LEAST_S
from netheal.telemetry import LogFormat

_CHECKOUT = Path(__file__).resolve().parents[2]
_IN_CHECKOUT = (_CHECKOUT / "pyproject.toml").is_file()
PROJECT_ROOT = _CHECKOUT if _IN_CHECKOUT else Path(sys.prefix) / "share" / "netheal"
"""Where `conf/` and the starter models are: in the checkout, or in the environment that the wheel is installed in."""
_VAR_DIR = (PROJECT_ROOT if _IN_CHECKOUT else Path.cwd()) / "var"

_REST_SHARE = 5
"""One of so many threads of the API is kept for REST, however many sockets the settings allow."""


class PathSettings(Component):
    """Where data, code and configuration are."""

    var_dir: Path = Field(
        _VAR_DIR, description="Data, logs and state of a single machine; without a checkout: in the working directory"
    )
    tools_dir: Path = Field(_VAR_DIR / "jars", description="Where the fetched jars lie")
    conf_dir: Path = Field(PROJECT_ROOT / "conf", description="Healing policy, Spark properties, the list of jars")
    starter_models_dir: Path = Field(
        PROJECT_ROOT / "research" / "models", description="The models that a new registry begins with"
    )
    store_root: Location = Field(
        "", description="Folder of the Delta tables, or file: s3: s3a: hdfs: URI; empty: under var_dir"
    )
    checkpoint_dir: Location = Field("", description="The same of the checkpoint; empty: under var_dir")
    artefacts_root: Location = Field(
        "", description="The same of the served models, shared by the job and the API; empty: under var_dir"
    )
    rescored_root: Location = Field(
        "",
        description="The same of the tables of rescored rows; reports are in a folder, under var_dir if this is none;"
        " empty: under var_dir",
    )

    @property
    def rescored_dir(self) -> str:
        """Where runs of `netheal rescore` write to: a folder or URI."""
        return with_s3_scheme(self.rescored_root, "s3") or str(self.var_dir / "rescored")

    @property
    def delta_root(self) -> str:
        """Where the Delta tables are, in the words of those who write them."""
        return with_s3_scheme(self.store_root, "s3") or str(self.var_dir / "delta")

    @property
    def checkpoint(self) -> str:
        """Where the job's checkpoint is, in the words of Hadoop."""
        return with_s3_scheme(self.checkpoint_dir, "s3a") or str(self.var_dir / "checkpoint")

    @property
    def artefacts_dir(self) -> str:
        """Where served bundles are, by content hash: a folder or URI."""
        return with_s3_scheme(self.artefacts_root, "s3") or str(self.var_dir / "artefacts")

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
        """Where processes of this machine have their temporary files, see `netheal.host.scratch`."""
        return self.var_dir / "tmp"

    @property
    def log_dir(self) -> Path:
        """Where child processes of a single machine write their logs."""
        return self.var_dir / "log"


class PostgresSettings(Component):
    """The database."""

    prefix: ClassVar[str] = "postgres_"

    dsn: SecretStr = Field(
        SecretStr(""),
        description="postgresql://… URL, with sslmode and sslrootcert for TLS as libpq has them; empty: the embedded"
        " server",
    )


class StreamSettings(Component):
    """The streaming job, its topics and how long its rows are served."""

    input_topic: str = Field("network-traffic", description="Topic that flow records are read from")
    output_topic: str = Field("network-predictions", description="Topic that verdicts are written to")
    topic_partitions: int = Field(2, ge=1, le=1023, description="Partitions of a topic that netheal makes itself")
    max_offsets_per_batch: int = Field(400_000, ge=1, description="Rows of a micro-batch at most")
    max_batch_delay_ms: int = Field(
        1_000,
        ge=0,
        le=3_600_000,
        description="Milliseconds, from the start of the micro-batch before, that the next one may wait for 100 rows,"
        " so that a quiet stream does not commit several times a second; 0: it never waits",
    )
    scoring_tasks: int = Field(2, ge=1, description="Spark tasks a micro-batch is scored in")
    driver_memory: str = Field("2g", description="Heap of the driver on a single machine")
    spark_kafka_options: dict[str, str] = Field(
        default_factory=dict,
        description="As kafka_options, for Spark's Java client, which only plans batches; without the `kafka.` prefix",
    )
    serving_days: int = Field(
        7,
        ge=1,
        le=36_500,
        description="Days before today whose rows Postgres serves; for Delta see retention_…",
    )
    job_stop_s: float = Field(
        JOB_ALONE_S,
        ge=JOB_LEAST_S,
        description="Seconds in which the streaming job, asked to stop, ends; `netheal up` gives it what it has",
    )
    job_metrics_host: str = Field(
        "127.0.0.1", description="Address at which the streaming job shows its metrics, to everybody who reaches it"
    )
    job_metrics_port: int = Field(
        0, ge=0, le=65535, description="Port of the streaming job's metrics; 0: any free one, see `netheal status`"
    )


class LogSettings(Component):
    """What netheal's processes log."""

    prefix: ClassVar[str] = "log_"

    format: LogFormat = Field(
        "json", description="`json`: an object a line, for collectors; `text`: a line for people; of Spark's JVM, too"
    )


class RetentionSettings(Component):
    """How long Delta keeps rows: `netheal maintain` deletes what is older, by the day of `recorded_at`."""

    prefix: ClassVar[str] = "retention_"

    verdicts_days: int = Field(
        0,
        ge=0,
        le=36_500,
        description="Days that Delta keeps verdicts, serving_days at least; 0: for ever",
    )
    quarantine_days: int = Field(
        0, ge=0, le=36_500, description="Days that Delta keeps rejected rows, serving_days at least; 0: for ever"
    )


class DriftSettings(Component):
    """Windows in which the stream compares a model's traffic with its training, see docs/drift.md."""

    prefix: ClassVar[str] = "drift_"

    window_rows: int = Field(10_000, ge=1_000, description="Scored rows that fill a window which is a minute old")
    window_minutes: int = Field(
        60, ge=1, le=100_000, description="Minutes after which a window of at least 1,000 rows is full, too"
    )
    keep_days: int = Field(
        30, ge=0, le=36_500, description="Days that `netheal maintain` keeps closed windows; 0: for ever"
    )


class LocalSettings(Component):
    """`netheal up`: everything on one machine."""

    min_free_disk_mb: int = Field(2048, ge=0, description="MB that must be free under var_dir for a start")
    stop_drain_s: float = Field(
        10.0, ge=0, description="Seconds that `netheal up`, asked to stop, goes on scoring rows that wait"
    )
    embedded_kafka_port: int = Field(0, ge=0, le=65535, description="Port of the embedded broker; 0: any free one")
    embedded_postgres_port: int = Field(0, ge=0, le=65535, description="Port of the embedded server; 0: any free one")


class ModelSettings(Component):
    """The registry of models."""

    prefix: ClassVar[str] = "models_"

    max: int = Field(200, ge=1, description="Models in the registry; deleted ones do not count")
    max_bytes: int = Field(
        10 * 2**30,
        ge=1,
        description="Bytes of models and the files they were made of, deleted ones included until their files are",
    )


class ApiSettings(Component):
    """The API and what it grants its callers."""

    prefix: ClassVar[str] = "api_"

    host: str = Field("127.0.0.1", description="Address the API listens on; any but loopback needs tokens")
    port: int = Field(8000, ge=0, le=65535, description="Port the API listens on; 0: any free one")
    hosts: list[str] = Field(
        default_factory=list,
        description="Host names the API answers to, beside api_host and loopback's; any other name needs tokens",
    )
    origins: list[str] = Field(
        default_factory=list,
        description="Origins of web pages that may use the API, beside its own; any but loopback's needs tokens",
    )
    tokens_required: bool = Field(False, description="Ask for tokens on loopback, too")
    anonymous_role: Literal["", "viewer"] = Field(
        "",
        description="Role of callers without a token where tokens are asked for: viewer, who may read; empty: none",
    )
    admin_token_file: str = Field(
        "",
        description="File into which a start writes a new admin's token where tokens are asked for and no admin has"
        " one; empty: such a start is refused",
    )
    threads: int = Field(200, ge=4, description="Threads of the API at most; each open WebSocket holds one")
    sockets: int = Field(160, ge=1, description="Open WebSockets at most; a fifth of the threads is kept for REST")
    socket_rows_per_s: float = Field(200.0, gt=0, description="Rows a WebSocket gets; it is told how many it missed")
    socket_stall_s: float = Field(5.0, gt=0, description="Seconds a WebSocket may not read before it is dropped")
    requests_per_minute: int = Field(
        6000,
        ge=1,
        description="Requests that each token may make; without one, each address, each proxy, and on this machine"
        " programs, our page, and visits from other pages, each apart; and bad tokens of an address",
    )
    uploads_per_minute: int = Field(60, ge=1, description="Uploads of models or files a token may make")
    waiting_uploads: int = Field(
        8, ge=1, description="Uploads that are received, or examined, at the same time; half of them for one caller"
    )
    waiting_upload_bytes: int = Field(
        1_100 * 2**20,
        ge=1,
        description="Bytes of these together, which lie on disk until they are answered; half for one caller",
    )
    client_timeout_s: float = Field(
        30.0, gt=0, description="Seconds a client may send nothing of its request, or read nothing of its answer"
    )
    bodies: int = Field(
        20,
        ge=1,
        description="Requests with a body handled at once, at most; half of them for one caller,"
        " and never more than half of the threads kept for REST",
    )

    @property
    def asks_for_tokens(self) -> bool:
        """Whether every caller of the API needs a token: always where others than this machine may reach it.

        That is so where it listens on another address, and where it answers to, or takes requests of pages of,
        another host name than loopback's: then a proxy on this machine is in front of it, whose callers all seem
        to be local.
        """
        named = (self.host, *self.hosts, *map(_host_of, self.origins))
        return self.tokens_required or not all(is_loopback(n) or is_loopback(split_host(n)[0]) for n in named)

    @property
    def rest_threads(self) -> int:
        """Threads of the API that no WebSocket may hold."""
        return max(2, self.threads // _REST_SHARE)


class ClientSettings(Component):
    """Commands that talk to the API."""

    prefix: ClassVar[str] = "api_"

    url: str = Field("", description="The API that commands like `netheal tokens` talk to; empty: this machine's")
    token: SecretStr = Field(SecretStr(""), description="The token that these commands send")


class NotifySettings(Component):
    """How people are told of alerts and outages; without a channel nobody is."""

    prefix: ClassVar[str] = "notify_"

    webhook_url: SecretStr = Field(SecretStr(""), description="https URL that messages are posted to as JSON")
    webhook_secret: SecretStr = Field(SecretStr(""), description="Key that these messages are signed with (HMAC)")
    email_server: str = Field("", description="host or host:port of a mail server")
    email_security: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="`starttls`, `tls`, or `none`, which only a server on this machine may have"
    )
    email_user: str = Field("", description="Account at the mail server")
    email_password: SecretStr = Field(SecretStr(""), description="Its password")
    email_from: str = Field("", description="Address that mails come from")
    email_to: list[str] = Field(default_factory=list, description="Addresses that mails go to")
    syslog_url: str = Field(
        "", description="`udp://host:514`, `tcp://host:601`, `tls://host:6514`, or the socket: `unix:///dev/log`"
    )
    link_url: str = Field("", description="URL of the dashboard, for links in messages; empty: no links")
    window_s: float = Field(30.0, ge=1, description="Seconds over which rows are gathered into one message")
    per_minute: int = Field(5, ge=1, description="Messages of a channel in any minute at most")
    per_hour: int = Field(60, ge=1, description="The same of any hour; what exceeds them is summed up in digests")

    @property
    def has_channel(self) -> bool:
        """Whether anything of a channel is set, be it incomplete."""
        secrets = (self.webhook_url, self.webhook_secret, self.email_password)
        texts = (self.email_server, self.email_user, self.email_from, self.syslog_url)
        return any(secret.get_secret_value() for secret in secrets) or any(texts) or bool(self.email_to)


def _host_of(origin: str) -> str:
    return origin.rstrip("/").rpartition("//")[2]


class NotebookSettings(Component):
    """What the notebooks read; no other part of netheal does."""

    prefix: ClassVar[str] = "notebook_"

    data: str = Field(
        "", description="Folder of public data, or of Delta tables that netheal wrote; empty: generated traffic"
    )
    rows: int = Field(20_000, ge=1_000, description="Rows of generated traffic")
