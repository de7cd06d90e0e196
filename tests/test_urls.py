from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oaa_bitbucket_async.oaa.names import data_source_name_for
from oaa_bitbucket_async.urls import AddressError, bitbucket_base, veza_base

LONGEST = f"{'a' * 63}.{'b' * 63}.{'c' * 63}.{'d' * 61}"


@pytest.mark.parametrize(
    ("text", "base", "warnings"),
    [
        ("https://h", "https://h", 0),
        ("HTTPS://H.Example.COM/", "https://h.example.com", 0),
        ("https://h:443/", "https://h", 0),
        ("http://h:80", "http://h", 1),
        ("https://h:8443/Scm/", "https://h:8443/Scm", 0),
        ("https://h//scm//", "https://h/scm", 0),
        ("https://h/scm/rest/api/1.0", "https://h/scm", 1),
        ("https://h/projects/A/repos/b", "https://h", 1),
        ("https://h/dashboard?x=1#y", "https://h", 1),
        ("https://[::1]:7990/bitbucket", "https://[::1]:7990/bitbucket", 0),
        ("https://[FE80::1%25eth0]", "https://[fe80::1%25eth0]", 0),
        ("https://[fe80::1%eth0]:7990", "https://[fe80::1%25eth0]:7990", 0),
        ("https://[fe80::1%25]", "https://[fe80::1%2525]", 0),
        ("https://bücher.example.com", "https://xn--bcher-kva.example.com", 0),
        ("https://STRASSE.例え.jp/scm", "https://strasse.xn--r8jz45g.jp/scm", 0),
        ("https://git_lab.example.com.", "https://git_lab.example.com.", 0),
        (
            f"https://{'a' * 63}.{'b' * 63}.{'c' * 63}.{'d' * 61}",
            f"https://{'a' * 63}.{'b' * 63}.{'c' * 63}.{'d' * 61}",
            0,
        ),
    ],
)
def test_bitbucket(text: str, base: str, warnings: int) -> None:
    found, warned = bitbucket_base(text)
    assert (found, len(warned)) == (base, warnings)


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("example.vezacloud.com", "https://example.vezacloud.com"),
        ("example.vezacloud.com:8443", "https://example.vezacloud.com:8443"),
        ("https://example.vezacloud.com/", "https://example.vezacloud.com"),
        ("https://example.vezacloud.com/api/v1/", "https://example.vezacloud.com"),
        ("https://proxy/veza", "https://proxy/veza"),
        ("HTTPS://proxy", "https://proxy"),
        ("https://proxy?x=1#y", "https://proxy"),
    ],
)
def test_veza(text: str, base: str) -> None:
    assert veza_base(text)[0] == base


@pytest.mark.parametrize(
    "text",
    [
        "h", "ftp://h", "https://", "https:///x", "https://h:99999", "https://h:x", "https://h:0", "https://[::1",
        "https://h/a b", "https://h/\x00", "https://user:hunter2@h", "https://hunter2@h", "file:///etc/passwd", "",
        "https://@h", "https://h..x", "https://.h", "https://.", f"https://{'a' * 64}.example.com", "https://ex%41mple",
        f"https://{LONGEST}d", "https://h$", "https://-h", "https://h-", "https://h;x",
        "https://[fe80::1%25]eth0", "https://[fe80::1%]", "https://[fe80::1%a b]", "https://[::g]", "https://[v1.x]",
        "https://[1.2.3.4]", "https://xn--\u0430.\u2603-", "https://\u200d", "https://a\u3002\u3002b",
    ],
)  # fmt: skip
def test_refused_without_showing_it(text: str) -> None:
    with pytest.raises(AddressError) as raised:
        bitbucket_base(text)
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("text", ["http://h", "ftp://h", "https://", "", "https://u:hunter2@h", "a b", "h:x", "h:0"])
def test_what_can_not_be_veza(text: str) -> None:
    with pytest.raises(AddressError) as raised:
        veza_base(text)
    assert "hunter2" not in str(raised.value)


@given(st.text() | st.from_regex(r"https?://[a-zA-Z0-9.@:\[\]]*(/[a-z/?#@%.]*)?", fullmatch=True))
def test_whatever_is_given_a_base_url_comes_out_or_our_error(text: str) -> None:
    try:
        base, _ = bitbucket_base(text)
    except AddressError:
        return
    assert base.startswith(("https://", "http://"))
    assert not base.endswith("/")
    assert "?" not in base
    assert "#" not in base
    assert bitbucket_base(base)[0] == base
    assert urlsplit(base).netloc.isascii()
    assert data_source_name_for(base)
