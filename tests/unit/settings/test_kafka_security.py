"""One set of settings for all Kafka clients; a contradictory set is one sentence."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from api.live.broker import consumer_options
from netheal.errors import SettingsError
from netheal.settings import Settings, load_settings

PASSWORD = 'p"w\\x'
CERTIFICATE, KEY = "-----BEGIN CERTIFICATE-----\nAA==\n", "-----BEGIN PRIVATE KEY-----\nAA==\n"


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "ca.pem").write_text(CERTIFICATE)
    (tmp_path / "own.pem").write_text(CERTIFICATE)
    (tmp_path / "own.key").write_text(KEY)
    (tmp_path / "old.key").write_text("-----BEGIN RSA PRIVATE KEY-----\nAA==\n")
    return {path.name: str(path) for path in tmp_path.iterdir()}


def secured(files: dict[str, str], **changes: Any) -> Settings:
    given: dict[str, Any] = {
        "kafka_bootstrap_servers": "broker:9093",
        "kafka_security_protocol": "SASL_SSL",
        "kafka_sasl_mechanism": "SCRAM-SHA-512",
        "kafka_sasl_username": "netheal",
        "kafka_sasl_password": SecretStr(PASSWORD),
        "kafka_ssl_ca_file": files["ca.pem"],
        "kafka_ssl_certificate_file": files["own.pem"],
        "kafka_ssl_key_file": files["own.key"],
    }
    return load_settings(Path("none.toml"), **given | changes)


def test_each_client_gets_the_same_in_its_own_words(clean_environment: Any, files: dict[str, str]) -> None:
    kafka = secured(files, kafka_options={"client.rack": "a"}).kafka
    login = {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "netheal",
        "sasl.password": PASSWORD,
        "client.rack": "a",
    }
    assert kafka.client_options == login | {
        "ssl.ca.location": files["ca.pem"],
        "ssl.certificate.location": files["own.pem"],
        "ssl.key.location": files["own.key"],
    }
    assert kafka.task_options == login | {
        "ssl.ca.pem": CERTIFICATE,
        "ssl.certificate.pem": CERTIFICATE,
        "ssl.key.pem": KEY,
    }
    assert kafka.java_options == {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.jaas.config": "org.apache.kafka.common.security.scram.ScramLoginModule required"
        ' username="netheal" password="p\\"w\\\\x";',
        "ssl.truststore.type": "PEM",
        "ssl.truststore.certificates": CERTIFICATE,
        "ssl.keystore.type": "PEM",
        "ssl.keystore.certificate.chain": CERTIFICATE,
        "ssl.keystore.key": KEY,
    }
    assert consumer_options(kafka.client_options) == {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "netheal",
        "sasl_plain_password": PASSWORD,
        "ssl_cafile": files["ca.pem"],
        "ssl_certfile": files["own.pem"],
        "ssl_keyfile": files["own.key"],
        "client_rack": "a",
    }
    assert PASSWORD not in repr(kafka)


def test_nothing_is_said_of_a_plain_broker(settings: Settings) -> None:
    kafka = settings.kafka
    assert kafka.client_options == kafka.task_options == kafka.java_options == {}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kafka_sasl_password": SecretStr("")}, "needs NETHEAL_KAFKA_SASL_MECHANISM, .*: set all three"),
        ({"kafka_security_protocol": "SSL"}, "takes no NETHEAL_KAFKA_SASL_MECHANISM"),
        ({"kafka_security_protocol": "SASL_PLAINTEXT"}, "NETHEAL_KAFKA_SSL_… is set: unset it"),
        ({"kafka_security_protocol": "PLAINTEXT"}, "is PLAINTEXT, which takes no"),
        ({"kafka_ssl_key_file": ""}, "go together"),
        ({"kafka_bootstrap_servers": ""}, "the embedded broker speaks PLAINTEXT"),
        ({"kafka_options": {"sasl.username": "x"}}, "sasl.username stand in NETHEAL_KAFKA_OPTIONS"),
        ({"spark_kafka_options": {"ssl.truststore.location": "x"}}, "ssl.truststore.location stand in"),
        ({"kafka_ssl_ca_file": "/nowhere/ca.pem"}, "cannot be read .No such file"),
        ({"kafka_security_protocol": "TLS"}, "NETHEAL_KAFKA_SECURITY_PROTOCOL"),
    ],
)
def test_a_contradiction_is_one_sentence(
    clean_environment: Any, files: dict[str, str], changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(SettingsError, match=words) as told:
        secured(files, **changes)
    assert "\n" not in str(told.value)
    assert PASSWORD not in str(told.value)


def test_a_key_that_sparks_client_cannot_read_is_refused(clean_environment: Any, files: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="PKCS #8"):
        secured(files, kafka_ssl_key_file=files["old.key"])


def test_a_file_that_is_no_pem_is_refused(clean_environment: Any, files: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text("x")
    with pytest.raises(SettingsError, match="which is no PEM file"):
        secured(files, kafka_ssl_ca_file=str(tmp_path / "other.txt"))


def test_passwords_may_stand_in_files(clean_environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from a file\n")
    clean_environment.setenv("NETHEAL_KAFKA_SASL_PASSWORD_FILE", str(tmp_path / "secret"))
    kafka = load_settings(
        Path("none.toml"),
        kafka_bootstrap_servers="broker:9093",
        kafka_security_protocol="SASL_PLAINTEXT",
        kafka_sasl_mechanism="PLAIN",
        kafka_sasl_username="netheal",
    ).kafka
    assert kafka.client_options["sasl.password"] == "from a file"
