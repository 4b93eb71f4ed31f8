"""What differs between two readings of a manifest: take by take, by the request that would be sent."""

from support import wanted

from wanbatch.manifest.changes import Changes, changes


def told(before, now):
    found = changes(before, now)
    changed = {one.wanted.key.stem: one.fields for one in found.changed}
    return [one.key.stem for one in found.new], changed, [key.stem for key in found.removed], found.unchanged


def test_equal_readings_differ_in_nothing():
    ones = [wanted("alley"), wanted("roof")]
    assert changes(ones, list(reversed(ones))) == Changes(unchanged=2)


def test_new_changed_and_removed_takes_are_told_apart():
    before = [wanted("alley"), wanted("roof"), wanted("cellar")]
    now = [wanted("pier"), wanted("roof", resolution="1080P", prompt="x"), wanted("alley")]
    assert told(before, now) == (["pier"], {"roof": ("prompt", "resolution 720P → 1080P")}, ["cellar"], 1)


def test_what_is_not_sent_makes_no_difference():
    assert told([wanted("alley")], [wanted("alley", title="T", tags=["a"])]) == ([], {}, [], 1)


def test_a_form_that_no_hash_shows_is_a_change():
    """Composed or not: the same text to readers and to the hash, other bytes to the service."""
    before, now = wanted("alley", seed=1, prompt="caf\u00e9"), wanted("alley", seed=1, prompt="cafe\u0301")
    assert told([before], [now])[1] == {"alley": ("the form of a text",)}
