"""What a server is measured against: a bare loop over a socket, and a bare ASGI application.

`python -m bench.bare socket FILE` and `python -m bench.bare asgi` print the port that they serve at.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path
from typing import Any

BLOCK = 256 * 1024


def serve_file(path: str) -> None:
    """Answer every request with the file, read and sent block by block."""
    size = Path(path).stat().st_size
    head = f"HTTP/1.1 200 OK\r\ncontent-length: {size}\r\nconnection: close\r\n\r\n".encode()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            taken, _ = listener.accept()
            with taken, open(path, "rb", buffering=0) as file:
                taken.recv(65536)
                taken.sendall(head)
                while block := file.read(BLOCK):
                    taken.sendall(block)


async def application(scope: Any, receive: Any, send: Any) -> None:
    """The smallest answer there is."""
    headers = [(b"content-type", b"application/json"), (b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"{}"})


def serve_asgi() -> None:
    """The same server as annotary's, with nothing behind it."""
    import uvicorn

    config = uvicorn.Config(application, log_config=None, access_log=False, lifespan="off")
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        print(listener.getsockname()[1], flush=True)
        asyncio.run(uvicorn.Server(config).serve([listener]))


if __name__ == "__main__":
    if sys.argv[1] == "socket":
        serve_file(sys.argv[2])
    else:
        serve_asgi()
