"""The account's own limits, as GET …/models/limits tells them.

Knows the parameters and rows of that call ("List model quotas", help.aliyun.com, 2026-09). Does not know who asks.
"""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from wanbatch.simulator.replies import Refusal
from wanbatch.simulator.rules import Rules

UNKNOWN = Refusal(404, "NotFound", "Not found.")
"""Only the workspace domain of Beijing is documented to know the call."""
_BAD = Refusal(400, "InvalidParameter", "the parameters must conform to the specification: page_no or page_size.")


def limits(rules: Rules, params: Mapping[str, str], workspace: str) -> dict[str, Any] | Refusal:
    """The reply without its request_id. `model` names one exactly, `name` is part of the names; neither: all."""
    if not rules.tells_limits:
        return UNKNOWN
    try:
        page_no, page_size = int(params.get("page_no", "1")), int(params.get("page_size", "20"))
    except ValueError:
        return _BAD
    if page_no < 1 or page_size < 1:
        return _BAD
    exact, part = params.get("model"), params.get("name", "")
    found = [model for model in rules.models if exact in {None, model} and part in model]
    first = (page_no - 1) * page_size
    rows = [
        {"model": model, "workspace_id": workspace, "model_limit": _limit(rules), "workspace_limit": None}
        for model in found[first : first + page_size]
    ]
    return {"output": {"total": len(found), "page_no": page_no, "page_size": page_size, "quotas": rows}}


def _limit(rules: Rules) -> dict[str, Any]:
    """Whole requests in whole seconds: half a request a second is one in two."""
    rate = Fraction(rules.submit_rate).limit_denominator(3600)
    queue = 0 if rules.over_cap == "reject" else rules.queue
    return {
        "request_limit": rate.numerator,
        "request_limit_period": rate.denominator,
        "usage_limit": None,
        "usage_limit_field": None,
        "usage_limit_period": None,
        "async_user_queue_limit": queue,
        "async_user_concurrency_limit": rules.slots,
    }
