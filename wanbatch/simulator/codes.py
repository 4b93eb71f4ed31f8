"""The service's documented refusals and failures by their code, for plans of faults (Q-ERR).

Knows words. Does not know when they are said.
"""

from wanbatch.simulator.callers import IN_ARREARS, NOT_FREE, WRONG_KEY
from wanbatch.simulator.replies import Refusal

_INTERNAL = "An internal error has occurred, please try again later or contact service support."
_OVERDUE = "Your account has an overdue bill."

REFUSALS: dict[str, Refusal] = {
    refusal.code: refusal
    for refusal in (
        IN_ARREARS,
        WRONG_KEY,
        NOT_FREE,
        Refusal(400, "DataInspectionFailed", "Input data may contain inappropriate content."),
        Refusal(400, "IPInfringementSuspect", "Input data is suspected of being involved in IP infringement."),
        Refusal(400, "InvalidParameter", "Model not exist."),
        Refusal(400, "InvalidURL", "Invalid URL provided in your request."),
        Refusal(401, "NOT AUTHORIZED", "The workspace and the endpoint do not match."),
        Refusal(403, "AccessDenied", "Access denied."),
        Refusal(403, "AccessDenied.Unpurchased", "Access to model denied. Please make sure it is activated."),
        Refusal(403, "Model.AccessDenied", "Model access denied."),
        Refusal(403, "Workspace.AccessDenied", "Workspace access denied."),
        Refusal(403, "Endpoint.AccessDenied", "Endpoint access denied."),
        Refusal(404, "ModelNotFound", "Model can not be found."),
        Refusal(404, "WorkSpaceNotFound", "WorkSpace can not be found."),
        Refusal(429, "Throttling", "Requests throttling triggered."),
        Refusal(429, "Throttling.RateQuota", "Requests rate limit exceeded, please try again later."),
        Refusal(429, "Throttling.BurstRate", "Request rate increased too quickly."),
        Refusal(429, "Throttling.Concurrency", "Too many concurrent requests."),
        Refusal(429, "Throttling.AllocationQuota", "Allocated quota exceeded, please increase your quota limit."),
        Refusal(429, "insufficient_quota", "You exceeded your current quota, please check your plan and billing."),
        Refusal(429, "CommodityNotPurchased", "Commodity has not been purchased yet."),
        Refusal(429, "PrepaidBillOverdue", _OVERDUE),
        Refusal(429, "PostpaidBillOverdue", _OVERDUE),
        Refusal(503, "ServiceUnavailable", "Too many requests. Your requests are being throttled."),
        Refusal(503, "ModelUnavailable", "Model is unavailable, please try again later."),
    )
}
"""What a request can be told instead of being served. Codes and statuses are documented; some messages are shortened
or, where no page shows any, our own words: no client may go by them."""

FAILURES: dict[str, str] = {
    "DataInspectionFailed": "Output data may contain inappropriate content.",
    "IPInfringementSuspect": "Input data is suspected of being involved in IP infringement.",
    "InvalidParameter": "The size does not match.",
    "InvalidParameter.DataInspection": "Unable to download the media resource during the data inspection process.",
    "InvalidURL": "Required URL is missing or invalid.",
    "InvalidURL.Timeout": "Download of the media resource timed out.",
    "InternalError": _INTERNAL,
    "InternalError.Algo": _INTERNAL,
    "InternalError.Upload": "Failed to upload result.",
    "InternalError.Timeout": "An internal error has occurred, please try again later.",
    "SystemError": _INTERNAL,
    "RewriteFailed": "Failed to rewrite content for prompt.",
    "ModelServiceFailed": _INTERNAL,
}
"""What a task can fail with, and its message; the HTTP status stays 200 and nothing is billed."""
