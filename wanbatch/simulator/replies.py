"""What an answer of the pretended service is: a status, a body, headers, and the shape of a refusal.

Knows the JSON and XML envelopes. Does not know tasks, rules, clocks or sockets.
"""

import json
from dataclasses import dataclass
from typing import Any

JSON_TYPE = "application/json"
XML_TYPE = "application/xml"


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP answer as a value: status, whole body in bytes, header pairs (Content-Length is the server's)."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def json(self) -> Any:
        """The body parsed as JSON."""
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        """The value of a header, whatever the case of its name; None when it is not there."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the service says no: HTTP status, its code word and message, and maybe a Retry-After header value."""

    status: int
    code: str
    message: str
    retry_after: str | None = None


def json_reply(status: int, body: dict[str, Any], extra: tuple[tuple[str, str], ...] = ()) -> Reply:
    """An API answer; its request_id is repeated in the header, as the live service does."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    # A lone surrogate in a prompt comes back as it went in, so it must not stop the answer.
    raw = text.encode("utf-8", "surrogatepass")
    headers = (("Content-Type", JSON_TYPE), ("x-request-id", str(body["request_id"])), *extra)
    return Reply(status, raw, headers)


def refuse(refusal: Refusal, request_id: str) -> Reply:
    """A refusal in the flat JSON form of the native API (Q-CREATE, DashScopeErrorResponse)."""
    body = {"code": refusal.code, "message": refusal.message, "request_id": request_id}
    extra = () if refusal.retry_after is None else (("Retry-After", refusal.retry_after),)
    return json_reply(refusal.status, body, extra)


def xml_refusal(status: int, code: str, message: str, request_id: str) -> Reply:
    """A refusal of the object store, which answers in XML."""
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error>\n  <Code>{code}</Code>\n  <Message>{message}</Message>\n"
        f"  <RequestId>{request_id}</RequestId>\n  <HostId>simulator</HostId>\n</Error>\n"
    )
    headers = (("Content-Type", XML_TYPE), ("x-oss-request-id", request_id))
    return Reply(status, body.encode(), headers)
