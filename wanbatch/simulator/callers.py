"""Who asks: the key in a request, the account behind it, and what an account may no longer do.

Knows keys and the words of refused ones. Does not know tasks, rates or time.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from wanbatch.simulator.replies import Refusal

Headers = Mapping[str, str]
NOBODY: Headers = {}

NO_KEY = Refusal(401, "InvalidApiKey", "No API-key provided.")
WRONG_KEY = Refusal(401, "InvalidApiKey", "Invalid API-key provided.")
IN_ARREARS = Refusal(400, "Arrearage", "Access denied, please make sure your account is in good standing.")
NOT_FREE = Refusal(403, "AllocationQuota.FreeTierOnly", "The free tier of the model has been exhausted.")


@dataclass(frozen=True, slots=True)
class Caller:
    """A key that the service takes: its number, and the account whose tasks and limits it shares."""

    key_id: str
    account: str


def header(headers: Headers, name: str) -> str | None:
    """The value of a header; `name` in lower case, the headers in any."""
    return next((value for key, value in headers.items() if key.lower() == name), None)


def key_id(key: str) -> str:
    """The number that a list row and the oracle's tables show for a key."""
    return str(int(hashlib.sha256(key.encode()).hexdigest()[:12], 16))


def key_of(headers: Headers) -> str:
    """The key in a request, empty when there is none."""
    scheme, _, key = (header(headers, "authorization") or "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def caller(headers: Headers, accounts: Literal["one", "by_key"]) -> Caller | Refusal:
    """Who asks, or HTTP 401. Any key will do but one with `invalid` in it; `accounts` as in `Rules`."""
    key = key_of(headers)
    if not key:
        return NO_KEY
    if "invalid" in key:
        return WRONG_KEY
    number = key_id(key)
    if accounts == "by_key":
        return Caller(number, number)
    return Caller(number, "other" if "other-account" in key else "main")
