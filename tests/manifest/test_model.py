"""Keys that can be read back, outlines that give no prompt away, differences in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import request

from wanbatch.manifest.model import JobKey, differences, text_hash

IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True)


@given(IDS, st.integers(1, 10**6), st.from_regex(r"[0-9a-f]{12}", fullmatch=True))
def test_a_key_is_read_back_as_it_was_written(scene, take, digest):
    key = JobKey(scene, take, digest)
    assert JobKey.parse(str(key)) == key


@pytest.mark.parametrize("text", ["", "a", "a/1", "a/x/0", "a/1_0/0", "a/ 1/0", "a/01/0", "a/+1/0", "a/１/0", "a//0"])
def test_nothing_else_is_read_as_a_key(text):
    with pytest.raises(ValueError, match=r".+"):
        JobKey.parse(text)


def test_the_first_take_is_named_after_the_scene_and_others_after_their_number_too():
    assert JobKey("alley", 1, "0").stem == "alley"
    assert JobKey("alley", 2, "0").stem == "alley.t2"


def test_an_outline_holds_every_field_but_no_text():
    outline = request("alley", negative_prompt="secret", audio_url="https://example.com/secret.mp3").outline()
    assert list(outline) == [
        "model", "prompt", "negative_prompt", "audio_url",
        "resolution", "ratio", "prompt_extend", "watermark", "duration", "seed",
    ]  # fmt: skip
    assert "secret" not in str(outline)
    assert "rain" not in str(outline)
    assert "negative_prompt" not in request("alley").outline()


def test_a_text_is_known_again_in_another_normal_form_and_with_other_space_around_it():
    assert text_hash("cafe\u0301 ") == text_hash("caf\u00e9") != text_hash("cafe")


def test_differences_are_said_in_words_and_texts_by_name_only():
    old = request("alley", prompt="a", negative_prompt="n").outline()
    new = request("alley", prompt="b", resolution="1080P", watermark=True).outline()
    assert differences(old, new) == ("prompt", "negative_prompt", "resolution 720P → 1080P", "watermark false → true")
    assert differences(old, old) == ()
    assert differences({}, {"seed": 7}) == ("seed nothing → 7",)
