import pytest
from hypothesis import given
from hypothesis import strategies as st
from oaaclient.client import OAAClient

from oaa_bitbucket_async.errors import ConfigurationError
from oaa_bitbucket_async.oaa.names import check_name, data_source_name_for
from oaa_bitbucket_async.urls import host_of


@pytest.mark.parametrize(
    ("url", "host", "name"),
    [
        ("https://git.example.com", "git.example.com", "bitbucket-server - git.example.com"),
        ("https://GIT.example.com:443/", "git.example.com", "bitbucket-server - git.example.com"),
        ("http://git.example.com:443", "git.example.com:443", "bitbucket-server - git.example.com:443"),
        ("https://git.example.com:7990/scm", "git.example.com:7990/scm", "bitbucket-server - git.example.com:7990-scm"),
        ("https://h/a/b+c~ü", "h/a/b+c~ü", "bitbucket-server - h-a-b-c-"),
        ("https://[::1]:7990", "[::1]:7990", "bitbucket-server - ::1:7990"),
        ("https://bücher.example", "bücher.example", "bitbucket-server - xn--bcher-kva.example"),
        ("https://[fe80::1%25eth0]:7990", "[fe80::1%25eth0]:7990", "bitbucket-server - fe80::1%25eth0:7990"),
    ],
)
def test_the_data_source_is_named_after_the_host(url, host, name):
    assert host_of(url) == host
    assert data_source_name_for(url) == name
    assert check_name(name, "--data-source-name") == name


@given(st.text() | st.from_regex(r"https?://[a-zü:.@\[\]%]*(:\w*)?(/[a-z]*)?", fullmatch=True))
def test_an_odd_address_in_a_payload_is_a_setting_to_give(url):
    """A payload can say anything."""
    try:
        name = data_source_name_for(url)
    except ConfigurationError:
        name = "one that has to be given"
    assert check_name(name, "--data-source-name") == name


@given(st.text())
def test_what_passes_is_what_oaaclient_creates_and_finds(name):
    import re

    passes = bool(re.match(OAAClient.ALLOWED_CHARACTERS, name))
    passes = passes and '"' not in name and "\n" not in name and bool(name.strip())
    if passes:
        assert check_name(name, "--flag") == name
    else:
        with pytest.raises(ConfigurationError, match="--flag"):
            check_name(name, "--flag")


@pytest.mark.parametrize("name", ["", "  ", "a/b", 'a"b', "a\n", "ü"])
def test_names_that_veza_would_refuse_or_never_find(name):
    with pytest.raises(ConfigurationError, match="--provider-name"):
        check_name(name, "--provider-name")
