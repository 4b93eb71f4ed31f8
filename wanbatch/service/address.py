"""Which addresses a video is fetched from: what a URL says, and what its host is found to be.

A signed URL comes from the service, a relay or a redirect; none of them may point this program at the network
that it runs in. What is refused stays fetchable: the refusal names the host, and the flag that allows it.
"""

import re
import socket
from ipaddress import IPv4Address, IPv6Address, ip_network
from urllib.parse import urljoin, urlsplit
from urllib.request import getproxies

from aiohttp import ThreadedResolver
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from wanbatch.service.account import is_loopback, literal

SERVICE = "aliyuncs.com"
"""The object store of every region is below it."""
FLAG = "--allow-download-host"
NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_])?\Z")
"""A host that may be shown in a command to copy."""
NAT64 = ip_network("64:ff9b::/96")
"""Where networks without IPv4 show IPv4 hosts (RFC 6052)."""

Address = IPv4Address | IPv6Address


class Refused(Exception):
    """Nothing is fetched from there. The text is for people and holds no signature."""


def canonical(host: str) -> str:
    """Return the one spelling of a host: lower case, no dot at the end, addresses in their short form."""
    host = host.lower().removesuffix(".")
    return str(literal(host) or host)


def check(url: str, *, loopback: bool, allowed: frozenset[str] = frozenset()) -> URL:
    """Return the URL to ask, byte for byte as signed. Raises Refused.

    `http://` is raised to https (the documentation shows such URLs; refusing would lose a paid video), but on
    this machine itself, which is asked only with `loopback`: when the API, as the simulator, is on it. Other
    hosts are the service's, or `allowed` by name or by address.
    """
    host, at = parse(url)
    if not host or odd(url) or at is None:
        raise Refused("the service gave an address that is not fetched from")
    check_host(canonical(host), loopback=loopback, allowed=frozenset(map(canonical, allowed)))
    return at


def parse(url: str) -> tuple[str, URL | None]:
    """Return a URL's host, and the URL that is to be asked for it; None for what is none to fetch from."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.port == 0 or parts.scheme not in ("http", "https") or "@" in parts.netloc:
            return host, None
        if parts.scheme == "http" and not is_loopback(host):
            netloc = parts.netloc.removesuffix(":80")  # the port of what is no longer asked
            url = f"https://{netloc}{url[len('http://') + len(parts.netloc) :]}"
        at = URL(url, encoded=True)
    except ValueError:
        return "", None
    # Who connects must see the same host as who checks.
    return host, at if canonical(at.raw_host or "") == canonical(host) else None


def odd(url: str) -> bool:
    """Say whether a URL has characters that parsers read in different ways."""
    return not url.isascii() or not url.isprintable() or any(char in url for char in " #\\")


def follow(at: URL, onward: str, *, loopback: bool, allowed: frozenset[str] = frozenset()) -> URL:
    """Return the URL that a redirect leads to from `at`, checked as the first. Raises Refused."""
    if odd(onward):  # before joining, which takes line breaks and tabs away
        raise Refused("the service redirects to an address that is not fetched from")
    try:
        joined = onward if urlsplit(onward).scheme else urljoin(str(at), onward)
    except ValueError:
        raise Refused("the service redirects to an address that is not fetched from") from None
    return check(joined, loopback=loopback, allowed=allowed)


def check_host(host: str, *, loopback: bool, allowed: frozenset[str]) -> None:
    """Say nothing if a host, and the hosts in `allowed`, in their one spelling, may be asked. Raises Refused."""
    numeric = literal(host)
    if is_loopback(host):
        if not loopback:
            raise Refused(f"the video is said to be on this machine ({host}), where the API is not")
        return
    if host not in allowed and not f".{host}".endswith(f".{SERVICE}"):
        if not NAME.match(host) and not numeric:
            raise Refused("the service gave an address whose host is no host name")
        raise Refused(f"the video is on {host}, which is no host of the service; if you trust it, add {FLAG} {host}")
    if numeric and not permitted(numeric, allowed):
        raise Refused(f"the service gave an address that no host has: {host}")


def permitted(address: Address, allowed: frozenset[str]) -> bool:
    """Say whether a host, not of this machine, may have this address: a public one, or one that the user named."""
    if address.is_loopback or address.is_unspecified or address.is_multicast:
        return False
    return str(address) in allowed or public(address)


def public(address: Address) -> bool:
    """Say whether an address is reached by everybody, the IPv4 one inside it too."""
    if isinstance(address, IPv4Address):
        return address.is_global and not address.is_multicast
    inside = address.ipv4_mapped or address.sixtofour
    if address in NAT64:
        inside = IPv4Address(int(address) & 0xFFFFFFFF)
    if inside:
        return public(inside)
    return address.is_global and not address.is_multicast and not address.is_reserved


def proxies() -> frozenset[str]:
    """Return the hosts that the environment names as proxies: they may be anywhere, and find the host themselves."""
    found = set()
    for url in getproxies().values():
        try:
            found.add(canonical(urlsplit(url).hostname or ""))
        except ValueError:
            continue
    return frozenset(found)


class Checked(AbstractResolver):
    """Finds hosts, and gives out only addresses that may be asked: what was checked is what is connected to.

    One look-up for each connection, so that a second answer of a name server changes nothing.
    """

    def __init__(self, allowed: frozenset[str] = frozenset(), lookup: AbstractResolver | None = None) -> None:
        self._allowed = frozenset(map(canonical, allowed))
        self._lookup = lookup or ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of a host. Raises Refused if one of them may not be asked, and OSError."""
        found = await self._lookup.resolve(host, port, family)
        name = canonical(host)
        if name in proxies():
            return found
        for one in found:
            numeric = literal(one["host"])
            fits = numeric is not None and (
                numeric.is_loopback if is_loopback(name) else permitted(numeric, self._allowed)
            )
            if not fits:
                raise Refused(
                    f"{name} is found at {one['host']}, which is no public address; if that is right, add "
                    f"{FLAG} {one['host']}"
                )
        return found

    async def close(self) -> None:
        """Let go of the look-up."""
        await self._lookup.close()
