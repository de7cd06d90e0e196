"""What an answer is taken for, asked of the protocol alone."""

import msgspec
import pytest

from oaa_bitbucket_async.bitbucket.faults import Fault
from oaa_bitbucket_async.bitbucket.protocol import Account, Answer, parse_response
from oaa_bitbucket_async.bitbucket.rows import Page, UserGrant
from oaa_bitbucket_async.errors import CredentialError
from tests.bitbucket.answers import ME, page

PATH = "/scm/rest/api/1.0/projects/A/permissions/users?limit=1000"
GRANTS = msgspec.json.Decoder(Page[UserGrant])
EMPTY = page([])
LOGIN_PAGE = b"<!DOCTYPE html><html><form></form></html>"


def known() -> Account:
    return Account(kind="basic", given_name=ME, user_header=ME)


def unproven(kind: str = "basic") -> Account:
    return Account(kind=kind, given_name=ME if kind == "basic" else None)


def stripped() -> Account:
    return Account(kind="token", stripped=True)


def read(given: Answer, login: Account | None = None, now: float = 0.0) -> Page[UserGrant]:
    return parse_response(PATH, given, GRANTS, login or known(), now)


def fault(given: Answer, login: Account | None = None, now: float = 0.0) -> Fault:
    with pytest.raises(Fault) as caught:
        read(given, login, now)
    return caught.value


def lost(given: Answer, login: Account | None = None) -> str:
    with pytest.raises(CredentialError) as caught:
        read(given, login)
    assert caught.value.exit_code == 4
    assert caught.value.advice
    return caught.value.message
