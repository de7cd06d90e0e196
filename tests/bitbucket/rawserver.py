"""A server of raw sockets: what it sends is bytes, so that it can send what no HTTP library would."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

OK_JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-AUSERNAME: collector\r\n"
Talk = Callable[["Request", asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class Request:
    """A request's first line and headers (names in lower case, as a list: one may come twice)."""

    line: str
    headers: list[tuple[str, str]]

    def __getitem__(self, name: str) -> str:
        found = [value for header, value in self.headers if header == name]
        assert len(found) <= 1
        return found[0] if found else ""


@dataclass
class RawServer:
    """Where it listens, and what it was asked."""

    port: int = 0
    scheme: str = "http"
    requests: list[Request] = field(default_factory=list)
    connections: int = 0

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"


@asynccontextmanager
async def raw_server(
    talk: Talk, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[RawServer]:
    """Calls `talk` for each request; the connection stays open until `talk` closes it or the block ends."""
    server = RawServer(scheme="https" if tls else "http")
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        server.connections += 1
        try:
            while not writer.is_closing():
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                pairs = (line.partition(":") for line in head[1:] if line)
                request = Request(head[0], [(name.lower(), value.strip()) for name, _, value in pairs])
                server.requests.append(request)
                await talk(request, writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            tasks.discard(task)
            writer.close()

    listening = await asyncio.start_server(serve, host, 0, ssl=tls)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def sending(content: bytes, *, close: bool = False) -> Talk:
    """The same bytes for every request."""

    async def talk(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(content)
        if close:
            writer.close()

    return talk


def json_answer(body: bytes = b"{}", head: bytes = OK_JSON) -> bytes:
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body
