"""Which account and which host: the key, the region and the base URL, from the official SDK's variables.

The key is held by a value that prints as `***`; there is no flag that takes it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from wanbatch.errors import Exit, WanbatchError
from wanbatch.service import catalog

API_PATH = "/api/v1"


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


def is_loopback(host: str) -> bool:
    """Say whether a host name is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_key(env: Mapping[str, str]) -> Key:
    """Return the key from `DASHSCOPE_API_KEY` or the file that `DASHSCOPE_API_KEY_FILE_PATH` names.

    Raises WanbatchError; it names the length of a bad key and nothing else of it.
    """
    text, source = env.get("DASHSCOPE_API_KEY", ""), "DASHSCOPE_API_KEY"
    path = env.get("DASHSCOPE_API_KEY_FILE_PATH")
    if not text.strip() and path:
        source = path
        try:
            text = Path(path).read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            raise WanbatchError(
                f"cannot read the key file {path}", exit_code=Exit.ACCOUNT, hint="check DASHSCOPE_API_KEY_FILE_PATH"
            ) from None
    text = text.strip()
    if not text:
        raise WanbatchError(
            "no API key; nothing was sent",
            exit_code=Exit.ACCOUNT,
            hint="export DASHSCOPE_API_KEY=sk-…, or try without one: wanbatch run MANIFEST --simulate",
        )
    if not text.isascii() or not text.isprintable() or " " in text or text.casefold().startswith("bearer"):
        raise WanbatchError(
            f"{source} holds {len(text)} characters that are no API key; nothing was sent",
            exit_code=Exit.ACCOUNT,
            hint="copy the key again: sk-…, without quotes, spaces or `Bearer`",
        )
    return Key(text)


def usable(url: str) -> bool:
    """Say whether requests with the key may go to `url`: encrypted, or not leaving this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    secret = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
    return secret and bool(host) and not parts.username and not parts.query


def base_url(env: Mapping[str, str], flag: str | None) -> str:
    """Return the API's base URL without a trailing slash: the flag, the environment, else the region's host.

    Raises WanbatchError for one that would show the key to the network.
    """
    given = flag or env.get("DASHSCOPE_HTTP_BASE_URL")
    if not given:
        return region_url(env)
    if usable(given):
        return given.rstrip("/")
    raise WanbatchError(
        f"base URL {given!r} cannot be used; nothing was sent",
        exit_code=Exit.USAGE,
        hint="it is https://HOST/api/v1; http only on this machine, since the key goes with every request",
    )


def region_url(env: Mapping[str, str]) -> str:
    """Return the base URL of `DASHSCOPE_API_REGION`, on the workspace's own domain if there is one."""
    region = catalog.region(env.get("DASHSCOPE_API_REGION") or catalog.DEFAULT_REGION)
    workspace = env.get("DASHSCOPE_WORKSPACE_ID")
    asked = bool(env.get("DASHSCOPE_API_REGION"))
    if workspace and (asked or region.host is None):
        return f"https://{region.workspace_host.format(workspace=workspace)}{API_PATH}"
    if region.host is None:
        raise WanbatchError(
            f"region {region.id} has workspace domains only",
            exit_code=Exit.USAGE,
            hint="export DASHSCOPE_WORKSPACE_ID=…",
        )
    return f"https://{region.host}{API_PATH}"


def region_id(env: Mapping[str, str], url: str) -> str | None:
    """Return the region that decides the price: the one that was named, else the host's."""
    return env.get("DASHSCOPE_API_REGION") or catalog.region_of_host(urlsplit(url).hostname or "")


def account(env: Mapping[str, str], flag: str | None) -> Account:
    """Return the account that the environment describes. Raises WanbatchError."""
    url = base_url(env, flag)
    local = is_loopback(urlsplit(url).hostname or "")
    given = env.get("DASHSCOPE_API_KEY") or env.get("DASHSCOPE_API_KEY_FILE_PATH")
    key = Key("sk-simulated") if local and not given else read_key(env)  # what stays on this machine needs no key
    return Account(key, url, env.get("DASHSCOPE_WORKSPACE_ID") or None, region_id(env, url))
