"""Counts the bytes that pass through this process's sockets.

The clients report progress by files, or by the 100 MB that httplib2 reads before it returns, but
whether a connection is alive shows in its bytes alone. Every client that DVC has for a remote moves
them through `socket.socket` or `ssl.SSLSocket`, so these are counted, whatever the client.
"""

import socket
import ssl
from collections.abc import Callable
from typing import Any

# The methods that the others of each class come down to: SSLSocket.recv_into calls its read.
SENDING = ((socket.socket, "send"), (ssl.SSLSocket, "send"))
RECEIVING = ((socket.socket, "recv"), (socket.socket, "recv_into"), (ssl.SSLSocket, "read"))

Method = Callable[..., Any]


class Traffic:
    """Bytes since `watch` was called: `sent` and `received`.

    Without a lock: two threads at once may lose one count of some kB, and http.client sends a
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
