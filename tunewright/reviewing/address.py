"""Where the review app listens, and under which names it is served."""

from __future__ import annotations

import errno
import ipaddress
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass

from tunewright.errors import ConfigError

USUAL_PORT = 8765  # bookmarks and cookies last; another app's: any free one
NAME = re.compile(r"^[A-Za-z0-9.-]+(:\d{1,5})?$|^\[[0-9A-Fa-f:.]+\](:\d{1,5})?$")
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True)
class Place:
    """A socket that listens. `netloc` is for the URL to print, `hosts` are the Host headers to serve."""

    listening: socket.socket
    netloc: str
    hosts: frozenset[str]
    is_loopback: bool


def listen(host: str, port: int | None, allowed: Iterable[str] = ()) -> Place:
    """Listen at a host and port; None: the usual port, or any free one where that is taken; 0: any free one.

    `allowed`: further names under which the app may be asked for, such as a proxy's. Raises ConfigError for a host
    that is not this machine's, a port that is taken and a name that is none.
    """
    names = [_name(name) for name in allowed]
    try:
        found = _bound(host, USUAL_PORT if port is None else port)
    except OSError as error:
        if port is not None or error.errno != errno.EADDRINUSE:
            raise _no_place(host, port, error) from None
        found = _bound(host, 0)
    address = found.getsockname()
    where = ipaddress.ip_address(address[0])
    own = LOOPBACK_NAMES[0] if where.is_unspecified else _bracketed(host)  # 0.0.0.0 is no address to open
    hosts = {name for given in (own, *names, *LOOPBACK_NAMES) for name in _with_port(given, address[1])}
    shown = names[0] if names and not where.is_loopback else own
    return Place(found, shown if _port_of(shown) else f"{shown}:{address[1]}", frozenset(hosts), where.is_loopback)


def _bound(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    found = socket.socket(family, kind, protocol)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # not to wait for connections that are over
        found.bind(address)
        found.listen()  # now, so that of two apps that start at once one is told
    except BaseException:
        found.close()
        raise
    return found


def _no_place(host: str, port: int | None, error: OSError) -> ConfigError:
    if error.errno == errno.EADDRINUSE:
        return ConfigError(
            f"port {port} of {host} is taken, perhaps by another review app; stop that one, or let the app choose: "
            "tunewright review --port 0"
        )
    return ConfigError(
        f"cannot listen at {host}, port {USUAL_PORT if port is None else port}: {error.strerror or error}; "
        "give --host an address of this machine and --port a number that you may use (1024 to 65535, or 0)"
    )


def _name(given: str) -> str:
    if not NAME.match(given):
        raise ConfigError(f"--allow-host {given!r}: expected a name or NAME:PORT, such as review.example.org")
    return given.lower()


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host.lower()


def _port_of(name: str) -> str:
    return name.rpartition("]")[2].partition(":")[2]


def _with_port(name: str, port: int) -> tuple[str, ...]:
    """The Host headers that a browser sends for a name: as given, and with our port. The bare name is that of a proxy
    at the usual ports of http and https; of ours it would be port 80."""
    if _port_of(name):
        return (name,)
    bare = () if name in LOOPBACK_NAMES and port != 80 else (name,)
    return (*bare, f"{name}:{port}")
