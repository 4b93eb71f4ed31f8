"""`--ping URL`: tell a health-check service that a run starts, succeeded or failed. Never fails a run."""

import contextlib
import threading
from collections.abc import Callable
from urllib.parse import urlsplit, urlunsplit

from wanbatch import __version__
from wanbatch.cli.door import say
from wanbatch.errors import Exit, WanbatchError

PATIENCE_S = 10.0
"""How long a run waits for the answer, looking up the name and trying once more included."""
TRIES = 2
PATHS = {"start": "/start", "success": "", "fail": "/fail"}
"""What is put behind the URL's path, as health-check services have it."""


def usable(url: str) -> str:
    """Return the URL. Raises WanbatchError (exit 2) for one that is not http or https, without showing it."""
    if host(url) and url.isascii() and url.isprintable() and " " not in url:
        return url
    raise WanbatchError(
        "the URL to ping cannot be used; nothing was sent",
        exit_code=Exit.USAGE,
        hint="it is https://HOST/PATH or http://HOST/PATH",
    )


def host(url: str) -> str | None:
    """Return the host that a URL names, the only part of it that may be shown; None for one that is of no use."""
    try:
        parts = urlsplit(url)
        usable_port = parts.port != 0  # asking for it is what finds a port that is none
    except ValueError:
        return None
    return parts.hostname if parts.scheme in ("http", "https") and usable_port else None


def outcome(exit_code: int) -> str:
    """Return what `ping` is to say of an exit code: `success` for 0, else `fail`."""
    return "success" if exit_code == 0 else "fail"


def ping(url: str, what: str, exit_code: int = 0, told: Callable[[str], None] = say) -> None:
    """GET `url`/start, `url` or `url`/fail for `what`: `start`, `success` or `fail`. Takes 10 s at most.

    With `fail` the exit code is told too. `told` hears in one line when nobody could be reached. Raises nothing but
    KeyboardInterrupt, and that only before the run.
    """
    problems: list[str] = ["no answer in time"]
    # A thread, because looking up a name heeds no time-out; nobody waits for it longer than that.
    asking = threading.Thread(target=ask, args=(target(url, what, exit_code), problems), daemon=True)
    asking.start()
    with contextlib.ExitStack() as stack:
        if what != "start":  # the run is over: its exit code is what counts
            stack.enter_context(contextlib.suppress(KeyboardInterrupt))
        asking.join(PATIENCE_S)
    said = list(problems)  # the thread may still be at it
    if said:
        told(f"could not tell {host(url)} ({what}): {said[-1]}; the run is not concerned")


def target(url: str, what: str, exit_code: int) -> str:
    """Return the URL to ask for; a query that it has stays behind the path."""
    parts = urlsplit(url)
    query = "&".join(part for part in (parts.query, f"exit_code={exit_code}" if what == "fail" else "") if part)
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/") + PATHS[what], query, ""))


def ask(url: str, problems: list[str]) -> None:
    """Ask for a URL, twice at most. Leaves in `problems` why nobody was told; nothing if somebody was."""
    for _ in range(TRIES):
        said = answer(url)
        if said is None:
            problems.clear()
            return
        problems.append(said)


def answer(url: str) -> str | None:
    """Ask for a URL once; return None, or what was wrong, which never holds the URL."""
    from base64 import b64encode
    from http.client import HTTPException
    from urllib.error import HTTPError, URLError
    from urllib.parse import unquote
    from urllib.request import Request, urlopen

    user, at, place = urlsplit(url).netloc.rpartition("@")
    request = Request(urlsplit(url)._replace(netloc=place).geturl(), headers={"User-Agent": f"wanbatch/{__version__}"})  # noqa: S310 - http and https only: `usable`
    if at:
        request.add_unredirected_header("Authorization", "Basic " + b64encode(unquote(user).encode()).decode())
    try:
        with urlopen(request, timeout=PATIENCE_S / TRIES) as reply:  # noqa: S310 - as above
            reply.read(1)
    except HTTPError as error:
        error.close()
        return f"it answers {error.code}"
    except URLError as error:
        return getattr(error.reason, "strerror", None) or type(error.reason).__name__
    except (OSError, HTTPException, ValueError) as error:
        return getattr(error, "strerror", None) or type(error).__name__
    return None
