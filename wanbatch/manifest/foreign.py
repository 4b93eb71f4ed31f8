"""What people bring from elsewhere: fields of wan2.6, request bodies, other tools' words, full-width characters.

Recognises it and says what to write instead. Knows the language's keys and the service's sizes; no places, no schema.
"""

import math
import re
import unicodedata
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

IN_SCENE = ("id", "title", "tags", "intro", "shots", "prompt", "prompt_file", "matrix")
IN_BOTH = (
    "model", "resolution", "ratio", "duration", "seed", "negative_prompt", "audio_url", "prompt_extend", "watermark",
    "language", "style", "takes",
)  # fmt: skip
IN_SHOT = ("framing", "seconds")
IN_RUN = (
    "concurrency", "downloads", "poll_interval_s", "settle_s", "on_absent", "on_change", "budget", "accounts", "retries"
)  # fmt: skip
AT_TOP = ("wanbatch", "name", "run", "vars", "profiles", "defaults", "scenes")
KEYS = frozenset((*IN_SCENE, *IN_BOTH, *IN_SHOT, *IN_RUN, *AT_TOP, "include", "models", "per_run", "per_day"))
"""Every key that a line of a manifest may start with, but for names of the user's own."""

BELONGS = {
    **dict.fromkeys(IN_SCENE, "in a scene, below `scenes:`"),
    **dict.fromkeys(IN_BOTH, "in a scene, or below `defaults:` for all scenes"),
    **dict.fromkeys(IN_SHOT, "in a shot, below `shots:`"),
    **dict.fromkeys(IN_RUN, "below `run:`"),
    **dict.fromkeys(("vars", "profiles", "defaults"), "at the top of the manifest, in its first column"),
    "include": "in an entry of its own: `- include: more/*.yaml`, below `scenes:`",
}
"""Keys of the language that somebody has written in another part of it: where each belongs."""

ONLY_27 = "wan2.7 has no such setting"
TEXT = "the text of a scene or a shot is its `prompt`"
Rows = tuple[tuple[str, str, str], ...]


def by_word(rows: Rows) -> dict[str, tuple[str, str]]:
    """Return for each word of some rows the key that is meant, and what to say."""
    return {word: (meant, hint) for words, meant, hint in rows for word in words.split()}


TOP = by_word((
    ("prompts clips videos jobs tasks requests items batch entries segments shots 场景 视频", "scenes",
     "the videos to make stand below `scenes:`, each starting with `- id: `"),
    ("version", "wanbatch", "the first line is `wanbatch: 1`"),
    ("variables env params 变量", "vars", "variables stand below `vars:`"),
    ("common global globals shared settings base parameters 默认", "defaults",
     "what holds for every scene stands below `defaults:`"),
    ("project title", "name", "the name of the output folder is `name`"),
    ("include includes import imports files", "",
     "an entry of `scenes:` takes in other files: `- include: more/*.yaml`"),
    ("region api_key key account endpoint base_url workspace", "",
     "keys, hosts and accounts stay out of a manifest: they stand in the environment, or in the configuration"),
))  # fmt: skip
SCENE = by_word((
    ("name key 编号", "id", "a scene's short name is its `id`; free text for people is its `title`"),
    ("text description content caption 提示词 描述", "prompt", TEXT),
    ("prompt_path file text_file prompt_from", "prompt_file", "a text from a file is `prompt_file: prompts/alley.txt`"),
    ("length duration_s duration_seconds secs 时长", "duration", "write `duration`, in seconds"),
    ("aspect_ratio aspect aspectratio 比例 画幅", "ratio", "write `ratio`"),
    ("quality definition 分辨率", "resolution", "write `resolution: 720P` or 1080P"),
    ("negative neg_prompt negativeprompt 反向提示词 负面提示词", "negative_prompt", "write `negative_prompt`"),
    ("audio sound music bgm 音频", "audio_url",
     "a sound of your own is `audio_url: https://…`; what else is to be heard goes into the prompt"),
    ("segments cuts clips parts storyboard 镜头 分镜", "shots", "the timed parts of a scene are its `shots`"),
    ("n count num_videos repeat repeats variations samples batch_size", "takes",
     "several videos of one scene are its `takes: 3`; each is billed"),
    ("random_seed noise_seed 种子", "seed", "write `seed`"),
    ("prefix suffix", "style", "text around the prompt is `style: {prefix: …, suffix: …}`"),
    ("tag labels label 标签", "tags", "write `tags: [teaser, night]`"),
    ("标题", "title", "write `title`"),
    ("foreach for_each combinations grid sweep strategy", "matrix",
     "write `matrix`, and below it a list for each axis"),
    ("includes import", "include", "scenes from other files are an entry of their own: `- include: more/*.yaml`"),
    ("prompts", "prompt",
     "one scene for each prompt, `- id: a-name` and below it `prompt: …`; or a `matrix` of what differs"),
    ("extends inherit inherits inherit_from template use", "",
     "what scenes share stands below `defaults:`; a block marked `&base` is taken over by `<<: *base`"),
    ("enabled disabled skip if when active only", "",
     "a scene is left out on the command line: `--select=-id`; or make its lines comments"),
    ("depends_on needs requires after", "", "scenes do not wait for each other: their order is that of the list"),
    ("extend_prompt", "prompt_extend", "write `prompt_extend`"),
    ("input", "prompt", "the texts stand in the scene itself: prompt, negative_prompt, audio_url"),
    ("shot_type", "", "wan2.7 has no shot_type: write `shots`, or describe the shots in the prompt"),
    ("parameters", "", "the parameters stand in the scene itself: resolution, ratio, duration, seed, …"),
    ("fps frames num_frames frame_rate", "",
     f"{ONLY_27}: its videos have 30 frames a second; their length is `duration`"),
    ("cfg cfg_scale guidance guidance_scale steps num_inference_steps sampler scheduler motion shift camera_motion", "",
     f"{ONLY_27}: what it should look like goes into the prompt"),
    ("image img_url image_url first_frame first_frame_url last_frame_url reference reference_images media", "",
     "wanbatch makes videos from text alone: describe the picture in the prompt"),
    ("output out filename path", "", "the video's file is named after the `id`: videos/<id>.mp4"),
))  # fmt: skip
STYLE = by_word((
    ("before start pre prepend 前缀", "prefix", "what stands before the prompt is the style's `prefix`"),
    ("after end post append text prompt 后缀", "suffix", "what stands after the prompt is the style's `suffix`"),
))  # fmt: skip
PROFILE = by_word((
    ("defaults settings", "", "write its keys in the profile itself: `draft: {resolution: 720P}`"),
))  # fmt: skip
SHOT = by_word((
    ("text description content action visual 提示词 描述 画面", "prompt", TEXT),
    ("camera shot shot_type type size angle 景别", "framing", "write `framing`"),
    ("duration length secs 时长", "seconds", "a shot's length is its `seconds`"),
    ("time timestamp start end from to range", "seconds",
     "a shot says how long it lasts: `seconds: 3`; when it starts follows from those before"),
    ("id name number index shot_id", "", "a shot has no name: its number is its place in the list"),
))  # fmt: skip
"""Keys of wan2.6, of a request body, of other tools: what each is here, and how to say it."""

SIZE = re.compile(r"\s*([1-9][0-9]{2,3})\s*[*xX×✕＊,]\s*([1-9][0-9]{2,3})\s*\Z")
RATIOS = {"16:9": 16 / 9, "9:16": 9 / 16, "1:1": 1.0, "4:3": 4 / 3, "3:4": 3 / 4}
EXACT = {(1280, 720), (720, 1280), (960, 960), (1104, 832), (832, 1104), (1088, 832), (832, 1088), (1920, 1080),
         (1080, 1920), (1440, 1440), (1648, 1248), (1248, 1648), (1632, 1248), (1248, 1632)}  # fmt: skip
"""The sizes of wan2.7 and of wan2.6 (its create-task page and the reference of wan2.1 to 2.6, 2026-08-15)."""
LARGER = 1_382_000
"""Pixels: the geometric mean of 1280 × 720 and 1920 × 1080. What has more is nearer to 1080P."""
ASPECT = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*[:/xX×*：∶比-]\s*([0-9]+(?:\.[0-9]+)?)\s*\Z")
CLOCK = re.compile(r"(?:0?0:)?0?0:([0-9]{1,2})(?:\.0+)?\Z")
SPELLED = {
    "ratio": by_word((
        ("landscape horizontal wide widescreen 横屏 横版", "16:9", "write 16:9"),
        ("portrait vertical 竖屏 竖版", "9:16", "write 9:16"),
        ("square 方形", "1:1", "write 1:1"),
    )),
    "resolution": by_word((
        ("hd low 高清", "720P", "write 720P"),
        ("sd 360p 480p 540p 480 540", "720P", "write 720P, the smallest there is"),
        ("fhd fullhd high 超清", "1080P", "write 1080P"),
        ("2k 4k 8k uhd 1440p 2160p", "1080P", "write 1080P, the largest there is"),
    )),
    "language": by_word((
        ("english en-us en-gb eng", "en", "write en"),
        ("chinese cn zh-cn zh_cn 中文 汉语", "zh", "write zh"),
    )),
}  # fmt: skip
"""Words for values, the value that is meant, and what to say."""

BRACKETS = str.maketrans("【】〔〕「」『』“”„‟‘’‚、。《》", '[][][][]""""\'\'\'' + ",.<>")
STRUCTURE = "：，｛｝［］【】＂＇－＃　"
"""Full-width characters that look like YAML's own, and are nothing but text to it."""


class Odd(NamedTuple):
    """Something in the text itself that YAML reads otherwise than it was meant: where, what, and what to write."""

    start: int
    message: str
    hint: str


def plain(text: str) -> str:
    """Return `text` with half-width characters in place of full-width ones, and straight quotes."""
    return unicodedata.normalize("NFKC", text).translate(BRACKETS).strip()


def listed(text: str) -> str:
    """Return a text that holds several words as a list of the language."""
    parts = plain(text).strip("[](){}").split(",")
    return f"[{', '.join(part.strip().strip(chr(34)) for part in parts)}]"


def of_size(written: str) -> str:
    """Return the resolution and the ratio that a size in pixels stands for, as two lines; empty for no size."""
    match = SIZE.match(written)
    if match is None:
        return ""
    across, down = int(match[1]), int(match[2])
    resolution = "1080P" if across * down > LARGER else "720P"
    return f"`resolution: {resolution}` and `ratio: {nearest_ratio(across / down)}`"


def nearest_ratio(aspect: float) -> str:
    """Return the ratio that a picture's width divided by its height is nearest to."""
    return min(RATIOS, key=lambda name: abs(math.log(RATIOS[name] / aspect)))


def sized(written: str) -> str:
    """Say what to write instead of a size; empty for what is none."""
    said, match = of_size(written), SIZE.match(written)
    if not said or match is None:
        return ""
    exact = (int(match[1]), int(match[2])) in EXACT
    return f"write {said}" if exact else f"the nearest is {said}"


def value_hint(name: str, value: object) -> str:
    """Say what to write for a value of another tool's; empty for one that says nothing."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    written = plain(str(value)).strip("\"'")
    if said := SPELLED.get(name, {}).get(written.casefold().replace(" ", "")):
        return said[1]
    match name:
        case "resolution" | "ratio" if size := sized(written):
            return size
        case "ratio" if match := ASPECT.match(written):
            return of_aspect(float(match[1]), float(match[2]), written)
        case "ratio" if isinstance(value, float) and 0.2 < value < 5:
            return of_aspect(value, 1.0, written)
        case "seed":
            return "leave the line out: a seed is then derived from the id, always the same" if written in {
                "random", "-1", "auto", "none", "随机"
            } else ""  # fmt: skip
        case "duration" | "seconds" if written.endswith("%"):
            return "a share of the video has no meaning here: write seconds"
        case "duration" | "seconds" if match := CLOCK.match(written):
            return f"write {int(match[1])}: a length is in seconds"
        case "duration" | "seconds" if ASPECT.match(written):
            return "write one number: how long it lasts, in seconds"
    return ""


def of_aspect(across: float, down: float, written: str) -> str:
    """Say which ratio is meant by two numbers."""
    if not down or not 0.01 < across / down < 100:
        return ""
    meant = nearest_ratio(across / down)
    if math.isclose(RATIOS[meant], across / down, rel_tol=0.01):
        return f"write {meant}" if written != meant else ""
    return f"did you mean {meant}? one of {', '.join(RATIOS)}"


def meaning(key: str, value: object, known: Collection[str]) -> tuple[str, str]:
    """Return the key that an unknown one was meant to be, and what to write; empty where nothing is known of it."""
    if stuck := glued(key, known):
        return stuck
    if key == "size" and "resolution" in known:
        said = sized(value) if isinstance(value, str) else ""
        return "resolution", f"{said or 'write `resolution` (720P, 1080P) and `ratio` (16:9 …)'}; `size` is wan2.6's"
    if key == "parameters" and isinstance(value, dict) and "resolution" in known:
        return "", f"write its keys in the scene itself: {as_scene(value) or 'resolution, ratio, duration, seed'}"
    if key in ("width", "height") and "resolution" in known:
        return "", "the size is `resolution` (720P, 1080P) and `ratio` (16:9 …)"
    table = table_of(known)
    meant, hint = table.get(key.casefold(), ("", ""))
    if hint and (not meant or meant in known):
        return meant, hint
    return "", f"`{key}` belongs {BELONGS[key]}" if key in BELONGS else ""


def table_of(known: Collection[str]) -> Mapping[str, tuple[str, str]]:
    """Return the foreign words of the block that has these keys."""
    if "seconds" in known:
        return SHOT
    if "resolution" in known:
        return SCENE if "id" in known else {**SCENE, **PROFILE}
    if "scenes" in known:
        return TOP
    return STYLE if "suffix" in known else {}


def glued(key: str, known: Collection[str]) -> tuple[str, str] | None:
    """Return the key and the words for one that its value, or a character that looks like YAML's, has stuck to."""
    if key.isascii() and ":" not in key:
        return None
    straight = plain(key).strip("\"'{[- ")
    name, colon, rest = straight.partition(":")
    if key[:1] in WIDE_SPACES and name in KEYS:
        return name, f"indent with ordinary spaces: U+{ord(key[0]):04X} is no space to YAML"
    if name not in known or name == key:
        return None
    if not colon:
        return name, f"write `{name}:` with ordinary characters"
    wide = "a half-width colon and a space after it" if "：" in key else "a space after the colon"
    return name, f"write `{name}: {rest.strip()[:30] or '…'}`, with {wide}"


STUCK = re.compile(r"[\"']?([a-z_]{2,20})[\"']?[ \t]*(：|:(?=[^\s:/]))")
"""The start of a text that would be a key and its value, were it not for the colon."""


def keyed(text: str) -> Odd | None:
    """Return what keeps a text from being a key with its value; None for a text that does not start like a key."""
    match = STUCK.match(text)
    return odd(match) if match and match[1] in KEYS else None


def odd(match: re.Match[str]) -> Odd:
    """Return what is wrong with a key's colon."""
    name, colon = match[1], match[2]
    if colon == "：":
        message, hint = f"a full-width colon after `{name}`", "with a half-width colon and a space after it"
    else:
        message, hint = f"no space after the colon of `{name}`", "with a space after the colon"
    return Odd(match.start(2), message, f"write `{name}: …`, {hint}")


DASHED = re.compile(r"[ \t]*(-)([a-z_]{2,20})[ \t]*:(?:\s|\Z)")


def stuck_near(text: str, at: int) -> Odd | None:
    """Return what makes a text of a complaint's line or the one above: a key stuck to its dash or its value."""
    begin = text.rfind("\n", 0, at) + 1
    above = text[:begin].rstrip()
    for start in (begin, above.rfind("\n") + 1):
        line = text[start:].split("\n", 1)[0]
        if (dashed := DASHED.match(line)) and dashed[2] in KEYS:
            hint = f"write `- {dashed[2]}: …`, with a space after the dash"
            return Odd(start + dashed.start(1), f"no space after the dash of `{dashed[2]}`", hint)
        content = line.lstrip(" \t-")
        if not content.startswith(("'", '"')) and (found := keyed(content)):
            return found._replace(start=start + len(line) - len(content) + found.start)
    return None


WIDE_KEY = re.compile(r"^[ \t]*(?:- +)*[\"'“]?([A-Za-z_]{2,20})[\"'”]?[ \t]*(：)", re.MULTILINE)
WIDE_COMMA = re.compile(r"[{\[][^\n]*?(，)[ ]*[\"']?[A-Za-z_]{2,20}[\"']?[ ]*[:：]")
WIDE_SPACE = re.compile(r"^[ \t]*([\u00a0\u2000-\u200a\u202f\u3000])", re.MULTILINE)
WIDE_START = re.compile(
    r"^[ \t]*(?:- +)?([\u00a0\u2000-\u200a\u202f\u3000])\s*(?:[-－] *)?[a-z_]{2,20} *[:：]", re.MULTILINE
)
WIDE_DASH = re.compile(r"^[ \t]*([－‐–—−])[ \t\u3000]*[a-z_]{2,20}[ \t]*[:：]", re.MULTILINE)
WIDE_QUOTE = re.compile(r"(?::|-|,|\[|\{)[ ]+([“”„‘’「『＂])")
WIDE_BRACKET = re.compile(r"(?:^[ \t]*|:[ ]+|-[ ]+|,[ ]*)([｛［【])", re.MULTILINE)
SPACE, SPACES = "a space that YAML does not know, U+{:04X}", "indent with ordinary spaces"
WIDE_SPACES = "\u00a0\u2002\u2003\u202f\u3000"
BRACKETS_HINT = "write [ ] for a list and { } for a block, with half-width commas and colons"
ABOVE = 400
"""Characters above a complaint of YAML's in which its cause is looked for: some lines."""


def odd_near(text: str, start: int, at: int) -> Odd | None:
    """Return what in the lines before a complaint of YAML's only looks like YAML; the last such thing.

    `start` is where the parser began what it could not end, `at` where it stopped.
    """
    first = text.rfind("\n", 0, max(0, min(start, at - ABOVE))) + 1
    end = text.find("\n", at)
    lines = text[first : end if end >= 0 else len(text)]
    if lines.isascii():
        return None
    found = [odd(match) for match in WIDE_KEY.finditer(lines) if match[1] in KEYS]
    last = lines.rfind("\n", 0, max(0, min(start, at) - first)) + 1
    above = lines.rfind("\n", 0, len(lines[:last].rstrip())) + 1
    for pattern, begin, message, hint in (
        (WIDE_COMMA, last, "{} is no comma to YAML", "write a half-width comma and a space after it"),
        (WIDE_SPACE, last, SPACE, SPACES),
        (WIDE_START, above, SPACE, SPACES),
        (WIDE_DASH, above, "{} is no dash to YAML", "write a half-width - and a space after it"),
        (WIDE_QUOTE, last, "{} is no quote to YAML", "write straight quotes, \"…\" or '…', around the text"),
        (WIDE_BRACKET, last, "{} is no bracket to YAML", BRACKETS_HINT),
    ):
        for match in pattern.finditer(lines, begin):
            char: str | int = ord(match[1]) if "04X" in message else match[1]
            found.append(Odd(match.start(1), message.format(char), hint))
    place = max(found, default=None)
    return place._replace(start=first + place.start) if place else None


def as_scene(parts: Mapping[str, Any]) -> str:
    """Return the fields of a request as a scene would say them, in words for a hint."""
    said = []
    for name, value in parts.items():
        if name == "size":
            said.append(of_size(str(value)) or "`resolution: …`, `ratio: …`")
        elif name in ("prompt", "negative_prompt", "audio_url"):
            said.append(f"`{name}: …`")
        elif name in IN_BOTH and isinstance(value, str | int):
            said.append(f"`{name}: {str(value).lower() if isinstance(value, bool) else value}`"[:40])
    return ", ".join(said)


def request_body(value: object) -> bool:
    """Say whether a value is the body of a request to the service, or what stands in a call of its SDK."""
    if not isinstance(value, dict) or not isinstance(value.get("input"), dict):
        return False
    return bool({"model", "parameters"} & value.keys()) or "prompt" in value["input"]


def body_hint(body: Any, *, whole: bool) -> str:
    """Say how a request's body is written as a scene."""
    settings = body.get("parameters")
    model = {"model": body["model"]} if str(body.get("model", "")).startswith("wan2.7") else {}
    flat = as_scene({**body["input"], **model, **(settings if isinstance(settings, dict) else {})})
    if whole:
        return f"write `wanbatch: 1`, then `scenes:` and below it `- id: a-name`, {flat}"
    return f"write its fields in the scene itself: {flat}"


def answer(value: object) -> bool:
    """Say whether a value is what the service answered."""
    return isinstance(value, dict) and isinstance(value.get("output"), dict) and "request_id" in value
