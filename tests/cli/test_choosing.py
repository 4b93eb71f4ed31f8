"""pick and reroll at the same time: what one of them wrote is never lost by the other."""

import fcntl
import os
from threading import Thread

import pytest
from cli.stage import PATIENCE_S, start
from cli.takes import MATRIX, picks

from wanbatch.cli.choosing import here, write
from wanbatch.errors import Exit, WanbatchError
from wanbatch.manifest import picks as file
from wanbatch.manifest.assemble import Reading
from wanbatch.manifest.check import load
from wanbatch.manifest.model import Picks

HELD_S = 0.5
"""How long a lock is held: a writer that ignores it is done by then."""


@pytest.fixture
def film(in_tmp):
    """A manifest with takes."""
    (in_tmp / "film.yaml").write_text(MATRIX, "utf-8")
    return in_tmp / "film.yaml"


def test_what_was_chosen_since_it_was_read_is_not_overwritten(film, in_tmp):
    first, second = (here(film, Reading(), None) for _ in range(2))
    write(first, Picks({"alley": 2}, {}))
    with pytest.raises(WanbatchError, match="changed by another command meanwhile; nothing was changed") as raised:
        write(second, Picks({"roof": 1}, {}))
    assert raised.value.exit_code is Exit.STATE
    assert picks(in_tmp) == "wanbatch_picks: 1\npicks:\n  alley: 2\n"
    write(here(film, Reading(), None), Picks({"alley": 2, "roof": 1}, {}))
    assert load(film).picks == Picks({"alley": 2, "roof": 1}, {})


def test_who_writes_waits_for_who_is_writing_and_then_looks_again(film, in_tmp):
    found, said = here(film, Reading(), None), []

    def choose():
        try:
            write(found, Picks({"roof": 1}, {}))
        except WanbatchError as error:
            said.append(error.exit_code)

    folder = os.open(in_tmp, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    other = Thread(target=choose)
    other.start()
    other.join(HELD_S)
    file.write(found.picks_path, Picks({"alley": 2}, {}))
    os.close(folder)
    other.join(PATIENCE_S)
    assert said == [Exit.STATE]
    assert load(film).picks == Picks({"alley": 2}, {})


def test_of_many_rerolls_at_once_none_is_lost_unless_it_says_so(film):
    processes = [start("reroll", film, "roof") for _ in range(6)]
    said = [(process.communicate(timeout=PATIENCE_S)[1], process.returncode) for process in processes]
    written = [text for text, code in said if code == 0]
    assert {code for _, code in said} <= {0, 9}, said
    assert all("nothing was changed\n  the same command again does it\n" in text for text, code in said if code)
    assert load(film).picks.takes == {"roof": 1 + len(written)}
