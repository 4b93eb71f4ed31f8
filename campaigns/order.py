"""The order of system calls: what must be on the disk itself before what. kill -9 cannot test that.

One strace log of three runs (make two videos; edit a scene; take the edit back) is read against these rules:

R1  when a POST leaves, every byte of the journal is synced, and its intent is among them
R2  when VideoSaved is written, the mp4 and its sidecar are synced, and their names
R3  when a POST leaves, the journal's name is synced, and that of each folder above it that is new
R4  when a video gets its final name, its bytes are synced, and its sidecar is there, synced, by name
R5  when VideoMoved is written, both folders have the new names, synced
R6  when VideoSaved or VideoMoved is written, the names of new folders above the video are synced

Then each sync is taken out in turn: the rules must notice every one.
"""

import asyncio
import re
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import rig

CALLS = (
    "openat,write,pwrite64,fdatasync,fsync,rename,renameat,renameat2,link,linkat,unlink,unlinkat,mkdir,mkdirat,"
    "ftruncate,sendto"
)
LINE = re.compile(r"^(\d+) +(\w+)\((.*)\) += (-?\d+)(.*)$")
UNFINISHED = re.compile(r"^(\d+) +(\w+)\((.*) <unfinished \.\.\.>$")
RESUMED = re.compile(r"^(\d+) +<\.\.\. \w+ resumed>(.*)$")
ON_FD = re.compile(r"^\d+<([^>]*)>")
NAME = re.compile(r'(?:(?:\d+|AT_FDCWD)<([^>]*)>, )?"((?:[^"\\]|\\.)*)"')
POST = "POST /api/v1/services/aigc/video-generation/video-synthesis"
EDITS = (("a red fox", "a grey owl"), ("a blue fox", "a grey owl"), ("a red fox", "a grey owl"))


@dataclass
class Model:
    """What of the output folder would be there after a power cut. Paths are strings."""

    root: str
    files: dict[str, int] = field(default_factory=dict)
    """Name → file (a number), for all names below the root."""
    unsynced: set[int] = field(default_factory=set)
    """Files with bytes that are not on the disk itself."""
    fresh: set[str] = field(default_factory=set)
    """Names that came or went since their folder was synced."""
    intents: int = 0
    posts: int = 0
    broken: list[str] = field(default_factory=list)
    made: int = 0

    @property
    def journal(self) -> str:
        """Where the journal is."""
        return f"{self.root}/journal.jsonl"

    def says(self, rule: str, what: str) -> None:
        """Note that a rule is broken."""
        self.broken.append(f"{rule}: {what.replace(self.root, 'out')}")

    def named(self, path: str, number: int | None) -> None:
        """A name came to stand for a file, or went."""
        self.fresh.add(path)
        if number is None:
            self.files.pop(path, None)
        else:
            self.files[path] = number

    def new(self, path: str) -> None:
        """A file or folder was made."""
        self.made += 1
        self.named(path, self.made)

    def folders(self, path: str) -> list[str]:
        """Return the folders above a path, down from the root, whose own names are not synced."""
        above = [str(parent) for parent in Path(path).parents if str(parent).startswith(self.root)]
        return [folder for folder in above if folder in self.fresh]

    def step(self, call: str, args: str) -> None:
        """Follow one call that has succeeded."""
        on = ON_FD.match(args)
        fd = on.group(1) if on else ""
        named = [str(Path(folder or "/", name)) for folder, name in NAME.findall(args)]
        paths = [path for path in named if path.startswith(self.root)]
        if call == "sendto" and POST in args[:200]:
            self.post()
        elif call == "openat" and paths:
            self.opened(paths[0], args)
        elif call in {"write", "pwrite64", "ftruncate"} and fd.startswith(self.root):
            if fd == self.journal and call == "write":
                self.journaled(args)
            self.unsynced.add(self.files.get(fd, 0))
        elif call in {"fsync", "fdatasync"} and fd.startswith(str(Path(self.root).parent)):
            self.unsynced.discard(self.files.get(fd, 0))
            self.fresh = {path for path in self.fresh if str(Path(path).parent) != fd}
        elif call in {"rename", "renameat", "renameat2", "link", "linkat"} and len(paths) == 2:
            self.moved(paths[0], paths[1], stays="link" in call)
        elif call in {"unlink", "unlinkat"} and paths:
            self.files.pop(paths[0], None)
        elif call in {"mkdir", "mkdirat"} and paths:
            self.new(paths[0])

    def opened(self, path: str, args: str) -> None:
        """A file was opened, and made if it was not there."""
        if "O_CREAT" in args and path not in self.files:
            self.new(path)
        if "O_TRUNC" in args:
            self.unsynced.add(self.files[path])

    def moved(self, old: str, new: str, *, stays: bool) -> None:
        """A file got another name."""
        if new.endswith(".mp4") and old.endswith(".part"):
            self.check_named(old, new)
        number = self.files.get(old, 0)
        self.named(new, number)
        if not stays:
            self.named(old, None)

    def post(self) -> None:
        """A create call leaves: money."""
        self.posts += 1
        if self.files.get(self.journal, 0) in self.unsynced or self.journal not in self.files:
            self.says("R1", "a POST leaves before the journal is synced")
        if self.intents < self.posts:
            self.says("R1", "a POST leaves without an intent")
        if self.journal in self.fresh:
            self.says("R3", "a POST leaves before the journal's name is synced")
        for folder in self.folders(self.journal):
            self.says("R3", f"a POST leaves before the name of the new folder {folder} is synced")

    def journaled(self, args: str) -> None:
        """A line is written to the journal."""
        self.intents += args.count(r"\"event\":\"SubmitIntended\"")
        found = re.search(r'\\"event\\":\\"Video(Saved|Moved)\\".*?\\"path\\":\\"(.+?)\\"', args)
        if not found:
            return
        rule, video = ("R2" if found[1] == "Saved" else "R5"), f"{self.root}/{found[2]}"
        for path in (video, str(Path(video).with_suffix(".json"))):
            self.check_durable(rule, path)
        if found[1] == "Moved":
            for path in sorted(self.fresh):
                if path.endswith((".mp4", ".json")) and "/." not in path:
                    self.says("R5", f"a moved video is written down before {path} is synced away or there")
        for folder in self.folders(video):
            self.says("R6", f"Video{found[1]} is written before the name of the new folder {folder} is synced")

    def check_named(self, part: str, final: str) -> None:
        """A video gets its final name."""
        if self.files.get(part, 0) in self.unsynced:
            self.says("R4", f"{final} gets its name before its bytes are synced")
        self.check_durable("R4", str(Path(final).with_suffix(".json")))

    def check_durable(self, rule: str, path: str) -> None:
        """A file must be there after a power cut, but for the folders above it."""
        if path not in self.files:
            self.says(rule, f"{path} is not there")
        elif self.files[path] in self.unsynced:
            self.says(rule, f"the bytes of {path} are not synced")
        elif path in self.fresh:
            self.says(rule, f"the name of {path} is not synced")


def follow(model: Model, log: Path) -> None:
    """Follow a strace log. A call counts when it ended; a send, when it began."""
    begun: dict[str, tuple[str, str]] = {}
    for raw in log.read_text("utf-8", "replace").splitlines():
        if cut := UNFINISHED.match(raw):
            begun[cut[1]] = (cut[2], cut[3])
            if cut[2] == "sendto":
                model.step("sendto", cut[3])
            continue
        resumed = RESUMED.match(raw)
        if resumed and resumed[1] in begun:
            call, args = begun.pop(resumed[1])
            if call == "sendto":
                continue
            line = LINE.match(f"{resumed[1]} {call}({args}{resumed[2]}")
        else:
            line = LINE.match(raw)
        if line and int(line[4]) >= 0:
            model.step(line[2], line[3])


async def three_runs(folder: Path, site: str) -> tuple[list[str], list[str]]:
    """Make, edit and restore under strace, without one sync; return the broken rules, and the sites reached."""
    model, reached, log = Model(str(folder / "out")), folder / "sites.txt", folder / "log.txt"
    driver = [sys.executable, str(Path(__file__).with_name("mutant.py")), site, str(reached)]
    async with rig.fresh(0) as simulator:
        for prompts in EDITS:
            words = rig.run_words(rig.write_manifest(folder, prompts), simulator)[1:]
            trace = ["strace", "-f", "-qq", "-y", "-s", "1500", "-o", str(log), "-e", f"trace={CALLS}", "--"]
            ended = await rig.life([*trace, *driver, *words])
            if ended.code:
                model.says("R0", f"exit {ended.code}: {ended.said[-300:]}")
            follow(model, log)
    if model.posts != 3:
        model.says("R0", f"{model.posts} POSTs were seen, not 3")
    return model.broken, sorted(set(reached.read_text("utf-8").splitlines()))


async def campaign(folder: Path, jobs: int) -> tuple[list[str], dict[str, list[str]]]:
    """Return the rules that the program breaks, and for each sync what is broken without it and not with it.

    Syncs that are not missed alone, because another does the same again, are taken out together.
    """
    (folder / "whole").mkdir()
    broken, sites = await three_runs(folder / "whole", "none")
    gate = asyncio.Semaphore(max(1, jobs))

    async def missed(number: int, site: str) -> list[str]:
        base = folder / str(number)
        base.mkdir()
        async with gate:
            without, _ = await three_runs(base, site)
        return sorted((Counter(without) - Counter(broken)).keys())

    rules = await asyncio.gather(*(missed(number, site) for number, site in enumerate(sites)))
    caught = dict(zip(sites, rules, strict=True))
    spared = [site for site, rules in caught.items() if not rules]
    if len(spared) > 1:
        together = await missed(len(sites), ",".join(spared))
        caught |= {site: [f"only together: {rule}" for rule in together] for site in spared}
    return broken, caught


def main() -> int:
    """Run the campaign; return its exit code."""
    asked = rig.arguments(__doc__ or "", runs=1)
    rig.heading("order", asked.seed)
    if not rig.can_trace():
        print(rig.UNTRACED)
        return 0
    verdict, found = rig.Verdict(), {}

    async def one(folder: Path) -> rig.Verdict:
        broken, caught = await campaign(folder, asked.jobs)
        found.update(caught)
        verdict.faults += sorted(set(broken))
        verdict.faults += [f"nobody notices that {site} is gone" for site, rules in caught.items() if not rules]
        return verdict

    asyncio.run(rig.in_parallel([one], 1))
    noticed = sum(bool(rules) for rules in found.values())
    rows = {site: rules[0] if rules else "NOT NOTICED" for site, rules in found.items()}
    rig.table("order of system calls", {"syncs": len(found), "noticed when taken out": noticed} | rows)
    return rig.finish(verdict)


if __name__ == "__main__":
    sys.exit(main())
