"""A broker that speaks SASL_SSL and asks for a certificate, and the certificates for it and others."""

import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)
from confluent_kafka.admin._scram import ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion

from netheal.embedded.kafka import EmbeddedKafka
from netheal.host.ports import LOOPBACK, choose_port

USER, PASSWORD = "netheal", 'only-"for"-tests\\'
NAME = "localhost"
_DAYS = "2"
_ALLOW = AclPermissionType.ALLOW


@dataclass(frozen=True)
class Certificates:
    """PEM files: an authority, and certificates with keys that it has signed for a server, and for us."""

    folder: Path

    @property
    def authority(self) -> Path:
        return self.folder / "ca.pem"

    def certificate(self, of: str) -> Path:
        return self.folder / f"{of}.pem"

    def key(self, of: str) -> Path:
        return self.folder / f"{of}.key"

    def make(self) -> "Certificates":
        self.folder.mkdir(parents=True)
        new = ("req", "-newkey", "rsa:2048", "-nodes")
        ca = ("-x509", "-days", _DAYS, "-subj", "/CN=test authority", "-out", str(self.authority))
        _openssl(*new, *ca, "-keyout", str(self.key("ca")))
        (self.folder / "names").write_text(f"subjectAltName=DNS:{NAME}\n")
        for of in ("server", "client"):
            request = self.folder / f"{of}.csr"
            _openssl(*new, "-subj", f"/CN={of}", "-keyout", str(self.key(of)), "-out", str(request))
            signed = ("-CA", str(self.authority), "-CAkey", str(self.key("ca")), "-CAcreateserial", "-days", _DAYS)
            extensions = ("-extfile", str(self.folder / "names"))
            _openssl("x509", "-req", "-in", str(request), *signed, *extensions, "-out", str(self.certificate(of)))
        return self


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, stdin=subprocess.DEVNULL)


class SecuredKafka(EmbeddedKafka):
    """The embedded broker with one more listener, through which a user has the rights that they are given."""

    def __init__(self, *arguments: Any, certificates: Certificates, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._certificates = certificates
        self.secured_servers = f"{NAME}:{choose_port()}"

    def add_user(self, rights: Mapping[str, Iterable[AclOperation]]) -> None:
        """Once started: the one who may come in, and what they may do with which topics."""
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        user = UserScramCredentialUpsertion(USER, info, PASSWORD.encode())
        client = AdminClient({"bootstrap.servers": self.bootstrap_servers})
        allowed = [
            AclBinding(ResourceType.TOPIC, topic, ResourcePatternType.LITERAL, f"User:{USER}", "*", operation, _ALLOW)
            for topic, operations in rights.items()
            for operation in operations
        ]
        for done in (*client.alter_user_scram_credentials([user]).values(), *client.create_acls(allowed).values()):
            done.result()

    def _write_properties(self, controller_port: int) -> None:
        super()._write_properties(controller_port)
        pair = self.folder / "server-pair.pem"
        pair.write_text(
            self._certificates.key("server").read_text() + self._certificates.certificate("server").read_text()
        )
        port = self.secured_servers.rpartition(":")[2]
        lines = {
            "listeners": f"PLAINTEXT://{self.bootstrap_servers},SECURED://{LOOPBACK}:{port},"
            f"CONTROLLER://{LOOPBACK}:{controller_port}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap_servers},SECURED://{self.secured_servers}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURED:SASL_SSL",
            "listener.name.secured.sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.secured.scram-sha-512.sasl.jaas.config": "org.apache.kafka.common.security.scram"
            ".ScramLoginModule required;",
            "listener.name.secured.ssl.keystore.type": "PEM",
            "listener.name.secured.ssl.keystore.location": pair,
            "listener.name.secured.ssl.truststore.type": "PEM",
            "listener.name.secured.ssl.truststore.location": self._certificates.authority,
            "listener.name.secured.ssl.client.auth": "required",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
        }
        with (self.folder / "server.properties").open("a") as file:
            file.writelines(f"{name}={value}\n" for name, value in lines.items())
