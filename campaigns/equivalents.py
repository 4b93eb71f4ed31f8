# ruff: noqa: E501 - a mutant's name is what it is
"""Changes of `wanbatch/jobs/` that no test can notice, for `campaigns/mutation.py`. Data, with a reason for each."""

NAMES_ONLY = {
    "board.Action": ("SUBMIT", "POLL", "RECONCILE", "CANCEL", "FETCH"),
    "seen.Kind": ("SCENE", "RATE", "ALLOCATION", "MODERATION", "SERVICE", "ACCOUNT"),
    "seen.Lost": ("RETRY", "GONE", "DISK", "TAKEN"),
}
"""Enumerations of which the members are told apart, and the values are read by nobody."""
EQUIVALENT: dict[str, str] = {
    f"{kind}: {name} = '{name.lower()}' → {name} = '{name.lower()}XX'": "only which member it is counts"
    for kind, names in NAMES_ONLY.items()
    for name in names
} | {
    "policy.poll_after: age = now - (job.submitted_at or now) → age = now - job.submitted_at": "whatever is asked about was submitted: `or` is for the type only",
    "policy.deadline: forgotten = (job.submitted_at or job.planned_at) + TASK_LIFE_S → forgotten = job.submitted_at + TASK_LIFE_S": "whatever is asked about was submitted: `or` is for the type only",
    "plan.unknown: arlier, key=lambda job: job.submitted_at or 0.0) → arlier, key=lambda job: job.submitted_at)": "whatever is asked about was submitted: `or` is for the type only",
    "plan.unknown: er, key=lambda job: job.submitted_at or 0.0) → er, key=lambda job: job.submitted_at or 1.0)": "whatever is asked about was submitted: `or` is for the type only",
    "plan.entry: if kind is Kind.DONE and job is not None and isinstance(job.state, Done): → if kind is Kind.DONE and isinstance(job.state, Done):": "the kind says so already: the check is for the type only",
    "plan.entry: if kind is Kind.DONE and job is not None and isinstance(job.state, Done): → if kind is Kind.DONE and job is not None:": "the kind says so already: the check is for the type only",
    "plan.entry: if kind is Kind.FETCH and job is not None and isinstance(job.state, Done): → if kind is Kind.FETCH and isinstance(job.state, Done):": "the kind says so already: the check is for the type only",
    "policy.judge_task: ttempts = getattr(job.state, 'attempt', 0) → ttempts = getattr(job.state, 'attempt', 1)": "only a task that is waited for can fail, and it has an attempt",
    "repair.keys_of: if line is not None and line.job is not None: → if line is not None:": "lines without a job were passed over before: the check is for the type only",
    "repair.keys_of: if line is not None and line.job is not None: → if line is not None and line.job is None:": "the pattern finds the same name in a line that reads as one",
    "repair.outline_in: ne = line.fields.get('outline') if line and line.event == 'Planned' else None → ne = line.fields.get('outline') if line else None": "no other event has an outline",
    "journal.__init__: self.board = Board() → pass": "what is opened is loaded before anybody has it",
    "journal.__init__: self.torn_bytes = 0 → pass": "what is opened is loaded before anybody has it",
    "journal.__init__: self.torn_bytes = 0 → self.torn_bytes = 1": "what is opened is loaded before anybody has it",
    "journal.lines_of: while offset < len(content): → while offset <= len(content):": "an empty rest is no whole line, and a torn one of no bytes",
    "journal.lines_of: raw = content[offset:end if end >= 0 else len(content)] → raw = content[offset:end if end > 0 else len(content)]": "a first line of no bytes is damaged, whatever is taken for it",
    "journal.lines_of: raw = content[offset:end if end >= 0 else len(content)] → raw = content[offset:end if end >= 1 else len(content)]": "a first line of no bytes is damaged, whatever is taken for it",
    "journal.lines_of: offset = end + 1 if end >= 0 else len(content) → offset = end + 1 if end > 0 else len(content)": "a first line of no bytes is damaged, whatever is taken for it",
    "journal.lines_of: offset = end + 1 if end >= 0 else len(content) → offset = end + 1 if end >= 1 else len(content)": "a first line of no bytes is damaged, whatever is taken for it",
    "lock.named_holder: break → continue": "looks a few times more, without waiting, at what does not change",
    "lock.holder: start = content.rindex(b'\\n', 0, content.rindex(b'\"event\":\"RunStarted\"' → start = content.rindex(b'\\n', 1, content.rindex(b'\"event\":\"RunStarted\"'": "no line break stands at the very beginning of a journal",
    "orphans.hash_of: return '' → return 'XX'": "neither is the hash of a text",
    "board.note_oddity: self.oddities.pop(key, None) → pass": "a first oddity counts one, whatever was seen before it",
    "plan.plan: n Plan((*looked, *beside(keys, asked_for or keys, board))) → n Plan((*looked, *beside(keys, asked_for, board)))": "what is wanted was passed over before",
    "folder.whereabouts: = (path for path in (*asides, final) if path != job.state.path and is_at(folder, job, path, unmarked=False) → = (path for path in (*asides, final) if is_at(folder, job, path, unmarked=False)": "where it should be it was looked for before, and was not",
}
"""Mutants that no test can catch, since nothing that anybody can see differs, and why. Counted apart."""
