"""The command `serve`: a page on this machine to watch, name and correct recordings."""

from __future__ import annotations

import argparse
import ipaddress
import socket
from typing import TYPE_CHECKING

from jointwise.cli.arguments import Parser
from jointwise.errors import ConfigError

if TYPE_CHECKING:
    import uvicorn
    from starlette.types import ASGIApp

    from jointwise.serve.limits import Limits


def add_serve_arguments(parser: Parser) -> None:
    """Add what `serve` takes."""
    parser.add_argument(
        "start",
        metavar="RUN",
        nargs="?",
        help="folder of a fine-tuned run or of its model, which names what is seen; without it recordings are shown",
    )
    parser.add_argument("--compare", metavar="RUN", help="another run, whose answers stand beside those of the first")
    parser.add_argument("--data", metavar="DATA", help="data set, or folder/ of recordings, to browse")
    parser.add_argument("--port", metavar="N", type=int, default=8000, help="port of the page (default: 8000)")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address that is listened on; any other than the default lets other machines use the page, "
        "without a password (default: 127.0.0.1, this machine only)",
    )


def serve(args: argparse.Namespace) -> None:
    """Open a page on this machine: drop recordings, watch them with what a model names, correct it, download it.

    Args:
        args: Arguments of `add_serve_arguments`.

    Raises:
        ConfigError: A package is missing, the port is taken, or there is nothing to compare with.
        CheckpointError: A run has no model that names actions.
    """
    try:
        import fastapi  # noqa: F401
        import python_multipart  # noqa: F401
        import uvicorn
        import websockets  # noqa: F401
    except ImportError as error:
        raise ConfigError(f"serve needs {error.name}: pip install 'jointwise[serve]'.") from error
    from jointwise.serve.app import create_app
    from jointwise.serve.desk import Desk
    from jointwise.serve.limits import Limits
    from jointwise.serve.models import Models

    if args.compare is not None and args.start is None:
        raise ConfigError("--compare: name the first run too: jointwise serve RUN --compare OTHER.")
    listening = _listen(args.host, args.port)
    with listening:
        models = Models(tuple(name for name in (args.start, args.compare) if name is not None))
        limits = Limits()
        app: ASGIApp = create_app(Desk(models, limits, args.data), args.host)
        print(f"jointwise serves {_address(listening)}  (Ctrl-C ends)", flush=True)
        try:
            uvicorn.Server(_config(app, limits)).run(sockets=[listening])
        except KeyboardInterrupt:
            print()


def _config(app: ASGIApp, limits: Limits) -> uvicorn.Config:
    """How the page is served."""
    import uvicorn

    return uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        ws="websockets-sansio",
        ws_max_size=limits.body_bytes,
        timeout_graceful_shutdown=2,
    )


def _address(listening: socket.socket) -> str:
    """Where the page is."""
    host, port = listening.getsockname()[:2]
    if ipaddress.ip_address(host.partition("%")[0]).is_unspecified:
        return f"port {port} of every address of this machine, such as http://127.0.0.1:{port}/"
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def _listen(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises ConfigError where that cannot be."""
    if not 0 <= port < 1 << 16:
        raise ConfigError(f"--port {port}: ports are numbers from 1 to 65535; 0 takes any that is free.")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)  # asyncio sends at once only where the protocol is named
    except OSError as error:
        raise ConfigError(f"--host {host}: there is no such address ({error.strerror or error}).") from error
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen()
    except OSError as error:
        listening.close()
        raise ConfigError(
            f"cannot listen on {host}, port {port}: {error.strerror or error}. Another jointwise serve may run there; "
            f"take another port: --port {port + 1 if port else 8001}."
        ) from error
    return listening
