"""Counts the bytes that pass through this process's sockets.

The clients tell progress by files, or by the 100 MB that httplib2 reads before it returns; whether
a connection is alive is told by its bytes alone. Every client that DVC has for a remote moves them
through `socket.socket` or `ssl.SSLSocket`, so these are counted, whatever the client.
"""

import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any

# The methods that the others of each class come down to: SSLSocket.recv_into calls its read.
LOWEST = {socket.socket: ("send", "sendall", "recv", "recv_into"), ssl.SSLSocket: ("send", "read")}


class Traffic:
    """Bytes since `watch` was called: `sent` and `received`."""

    def __init__(self) -> None:
        self.sent = 0
        self.received = 0
        self._lock = threading.Lock()

    def watch(self) -> None:
        """Counts from now on, in every socket of this process."""
        for owner, names in LOWEST.items():
            for name in names:
                setattr(owner, name, self._counted(getattr(owner, name), name))

    def _counted(self, method: Callable[..., Any], name: str) -> Callable[..., Any]:
        def counted(connection: Any, *arguments: Any, **options: Any) -> Any:
            result = method(connection, *arguments, **options)
            with self._lock:
                if name == "sendall":  # it returns nothing
                    self.sent += memoryview(arguments[0]).nbytes
                elif name == "send":
                    self.sent += result
                else:
                    self.received += result if isinstance(result, int) else len(result)
            return result

        return counted
