"""Counts the bytes that pass through this process's sockets.

The clients report progress by files, or by the 100 MB that httplib2 reads before it returns, but
only bytes show whether a connection is alive. Every remote client of DVC moves them through
`socket.socket` or `ssl.SSLSocket`, so they are counted there, whatever the client.
"""

import socket
import ssl
from collections.abc import Callable
from typing import Any

# The methods that each class's other methods end in: SSLSocket.recv_into calls its read.
SENDING = ((socket.socket, "send"), (ssl.SSLSocket, "send"))
RECEIVING = ((socket.socket, "recv"), (socket.socket, "recv_into"), (ssl.SSLSocket, "read"))

Method = Callable[..., Any]


class Traffic:
    """Bytes since `watch` was called: `sent` and `received`.

    There is no lock: two threads at once may lose a count of a few kB, but http.client sends a
    gigabyte in 122,000 pieces of 8 kB, each of which would pay for it.
    """

    def __init__(self) -> None:
        self.sent = 0
        self.received = 0

    def watch(self) -> None:
        """Counts from now on, in every socket of this process."""
        for owner, name in SENDING:
            setattr(owner, name, self._sending(getattr(owner, name)))
        for owner, name in RECEIVING:
            setattr(owner, name, self._receiving(getattr(owner, name)))
        socket.socket.sendall = self._sending_all(socket.socket.sendall)  # type: ignore[method-assign]

    def _sending(self, method: Method) -> Method:
        def send(connection: Any, data: Any, *options: Any) -> Any:
            count = method(connection, data, *options)
            self.sent += count
            return count

        return send

    def _sending_all(self, method: Method) -> Method:
        def sendall(connection: Any, data: Any, *options: Any) -> None:
            method(connection, data, *options)
            self.sent += memoryview(data).nbytes

        return sendall

    def _receiving(self, method: Method) -> Method:
        def receive(connection: Any, *arguments: Any) -> Any:
            result = method(connection, *arguments)
            self.received += result if isinstance(result, int) else len(result)
            return result

        return receive
