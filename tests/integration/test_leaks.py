"""Every secret, in each form it can take, searched for in every byte that a run leaves behind or shows meanwhile."""

import base64
import gzip
import json
import os
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from oaa_bitbucket_async.demo.estate import generate
from tests.examples import first
from tests.integration.conftest import SMALL
from tests.integration.harness import Bench, serving
from tests.integration.process import Ended, Process, ended
from tests.servers import Fault, RiggedBitbucket, RiggedOptions
from tests.servers.veza import RiggedVeza

PASSWORD = "pä\"ss'w%örd+ &/<ß>\\n€x"
TOKEN = "tökén".encode("ascii", "ignore").decode() + "MTIz\"'%+/=\\Njk4OTA1"
VEZA_KEY = "vezKey+/=%22'\"\\9xQ~"
BUG = """
import oaa_bitbucket_async.run.main_job as main_job

def broken(snapshot, **_):
    import os
    secrets = {name: os.environ[name] for name in ("BITBUCKET_TOKEN", "VEZA_API_KEY")}
    raise RuntimeError(f"a bug that tells all it knows: {secrets} {list(secrets.values())}", *secrets.values())

main_job.build_payload = broken
"""
QUOTING = """
import oaa_bitbucket_async.bitbucket.transport as transport
from oaa_bitbucket_async.bitbucket.protocol import Answer
import json
get = transport.HttpTransport.get

async def quoted(self, path):
    answer = await get(self, path)
    if answer.status == 500:
        sent = self._headers["Authorization"]
        message = f"refused{' x' * (before // 2)} Authorization: {sent}"
        body = json.dumps({"errors": [{"message": message, "exceptionName": sent}]})
        return Answer(400, answer.headers, body.encode())
    return answer

transport.HttpTransport.get = quoted
"""
"""A server that answers an error with the credential that it got, after so many characters as `before` says."""


def forms(secret: str, user: str | None) -> dict[str, bytes]:
    """Every form in which a secret could be written, by name."""
    found = {
        "plain": secret,
        "url": quote(secret, safe=""),
        "url, slashes kept": quote(secret),
        "form": quote_plus(secret),
        "json": json.dumps(secret)[1:-1],
        "json, letters kept": json.dumps(secret, ensure_ascii=False)[1:-1],
        "repr": repr(secret)[1:-1],
        "ascii": ascii(secret)[1:-1],
    }
    encoded = {name: text.encode() for name, text in found.items()}
    for text in (secret, *([f"{user}:{secret}"] if user else [])):
        raw = text.encode()
        # A secret anywhere inside of a longer text that was encoded: three ways of falling on its groups of three.
        for shift in range(3):
            core = base64.b64encode(b"\0" * shift + raw)[4 if shift else 0 : -4]
            encoded[f"base64 {len(text)} {shift}"] = core
            encoded[f"url-safe base64 {len(text)} {shift}"] = core.translate(bytes.maketrans(b"+/", b"-_"))
        encoded[f"hex {len(text)}"] = raw.hex().encode()
    encoded["latin-1"] = secret.encode("latin-1", "ignore") if secret.isprintable() else secret.encode()
    encoded["utf-16"] = secret.encode("utf-16-le")
    return {name: form for name, form in encoded.items() if len(form) >= 8}


@dataclass
class Place:
    """A run with telling secrets, all of its output, and everything it has written."""

    bench: Bench
    folder: Path
    basic: bool = True
    seen: dict[str, bytes] = field(default_factory=dict)

    @property
    def secrets(self) -> dict[str, dict[str, bytes]]:
        bitbucket = self.bench.bitbucket
        return {
            "password": forms(PASSWORD, bitbucket.user),
            "token": forms(TOKEN, None),
            "veza key": forms(VEZA_KEY, None),
        }

    def start(self, *arguments: str, first: str = "", **more: str) -> Process:
        return Process(
            self.bench,
            *arguments,
            first=first,
            basic=self.basic,
            cwd=self.folder,
            OAA_METRICS_FILE=str(self.folder / "metrics.prom"),
            OAA_DEBUG="1",
            **more,
        )

    def run(self, *arguments: str, first: str = "", **more: str) -> Ended:
        process = self.start(*arguments, first=first, **more)
        return self.took(process.end())

    def took(self, end: Ended) -> Ended:
        self.seen |= {"standard output": end.out.encode(), "standard error": end.err.encode()}
        texts = [text for line in end.err.splitlines() if line.startswith("{") for text in json.loads(line).values()]
        self.seen["the log's texts"] = "\n".join(map(str, texts)).encode()
        self.look()
        return end

    def look(self) -> None:
        """Takes in every file as it is now."""
        for path in self.folder.rglob("*"):
            if path.is_file() and not path.is_symlink():
                content = path.read_bytes()
                self.seen[f"{path.relative_to(self.folder)} ({len(self.seen)})"] = content
                self.seen[f"name of {path.name}"] = path.name.encode()
                if content[:2] == b"\x1f\x8b":
                    self.seen[f"{path.name}, unpacked"] = gzip.decompress(content)

    def modes(self) -> dict[str, int]:
        return {
            str(path.relative_to(self.folder)): stat.S_IMODE(path.stat().st_mode)
            for path in self.folder.rglob("*")
            if path.is_file() and path.name != "metrics.prom"
        }

    def holds_nothing(self) -> None:
        """Fails on any form of any secret in anything taken in."""
        assert self.seen
        for what, content in self.seen.items():
            for name, found in self.secrets.items():
                for form, text in found.items():
                    assert text not in content, f"the {name} stands in {what}, as {form}"
        if os.name == "posix":
            assert set(self.modes().values()) <= {0o600}, self.modes()


@pytest.fixture
def veza_server() -> Iterator[RiggedVeza]:
    """One with a key that we know the forms of."""
    with RiggedVeza(api_key=VEZA_KEY) as veza:
        yield veza


@pytest.fixture(params=["basic", "token"])
def place(veza_server: RiggedVeza, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Place]:
    bitbucket = RiggedBitbucket(generate(SMALL))
    bitbucket.password, bitbucket.token = PASSWORD, TOKEN
    bitbucket.add_account(bitbucket.user, password=PASSWORD, token=TOKEN)
    with serving(bitbucket):
        yield Place(Bench(bitbucket, veza_server, tmp_path / "state"), tmp_path, basic=request.param == "basic")


def test_the_search_finds_what_is_there() -> None:
    """A search that can't fail would prove nothing."""
    user = "collector"
    for text in (
        PASSWORD.encode(),
        json.dumps({"key": PASSWORD}).encode(),
        base64.b64encode(f"{user}:{PASSWORD}".encode()),
        base64.b64encode(f"x{user}:{PASSWORD}yz".encode()),
        quote(PASSWORD, safe="").encode(),
        repr([PASSWORD]).encode(),
        PASSWORD.encode().hex().encode(),
    ):
        assert any(form in text for form in forms(PASSWORD, user).values()), text
    different = forms(PASSWORD, user)
    assert len({different[name] for name in ("plain", "url", "form", "json", "json, letters kept", "repr")}) >= 5


def test_a_run_that_succeeds(place: Place) -> None:
    end = place.run("--save-json", "saved.json", OAA_LOG_FORMAT="text" if place.basic else "json")
    assert end.code == 0, end.err
    assert "saved.json" in place.modes()
    place.holds_nothing()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_while_it_runs(place: Place) -> None:
    """The process list, the journal with its log, the lock and who holds it."""
    hanging = Fault("hanging", match="repository-users", first=20)
    place.bench.bitbucket.faults.append(hanging)
    process = place.start(first="import oaa_bitbucket_async.collect.journal.journal as j; j.WRITE_INTERVAL = 0.02")
    process.until(lambda: hanging.struck)
    process.until(lambda: any(p.stat().st_size > 20_000 for p in place.bench.state.glob("*.journal-wal")))
    proc = Path(f"/proc/{process.popen.pid}")
    place.seen["the process list"] = (proc / "cmdline").read_bytes()
    place.seen["the process's name"] = (proc / "comm").read_bytes()
    place.look()
    kinds = " ".join(place.seen)
    assert all(word in kinds for word in (".journal", "-wal", ".lock", ".holder"))
    place.took(process.killed())
    place.holds_nothing()


def test_a_bug_that_tells_all_it_knows(place: Place) -> None:
    end = place.run(first=BUG, OAA_LOG_FORMAT="json" if place.basic else "text")
    assert end.code == 1, end.err
    assert "a bug that tells all it knows" in end.err
    assert "This is a bug" in end.err
    place.holds_nothing()


@pytest.mark.thorough
def test_every_way_to_fail(place: Place) -> None:
    """Exit codes 3 and 4, and of the others, in which Bitbucket's secret has no part, some with each login."""
    bitbucket, veza = place.bench.bitbucket, place.bench.veza

    def ends(code: int, *arguments: str, **more: str) -> None:
        end = place.run(*arguments, **more)
        assert end.code == code, end.err
        place.holds_nothing()

    bitbucket.faults[:] = [Fault("lost-right", match="repository-users", first=10)]
    ends(3, "--save-json", "missing.json", OAA_LOG_FORMAT="json")
    assert (place.folder / "missing.json.incomplete").exists()
    bitbucket.faults[:] = [Fault("revoked", first=40)]
    ends(4, "--no-resume")
    bitbucket.faults.clear()
    if place.basic:
        ends(2, VEZA_URL="http://veza.example.com")
        bitbucket.faults[:] = [Fault("reset")]
        ends(75, "--max-attempts", "1")
    else:
        veza.fail("rejected")
        ends(5)
        assert [name for name in place.modes() if name.endswith(".json.gz")]
        veza.fail("refused", call="check")
        ends(5, OAA_LOG_FORMAT="json")


@pytest.mark.parametrize("before", first(265, of=[230, 265]))
def test_a_server_that_repeats_what_it_was_sent(place: Place, before: int) -> None:
    """An error page of a proxy can quote the request, credential and all; the log must not quote it on, nor a part.

    What a server says is cut: `before` so many characters the cut falls into the credential.
    """
    place.bench.bitbucket.faults.append(Fault("error", match="repository-users", first=10, times=1))
    end = place.run(first=f"before = {before}\n{QUOTING}")
    assert end.code == 3, end.err
    assert "refused" in end.err
    place.holds_nothing()
    login = f"{place.bench.bitbucket.user}:{PASSWORD}".encode()
    sent = base64.b64encode(login).decode() if place.basic else TOKEN
    assert [sent[at : at + 6] for at in range(len(sent) - 5) if sent[at : at + 6] in end.err] == []


@pytest.mark.parametrize("arguments", [("--check",), ("--dry-run",)])
def test_a_server_that_calls_itself_and_us_by_the_credential(
    veza_server: RiggedVeza, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    """Its version and our name are shown, on standard output too."""
    token = "MTIzNDU2Nzg5MDEyOpqrstuvwxyz"
    bitbucket = RiggedBitbucket(generate(SMALL), RiggedOptions(version=f"9.4.0-{token}", user=token))
    bitbucket.token = token
    bitbucket.add_account(token, password=PASSWORD, token=token)
    with serving(bitbucket):
        end = ended(Bench(bitbucket, veza_server, tmp_path / "state"), *arguments, basic=False)
    assert end.code == 0, end.err
    assert "9.4.0-***" in end.out + end.err
    assert "as ***" in end.out + end.err
    assert token[:8] not in end.out + end.err


def test_space_around_the_secrets_switches_nothing_off(place: Place) -> None:
    """It is left off a token and a key, where they are read; what is quoted is known without it too."""
    if place.basic:
        pytest.skip("a password is taken as it is")
    place.bench.bitbucket.faults.append(Fault("error", match="repository-users", first=10, times=1))
    end = place.run(first=f"before = 0\n{QUOTING}", BITBUCKET_TOKEN=f" {TOKEN}\n", VEZA_API_KEY=f"\t{VEZA_KEY} ")
    assert end.code == 3, end.err
    assert "refused Authorization: Bearer ***" in end.err
    place.holds_nothing()
