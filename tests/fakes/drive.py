"""Google Drive (API v2) and Google's token endpoint, over TLS, behind a proxy on 127.0.0.1.

It answers what dvc-gdrive 3.0.1 asks, through PyDrive2 1.21.3 and httplib2, which find it by their
environment alone: HTTPS_PROXY, HTTPLIB2_CA_CERTS and the installed PySocks. Threads and files
rather than the asyncio server beside it, because an object of 1 GB goes through it in a benchmark.

Not imitated: Google's own limits of speed, and its lists that are behind for a moment.
"""

import json
import re
import socketserver
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from tests.fakes.drive_files import BLOCK, RANGE, DriveFiles
from tests.fakes.faults import Schedule
from tests.fakes.google_accounts import Accounts
from tests.fakes.raw_server import reset, server_context

HOSTS = ("www.googleapis.com", "oauth2.googleapis.com")
UPLOAD = "https://www.googleapis.com/upload/drive/v2/files?uploadType=resumable&upload_id="
POLL_SECONDS = 0.02  # how long its end waits at most; 0.5 by itself, at each test
SPAN = re.compile(r"bytes=(\d+)-(\d*)")


@dataclass(frozen=True)
class Fault:
    """What a request meets: an error of Drive, or with `after` a connection that is reset once so
    many bytes of its body have come; with `seconds` it waits first.
    """

    status: int = 0
    reason: str = ""
    after: int | None = None
    seconds: float = 0.0


RATE_LIMIT = Fault(403, "userRateLimitExceeded")
TOO_MANY = Fault(429, "rateLimitExceeded")
UNAVAILABLE = Fault(503, "backendError")
QUOTA = Fault(403, "storageQuotaExceeded")
RESET = Fault(after=0)


class Drive(socketserver.ThreadingTCPServer):
    """Public: `files`, `accounts`, `faults`; `requests` counts method and route; `hosts` holds
    every host that a client has asked to be connected to; `skew` is how far its clock is ahead.
    """

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, folder: Path, certificate: Path) -> None:
        super().__init__(("127.0.0.1", 0), Conversation)
        folder.mkdir(parents=True, exist_ok=True)
        self.files = DriveFiles(folder)
        self.accounts = Accounts()
        self.faults: Schedule[Fault] = Schedule()
        self.requests: Counter[str] = Counter()
        self.hosts: set[str] = set()
        self.skew = 0.0
        self.context = server_context(certificate)
        self.lock = threading.Lock()

    @property
    def proxy(self) -> str:
        """The address for HTTPS_PROXY."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> Self:
        serve = threading.Thread(target=self.serve_forever, args=(POLL_SECONDS,), daemon=True)
        serve.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that leave are no error of the server."""


class Conversation(BaseHTTPRequestHandler):
    """One connection: CONNECT, TLS with the host that was asked for, and then Drive's API."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # with it each answer takes 40 ms
    server: Drive
    host = ""

    def log_message(self, format: str, *args: Any) -> None:
        """Keeps quiet."""

    def date_time_string(self, timestamp: float | None = None) -> str:
        return formatdate((timestamp or time.time()) + self.server.skew, usegmt=True)

    def do_CONNECT(self) -> None:
        self.host = self.path.partition(":")[0]
        self.server.hosts.add(self.host)
        if self.host not in HOSTS:
            self.send_error(403, "this host is not allowed")
            return
        self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        self.connection = self.server.context.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb", BLOCK)
        self.wfile = self.connection.makefile("wb", 0)
        self.close_connection = False

    def finish(self) -> None:
        with suppress(OSError):
            super().finish()
        self.connection.close()

    def do_GET(self) -> None:
        self.answer()

    do_POST = do_PUT = do_DELETE = do_GET

    def answer(self) -> None:
        """Meets a fault if one is planned, or gives the request to its route."""
        url = urlsplit(self.path)
        with self.server.lock:
            self.server.requests[
                f"{self.command} {url.path.rpartition('/v2/')[2] or url.path}"
            ] += 1
        fault = self.server.faults.take(f"{self.command} {self.host}{self.path}")
        if fault is not None and not self.meet(fault):
            return
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        if self.command == "PUT":
            self.receive(query["upload_id"])
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("X-HTTP-Method-Override") == "GET":  # an address above 2048 letters
            self.command = "GET"
            query = {name: values[-1] for name, values in parse_qs(body.decode()).items()}
        if self.host == HOSTS[1]:
            self.authorize(body, query)
        elif account := self.server.accounts.account_of(self.headers.get("Authorization", "")):
            self.route(url.path, query, body, account)
        else:
            self.refuse(401, "authError")

    def meet(self, fault: Fault) -> bool:
        """Returns whether the request goes on to its answer after all."""
        time.sleep(fault.seconds)
        if fault.after is not None:
            self.rfile.read(fault.after)
            self.close_connection = True
            reset(self.connection)
            return False
        if fault.status:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.refuse(fault.status, fault.reason)
            return False
        return True

    def authorize(self, body: bytes, query: dict[str, str]) -> None:
        accounts = self.server.accounts
        if self.path.startswith("/tokeninfo"):
            self.send(200, {"scope": accounts.scope})
            return
        form = {name: values[-1] for name, values in parse_qs(body.decode()).items()}
        self.send(*accounts.grant(form))

    def route(self, path: str, query: dict[str, str], body: bytes, account: str) -> None:
        files = self.server.files
        if path == "/drive/v2/about":
            quota = {"quotaBytesTotal": str(files.quota), "quotaType": "LIMITED"}
            user = {"emailAddress": f"{account}@example.org"}
            self.send(200, {**quota, "quotaBytesUsedAggregate": str(files.used()), "user": user})
        elif path == "/drive/v2/files" and self.command == "GET":
            self.list_files(query)
        elif path == "/drive/v2/files":
            metadata = json.loads(body)
            parent = metadata.get("parents", [{"id": "root"}])[0]["id"]
            self.send(200, files.items[files.add_folder(metadata["title"], parent)].resource())
        elif path == "/upload/drive/v2/files" or path == "/resumable/upload/drive/v2/files":
            self.begin(json.loads(body), account)
        else:
            self.one_file(path.removeprefix("/drive/v2/files/"), query)

    def list_files(self, query: dict[str, str]) -> None:
        found = self.server.files.find(query.get("q", ""))
        first, count = int(query.get("pageToken", 0)), int(query.get("maxResults", 100))
        told: dict[str, Any] = {"kind": "drive#fileList", "items": found[first : first + count]}
        if first + count < len(found):
            told["nextPageToken"] = str(first + count)
        self.send(200, told)

    def begin(self, metadata: dict[str, Any], account: str) -> None:
        files = self.server.files
        parent = files.items.get(metadata["parents"][0]["id"])
        size = int(self.headers.get("X-Upload-Content-Length") or 0)
        if parent is None:
            self.refuse(404, "notFound")
        elif not parent.drive_id and (account == "service" or files.used() + size > files.quota):
            self.refuse(403, "storageQuotaExceeded")
        else:
            self.send(200, None, {"Location": UPLOAD + files.begin(metadata)})

    def receive(self, identity: str) -> None:
        """Takes one part of an upload; the last one makes the file."""
        session = self.server.files.sessions[identity]
        left = int(self.headers.get("Content-Length") or 0)
        with session.path.open("ab") as file:
            while left:
                block = self.rfile.read(min(left, BLOCK))
                if not block:
                    self.close_connection = True
                    return
                left -= len(block)
                file.write(block)
                session.digest.update(block)
                session.size += len(block)
        part = RANGE.match(self.headers.get("Content-Range", ""))
        if part and (part[3] == "*" or int(part[2]) + 1 < int(part[3])):
            self.send(308, None, {"Range": f"bytes=0-{session.size - 1}"})
        else:
            self.send(200, self.server.files.finish(identity))

    def one_file(self, name: str, query: dict[str, str]) -> None:
        identity, _, action = name.partition("/")
        item = self.server.files.items.get(identity)
        if item is None:
            self.refuse(404, "notFound")
        elif self.command == "DELETE":
            self.server.files.delete(identity)
            self.send(204, None)
        elif action == "trash":
            item.trashed = True
            self.send(200, item.resource())
        elif query.get("alt") == "media":
            self.send_media(identity, item.size)
        else:
            self.send(200, item.resource())

    def send_media(self, identity: str, size: int) -> None:
        asked = SPAN.match(self.headers.get("Range", ""))
        first = int(asked[1]) if asked else 0
        last = min(int(asked[2] or size) if asked else size, size - 1)
        if first >= size:
            self.send(416, None, {"Content-Range": f"bytes */{size}"})
            return
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(last - first + 1))
        self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.end_headers()
        with (self.server.files.folder / identity).open("rb") as file:
            file.seek(first)
            left = last - first + 1
            while left:
                block = file.read(min(left, BLOCK))
                self.wfile.write(block)
                left -= len(block)

    def refuse(self, status: int, reason: str) -> None:
        detail = {"domain": "global", "reason": reason, "message": reason}
        self.send(status, {"error": {"code": status, "message": reason, "errors": [detail]}})

    def send(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        """Sends an answer of JSON, or an empty one, in one piece."""
        body = b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        for name, told in (headers or {}).items():
            self.send_header(name, told)
        self.send_header("Content-Type", "application/json; charset=UTF-8")
        self.send_header("Content-Length", str(len(body)))
        self._headers_buffer.append(b"\r\n" + body)  # type: ignore[attr-defined]
        self.flush_headers()
