"""Which addresses from untrusted files may be fetched: https, and public hosts only. Checked without any socket."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
from urllib.parse import SplitResult, urlsplit

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_ASSIGNED = ipaddress.IPv6Network("2000::/3")


class AddressRefused(Exception):
    """An address that must not be fetched; the text gives the reason, to follow `is refused: `."""


def check_address(url: str) -> SplitResult:
    """Refuse what the address alone shows to be wrong, without any socket; return its parts. Raises AddressRefused."""
    check_characters(url)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as cause:
        raise AddressRefused(f"it is not a valid address: {cause}") from cause
    if parts.scheme != "https" or not host:
        raise AddressRefused(f"its scheme is {parts.scheme or 'missing'}, not https")
    if "@" in parts.netloc:
        raise AddressRefused("it contains credentials")
    literal = _literal(host)
    if is_trusted(host):
        return parts
    if literal is not None and not is_public(literal):
        raise AddressRefused(f"{host} is not public")
    if port is not None and port != 443 and port < 1024:
        raise AddressRefused(f"port {port} is not allowed")
    return parts


def is_trusted(host: str) -> bool:
    """Whether TLZOO_TRUSTED_HOSTS names the host."""
    names = os.environ.get("TLZOO_TRUSTED_HOSTS", "").split(",")
    return host.lower() in {name.strip().lower() for name in names if name.strip()}


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet, also where an IPv6 address wraps one of IPv4."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        if ip not in _ASSIGNED:
            return False
    return ip.is_global and not ip.is_multicast


def check_characters(url: str) -> None:
    """Refuse what has no place in an address. Raises AddressRefused."""
    odd = re.search(r"[\x00-\x20\x7f\\]", url)
    if odd is not None:
        raise AddressRefused(f"it contains the character {odd[0]!r}")


def _literal(host: str) -> str | None:
    """The host where it is an IP address; refuses numbers that only some programs read as one, such as 0x7f.1."""
    if not host.isascii() or "%" in host:
        raise AddressRefused(f"{host!r} is not a host name in ASCII")
    with contextlib.suppress(ValueError):
        return str(ipaddress.ip_address(host))
    if re.fullmatch(r"[0-9]+|0[xX][0-9a-fA-F]*", host.rstrip(".").rpartition(".")[2]):
        raise AddressRefused(f"{host} is a number, not a name")
    return None
