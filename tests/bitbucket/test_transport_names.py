"""Host names that don't exist, and those that can't be resolved at the moment."""

import asyncio
import socket

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from oaa_bitbucket_async.bitbucket.deadlines import Deadlines
from oaa_bitbucket_async.bitbucket.faults import Fault, FaultReason
from oaa_bitbucket_async.bitbucket.pacing.clock import LoopClock
from oaa_bitbucket_async.bitbucket.transport import HttpTransport
from oaa_bitbucket_async.errors import WrongAddressError
from oaa_bitbucket_async.redaction import Redactor
from tests.bitbucket.rawserver import json_answer, raw_server, sending


class _Resolver(AbstractResolver):
    """Knows every name at first, and then fails as told."""

    def __init__(self, code: int, good: int = 0) -> None:
        self.code, self.good = code, good

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        self.good -= 1
        if self.good >= 0:
            return [ResolveResult(hostname=host, host="127.0.0.1", port=port, family=socket.AF_INET, proto=0, flags=0)]
        raise socket.gaierror(self.code, "said the resolver")

    async def close(self) -> None:
        pass


def through_resolver(code: int, *, signed: bool = True) -> Exception:
    async def main() -> Exception:
        async with aiohttp.TCPConnector(resolver=_Resolver(code)) as connector:
            transport = HttpTransport(
                connector,
                URL("http://gone"),
                {},
                None,
                Redactor(),
                Deadlines(30.0, LoopClock()),
                signed=signed,
                has_certificate=False,
            )
            with pytest.raises((Fault, WrongAddressError)) as caught:
                await transport.get("/x")
            return caught.value

    return asyncio.run(main())


def test_a_host_that_does_not_exist_is_an_address_to_mend_and_one_that_can_t_be_resolved_now_is_a_fault() -> None:
    error = through_resolver(socket.EAI_NONAME)
    assert isinstance(error, WrongAddressError)
    assert error.message == "gone:80 can't be reached: there is no host with this name."
    assert "--bitbucket-url" in error.advice
    fault = through_resolver(socket.EAI_AGAIN)
    assert isinstance(fault, Fault)
    assert fault.reason is FaultReason.CONNECT
    assert "can't be resolved at the moment" in fault.detail
    assert isinstance(through_resolver(socket.EAI_NONAME, signed=False), Fault), "nobody's view ends no run"


def test_once_there_was_an_answer_a_name_that_is_gone_passes() -> None:
    """A resolver that fails in the middle of a crawl ends no run at once."""

    async def main() -> None:
        async with raw_server(sending(json_answer(), close=True)) as server:
            resolver = _Resolver(socket.EAI_NONAME, good=1)
            async with aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False, force_close=True) as connector:
                transport = HttpTransport(
                    connector,
                    URL(f"http://good:{server.port}"),
                    {},
                    None,
                    Redactor(),
                    Deadlines(30.0, LoopClock()),
                    signed=True,
                    has_certificate=False,
                )
                assert (await transport.get("/x")).status == 200
                with pytest.raises(Fault, match="there is no host with this name"):
                    await transport.get("/x")

    asyncio.run(main())
