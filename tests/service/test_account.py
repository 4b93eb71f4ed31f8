"""Key, host and region from the environment, read as the official SDK reads it and refused where it is careless."""

import os
import pickle
import subprocess
import sys
from importlib.util import find_spec

import pytest
from conftest import CANARY

from wanbatch.errors import Exit, WanbatchError
from wanbatch.service.account import Account, Key, account, base_url, is_loopback, masked, read_key, region_id, usable

BEIJING = "https://dashscope.aliyuncs.com/api/v1"
KEY = {"DASHSCOPE_API_KEY": CANARY}


def refusal(call, *args):
    with pytest.raises(WanbatchError) as raised:
        call(*args)
    return raised.value


@pytest.mark.parametrize("key", ["sk-abc", "sk-ws-" + "a" * 110, "a.b_c~d+e/f=", " sk-abc\n", "\tsk-abc\r\n"])
def test_a_key_is_taken_without_the_white_space_around_it(key):
    assert read_key({"DASHSCOPE_API_KEY": key}).header() == f"Bearer {key.strip()}"


BAD_KEYS = ["sk a", "sk\na", "sk\ra", 'sk"a', '"sk-a"', "'sk-a'", "Bearer sk-a", "bearer-sk", "sk-é", "ｓｋ-a", "sk\0a"]
BAD_KEYS += ["sk-a,sk-b", "sk-a;", "<key>", "$KEY", "{key}", "sk\x7f", "sk\u200b", "\ufeffsk-a", "sk:a", "sk\\a"]


@pytest.mark.parametrize("key", BAD_KEYS)
def test_what_is_no_key_is_refused_by_its_length_alone(key):
    error = refusal(read_key, {"DASHSCOPE_API_KEY": key})
    assert error.exit_code is Exit.ACCOUNT
    assert error.message == f"DASHSCOPE_API_KEY holds {len(key)} characters that are no API key; nothing was sent"


def test_the_key_file_is_read_when_there_is_no_key(tmp_path):
    path = tmp_path / "key"
    path.write_text("sk-file\n")
    env = {"DASHSCOPE_API_KEY_FILE_PATH": str(path)}
    assert read_key(env).header() == "Bearer sk-file"
    assert read_key(env | {"DASHSCOPE_API_KEY": "sk-env"}).header() == "Bearer sk-env"
    assert read_key(env | {"DASHSCOPE_API_KEY": "  "}).header() == "Bearer sk-file"


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"", b" \n", b"sk a"])
def test_a_key_file_without_a_key_is_refused_and_not_shown(tmp_path, content):
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    error = refusal(read_key, {"DASHSCOPE_API_KEY_FILE_PATH": str(path)})
    assert error.exit_code is Exit.ACCOUNT
    assert "sk a" not in error.message


def test_no_key_says_how_to_give_one():
    error = refusal(read_key, {})
    assert error.exit_code is Exit.ACCOUNT
    assert "DASHSCOPE_API_KEY" in error.hint


def test_the_key_is_shown_by_nothing_but_its_header():
    key = Key(CANARY)
    one = Account(key, BEIJING)
    for text in (str(key), repr(key), f"{key}", f"{key!s:>9}", "%s" % key, str([key]), repr(one), str(one)):  # noqa: UP031
        assert CANARY not in text
    assert not hasattr(key, "__dict__")
    assert key.redact(f"a {CANARY} b {CANARY}") == "a *** b ***"


def test_the_key_is_not_pickled():
    with pytest.raises((TypeError, pickle.PicklingError)):
        pickle.dumps(Key("sk-x"), protocol=0)


GOOD_URLS = ["https://h/api/v1", "https://h:8443/api/v1", "HTTPS://h/api/v1", "http://127.0.0.1:8/api/v1"]
GOOD_URLS += ["http://localhost/api/v1", "http://[::1]:8/api/v1", "http://127.9.9.9/x", "https://10.0.0.1/relay"]
GOOD_URLS += ["http://[::ffff:127.0.0.1]/x"]


@pytest.mark.parametrize("url", GOOD_URLS)
def test_a_base_url_is_https_or_this_machine(url):
    assert usable(url)
    assert base_url({"DASHSCOPE_HTTP_BASE_URL": url + "/"}, None) == url


BAD_URLS = [
    "http://dashscope.aliyuncs.com/api/v1",
    "http://127.0.0.1.evil.example/api/v1",
    "http://localhost.evil.example/api/v1",
    "http://10.0.0.1/api/v1",
    "http://0.0.0.0/api/v1",
    "http://[::]/api/v1",
    "http://0x7f000001/api/v1",
    "http://127.1/api/v1",
    "http://１２７.０.０.１/api/v1",
    "http://①②⑦.⓪.⓪.①/api/v1",
    "https://ｄashscope.aliyuncs.com/api/v1",
    "https://user:swordfish@h/api/v1",
    "https://user@h/api/v1",
    "https://@h/api/v1",
    "http://127.0.0.1@evil.example/api/v1",
    "https://h/api/v1?a=b",
    "https://h/api/v1?",
    "https://h/api/v1#a",
    "https://h/api/v1#",
    "https://h\\@evil.example/api/v1",
    "https://h/api v1",
    "https://h/api\tv1",
    "https://h/api\nv1",
    "https:///api/v1",
    "https://",
    "https:h/api/v1",
    "//h/api/v1",
    "h/api/v1",
    "ftp://h/api/v1",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "https://h:0/api/v1",
    "https://h:99999/api/v1",
    "https://h:x/api/v1",
    "https://[::1/api/v1",
    "https://{workspace_id}.cn-beijing.maas.aliyuncs.com/api/v1",
]


@pytest.mark.parametrize("url", [*BAD_URLS, " https://h/api/v1", "https://h/api/v1\n"])
def test_any_other_base_url_is_refused_before_the_key_is_read(url):
    assert not usable(url)
    for env, flag in (({"DASHSCOPE_HTTP_BASE_URL": url}, None), ({}, url)):
        error = refusal(account, env | KEY, flag)
        assert error.exit_code is Exit.USAGE
        assert "swordfish" not in error.message


def test_the_flag_wins_over_the_environment_and_the_environment_over_the_region():
    env = {"DASHSCOPE_HTTP_BASE_URL": "https://env/api/v1", "DASHSCOPE_API_REGION": "ap-southeast-1"}
    assert base_url(env, "https://flag/api/v1") == "https://flag/api/v1"
    assert base_url(env, None) == "https://env/api/v1"
    assert base_url(env | {"DASHSCOPE_HTTP_BASE_URL": ""}, None) == "https://dashscope-intl.aliyuncs.com/api/v1"
    assert base_url({}, None) == BEIJING


WORKSPACE = {"DASHSCOPE_WORKSPACE_ID": "ws-1"}
REGIONS = [
    ("cn-beijing", BEIJING, BEIJING),
    ("ap-southeast-1", "https://dashscope-intl.aliyuncs.com/api/v1", "ap-southeast-1"),
    ("us-east-1", "https://dashscope-us.aliyuncs.com/api/v1", "us-east-1"),
    ("eu-central-1", None, "eu-central-1"),
    ("ap-northeast-1", None, "ap-northeast-1"),
]


@pytest.mark.parametrize(("region", "plain", "own"), REGIONS)
def test_each_region_has_its_host_and_its_workspace_domain(region, plain, own):
    env = {"DASHSCOPE_API_REGION": region}
    if plain is None:
        assert refusal(base_url, env, None).exit_code is Exit.USAGE
    else:
        assert base_url(env, None) == plain
    domain = own if own.startswith("https") else f"https://ws-1.{own}.maas.aliyuncs.com/api/v1"
    assert base_url(env | WORKSPACE, None) == domain


@pytest.mark.skipif(not find_spec("dashscope"), reason="the official SDK is not installed")
@pytest.mark.parametrize("region", [None, *[row[0] for row in REGIONS]])
def test_the_official_sdk_asks_the_same_host(region, tmp_path):
    named = {} if region is None else {"DASHSCOPE_API_REGION": region}
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DASHSCOPE_")}
    code = "import dashscope.common.env as e; print(e.resolve_base_url(e.base_http_api_url))"
    run = subprocess.run(
        [sys.executable, "-I", "-c", code],
        env=clean | named | WORKSPACE | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == base_url(named | WORKSPACE, None)


def test_an_unknown_region_is_refused_with_those_that_are_known():
    error = refusal(base_url, {"DASHSCOPE_API_REGION": "moon-1"}, None)
    assert error.exit_code is Exit.USAGE
    assert "ap-southeast-1" in error.hint


@pytest.mark.parametrize("workspace", ["evil.example/", "a.b", "a b", "a\n", "-a", "a" * 65, "a@b", "a?", "é", "a#"])
def test_a_workspace_cannot_change_the_host_or_add_a_header(workspace):
    env = KEY | {"DASHSCOPE_WORKSPACE_ID": workspace}
    for more in ({}, {"DASHSCOPE_API_REGION": "ap-southeast-1"}, {"DASHSCOPE_HTTP_BASE_URL": "https://h/api/v1"}):
        assert refusal(account, env | more, None).exit_code is Exit.USAGE


@pytest.mark.parametrize(
    ("url", "region"),
    [
        (BEIJING, "cn-beijing"),
        ("https://dashscope-intl.aliyuncs.com/api/v1", "ap-southeast-1"),
        ("https://DASHSCOPE-US.aliyuncs.com/api/v1", "us-east-1"),
        ("https://ws-1.cn-beijing.maas.aliyuncs.com/api/v1", "cn-beijing"),
        ("https://ws-1.eu-central-1.maas.aliyuncs.com/api/v1", "eu-central-1"),
    ],
)
def test_the_host_says_the_region(url, region):
    assert region_id({}, url) == region
    assert region_id({"DASHSCOPE_API_REGION": "us-east-1"}, url) == region


@pytest.mark.parametrize(
    "url",
    [
        "https://dashscope-intl.aliyuncs.com.evil.example/api/v1",
        "https://x.ap-southeast-1.maas.aliyuncs.com.evil.example/api/v1",
        "https://relay.example/api/v1",
        "http://127.0.0.1:8/api/v1",
    ],
)
def test_a_host_that_is_no_regions_has_the_region_that_is_named_else_beijing(url):
    assert region_id({}, url) == "cn-beijing"
    assert region_id({"DASHSCOPE_API_REGION": "us-east-1"}, url) == "us-east-1"
    assert region_id({"DASHSCOPE_API_REGION": "us-east-1"}, url, "ap-southeast-1") == "ap-southeast-1"


def test_the_region_of_the_flag_wins_over_that_of_the_environment():
    env = KEY | {"DASHSCOPE_API_REGION": "us-east-1"}
    one = account(env, None, "ap-southeast-1")
    assert (one.base_url, one.region) == ("https://dashscope-intl.aliyuncs.com/api/v1", "ap-southeast-1")
    assert account(env, "https://relay.example/api/v1", "ap-southeast-1").region == "ap-southeast-1"
    assert region_id({}, BEIJING, "ap-southeast-1") == "ap-southeast-1"


@pytest.mark.parametrize("flag", [None, "https://ws-1.ap-southeast-1.maas.aliyuncs.com/api/v1"])
def test_a_region_that_is_not_the_hosts_is_refused_since_its_prices_would_be_anothers(flag):
    env = KEY if flag else KEY | {"DASHSCOPE_HTTP_BASE_URL": "https://dashscope-intl.aliyuncs.com/api/v1"}
    error = refusal(account, env, flag, "cn-beijing")
    assert error.exit_code is Exit.USAGE
    assert "is in ap-southeast-1; nothing was sent" in error.message
    assert account(env, flag, "ap-southeast-1").region == "ap-southeast-1"


@pytest.mark.parametrize("flag", [None, "https://relay.example/api/v1", "https://dashscope-intl.aliyuncs.com/api/v1"])
def test_a_mistyped_region_flag_is_refused_wherever_requests_go(flag):
    assert "unknown region 'cn-beijng'" in refusal(account, KEY, flag, "cn-beijng").message


def test_a_key_where_a_path_belongs_is_not_shown():
    error = refusal(read_key, {"DASHSCOPE_API_KEY_FILE_PATH": CANARY})
    assert error.message == f"cannot read the key file {'*' * len(CANARY)}; nothing was sent"


def test_a_mask_is_as_long_as_what_it_hides():
    assert masked(f"key: {CANARY}, region: x") == f"key: {'*' * len(CANARY)}, region: x"
    assert masked("a risk-free disk-x sk- ask-me") == "a risk-free disk-x sk- ask-me"


def test_the_named_region_decides_the_price_only_where_the_host_does_not():
    env = {"DASHSCOPE_API_REGION": "cn-beijing"}
    assert region_id(env, "https://relay.example/api/v1") == "cn-beijing"
    assert region_id(env, "https://dashscope-intl.aliyuncs.com/api/v1") == "ap-southeast-1"


def test_the_environment_makes_the_whole_account():
    env = KEY | WORKSPACE | {"DASHSCOPE_API_REGION": "ap-southeast-1"}
    one = account(env, None)
    assert (one.base_url, one.workspace, one.region, one.is_loopback) == (
        "https://ws-1.ap-southeast-1.maas.aliyuncs.com/api/v1",
        "ws-1",
        "ap-southeast-1",
        False,
    )
    assert one.key.header() == f"Bearer {CANARY}"


def test_only_this_machine_is_asked_without_a_key():
    local = account({}, "http://127.0.0.1:8/api/v1")
    assert local.is_loopback
    assert local.key.header() == "Bearer sk-simulated"
    assert refusal(account, {}, "https://h/api/v1").exit_code is Exit.ACCOUNT


@pytest.mark.parametrize("host", ["127.0.0.1", "127.255.0.9", "::1", "localhost", "::ffff:127.0.0.1"])
def test_this_machine_has_these_names(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::", "10.0.0.1", "127.0.0.1.nip.io", "localhost.example", "127.1"])
def test_other_names_are_other_machines(host):
    assert not is_loopback(host)
