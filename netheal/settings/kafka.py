"""How the broker is reached: one set of settings for librdkafka, Spark's Java client and kafka-python.

`client_options` are for clients of this machine, `task_options` for those of Spark's tasks, wherever these run: the
certificates themselves stand in the place of their files. `java_options` are the same for Spark's own source,
which plans batches.
"""

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, SecretStr

from netheal.errors import SettingsError
from netheal.settings.component import Component

_MODULES = {
    "PLAIN": "org.apache.kafka.common.security.plain.PlainLoginModule",
    "SCRAM-SHA-256": "org.apache.kafka.common.security.scram.ScramLoginModule",
    "SCRAM-SHA-512": "org.apache.kafka.common.security.scram.ScramLoginModule",
}
_OURS = ("security.protocol", "sasl.", "ssl.")
"""Beginnings of options that have settings of their own."""
_PKCS8 = ("-----BEGIN PRIVATE KEY-----", "-----BEGIN ENCRYPTED PRIVATE KEY-----")

KafkaOptions = dict[str, str]


class KafkaSettings(Component):
    """The broker. Passwords are best given as files (`…_FILE`); certificates and keys are PEM."""

    prefix: ClassVar[str] = "kafka_"

    bootstrap_servers: str = Field("", description="host:port of brokers, by commas; empty: the embedded broker")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How brokers are spoken to: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"
    )
    sasl_mechanism: Literal["", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "", description="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512, for the SASL protocols"
    )
    sasl_username: str = Field("", description="User name, for the SASL protocols")
    sasl_password: SecretStr = Field(SecretStr(""), description="Password, for the SASL protocols")
    ssl_ca_file: str = Field("", description="Certificates of the authorities that sign brokers; empty: the system's")
    ssl_certificate_file: str = Field("", description="Our own certificate, where brokers ask for one")
    ssl_key_file: str = Field("", description="Its private key, in PKCS #8")
    ssl_key_password: SecretStr = Field(SecretStr(""), description="The key's password, if it has one")
    options: dict[str, str] = Field(
        default_factory=dict,
        description="More librdkafka options, as a JSON object; for Spark see spark_kafka_options",
    )

    @property
    def client_options(self) -> KafkaOptions:
        """librdkafka's options, for clients on this machine."""
        files = {
            "ssl.ca.location": self.ssl_ca_file,
            "ssl.certificate.location": self.ssl_certificate_file,
            "ssl.key.location": self.ssl_key_file,
        }
        return {**self._login(), **_given(files), **self.options}

    @property
    def task_options(self) -> KafkaOptions:
        """librdkafka's options, for clients on machines that have none of the files."""
        contents = {
            "ssl.ca.pem": _content(self.ssl_ca_file),
            "ssl.certificate.pem": _content(self.ssl_certificate_file),
            "ssl.key.pem": _content(self.ssl_key_file),
        }
        return {**self._login(), **_given(contents), **self.options}

    @property
    def java_options(self) -> KafkaOptions:
        """The Java client's options, for machines that have none of the files."""
        found: KafkaOptions = {}
        if self.security_protocol != "PLAINTEXT":
            found["security.protocol"] = self.security_protocol
        if self.sasl_mechanism:
            found |= {"sasl.mechanism": self.sasl_mechanism, "sasl.jaas.config": self._jaas()}
        if self.ssl_ca_file:
            found |= {"ssl.truststore.type": "PEM", "ssl.truststore.certificates": _content(self.ssl_ca_file)}
        if self.ssl_certificate_file:
            found |= {
                "ssl.keystore.type": "PEM",
                "ssl.keystore.certificate.chain": _content(self.ssl_certificate_file),
                "ssl.keystore.key": _content(self.ssl_key_file),
                **_given({"ssl.key.password": self.ssl_key_password.get_secret_value()}),
            }
        return found

    def require_consistent(self, java_options: KafkaOptions) -> None:
        """Raise SettingsError where these settings contradict each other or `java_options`, or a file is no PEM."""
        for holds, words in self._contradictions(java_options):
            if holds:
                raise SettingsError(f"invalid settings: {words}")
        for name in ("ssl_ca_file", "ssl_certificate_file", "ssl_key_file"):
            path = getattr(self, name)
            if path and "-----BEGIN " not in _content(path):
                raise SettingsError(f"invalid settings: {_variable(name)} names {path}, which is no PEM file")
        if self.ssl_key_file and not any(begin in _content(self.ssl_key_file) for begin in _PKCS8):
            raise SettingsError(
                f"invalid settings: the key in {self.ssl_key_file} is not in PKCS #8, the only form that Spark's client"
                " reads: convert it by openssl pkcs8 -topk8"
            )

    def _contradictions(self, java_options: KafkaOptions) -> list[tuple[bool, str]]:
        protocol, password = self.security_protocol, self.sasl_password.get_secret_value()
        login = (self.sasl_mechanism, self.sasl_username, password)
        files = (
            self.ssl_ca_file,
            self.ssl_certificate_file,
            self.ssl_key_file,
            self.ssl_key_password.get_secret_value(),
        )
        named = f"{_variable('security_protocol')} is {protocol}"
        own = sorted(name for name in (*self.options, *java_options) if name.startswith(_OURS))
        return [
            (
                protocol.startswith("SASL") and not all(login),
                f"{named}, which needs {', '.join(map(_variable, _LOGIN))}: set all three",
            ),
            (
                not protocol.startswith("SASL") and any(login),
                f"{named}, which takes no {' or '.join(map(_variable, _LOGIN))}: unset them, or choose a SASL protocol",
            ),
            (
                not protocol.endswith("SSL") and any(files),
                f"{named}, but NETHEAL_KAFKA_SSL_… is set: unset it, or choose SSL or SASL_SSL",
            ),
            (
                bool(self.ssl_certificate_file) != bool(self.ssl_key_file),
                f"{_variable('ssl_certificate_file')} and {_variable('ssl_key_file')} go together: set both or none",
            ),
            (
                protocol != "PLAINTEXT" and not self.bootstrap_servers,
                f"{named}, but the embedded broker speaks PLAINTEXT: set {_variable('bootstrap_servers')} too",
            ),
            (
                protocol != "PLAINTEXT" and bool(own),
                f"{named}, and {', '.join(own)} stand in NETHEAL_KAFKA_OPTIONS or NETHEAL_SPARK_KAFKA_OPTIONS as well:"
                " say it in one of them",
            ),
        ]

    def _login(self) -> KafkaOptions:
        return _given(
            {
                "security.protocol": "" if self.security_protocol == "PLAINTEXT" else self.security_protocol,
                "sasl.mechanism": self.sasl_mechanism,
                "sasl.username": self.sasl_username,
                "sasl.password": self.sasl_password.get_secret_value(),
                "ssl.key.password": self.ssl_key_password.get_secret_value(),
            }
        )

    def _jaas(self) -> str:
        name, password = _quoted(self.sasl_username), _quoted(self.sasl_password.get_secret_value())
        return f"{_MODULES[self.sasl_mechanism]} required username={name} password={password};"


_LOGIN = ("sasl_mechanism", "sasl_username", "sasl_password")


def _variable(name: str) -> str:
    return f"NETHEAL_KAFKA_{name.upper()}"


def _given(options: KafkaOptions) -> KafkaOptions:
    return {name: value for name, value in options.items() if value}


def _quoted(text: str) -> str:
    """As Java's login configuration has it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _content(path: str) -> str:
    """A PEM file's text, empty for no file."""
    if not path:
        return ""
    try:
        return Path(path).read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no PEM text"
        raise SettingsError(
            f"{path}, a file of NETHEAL_KAFKA_SSL_…, cannot be read ({why}): correct the path"
        ) from error
