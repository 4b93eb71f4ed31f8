"""Which account and which host: the key, the region and the base URL, from the official SDK's variables.

The key is held by a value that prints as `***`; there is no flag that takes it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from urllib.parse import urlsplit

from wanbatch.errors import Exit, WanbatchError
from wanbatch.service import catalog

API_PATH = "/api/v1"
KEY = re.compile(r"(?!bearer)[A-Za-z0-9._~+/=-]+", re.IGNORECASE)
"""What may stand after `Bearer` (RFC 6750)."""
LIKE_A_KEY = re.compile(r"\bsk-[A-Za-z0-9._~+-]+")
"""How the service's keys begin."""
WORKSPACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
"""A workspace id becomes part of a host name; the official SDK takes the same."""


class Key:
    """An API key. Printing it, in whatever way, prints `***`."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return "***"

    def header(self) -> str:
        """Return the value of the `Authorization` header: the only way out."""
        return f"Bearer {self._text}"

    def redact(self, text: str) -> str:
        """Return `text` without the key, should the service or a proxy have echoed it."""
        return text.replace(self._text, "***")


@dataclass(frozen=True, slots=True)
class Account:
    """Where requests go, and with whose key."""

    key: Key
    base_url: str
    workspace: str | None = None
    region: str | None = None
    """The catalogue's region; None for a host that is no region's."""

    @property
    def is_loopback(self) -> bool:
        """Whether the service runs on this machine, as the simulator does."""
        return is_loopback(urlsplit(self.base_url).hostname or "")


def masked(text: str) -> str:
    """Return a text with stars over what looks like a key: one that was written where a name or a path belongs."""
    return LIKE_A_KEY.sub(lambda match: "*" * len(match[0]), text)


def literal(host: str) -> IPv4Address | IPv6Address | None:
    """Return the address that a host is written as; None for a name. `::ffff:127.0.0.1` is 127.0.0.1."""
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def is_loopback(host: str) -> bool:
    """Say whether a host name is this machine."""
    address = literal(host)
    return host == "localhost" if address is None else address.is_loopback


def read_key(env: Mapping[str, str]) -> Key:
    """Return the key from `DASHSCOPE_API_KEY` or the file that `DASHSCOPE_API_KEY_FILE_PATH` names.

    Raises WanbatchError; it names the length of a bad key and nothing else of it.
    """
    text, source = env.get("DASHSCOPE_API_KEY", ""), "DASHSCOPE_API_KEY"
    path = env.get("DASHSCOPE_API_KEY_FILE_PATH")
    if not text.strip() and path:
        source, text = path, read_key_file(Path(path), "check DASHSCOPE_API_KEY_FILE_PATH")
    if not text.strip():
        raise WanbatchError(
            "no API key; nothing was sent",
            exit_code=Exit.ACCOUNT,
            hint="export DASHSCOPE_API_KEY=sk-…, or add --simulate: no key, no money",
        )
    return key_of(text, source)


def read_key_file(path: Path, hint: str) -> str:
    """Return what a key file holds. Raises WanbatchError."""
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        message = masked(f"cannot read the key file {path}; nothing was sent")
        raise WanbatchError(message, exit_code=Exit.ACCOUNT, hint=hint) from None


def key_of(text: str, source: str) -> Key:
    """Return the key in a text, without the white space around it. Raises WanbatchError, with its length alone."""
    text = text.strip()
    if KEY.fullmatch(text):
        return Key(text)
    raise WanbatchError(
        masked(f"{source} holds {len(text)} characters that are no API key; nothing was sent"),
        exit_code=Exit.ACCOUNT,
        hint="copy the key again: sk-…, without quotes, spaces or `Bearer`",
    )


def usable(url: str) -> bool:
    """Say whether requests with the key may go to `url`: encrypted, or not leaving this machine."""
    if not url.isascii() or not url.isprintable() or any(char in url for char in " @?#{}\\"):
        return False
    try:
        parts = urlsplit(url)
        host = parts.hostname if parts.port != 0 else None
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host or "")))


def base_url(env: Mapping[str, str], flag: str | None, region: str | None = None) -> str:
    """Return the API's base URL without a trailing slash: the flag, the environment, else the region's host.

    `region` is the flag's. Raises WanbatchError for a URL that would show the key to the network, and for a region
    that is not the host's: its prices would be another's.
    """
    given = flag or env.get("DASHSCOPE_HTTP_BASE_URL")
    if not given:
        return region_url(env, region)
    if not usable(given):
        shown = given if "@" not in given else "…@" + given.rpartition("@")[2]
        raise WanbatchError(
            f"base URL {shown!r} cannot be used; nothing was sent",
            exit_code=Exit.USAGE,
            hint="it is https://HOST/api/v1; http only on this machine, since the key goes with every request",
        )
    host = urlsplit(given).hostname or ""
    own = catalog.region_of_host(host)
    if region and own not in (None, catalog.region(region).id):
        raise WanbatchError(
            f"--region {region}, but the host {host} is in {own}; nothing was sent",
            exit_code=Exit.USAGE,
            hint="leave out --region, or the base URL (--base-url, DASHSCOPE_HTTP_BASE_URL)",
        )
    return given.rstrip("/")


def workspace_id(env: Mapping[str, str]) -> str | None:
    """Return `DASHSCOPE_WORKSPACE_ID`. Raises WanbatchError for one that would change the host."""
    workspace = env.get("DASHSCOPE_WORKSPACE_ID") or None
    if workspace is None or WORKSPACE.fullmatch(workspace):
        return workspace
    raise WanbatchError(
        f"DASHSCOPE_WORKSPACE_ID {workspace!r} is no workspace id; nothing was sent",
        exit_code=Exit.USAGE,
        hint="letters, digits, - and _, as the console shows it",
    )


def region_url(env: Mapping[str, str], region: str | None = None) -> str:
    """Return the base URL of a region, of `DASHSCOPE_API_REGION` without one, else Beijing's. Raises WanbatchError."""
    name = region or env.get("DASHSCOPE_API_REGION") or catalog.DEFAULT_REGION
    return host_url(name, workspace_id(env), "export DASHSCOPE_WORKSPACE_ID=…")


def host_url(region: str, workspace: str | None, hint: str) -> str:
    """Return the base URL of a region, on the workspace's own domain if there is one. Raises WanbatchError.

    As with the official SDK, Beijing stays on its old host: it is what no region means.
    """
    known = catalog.region(region)
    if workspace and known.id != catalog.DEFAULT_REGION:
        return f"https://{known.workspace_host.format(workspace=workspace)}{API_PATH}"
    if known.host is None:
        raise WanbatchError(f"region {known.id} has workspace domains only", exit_code=Exit.USAGE, hint=hint)
    return f"https://{known.host}{API_PATH}"


def region_id(env: Mapping[str, str], url: str, region: str | None = None) -> str:
    """Return the region that decides the price: the flag's, the host's, `DASHSCOPE_API_REGION`, else Beijing."""
    host = urlsplit(url).hostname or ""
    return region or catalog.region_of_host(host) or env.get("DASHSCOPE_API_REGION") or catalog.DEFAULT_REGION


def account(env: Mapping[str, str], flag: str | None, region: str | None = None) -> Account:
    """Return the account that the environment describes; `flag` is a base URL. Raises WanbatchError."""
    url = base_url(env, flag, region)
    local = is_loopback(urlsplit(url).hostname or "")
    given = env.get("DASHSCOPE_API_KEY") or env.get("DASHSCOPE_API_KEY_FILE_PATH")
    key = Key("sk-simulated") if local and not given else read_key(env)  # what stays on this machine needs no key
    return Account(key, url, workspace_id(env), region_id(env, url, region))
