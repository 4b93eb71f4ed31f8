"""What the service thinks of a request body: refused at once, accepted to fail later, or an order with its defaults.

Knows the documented fields of wan2.7 text-to-video. Does not know accounts, limits, times or tasks.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wanbatch.simulator.replies import Refusal

PROMPT_CHARS = 5000
"""A longer prompt is cut without a word; one Chinese character counts as one (Q-CREATE)."""
RESOLUTIONS = {"720P": 720, "1080P": 1080}
RATIOS = frozenset({"16:9", "9:16", "1:1", "4:3", "3:4"})
DURATION_S = (2, 15)
SEED = (0, 2147483647)

BAD_INPUT = Refusal(400, "DataInspectionFailed", "Input data may contain inappropriate content.")
_NOT_AN_OBJECT = Refusal(400, "InvalidParameter", "Required body invalid, please check the request body format.")
_FATES = {
    "[moderated output]": ("DataInspectionFailed", "Output data may contain inappropriate content."),
    "[internal error]": (
        "InternalError",
        "An internal error has occurred, please try again later or contact service support.",
    ),
}
"""Marks in a prompt that let the task render and then fail: the simulator's own, for tests and trials."""


@dataclass(frozen=True, slots=True)
class Failure:
    """How a task ends that does not succeed; `at_once` when it fails before it renders."""

    code: str
    message: str
    at_once: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """An accepted body with the documented defaults filled in; `duration` in seconds, `sr` in picture lines."""

    model: str
    prompt: str
    duration: int
    ratio: str
    sr: int
    failure: Failure | None

    def usage(self) -> dict[str, Any]:
        """What is billed, as wan2.7 reports it (Q-QUERY)."""
        return {
            "duration": self.duration,
            "input_video_duration": 0,
            "output_video_duration": self.duration,
            "video_count": 1,
            "ratio": self.ratio,
            "SR": self.sr,
        }


def read_body(raw: bytes) -> dict[str, Any] | Refusal:
    """The body as a JSON object, or HTTP 400 (Q-ERR, "Required body invalid")."""
    try:
        body = json.loads(raw, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return _NOT_AN_OBJECT
    return body if isinstance(body, dict) else _NOT_AN_OBJECT


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def moderated(body: Mapping[str, Any]) -> bool:
    """Whether the input check stops this prompt at the door."""
    return "[moderated input]" in prompt_of(body)


def prompt_of(body: Mapping[str, Any]) -> str:
    """The prompt as it was sent; empty when there is none or it is not text."""
    section = body.get("input")
    prompt = section.get("prompt") if isinstance(section, dict) else None
    return prompt if isinstance(prompt, str) else ""


def model_of(body: object) -> str:
    """The model as it was sent; empty when there is none or it is not text."""
    model = body.get("model") if isinstance(body, dict) else None
    return model if isinstance(model, str) else ""


def order(body: Mapping[str, Any], *, oss_allowed: bool) -> Order:
    """The order in a body whose model is known.

    A wrong parameter is no refusal: the live service answers 200 and the task fails after queueing
    (measured on a Singapore key). `oss_allowed`: the header X-DashScope-OssResourceResolve came along.
    """
    section, parameters = body.get("input"), body.get("parameters")
    given = section if isinstance(section, dict) else {}
    chosen = parameters if isinstance(parameters, dict) else {}
    wrong = _wrong(body, given, chosen, oss_allowed=oss_allowed)
    prompt = prompt_of(body)[:PROMPT_CHARS]
    fate = next((Failure(*end) for mark, end in _FATES.items() if mark in prompt), None)
    model = str(body["model"])
    if wrong:
        return Order(model, prompt, 0, "", 0, Failure("InvalidParameter", wrong, at_once=True))
    duration = _or(chosen.get("duration"), 5)
    lines = RESOLUTIONS[_or(chosen.get("resolution"), "1080P")]
    return Order(model, prompt, duration, _or(chosen.get("ratio"), "16:9"), lines, fate)


def _or(value: Any, default: Any) -> Any:
    """Null means not given (another public client of this API sends nulls)."""
    return default if value is None else value


def _wrong(
    body: Mapping[str, Any], given: Mapping[str, Any], chosen: Mapping[str, Any], *, oss_allowed: bool
) -> str | None:
    """The first thing wrong with the parameters; unknown keys are none of our business."""
    if not prompt_of(body):
        return "Field required: input.prompt" if given.get("prompt") in (None, "") else _must("input.prompt")
    negative, audio = _or(given.get("negative_prompt"), ""), given.get("audio_url")
    schemes = ("http://", "https://", "oss://") if oss_allowed else ("http://", "https://")
    checks = {
        "parameters": isinstance(_or(body.get("parameters"), {}), dict),
        "input.negative_prompt": isinstance(negative, str),
        "input.audio_url": audio is None or (isinstance(audio, str) and audio.startswith(schemes)),
        "parameters.resolution": _one_of(_or(chosen.get("resolution"), "1080P"), RESOLUTIONS),
        "parameters.ratio": _one_of(_or(chosen.get("ratio"), "16:9"), RATIOS),
        "parameters.duration": _within(_or(chosen.get("duration"), 5), DURATION_S),
        "parameters.seed": _within(_or(chosen.get("seed"), 0), SEED),
        "parameters.prompt_extend": isinstance(_or(chosen.get("prompt_extend"), True), bool),
        "parameters.watermark": isinstance(_or(chosen.get("watermark"), False), bool),
    }
    return next((_must(name) for name, right in checks.items() if not right), None)


def _must(name: str) -> str:
    return f"the parameters must conform to the specification: {name}."


def _one_of(value: object, allowed: Any) -> bool:
    return isinstance(value, str) and value in allowed


def _within(value: object, limits: tuple[int, int]) -> bool:
    """A JSON integer within limits: true and 5.0 are none, though Python would compare them."""
    return isinstance(value, int) and not isinstance(value, bool) and limits[0] <= value <= limits[1]
