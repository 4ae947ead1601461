"""A server on 127.0.0.1 that talks as a test says, byte by byte, and certificates for it."""

import datetime
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HELLO = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: on, for 0 s

Talk = Callable[["RawServer", socket.socket], None]


class RawServer:
    """Gives each connection to `talk`, in a thread of its own.

    `asked` is the first line of every request.
    """

    def __init__(self, talk: Talk, context: ssl.SSLContext | None = None) -> None:
        self.asked: list[bytes] = []
        self.connections = 0
        self._talk = talk
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/content/"

    def __enter__(self) -> Self:
        threading.Thread(target=self._run, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._context is not None:
                connection = self._context.wrap_socket(connection, server_side=True)
            with connection:
                self._talk(self, connection)
        except OSError:
            connection.close()

    def request(self, connection: socket.socket) -> bytes:
        """Reads one request and returns its first line.

        Raises:
            ConnectionError: the client has closed the connection.
        """
        received = b""
        while b"\r\n\r\n" not in received:
            if not (data := connection.recv(4096)):
                raise ConnectionError("the client is gone")
            received += data
        self.asked.append(received.split(b"\r\n")[0])
        return self.asked[-1]


def answering(*pieces: bytes, pause: float = 0, hold: float = 0) -> Talk:
    """Answers one request with these pieces and a pause after each, and then holds the line."""

    def talk(server: RawServer, connection: socket.socket) -> None:
        server.request(connection)
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(pause)
        time.sleep(hold)

    return talk


def reset(connection: socket.socket) -> None:
    """Closes a connection as a crashed server or a firewall does, with an RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    connection.close()


def server_context(certificate: Path) -> ssl.SSLContext:
    """The TLS of a server with this certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


def make_certificate(folder: Path, host: str, *others: str) -> Path:
    """Writes a self-signed certificate for hosts, with its key, to one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    names = x509.SubjectAlternativeName([x509.DNSName(each) for each in (host, *others)])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{host}.pem"
    path.write_bytes(
        signed.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path
