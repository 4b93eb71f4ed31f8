"""A video is fetched from the service's hosts and from named ones, and never from the network around us."""

import asyncio
import re
import socket
from ipaddress import ip_address

import pytest
from aiohttp.abc import AbstractResolver
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from wanbatch.service.address import Checked, Refused, canonical, check, follow, permitted, public

SIGNED = "dashscope-a717.oss-accelerate.aliyuncs.com/1d/13/x.mp4?Expires=1&Signature=a%2Fb%2Bc%3D&d=+%e4~"
BUCKET = "https://bucket.oss-cn-beijing.aliyuncs.com"


def asked(url, *, loopback=False, allowed=()):
    return check(url, loopback=loopback, allowed=frozenset(allowed))


def refusal(url, **settings):
    with pytest.raises(Refused) as refused:
        asked(url, **settings)
    return str(refused.value)


@pytest.mark.parametrize("loopback", [True, False])
@pytest.mark.parametrize("scheme", ["http", "https", "HTTPS", "HTTP"])
def test_an_address_of_the_service_is_asked_byte_for_byte_and_encrypted(loopback, scheme):
    at = asked(f"{scheme}://{SIGNED}", loopback=loopback)
    assert str(at).lower() == f"https://{SIGNED}".lower()
    assert at.raw_path_qs == "/" + SIGNED.partition("/")[2]
    assert at.port == 443


def test_the_port_of_an_unencrypted_address_is_not_asked_encrypted():
    assert str(asked("http://a.aliyuncs.com:80/x?y=:80")) == "https://a.aliyuncs.com/x?y=:80"
    assert asked("http://a.aliyuncs.com:8443/x").port == 8443
    assert asked("https://a.aliyuncs.com:8443/x").port == 8443


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "localhost", "[::1]", "[::ffff:127.0.0.1]", "LOCALHOST"])
def test_this_machine_is_asked_only_when_the_api_is_on_it(host):
    assert asked(f"http://{host}:8/x", loopback=True).scheme == "http"
    for scheme in ("http", "https"):
        why = refusal(f"{scheme}://{host}:8/x", allowed={host.strip("[]"), "localhost", "127.0.0.1", "::1"})
        assert "on this machine" in why
        assert "--allow" not in why


@pytest.mark.parametrize(
    "host", ["aliyuncs.com", "a.aliyuncs.com", "A.ALIYUNCS.COM", "a.b.c.aliyuncs.com", "a.aliyuncs.com."]
)
def test_the_service_s_hosts_are_known_by_their_domain(host):
    assert asked(f"https://{host}/x").host


@pytest.mark.parametrize(
    "host", ["evilaliyuncs.com", "aliyuncs.com.evil.example", "aliyuncs.co", "aliyuncs", "xn--liyuncs-8wa.com"]
)
def test_a_host_that_looks_like_the_service_s_is_not_one(host):
    assert f"--allow-download-host {host}" in refusal(f"https://{host}/x?Signature=secret")


def test_a_host_is_allowed_by_its_own_name_only():
    url = "https://cdn.relay.example/x"
    for given_ in ("cdn.relay.example", "CDN.relay.example."):
        assert asked(url, allowed={given_}).host == "cdn.relay.example"
    for given_ in ("relay.example", "example", "x.cdn.relay.example", ""):
        assert "cdn.relay.example" in refusal(url, allowed={given_})


REFUSED = r"""file:///etc/passwd|ftp://h/x|data:video/mp4;base64,AAAA|//h/x|/x|x|javascript:1|https://|https:///x
https://user:pw@h/x|https://user@h/x|https://@h/x|https://h:0/x|https://h:99999/x|https://h:x/x|https://[::1/x
https://h/a b|https://h/x#y|https://h\x|https://①②⑦.⓪.⓪.①/x|https://ｈ/x|https://h/é|https://[h]/x"""


@pytest.mark.parametrize(
    "url",
    [*re.split(r"[|\n]", REFUSED), "", "https://h/x\r\nX: y", "https://h/\tx", "https://h/\0", "https://[::1]h/x"],
)
@pytest.mark.parametrize("host", ["h", BUCKET[len("https://") :]])
def test_what_is_no_plain_address_is_refused_whatever_its_host(url, host):
    url = url.replace("h/", f"{host}/").replace("@h", f"@{host}")
    refusal(url, loopback=True, allowed={"h", "ｈ", "127.0.0.1"})


INSIDE = re.split(
    r"\s",
    """169.254.169.254 10.0.0.1 192.168.1.1 172.16.0.1 100.64.0.1 fe80::1 fc00::1 ::ffff:10.0.0.1
2002:a00:1:: ::7f00:1 64:ff9b::a00:1 64:ff9b::7f00:1 2001:db8::1 198.18.0.1 255.255.255.255
240.0.0.1 224.0.0.1 ff02::1 0.0.0.0 :: 192.0.2.1 fe80::1%1 2001::1 ::ffff:224.0.0.1""",
)


@pytest.mark.parametrize("host", INSIDE)
def test_an_address_inside_is_refused(host):
    shown = f"[{host}]" if ":" in host else host
    for scheme in ("http", "https"):
        assert "no host of the service" in refusal(f"{scheme}://{shown}/x", loopback=True)
    assert not public(ip_address(host))
    assert not permitted(ip_address(host), frozenset())


@pytest.mark.parametrize("host", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::"])
def test_a_public_address_is_given_out_but_asked_only_by_name(host):
    assert public(ip_address(host))
    shown = f"[{host}]" if ":" in host else host
    refusal(f"https://{shown}/x")
    assert asked(f"https://{shown}/x", allowed={host})


@pytest.mark.parametrize("host", ["0x7f000001", "2130706433", "127.1", "0177.0.0.1", "017700000001", "127.0.0.1.", "1"])
def test_an_address_written_as_a_number_is_a_name_or_this_machine_and_asked_as_neither(host):
    refusal(f"http://{host}/x")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "127.0.0.1", "224.0.0.1", "::ffff:127.0.0.1"])
def test_no_flag_opens_an_address_that_is_this_machine_or_many(host):
    shown = f"[{host}]" if ":" in host else host
    refusal(f"https://{shown}/x", allowed={host})


def test_a_host_that_would_be_a_command_is_not_shown_as_one():
    for host in ("$(reboot)", "a;reboot", "`reboot`", "'", "-x", "a..", "%41"):
        assert "reboot" not in refusal(f"https://{host}/x")
        assert "--allow" not in refusal(f"https://{host}/x")


def test_a_refusal_holds_no_signature_and_no_password():
    for url in ("https://u:secret@h/x?Signature=secret", "https://h/x?Signature=secret", "http://10.0.0.1/?secret"):
        assert "secret" not in refusal(url)


@given(st.text(max_size=60), st.booleans())
def test_whatever_the_text_it_is_an_encrypted_address_of_the_service_or_refused(text, begins_well):
    url = ("https://" if begins_well else "") + text
    try:
        at = asked(url)
    except Refused as refused:
        assert str(refused).isprintable()
    else:
        assert at.scheme == "https"
        assert at.host.removesuffix(".").endswith("aliyuncs.com")
        assert not at.user


@pytest.mark.parametrize(
    ("onward", "url"),
    [
        ("/y?b=%2F", f"{BUCKET}/y?b=%2F"),
        ("y", f"{BUCKET}/a/y"),
        ("//b.aliyuncs.com/y", "https://b.aliyuncs.com/y"),
        ("http://b.aliyuncs.com/./y?z=", "https://b.aliyuncs.com/./y?z="),
        ("?z", f"{BUCKET}/a/x?z"),
    ],
)
def test_a_redirect_leads_on_from_where_it_was_given(onward, url):
    assert str(follow(URL(f"{BUCKET}/a/x?s=1", encoded=True), onward, loopback=False)) == url


@pytest.mark.parametrize(
    "onward", ["http://localhost/x", "//10.0.0.1", "/a b", "/\t", "ht\ntps://x", "#x", "//[", "x:y"]
)
def test_a_redirect_to_what_is_not_asked_is_refused(onward):
    with pytest.raises(Refused):
        follow(URL(f"{BUCKET}/a", encoded=True), onward, loopback=False)


class Lookup(AbstractResolver):
    """A name server that gives everybody the same addresses."""

    def __init__(self, *addresses):
        self.addresses = addresses
        self.closed = False

    async def resolve(self, host, port=0, family=socket.AF_INET):
        return [{"hostname": host, "host": one, "port": port} for one in self.addresses]

    async def close(self):
        self.closed = True


def found(host, *addresses, allowed=()):
    resolver = Checked(frozenset(allowed), Lookup(*addresses))
    return [one["host"] for one in asyncio.run(resolver.resolve(host, 443))]


def test_public_addresses_are_given_out_as_they_are_found():
    assert found("a.aliyuncs.com", "47.1.1.1", "2606:4700::1") == ["47.1.1.1", "2606:4700::1"]


@pytest.mark.parametrize("address", [*INSIDE, "127.0.0.1", "::1", "rubbish"])
def test_one_address_inside_is_one_too_many(address):
    for addresses in ([address], ["47.1.1.1", address]):
        with pytest.raises(Refused, match="no public address") as refused:
            found("a.aliyuncs.com", *addresses)
        assert "a.aliyuncs.com is found at " in str(refused.value)


def test_a_named_address_is_given_out_and_its_neighbour_is_not():
    assert found("relay.example", "10.0.0.7", allowed={"10.0.0.7"}) == ["10.0.0.7"]
    with pytest.raises(Refused):
        found("relay.example", "10.0.0.8", allowed={"10.0.0.7", "relay.example"})
    with pytest.raises(Refused):
        found("relay.example", "127.0.0.1", allowed={"127.0.0.1", "relay.example"})


def test_localhost_is_this_machine_and_nothing_else():
    assert found("localhost", "127.0.0.1", "::1") == ["127.0.0.1", "::1"]
    with pytest.raises(Refused):
        found("localhost", "47.1.1.1")


def test_a_proxy_of_the_environment_may_be_anywhere(monkeypatch):
    monkeypatch.setenv("https_proxy", "http://Proxy.corp.:3128")
    monkeypatch.setenv("http_proxy", "http://[::1")
    monkeypatch.setenv("ftp_proxy", "proxy-without-scheme:80")
    assert found("proxy.corp", "10.0.0.9") == ["10.0.0.9"]
    with pytest.raises(Refused):
        found("other.corp", "10.0.0.9")


def test_the_lookup_is_let_go_with_the_resolver():
    lookup = Lookup()
    asyncio.run(Checked(lookup=lookup).close())
    assert lookup.closed


def test_a_host_has_one_spelling():
    assert {canonical(host) for host in ("10.0.0.1", "::ffff:10.0.0.1", "::FFFF:a00:1")} == {"10.0.0.1"}
    assert canonical("A.Example.") == "a.example"
