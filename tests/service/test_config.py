"""The user's configuration: read with the care of a manifest, and no key of it is ever shown."""

import json
import re
from decimal import Decimal
from pathlib import Path

import pytest

from wanbatch.errors import Exit, WanbatchError
from wanbatch.service import catalog
from wanbatch.service.config import Config, ConfigInvalid, config_path, read_config
from wanbatch.views.problems import show

WRITTEN = "sk-WRITTEN-0a1b2c3d4e5f"
"""A key that somebody wrote into the file. Not the canary, which no file of a test may hold."""

WHOLE = """
wanbatch_config: 1
accounts:
  main: {region: cn-beijing, workspace: ws-x, key_env: MAIN_KEY}
  relay:
    base_url: "https://relay.example/api/v1/"
    region: ap-southeast-1
    key_file: keys/relay
    limits: {tasks_at_once: 20, submit_per_s: 2, ask_per_s: 0.5}
  near: {base_url: "http://127.0.0.1:8/api/v1"}
  far: {region: eu-central-1, workspace: ws-y, key_file: ~/keys/far}
prices: my-prices.toml
budget: {per_day: 100 CNY}
"""

PRICES = """
[[prices]]
model = "wan2.7-t2v-2026-06-12"
region = "cn-beijing"
currency = "USD"
per_second = { 720P = "0.086012", 1080P = 0.143353 }
date = 2026-07-01
source = "model pricing"
"""


def env_of(folder: Path, text: str | bytes) -> dict[str, str]:
    path = folder / "config.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return {"WANBATCH_CONFIG": str(path), "HOME": str(folder / "home")}


def problems(folder: Path, text: str | bytes) -> list[str]:
    with pytest.raises(ConfigInvalid) as raised:
        read_config(env_of(folder, text))
    assert raised.value.exit_code is Exit.USAGE
    assert raised.value.message.endswith("; nothing was sent")
    return [show(problem).removeprefix(f"{folder}/config.yaml:") for problem in raised.value.problems]


def one(folder: Path, account: str) -> str:
    (said,) = problems(folder, f"wanbatch_config: 1\naccounts:\n  main: {account}\n")
    return said


def test_a_whole_configuration_is_read(tmp_path):
    (tmp_path / "my-prices.toml").write_text(PRICES)
    config = read_config(env_of(tmp_path, WHOLE))
    main, relay, near, far = config.accounts.values()
    assert (main.name, main.base_url, main.region) == ("main", "https://dashscope.aliyuncs.com/api/v1", "cn-beijing")
    assert (main.workspace, main.key_env, main.key_file) == ("ws-x", "MAIN_KEY", None)
    assert (main.tasks_at_once, main.submit_per_s, main.ask_per_s) == (5, 5.0, 20.0)
    assert (relay.base_url, relay.region) == ("https://relay.example/api/v1", "ap-southeast-1")
    assert relay.key_file == tmp_path / "keys" / "relay"
    assert (relay.tasks_at_once, relay.submit_per_s, relay.ask_per_s) == (20, 2.0, 0.5)
    assert near.is_loopback
    assert not main.is_loopback
    assert far.base_url == "https://ws-y.eu-central-1.maas.aliyuncs.com/api/v1"
    assert far.key_file == tmp_path / "home" / "keys" / "far"
    assert config.budget_per_day == "100 CNY"
    assert config.path == tmp_path / "config.yaml"
    price = catalog.price("wan2.7-t2v-2026-06-12", "1080P", "cn-beijing", config.prices)
    assert (price.per_second, price.currency) == (Decimal("0.143353"), "USD")


def test_the_region_of_a_base_url_is_its_hosts(tmp_path):
    account = '{base_url: "https://dashscope-intl.aliyuncs.com/api/v1", key_env: A}'
    config = read_config(env_of(tmp_path, f"wanbatch_config: 1\naccounts: {{main: {account}}}"))
    assert config.accounts["main"].region == "ap-southeast-1"


def test_the_users_currency_chooses_among_the_catalogues_lists_and_loses_to_own_prices(tmp_path):
    (tmp_path / "own.toml").write_text(PRICES)
    config = read_config(env_of(tmp_path, "wanbatch_config: 1\ncurrency: USD\n"))
    assert catalog.price("wan2.7-t2v", "720P", "cn-beijing", config.prices).currency == "USD"
    assert catalog.price("wan2.7-t2v", "720P", "ap-southeast-1", config.prices).per_second == Decimal("0.10")
    config = read_config(env_of(tmp_path, "wanbatch_config: 1\ncurrency: CNY\nprices: own.toml\n"))
    assert catalog.price("wan2.7-t2v", "720P", "cn-beijing", config.prices).currency == "CNY"
    assert catalog.price("wan2.7-t2v-2026-06-12", "720P", "cn-beijing", config.prices).currency == "USD"
    assert catalog.price("wan2.7-t2v", "720P", "ap-southeast-1", config.prices).currency == "USD"


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n"])
def test_an_empty_file_configures_nothing(tmp_path, text):
    config = read_config(env_of(tmp_path, text))
    assert config == Config(path=tmp_path / "config.yaml")


def test_without_a_file_nothing_is_configured(tmp_path):
    assert read_config({"HOME": str(tmp_path)}) == Config()
    assert read_config({"XDG_CONFIG_HOME": str(tmp_path)}) == Config()


def test_a_file_that_is_named_must_be_there(tmp_path):
    with pytest.raises(WanbatchError, match="No such file") as raised:
        read_config({"WANBATCH_CONFIG": str(tmp_path / "none.yaml")})
    assert raised.value.exit_code is Exit.USAGE
    assert raised.value.hint == "WANBATCH_CONFIG names it"


def test_a_folder_in_the_place_of_the_file_is_said(tmp_path):
    (tmp_path / "wanbatch" / "config.yaml").mkdir(parents=True)
    with pytest.raises(WanbatchError, match="Is a directory") as raised:
        read_config({"XDG_CONFIG_HOME": str(tmp_path)})
    assert raised.value.exit_code is Exit.USAGE


def test_the_file_is_where_the_environment_says():
    home = {"HOME": "/h"}
    assert config_path(home) == (Path("/h/.config/wanbatch/config.yaml"), False)
    assert config_path(home | {"XDG_CONFIG_HOME": "/x"}) == (Path("/x/wanbatch/config.yaml"), False)
    assert config_path(home | {"XDG_CONFIG_HOME": "x"}) == (Path("/h/.config/wanbatch/config.yaml"), False)
    assert config_path(home | {"XDG_CONFIG_HOME": "/x", "WANBATCH_CONFIG": "w.yaml"}) == (Path("w.yaml"), True)
    assert config_path(home | {"WANBATCH_CONFIG": "~/w.yaml"}) == (Path("/h/w.yaml"), True)
    assert config_path(home | {"WANBATCH_CONFIG": ""}) == (Path("/h/.config/wanbatch/config.yaml"), False)


MISTAKES = [
    ("budget: {}", "1:1: E102 no `wanbatch_config`", "the first line is `wanbatch_config: 1`"),
    ("[1]", "1:1: E101 the configuration is a list", "the first line is"),
    ("wanbatch_config: 2", "1:18: E105 wanbatch_config is 2", "write `wanbatch_config: 1`"),
    ("wanbatch_config: 1\nacounts: {}", "2:1: E103 unknown key `acounts`", "did you mean `accounts`?"),
    ("wanbatch_config: 1\nrun: {}", "2:1: E103 unknown key `run`", "known here: wanbatch_config, accounts"),
    ("wanbatch_config: 1\naccounts: []", "2:11: E101 accounts is a list", "write its keys without"),
    ("wanbatch_config: 1\naccounts: {a b: {}}", "2:12: E105 this name is not allowed", "at most 64 letters"),
    ("wanbatch_config: 1\naccounts: {all: {}}", "2:12: E105 this name is not allowed", "not `all`"),
    ("wanbatch_config: 1\naccounts: {'': {}}", "2:12: E105 this name is not allowed", "at most 64 letters"),
    ("wanbatch_config: 1\nbudget: {per_day: 100}", "2:19: E101 per_day is 100, but must be ", "100 CNY"),
    ("wanbatch_config: 1\nbudget: {per_day: '100'}", "2:19: E604 a cap needs a currency", "100 CNY"),
    ("wanbatch_config: 1\nbudget: {per_day: 0 CNY}", "2:19: E604 '0 CNY' would let nothing be made", "100 CNY"),
    ("wanbatch_config: 1\nprices: ''", "2:9: E107 prices is empty", "write something"),
    ("wanbatch_config: 1\nwanbatch_config: 1", "2:1: E003 `wanbatch_config` for the second time", "keep one"),
    ("accounts: {", "E002", ""),
    ("\x00", "1:1: E008", ""),
    (b"\xff\x00\xff", "1:1: E001", "UTF-8"),
]


@pytest.mark.parametrize(("text", "said", "hint"), MISTAKES)
def test_a_mistake_is_shown_with_its_place_and_its_cure(tmp_path, text, said, hint):
    shown = problems(tmp_path, text)[-1]
    assert said in shown
    assert hint in shown


ACCOUNTS = [
    (
        "{region: cn-beijng, key_env: A}",
        "E105 account main: region 'cn-beijng' is not known",
        "did you mean cn-beijing?",
    ),
    ("{region: eu-central-1, key_env: A}", "region eu-central-1 has workspace domains only", "write `workspace: ws-…`"),
    (
        "{base_url: 'http://relay.example/api/v1', key_env: A}",
        "E601 account main: this base URL cannot be used",
        "https",
    ),
    (
        "{base_url: 'https://dashscope-intl.aliyuncs.com/api/v1', region: cn-beijing, key_env: A}",
        "E602 account main: the region is cn-beijing, but the host is in ap-southeast-1",
        "leave one out",
    ),
    ("{region: cn-beijing}", "E603 account main has no key", "`key_env: NAME` names the variable"),
    ("{key_env: A, key_file: b}", "E603 account main: `key_env` and `key_file` exclude each other", "keep one"),
    ("{key_env: A, workspace: evil.example/}", "workspace 'evil.example/' is not allowed", ""),
    ("{key_env: A, limits: {tasks_at_once: 0}}", "E104 account main: tasks_at_once 0 is too small", "at least 1"),
    ("{key_env: A, limits: {submit_per_s: 0}}", "submit_per_s 0 is too small", "more than 0"),
    ("{key_env: A, limits: {at_once: 3}}", "E103 account main: unknown key `at_once`", "did you mean `tasks_at_once`?"),
    ("{key_env: 5}", "key_env is no name of an environment variable", "stays out of this file"),
    ("main", "main is 'main', but must be a block", ""),
]


@pytest.mark.parametrize(("account", "said", "hint"), ACCOUNTS)
def test_a_mistake_in_an_account_names_the_account(tmp_path, account, said, hint):
    shown = one(tmp_path, account)
    assert said in shown
    assert hint in shown
    assert shown.startswith("3:")


KEYS_IN_THE_WRONG_PLACE = [
    f"{{key: {WRITTEN}}}",
    f'{{api_key: "{WRITTEN}", region: cn-beijing}}',
    f"{{key_env: {WRITTEN}}}",
    f"{{key_env: '{WRITTEN}', regoin: x}}",
    f"{{key_env: [{WRITTEN}]}}",
    f"{{key_file: {{a: {WRITTEN}}}}}",
    f"{{{WRITTEN}: 1, key_env: A}}",
    f"{{region: {WRITTEN}, key_env: A}}",
    f"{{base_url: 'https://{WRITTEN}@h/api/v1', key_env: A}}",
    f"{{workspace: '{WRITTEN}!', key_env: A}}",
    f"{{key: {WRITTEN}: x}}",
    f"{{key: '{WRITTEN}",
    f"&{WRITTEN} *{WRITTEN}x",
]


@pytest.mark.parametrize("account", KEYS_IN_THE_WRONG_PLACE)
@pytest.mark.parametrize("secret", [WRITTEN, "sk-ws-" + "aB3_" * 27, "sk-a.b~c"])
def test_a_key_that_was_written_into_the_file_is_not_shown(tmp_path, account, secret):
    shown = "\n".join(
        problems(tmp_path, f"wanbatch_config: 1\naccounts:\n  main: {account.replace(WRITTEN, secret)}\n")
    )
    assert secret not in shown
    assert secret[3:] not in shown


@pytest.mark.parametrize(
    "line", ["key: swordfish-77 fish", "api_key: 'swordfish-77 fish'", 'key: "swordfish-77', "secret: swordfish-77"]
)
def test_a_key_of_another_shape_is_hidden_by_the_name_in_front_of_it(tmp_path, line):
    shown = "\n".join(problems(tmp_path, f"wanbatch_config: 1\naccounts:\n  main: {{{line}, region: x}}\n"))
    assert "swordfish" not in shown
    assert "fish" not in shown


def test_the_cure_for_a_key_in_the_file_is_named(tmp_path):
    shown = one(tmp_path, f"{{key: {WRITTEN}}}")
    assert "unknown key `key`" in shown
    assert "the key itself stays out of this file" in shown
    assert f"  |   main: {{key: {'*' * len(WRITTEN)}}}" in shown
    assert "  |          ^^^" in shown


BAD_PRICES = [
    ("[[prices", "Expected"),
    ("prices = 3", "only [[prices]] tables"),
    ("[price]\na = 1", "only [[prices]] tables may stand here, not price"),
    ("prices = [1]", "[[prices]] number 1: it is no table"),
    (PRICES + PRICES, "[[prices]] number 2: a second price for wan2.7-t2v-2026-06-12 1080P in cn-beijing"),
    (PRICES.replace("2026-06-12", "2026-06-13"), "'wan2.7-t2v-2026-06-13' is not known; known are wan2.7-t2v,"),
    (PRICES.replace("model =", "family ="), "'wan2.7-t2v-2026-06-12' is not known; known are wan2.7-t2v"),
    (PRICES.replace("model =", "models ="), "unknown key 'models'"),
    (PRICES + 'family = "wan2.7-t2v"', "a family or a model, one of the two"),
    (PRICES.replace('"cn-beijing"', '"cn-peking"'), "region 'cn-peking' is not known; known are cn-beijing"),
    (PRICES.replace('"cn-beijing"', '["cn-beijing"]'), "is not known; known are cn-beijing"),
    (PRICES.replace("USD", "usd"), "currency 'usd' is not three capital letters"),
    (PRICES.replace('"USD"', "1"), "currency 1 is not three capital letters"),
    (PRICES.replace("date = 2026-07-01", ""), "no date: write when you read the price"),
    (PRICES.replace("date = 2026-07-01", "date = 2026-07-01T00:00:00Z"), "no date"),
    (PRICES.replace("720P", "720p"), "resolution '720p' is not known; known are 720P, 1080P"),
    (PRICES.replace('"0.086012"', '"0"'), "price 0 of 720P is no amount above 0"),
    (PRICES.replace('"0.086012"', "0.0"), "price 0.0 of 720P is no amount above 0"),
    (PRICES.replace('"0.086012"', '"-1"'), "price -1 of 720P is no amount above 0"),
    (PRICES.replace('"0.086012"', "nan"), "of 720P is no amount above 0"),
    (PRICES.replace('"0.086012"', "true"), "of 720P is no amount above 0"),
    (PRICES.replace('"0.086012"', "[1]"), "of 720P is no amount above 0"),
    (PRICES.replace('"0.086012"', '"１"'), "of 720P is no amount above 0"),
    (PRICES.replace('per_second = { 720P = "0.086012", 1080P = 0.143353 }', ""), "no per_second"),
    (PRICES.replace('{ 720P = "0.086012", 1080P = 0.143353 }', "{}"), "no per_second"),
    (b"\xff", "decode"),
    (None, "No such file"),
]


@pytest.mark.parametrize(("text", "said"), BAD_PRICES)
def test_a_price_list_that_is_not_as_it_must_be_stops_everything(tmp_path, text, said):
    if text is not None:
        (tmp_path / "my-prices.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(WanbatchError) as raised:
        read_config(env_of(tmp_path, WHOLE))
    assert said in raised.value.message
    assert raised.value.message.endswith("; nothing was sent")
    assert raised.value.exit_code is Exit.USAGE


def test_the_schemas_example_is_a_configuration_and_every_region_is_known_to_it(tmp_path):
    schema = catalog.config_schema()
    for example in schema["examples"]:
        assert read_config(env_of(tmp_path, json.dumps(example))).accounts["main"].key_env == "MAIN_KEY"
    fields = schema["properties"]["accounts"]["additionalProperties"]["properties"]
    assert fields["region"]["enum"] == list(catalog.data()["regions"])
    rates = catalog.rates()
    defaults = {name: one["default"] for name, one in fields["limits"]["properties"].items()}
    assert defaults == {
        "tasks_at_once": rates.tasks_at_once, "submit_per_s": rates.submit_per_s, "ask_per_s": rates.ask_per_s,
    }  # fmt: skip


GUIDE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text("utf-8")


def test_the_guides_examples_are_a_configuration_and_its_prices(tmp_path):
    (text,) = re.findall(r"```yaml\n(.+?)```", GUIDE, re.DOTALL)
    (prices,) = re.findall(r"```toml\n(.+?)```", GUIDE, re.DOTALL)
    (tmp_path / "my-prices.toml").write_text(prices)
    config = read_config(env_of(tmp_path, text))
    assert list(config.accounts) == ["main", "sea", "relay"]
    assert catalog.price("wan2.7-t2v", "720P", "cn-beijing", config.prices).currency == "USD"


def keys_of(schema):
    for name, field in schema.get("properties", {}).items():
        yield name
        yield from keys_of(field)
        yield from keys_of(field.get("additionalProperties") or {})


def test_the_guide_names_every_key():
    assert [name for name in keys_of(catalog.config_schema()) if not re.search(rf"\b{name}\b", GUIDE)] == []
