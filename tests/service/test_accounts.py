"""Which accounts a run uses: the environment's or configured ones, and each only with its own key."""

import dataclasses
from pathlib import Path

import pytest
from conftest import CANARY

from wanbatch.errors import Exit, WanbatchError
from wanbatch.jobs.lanes import Lane
from wanbatch.service import catalog
from wanbatch.service.accounts import chosen, lanes
from wanbatch.service.config import Config, Configured

MODELS = frozenset(catalog.models())
BEIJING = "https://dashscope.aliyuncs.com/api/v1"
ACCOUNTS = {
    "main": Configured("main", "cn-beijing", BEIJING, "ws-x", key_env="MAIN_KEY"),
    "relay": Configured(
        "relay", "ap-southeast-1", "https://relay.example/api/v1", key_env="RELAY_KEY", tasks_at_once=20,
        submit_per_s=2.0, ask_per_s=10.0,
    ),
    "near": Configured("near", "cn-beijing", "http://127.0.0.1:8/api/v1"),
}  # fmt: skip
CONFIG = Config(ACCOUNTS, path=Path("config.yaml"))
ENV = {"MAIN_KEY": f" {CANARY}\n", "RELAY_KEY": "sk-relay", "DASHSCOPE_API_KEY": "sk-env"}


def refusal(names, env=ENV, config=CONFIG, **flags):
    with pytest.raises(WanbatchError) as raised:
        lanes(env, config, names, **flags)
    return raised.value


def test_without_names_the_account_is_the_environments_with_the_documented_limits():
    ((lane, account),) = lanes(ENV, CONFIG, (), region="ap-southeast-1")
    assert lane == Lane("", 5, 5.0, 20.0, MODELS)
    assert account.key.header() == "Bearer sk-env"
    assert (account.base_url, account.region) == ("https://dashscope-intl.aliyuncs.com/api/v1", "ap-southeast-1")
    ((lane, account),) = lanes(ENV, Config(), (), base_url="https://relay.example/api/v1")
    assert (lane.models, account.base_url) == (None, "https://relay.example/api/v1")


def test_each_named_account_has_its_lane_its_host_and_its_key():
    (relay_lane, relay), (main_lane, main) = lanes(ENV, CONFIG, ["relay", "main"])
    assert relay_lane == Lane("relay", 20, 2.0, 10.0, None)
    assert main_lane == Lane("main", 5, 5.0, 20.0, MODELS)
    assert (relay.key.header(), relay.region, relay.workspace) == ("Bearer sk-relay", "ap-southeast-1", None)
    assert (main.key.header(), main.base_url, main.workspace) == (f"Bearer {CANARY}", BEIJING, "ws-x")


def test_all_is_every_account_and_no_account_is_used_twice():
    assert [lane.name for lane, _ in lanes(ENV, CONFIG, ["all"])] == ["main", "relay", "near"]
    assert [lane.name for lane, _ in lanes(ENV, CONFIG, ["relay", "all", "relay"])] == ["relay", "main", "near"]


def test_an_account_on_this_machine_needs_no_key_and_shares_none():
    second = dataclasses.replace(ACCOUNTS["near"], name="nearer")
    config = Config({"near": ACCOUNTS["near"], "nearer": second})
    keys = [account.key.header() for _, account in lanes({}, config, ["all"])]
    assert keys == ["Bearer sk-simulated-near", "Bearer sk-simulated-nearer"]


def test_the_environments_host_and_region_are_nothing_to_a_named_account():
    env = ENV | {"DASHSCOPE_HTTP_BASE_URL": "https://elsewhere.example/api/v1", "DASHSCOPE_API_REGION": "us-east-1"}
    ((_, main),) = lanes(env | {"DASHSCOPE_WORKSPACE_ID": "ws-env"}, CONFIG, ["main"])
    assert (main.base_url, main.region, main.workspace) == (BEIJING, "cn-beijing", "ws-x")


def test_a_name_that_is_not_configured_is_answered_with_the_one_that_was_meant():
    error = refusal(["mian"])
    assert error.exit_code is Exit.USAGE
    assert error.message == "account mian is not configured; nothing was sent"
    assert error.hint == "did you mean main?"
    assert refusal(["zzz"]).hint == "config.yaml has main, relay, near"


@pytest.mark.parametrize("names", [["main"], ["all"]])
def test_without_accounts_the_place_to_write_them_is_named(names):
    error = refusal(names, config=Config())
    assert error.message == "no accounts are configured; nothing was sent"
    assert "~/.config/wanbatch/config.yaml" in error.hint


@pytest.mark.parametrize("flags", [{"base_url": "https://h/api/v1"}, {"region": "cn-beijing"}])
def test_a_flag_cannot_send_an_accounts_key_elsewhere(flags):
    error = refusal(["main"], **flags)
    assert error.exit_code is Exit.USAGE
    assert "exclude each other" in error.message


def test_two_names_of_one_account_are_refused():
    error = refusal(["all"], env=ENV | {"RELAY_KEY": CANARY})
    assert error.exit_code is Exit.USAGE
    assert error.message == "accounts main and relay have the same key; nothing was sent"


@pytest.mark.parametrize("key", [None, "", " \n"])
def test_a_key_that_is_not_there_is_named_by_its_variable(key):
    env = {} if key is None else {"MAIN_KEY": key}
    error = refusal(["main"], env=env)
    assert error.exit_code is Exit.ACCOUNT
    assert error.message == "account main: no key in MAIN_KEY; nothing was sent"
    assert error.hint == "export MAIN_KEY=sk-…"


def keyed(path):
    return Config({"filed": Configured("filed", "cn-beijing", BEIJING, key_file=path)})


def test_a_key_file_is_read_without_the_white_space_around_the_key(tmp_path):
    (tmp_path / "key").write_text(" sk-filed\n")
    ((_, account),) = lanes({}, keyed(tmp_path / "key"), ["filed"])
    assert account.key.header() == "Bearer sk-filed"


@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff", b"sk-FILED and more", b"'sk-FILED'"])
def test_a_key_file_without_a_key_is_refused_and_not_shown(tmp_path, content):
    if content is not None:
        (tmp_path / "key").write_bytes(content)
    error = refusal(["filed"], config=keyed(tmp_path / "key"))
    assert error.exit_code is Exit.ACCOUNT
    assert "FILED" not in error.message + error.hint
    assert str(tmp_path / "key") in error.message


def test_a_key_that_is_no_key_is_refused_by_its_length_alone():
    error = refusal(["main"], env={"MAIN_KEY": f"Bearer {CANARY}"})
    assert error.message == f"MAIN_KEY holds {len(CANARY) + 7} characters that are no API key; nothing was sent"


def test_a_key_in_the_place_of_a_file_or_a_name_is_not_shown():
    for names, config in ((["filed"], keyed(Path(CANARY))), ([CANARY], CONFIG)):
        error = refusal(names, config=config)
        assert CANARY not in error.message + error.hint


def test_neither_accounts_nor_configuration_print_a_key():
    for found in (lanes(ENV, CONFIG, ["all"]), CONFIG, chosen(CONFIG, ["all"])):
        assert CANARY not in f"{found!r} {found}"


def test_who_is_chosen_is_known_without_a_key():
    assert [one.name for one in chosen(CONFIG, ["relay", "main"])] == ["relay", "main"]
