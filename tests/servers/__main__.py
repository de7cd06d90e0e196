"""An embedded Bitbucket as a process of its own: `python -m tests.servers --help`.

The first line on standard output is its URL, the second one its account as JSON (`user`, `password`, `token`).
It runs until it is interrupted or terminated; `/-/stats` below its URL tells what it measured, and
`/-/changes?count=N&seed=S` makes N changes by chance.
"""

import asyncio
import contextlib
import signal
import sys
from dataclasses import dataclass, replace

import click
import msgspec

from oaa_bitbucket_async.demo.bitbucket.routes import KINDS
from oaa_bitbucket_async.demo.estate import EstateShape, generate
from tests.servers.bitbucket import RiggedBitbucket, RiggedOptions
from tests.servers.capacity import MIXES, Capacity, TokenBucket
from tests.servers.faults import FAULTS, Fault
from tests.servers.outliers import OUTLIERS, Outlier, add_outlier


@dataclass(frozen=True)
class Pair:
    """Two numbers, written `A:B`."""

    first: float
    second: float


class PairType(click.ParamType[Pair]):
    """Reads a Pair."""

    name = "A:B"

    def convert(self, value: str | Pair, param: click.Parameter | None, ctx: click.Context | None) -> Pair:
        """The Pair that `value` says."""
        if isinstance(value, Pair):
            return value
        try:
            first, second = value.split(":")
            return Pair(float(first), float(second))
        except ValueError:
            self.fail(f"{value!r} is not two numbers like 60:5", param, ctx)


class FaultType(click.ParamType[Fault]):
    """Reads a Fault: its name, then settings, as in `error:share=0.3,match=repository-users`."""

    name = "NAME[:setting=value,…]"

    def convert(self, value: str | Fault, param: click.Parameter | None, ctx: click.Context | None) -> Fault:
        """The Fault that `value` says."""
        if isinstance(value, Fault):
            return value
        name, _, rest = value.partition(":")
        settings = dict(setting.partition("=")[::2] for setting in rest.split(",") if setting)
        try:
            return msgspec.convert({"name": name, **settings}, Fault, strict=False)
        except (msgspec.ValidationError, ValueError) as error:
            self.fail(f"{value!r}: {error}", param, ctx)


@click.command()
@click.option("--repositories", default=1000, show_default=True, help="Size of the estate.")
@click.option("--seed", default=1, show_default=True, help="The same seed, the same estate.")
@click.option("--users", type=int, help="Users of the estate; by default half as many as repositories.")
@click.option("--grants", type=float, help="Mean number of grants on a repository, without those of --everywhere.")
@click.option("--everywhere", is_flag=True, help="One group and one service user hold a grant on every repository.")
@click.option(
    "--outlier",
    "outliers",
    type=(click.Choice(OUTLIERS), int),
    multiple=True,
    help="One thing that is far larger than all others, and its size; repeatable.",
)
@click.option("--no-credentials", is_flag=True, help="No keys, tokens, restrictions and merge checks.")
@click.option("--no-public-access", is_flag=True, help="Switches off public access: public flags give nothing.")
@click.option("--missing", type=click.Choice(KINDS), multiple=True, help="An endpoint it does not have; repeatable.")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=0, help="Port to listen on; by default a free one.")
@click.option("--version", "release", default="9.4.0", show_default=True, help="Bitbucket's version.")
@click.option("--context-path", default="", help="As in /bitbucket.")
@click.option("--page-cap", default=1000, show_default=True, help="Most rows of a page.")
@click.option("--slots", type=int, help="Requests worked on at one time; without it, no service time.")
@click.option("--service", type=click.Choice(sorted(MIXES)), default="lognormal", show_default=True)
@click.option("--service-time", default=40.0, show_default=True, help="Milliseconds of a common request.")
@click.option("--degradation", default=0.0, show_default=True, help="Growth of service times under overload.")
@click.option("--refuse-at", type=int, help="Requests at hand with which another one is refused (503).")
@click.option("--schedule", type=PairType(), multiple=True, help="SECOND:SLOTS, repeatable.")
@click.option("--bucket", type=PairType(), help="Rate limit, CAPACITY:FILL_RATE, as in 60:5.")
@click.option("--nodes", default=1, show_default=True, help="Nodes of the cluster, each with a bucket.")
@click.option("--hide-rate-limit", is_flag=True, help="Refuse to tell the rate limit's settings.")
@click.option("--fault", "faults", type=FaultType(), multiple=True, help=f"One of {', '.join(FAULTS)}; repeatable.")
def main(
    repositories: int,
    seed: int,
    users: int | None,
    grants: float | None,
    everywhere: bool,
    outliers: tuple[tuple[Outlier, int], ...],
    no_credentials: bool,
    no_public_access: bool,
    missing: tuple[str, ...],
    host: str,
    port: int,
    release: str,
    context_path: str,
    page_cap: int,
    slots: int | None,
    service: str,
    service_time: float,
    degradation: float,
    refuse_at: int | None,
    schedule: tuple[Pair, ...],
    bucket: Pair | None,
    nodes: int,
    hide_rate_limit: bool,
    faults: tuple[Fault, ...],
) -> None:
    """Serve a synthetic estate as a Bitbucket does, until interrupted."""
    capacity = None
    if slots is not None:
        changes = [(change.first, int(change.second)) for change in schedule]
        capacity = Capacity(
            slots,
            service,
            service_time / 1000,
            degradation=degradation,
            schedule=changes,
            seed=seed,
            refuses_at=refuse_at,
        )
    options = RiggedOptions(
        version=release,
        context_path=context_path,
        host=host,
        port=port,
        page_cap=page_cap,
        capacity=capacity,
        bucket=TokenBucket(int(bucket.first), bucket.second, nodes) if bucket else None,
        missing=frozenset(missing),
        log_requests=False,
    )
    shape = EstateShape.for_repositories(repositories, seed, everywhere=everywhere)
    shape = replace(
        shape,
        users=users or shape.users,
        repository_grants=shape.repository_grants if grants is None else grants,
        credentials=not no_credentials,
    )
    estate = generate(shape)
    estate.public_access = not no_public_access
    for outlier, size in outliers:
        add_outlier(estate, outlier, size)
    hidden = [Fault("lost-right", match="admin/rate-limit")] if hide_rate_limit else []
    server = RiggedBitbucket(estate, options, [*faults, *hidden])
    with contextlib.suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(server))


async def _serve(server: RiggedBitbucket) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    if sys.platform != "win32":
        loop.add_signal_handler(signal.SIGTERM, stop.set)
    async with server:
        click.echo(server.url)
        account = {"user": server.user, "password": server.password, "token": server.token}
        click.echo(msgspec.json.encode(account))
        sys.stdout.flush()
        await stop.wait()


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    if sys.platform == "win32":
        return None
    import uvloop

    return uvloop.Loop


if __name__ == "__main__":
    main()
