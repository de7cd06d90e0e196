"""A port that speaks no TLS, whatever it is sent."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_SAID = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@contextmanager
def plain_server() -> Iterator[int]:
    """The port of a server that answers everything in plain HTTP."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:  # closed: the end
                    return
                with connection:
                    connection.recv(4096)
                    connection.sendall(_SAID)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(5)
