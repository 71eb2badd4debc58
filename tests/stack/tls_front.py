"""TLS in front of the embedded PostgreSQL, whose build has none: what libpq asks for, answered by Python's ssl."""

import socket
import ssl
import threading
from contextlib import suppress
from pathlib import Path
from typing import Self

from netheal.host.ports import LOOPBACK

_SSL_REQUEST = bytes.fromhex("0000000804d2162f")
_BLOCK_BYTES = 2**16


class TlsFront:
    """Takes connections in TLS alone, and hands what is in them to a plain port; `connections` counts them."""

    def __init__(self, certificate: Path, key: Path, plain_port: int) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self._plain_port = plain_port
        self._listener = socket.create_server((LOOPBACK, 0))
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError), client:
            if client.recv(len(_SSL_REQUEST), socket.MSG_WAITALL) != _SSL_REQUEST:
                return
            client.sendall(b"S")
            with (
                self._context.wrap_socket(client, server_side=True) as secured,
                socket.create_connection((LOOPBACK, self._plain_port)) as server,
            ):
                self.connections += 1
                back = threading.Thread(target=_copy, args=(server, secured), daemon=True)
                back.start()
                _copy(secured, server)
                back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while block := source.recv(_BLOCK_BYTES):
            target.sendall(block)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
