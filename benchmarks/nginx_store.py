"""A far-away content store on this machine: nginx with TLS and 40 ms to the first byte.

A Python server on the same cores would be too slow for this. Needs the Debian packages nginx-light
and libnginx-mod-http-lua.
"""

import datetime
import hashlib
import ipaddress
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

MODULES = Path("/usr/lib/nginx/modules")
CONFIG = """
load_module {modules}/ndk_http_module.so;
load_module {modules}/ngx_http_lua_module.so;
worker_processes 1;
pid {root}/nginx.pid;
error_log {root}/error.log;
events {{ worker_connections 4096; }}
http {{
  {log}
  keepalive_requests 1000000;
  sendfile on;
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {root}/certificate.pem;
    ssl_certificate_key {root}/key.pem;
    root {root};
    location /content/ {{ {limits} access_by_lua_block {{ ngx.sleep({latency}) }} }}
  }}
}}
"""
LOG = (
    "log_format facts '$msec $remote_addr $status'; "
    "access_log {root}/access.log facts buffer=64k flush=1s;"
)
ZONES = (
    "limit_conn_zone $binary_remote_addr zone=address:1m; "
    "limit_req_zone $server_port zone=all:1m rate={rate}r/s;"
)
LIMITS = (
    "limit_conn address {connections}; limit_conn_status 503; "
    "limit_req zone=all burst={burst} nodelay; limit_req_status 503;"
)


@dataclass(frozen=True)
class StoreLimits:
    """What the store refuses with 503: more simultaneous requests of one address than
    `connections`, and more requests of all of them than `rate` a second, after a burst.
    """

    connections: int
    rate: int
    burst: int


def real_blobs(count: int) -> dict[str, bytes]:
    """Returns up to `count` different UTF-8 Python files from this environment, by SHA-1."""
    blobs: dict[str, bytes] = {}
    for path in sorted(Path(sysconfig.get_path("purelib")).rglob("*.py")):
        content = path.read_bytes()
        if 100 < len(content) < 100_000 and is_utf8(content):
            blobs.setdefault(hashlib.sha1(content).hexdigest(), content)
        if len(blobs) == count:
            break
    return blobs


def is_utf8(content: bytes) -> bool:
    """Returns whether the contenders, which simply decode UTF-8, can decode it."""
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


@contextmanager
def nginx_store(
    root: Path, blobs: dict[str, bytes], latency: float = 0.04, limits: StoreLimits | None = None
) -> Iterator[str]:
    """Serves the blobs as Software Heritage stores them, and yields the URL to put before an id.

    Also writes certificate.pem to `root`, for a client to trust. With `limits`, access.log has the
    time, the client's address and the status of each answer.
    """
    if shutil.which("nginx") is None or not (MODULES / "ngx_http_lua_module.so").is_file():
        sys.exit("this benchmark needs nginx: apt-get install nginx-light libnginx-mod-http-lua")
    root.chmod(0o755)
    (root / "content").mkdir()
    for blob_id, content in blobs.items():
        member = zlib.compressobj(6, zlib.DEFLATED, 31)
        (root / "content" / blob_id).write_bytes(member.compress(content) + member.flush())
    write_certificate(root)
    port = free_port()
    config = root / "nginx.conf"
    log, refused = "access_log off;", ""
    if limits:
        log = LOG.format(root=root) + ZONES.format(rate=limits.rate)
        refused = LIMITS.format(connections=limits.connections, burst=limits.burst)
    config.write_text(
        CONFIG.format(
            modules=MODULES, root=root, port=port, latency=latency, log=log, limits=refused
        )
    )
    server = subprocess.Popen(["nginx", "-c", str(config), "-g", "daemon off;"])
    try:
        wait_for(port)
        yield f"https://127.0.0.1:{port}/content/"
    finally:
        server.terminate()
        server.wait()


def write_certificate(root: Path) -> None:
    """Writes key.pem and a self-signed certificate.pem for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    (root / "certificate.pem").write_bytes(certificate.public_bytes(encoding))
    (root / "key.pem").write_bytes(
        key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def free_port() -> int:
    """Returns a port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def wait_for(port: int) -> None:
    """Returns once something listens."""
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    sys.exit("nginx did not start")
