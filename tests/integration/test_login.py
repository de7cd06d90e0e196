"""Who we are: each way in which preflight, or the middle of a run, finds that we are nobody, by its own message."""

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import trustme
from aiohttp import web

from oaa_bitbucket_async.bitbucket import client
from oaa_bitbucket_async.demo.model import ModelGrant
from oaa_bitbucket_async.secret import Secret
from oaa_bitbucket_async.settings import Login, Output, Pace, Tls
from oaa_bitbucket_async.state import known_path
from tests.examples import first
from tests.integration.conftest import Benches
from tests.integration.harness import QUICK, Bench, Ran
from tests.servers import Fault, RiggedOptions
from tests.servers.capacity import Capacity
from tests.servers.changes import revoke

FEW = replace(QUICK, max_attempts=3, request_timeout=5.0)


def ends(ran: Ran, code: int, *words: str, requests: int | None = None) -> None:
    """Fails unless the run ended so, told all `words`, what to do, and uploaded nothing."""
    assert ran.code == code, ran.error
    assert ran.error is not None
    for word in words:
        assert word in str(ran.error)
    assert ran.error.advice, "what to do next is missing"
    assert not ran.pushed
    if requests is not None:
        assert ran.requests == requests


# --- refused at the door ----------------------------------------------------------------------------------------------


def test_a_wrong_password_costs_one_request_and_no_lockout(bench: Benches) -> None:
    made = bench()
    wrong = made.settings(login=Login(user=made.bitbucket.user, secret=Secret("wrong")))
    ends(made.run(wrong), 4, "refused the user name or password", "Authentication failed", requests=1)
    assert made.bitbucket.failed_logins[made.bitbucket.user] == 1
    assert made.run().code == 0


def test_a_captcha_that_is_wanted_already(bench: Benches) -> None:
    made = bench()
    made.bitbucket.failed_logins[made.bitbucket.user] = 3
    ends(made.run(), 4, "CAPTCHA", "browser", requests=1)


def test_basic_switched_off(bench: Benches) -> None:
    made = bench(RiggedOptions(version="10.0.1"))
    ends(made.run(), 4, "Basic authentication is switched off", "BITBUCKET_USER", "token", requests=1)


@pytest.mark.parametrize("version", first("9.4.0", "10.0.1", of=["7.21.0", "9.4.0", "10.0.1"]))
def test_an_unknown_token(bench: Benches, version: str) -> None:
    """From 10.0 on nobody is told: the public's view comes with status 200, but the proof of the login is refused."""
    made = bench(RiggedOptions(version=version))
    ends(made.run(login=Login(secret=Secret("no such token"))), 4, "refused the HTTP access token", requests=1)


@pytest.mark.parametrize("version", ["9.4.0", "10.0.1"])
def test_a_revoked_token(bench: Benches, version: str) -> None:
    made = bench(RiggedOptions(version=version))
    made.bitbucket.revoke(made.bitbucket.token)
    ends(made.run(basic=False), 4, "refused the HTTP access token", "BITBUCKET_TOKEN", requests=1)


def someone(made: Bench, name: str = "") -> str:
    """A user who is licensed and no administrator, with the password and token of that name."""
    estate = made.bitbucket.estate
    user = next(u for u in estate.users if u.active and not u.deleted and u.name != made.bitbucket.user)
    for place in (*estate.projects, *estate.repositories):
        revoke(estate, user.name, place)
    for project in estate.projects:
        project.group_grants = [g for g in project.group_grants if g.permission != "PROJECT_ADMIN"]
        project.defaults = tuple(level for level in project.defaults if level != "PROJECT_ADMIN")
    estate.projects = [p for p in estate.projects if p.owner != user.name]
    estate.repositories = [r for r in estate.repositories if r.project in estate.projects]
    revoke(estate, user.name)
    estate.global_groups = [g for g in estate.global_groups if g.permission not in ("ADMIN", "SYS_ADMIN")]
    estate.global_users.append(ModelGrant(user.name, "LICENSED_USER"))
    estate.changed()
    made.bitbucket.add_account(user.name, password="theirs", token="their token")
    return user.name


def test_a_token_without_project_admin(bench: Benches) -> None:
    made = bench()
    name = someone(made)
    ran = made.run(login=Login(secret=Secret("their token")))
    ends(ran, 4, f"{name} administers no project", "Project admin")
    assert ran.requests < 12


def test_an_account_without_project_admin(bench: Benches) -> None:
    made = bench()
    name = someone(made)
    ran = made.run(login=Login(user=name, secret=Secret("theirs")))
    ends(ran, 4, f"{name} administers no project", "global permission Admin")
    assert ran.requests < 12


def test_an_account_that_is_not_licensed(bench: Benches) -> None:
    made = bench()
    name = someone(made)
    revoke(made.bitbucket.estate, name)
    made.bitbucket.estate.global_groups = []
    made.bitbucket.estate.changed()
    ends(made.run(login=Login(user=name, secret=Secret("theirs"))), 4, "not licensed", requests=1)


# --- something else answers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "words"), [("login-page", "HTML page"), ("sso-redirect", "sso.example.com")])
def test_single_sign_on_before_everything(bench: Benches, name: str, words: str) -> None:
    """It may stand before a Bitbucket or at a wrong address: either is to be mended. Once it was good, it passes."""
    fault = Fault(name)
    made = bench(faults=[fault])
    ends(made.run(pace=FEW), 2, words, "sign-on", "/rest/", "--bitbucket-url", requests=4)
    made.bitbucket.faults.remove(fault)
    assert made.run(pace=FEW, dry_run=True).code == 0
    made.bitbucket.faults.append(fault)
    ends(made.run(pace=FEW), 75, words, "has succeeded with this address before")


@dataclass(frozen=True)
class Other:
    """A server that is no Bitbucket: it answers everything so."""

    name: str
    status: int
    content_type: str
    body: str
    code: int
    words: str


OTHERS = [
    Other("html 404", 404, "text/html", "<html>Not found</html>", 2, "not answer with Bitbucket's REST API"),
    Other("json 404", 404, "application/json", '{"message": "no route"}', 2, "not the base URL of a Bitbucket"),
    Other("empty 404", 404, "text/plain", "", 2, "not the base URL of a Bitbucket"),
    Other("html 200", 200, "text/html", "<html>Welcome</html>", 2, "not answer with Bitbucket's REST API"),
    Other("other json", 200, "application/json", '{"ok": true}', 2, "expected shape"),
    Other("list", 200, "application/json", "[]", 2, "expected shape"),
    Other("html 401", 401, "text/html", "<html>Who?</html>", 2, "is not a Bitbucket"),
    Other("json 401", 401, "application/json", '{"message": "401 Unauthorized"}', 2, "is not a Bitbucket"),
    Other("bad gateway", 502, "text/html", "<html>Bad gateway</html>", 75, "no usable answer"),
]


@contextmanager
def other_server(other: Other) -> Iterator[str]:
    async def answer(_: web.BaseRequest) -> web.Response:
        return web.Response(status=other.status, content_type=other.content_type, text=other.body)

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> web.ServerRunner:
        runner = web.ServerRunner(web.Server(answer))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner

    runner = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@pytest.mark.parametrize("other", OTHERS, ids=lambda o: o.name)
def test_not_a_bitbucket(bench: Benches, other: Other) -> None:
    with other_server(other) as url:
        ends(bench().run(bitbucket_url=url, pace=FEW), other.code, other.words, url)


def test_a_wrong_context_path(bench: Benches) -> None:
    made = bench(RiggedOptions(context_path="/git"))
    ends(made.run(bitbucket_url=made.bitbucket.url + "/scm"), 2, "base URL", "context path", requests=1)


def test_nothing_listens(bench: Benches) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{reserved.getsockname()[1]}"
        ends(bench().run(bitbucket_url=url, pace=FEW), 75, "no connection", url)


def test_a_host_that_has_no_address(bench: Benches) -> None:
    ran = bench().run(bitbucket_url="http://bitbucket.invalid", pace=FEW)
    if ran.code == 75:  # this machine has no resolver
        ends(ran, 75, "can't be resolved at the moment", "bitbucket.invalid")
    else:
        ends(ran, 2, "bitbucket.invalid:80 can't be reached: there is no host with this name", "--bitbucket-url")


def test_https_towards_a_plain_port(bench: Benches) -> None:
    made = bench()
    url = made.bitbucket.url.replace("http:", "https:")
    ends(made.run(bitbucket_url=url, pace=FEW), 2, "does not speak TLS on this port", "http://", requests=0)
    remember = known_path(made.state, url)
    remember.touch()
    ends(made.run(bitbucket_url=url, pace=FEW), 75, "does not speak TLS on this port", "Run again later")
    remember.unlink()
    assert made.run(dry_run=True).code == 0
    ends(made.run(bitbucket_url=url, pace=FEW), 2, "TLS")


def test_an_instance_at_an_ipv6_address(bench: Benches) -> None:
    try:
        ran = bench(RiggedOptions(host="::1")).run()
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    assert ran.code == 0, ran.error
    assert "- [::1]:" in ran.payload["applications"][0]["name"]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def test_an_untrusted_certificate_names_the_flag_and_is_not_tried_again(
    bench: Benches, authority: trustme.CA, tmp_path: Path
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    made = bench(RiggedOptions(tls=context))
    ends(made.run(), 2, "certificate", "not trusted here", "--ca-file", requests=0)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    assert made.run(tls=Tls(ca_file=tmp_path / "ca.pem")).code == 0
    assert made.run(tls=Tls(insecure=True)).code == 0


def test_a_certificate_for_another_name(bench: Benches, authority: trustme.CA, tmp_path: Path) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("bitbucket.example.com").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    ends(
        bench(RiggedOptions(tls=context)).run(tls=Tls(ca_file=tmp_path / "ca.pem")),
        2,
        "certificate is for another name",
    )


# --- a login that is good, but not all --------------------------------------------------------------------------------


def test_a_token_is_warned_of_once_and_complete(bench: Benches, capsys: pytest.CaptureFixture[str]) -> None:
    ran = bench().run(basic=False)
    assert ran.code == 0, ran.error
    application = ran.payload["applications"][0]
    assert application["custom_properties"]["authentication"] == "token"
    assert application["custom_properties"]["global_permissions"] == "effective"
    said = capsys.readouterr().err
    assert said.count("effective holders") == 1
    assert said.count("a token never has the right") == 1


def test_rights_that_are_missing_are_named_one_by_one(bench: Benches, capsys: pytest.CaptureFixture[str]) -> None:
    """Somebody with Admin on one project and read on another: what of the other can't be read is named."""
    made = bench()
    name = someone(made)
    estate = made.bitbucket.estate
    mine, other = [p for p in estate.projects if p.type == "NORMAL" and estate.repositories_of(p)][:2]
    mine.user_grants.append(ModelGrant(name, "PROJECT_ADMIN"))
    other.user_grants.append(ModelGrant(name, "PROJECT_READ"))
    estate.changed()
    debug = Output(progress=False, debug=True)
    ran = made.run(login=Login(secret=Secret("their token")), output=debug)
    ends(ran, 3, "could not be collected")
    said = capsys.readouterr().err
    assert f"user permissions of project {other.key} (denied)" in said
    for repository in estate.repositories_of(other):
        assert said.count(f"user permissions of repository {other.key}/{repository.slug} (denied)") == 1
    assert f"of project {mine.key} " not in said
    assert f"of repository {mine.key}/" not in said
    assert "is no Bitbucket administrator" in said


# --- behind a proxy that strips our name ------------------------------------------------------------------------------


def stripped(bench: Benches, *faults: Fault, version: str = "9.4.0", seconds: float = 0.0) -> Bench:
    capacity = Capacity(slots=8, service="fixed", seconds=seconds) if seconds else None
    return bench(RiggedOptions(strip_username_header=True, version=version, capacity=capacity), faults)


def proofs(made: Bench) -> int:
    """How often it was asked who we are."""
    return sum(r.kind == "users" and r.query == "limit=1" for r in made.bitbucket.requests)


@pytest.mark.parametrize("basic", [True, False], ids=["basic", "token"])
def test_without_the_header_it_works_and_warns_once(
    bench: Benches, capsys: pytest.CaptureFixture[str], basic: bool
) -> None:
    made = stripped(bench)
    ran = made.run(basic=basic)
    assert ran.code == 0, ran.error
    assert capsys.readouterr().err.count("X-AUSERNAME") == 1
    assert proofs(made) >= 2, "at the start and before the upload"
    assert made.bitbucket.requests[-1].query == "limit=1", "the last word before the upload"
    if basic:
        assert ran.raw == bench().run().raw


def test_without_the_header_the_login_is_proven_at_intervals(bench: Benches, monkeypatch: pytest.MonkeyPatch) -> None:
    made = stripped(bench, seconds=0.01)
    monkeypatch.setattr(client, "PROOF_INTERVAL", 0.02)
    assert made.run().code == 0
    assert proofs(made) >= 4


@pytest.mark.parametrize(
    ("name", "version"), [("revoked", "9.4.0"), ("forgotten", "9.4.0"), ("forgotten", "10.0.1"), ("captcha", "9.4.0")]
)
@pytest.mark.parametrize("place", [20, 60, 130])
def test_without_the_header_a_login_lost_on_the_way_is_noticed(
    bench: Benches, name: str, version: str, place: int
) -> None:
    """Public data with status 200, or refusals that look like missing rights: neither may be uploaded."""
    made = stripped(bench, Fault(name, first=place), version=version)
    ran = made.run(basic=version < "10")
    ends(ran, 4)
    assert ran.requests <= place + 1 + 256


def test_with_the_header_too(bench: Benches) -> None:
    """A token that 10.0 forgets in the middle: the first anonymous answer ends the run."""
    made = bench(RiggedOptions(version="10.0.1"), [Fault("forgotten", first=60)])
    ends(made.run(basic=False), 4, "login")


def test_a_login_lost_between_the_crawl_and_the_upload(bench: Benches) -> None:
    """Without the header only the proof before the upload can tell."""
    made = stripped(bench)
    assert made.run(dry_run=True).code == 0
    whole = len(made.bitbucket.requests)
    made.bitbucket.faults.append(Fault("forgotten", first=whole - 1))
    ran = made.run()
    ends(ran, 4, "no longer recognizes the login")
    assert ran.requests == whole


@pytest.mark.parametrize(
    "pace", [Pace(max_outage=0.0), Pace(max_attempts=1), Pace(max_outage=3600.0, max_attempts=1000, retry_wait=60.0)]
)
def test_an_untrusted_certificate_is_a_setting_at_any_pace(bench: Benches, authority: trustme.CA, pace: Pace) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    began = time.monotonic()
    ends(bench(RiggedOptions(tls=context)).run(pace=pace), 2, "not trusted here", "--ca-file", requests=0)
    assert time.monotonic() - began < 20.0, "a wait of a minute would be tried again"
