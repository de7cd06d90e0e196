"""The results of the questions as plain records: figures for the table, and the rest for the plots.

They are kept in `results.json`, so that tables and plots can be made anew without measuring. How a plot looks, and what
its title says, is in `benchmarks.findings`.
"""

import msgspec

from benchmarks.figures import Figure


class Curve(msgspec.Struct, frozen=True):
    """Time of a crawl by the least time, over the number of requests in flight, on one server.

    `slots`, `service` ('fixed' or 'lognormal' times) and `degradation` (0: overload makes nothing slower) describe the
    server. `fixed`: number in flight and ratio; `auto`: the ratio of `auto`.
    """

    slots: int
    service: str
    degradation: float
    fixed: list[tuple[int, float]]
    auto: float

    @property
    def best(self) -> float:
        """The ratio of the best fixed number."""
        return min(ratio for _, ratio in self.fixed)


class LimitWay(msgspec.Struct, frozen=True):
    """The limit that `auto` found, while the server's slots fell and came back.

    `limit` and `slots` hold steps: seconds since the crawl began, and the number from then on; the last is the end.
    `ratio`: time of the crawl by the least time.
    """

    degradation: float
    ratio: float
    limit: list[tuple[float, float]]
    slots: list[tuple[float, float]]


class RequestCost(msgspec.Struct, frozen=True):
    """The cost of a request for one client: microseconds of processor time, and the requests a second it reached."""

    name: str
    cpu: float
    rate: float


class Neighbour(msgspec.Struct, frozen=True):
    """How one crawl slowed another client down. Latencies are in milliseconds, over the whole crawl.

    `slots`, `milliseconds`, `service` ('fixed' or 'lognormal') and `degradation` (0: none) describe the server.
    `concurrency` None: `auto`. `time`: that of the crawl by the least time.
    """

    slots: int
    milliseconds: float
    service: str
    degradation: float
    concurrency: int | None
    requests: int
    time: float
    unloaded_median: float
    unloaded_p95: float
    median: float
    p95: float
    over_time: list[tuple[float, float]] = []
    """Seconds since the crawl began, and the median around then; evenly over the crawl."""

    @property
    def felt(self) -> float:
        """The median by the one without a crawl."""
        return self.median / self.unloaded_median

    @property
    def felt_p95(self) -> float:
        """The same of the 95th percentile."""
        return self.p95 / self.unloaded_p95

    @property
    def seconds(self) -> float:
        """About the length of the crawl."""
        return self.over_time[-1][0] if self.over_time else 1.0


class Failing(msgspec.Struct, frozen=True):
    """A crawl of a server that fails, beside one of the same server that does not. Times are those of the crawls, in s.

    `share`: of all requests, whatever the load (a flaky server); None: an overloaded one, which refuses what is too
    much at one time. `failed` requests are among `requests`.
    """

    share: float | None
    repositories: int
    seconds: float
    clean_seconds: float
    requests: int
    clean_requests: int
    failed: int

    @property
    def times(self) -> float:
        """The time by that without failures."""
        return self.seconds / self.clean_seconds


class Week(msgspec.Struct, frozen=True):
    """The results of a simulated week under one schedule, on an instance where a part changes every day.

    The question `week` gives one for each combination that it tried, in `Answer.weeks`. The plot needs, for one size of
    the instance, the nightly full runs and the hourly runs of each `max_age`, for the same shares of changes.

    `hourly`: incremental runs every hour; else full runs every night. `changed`: share of the repositories whose
    grants change in a day (0.01: one of a hundred). `max_age`: hours (`--max-age`), None for full runs.
    `rate_limited`: whether Bitbucket's default rate limit holds the account.

    `requests`: of all runs of the week. `seconds`: median length of a run. `shown_after` and `shown_after_worst`:
    hours until a change shows in Veza, the median of all changes and the longest. `cpu` (seconds) and `peak_mb`: the
    most that one run took; 0.0 if that was not measured.
    """

    hourly: bool
    repositories: int
    changed: float
    max_age: int | None
    rate_limited: bool
    requests: int
    seconds: float
    shown_after: float
    shown_after_worst: float
    cpu: float = 0.0
    peak_mb: float = 0.0

    @property
    def requests_a_day(self) -> float:
        """The mean of the seven days."""
        return self.requests / 7


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer to one question: its figures, and the records for its plot."""

    figures: list[Figure]
    curves: list[Curve] = []
    ways: list[LimitWay] = []
    costs: list[RequestCost] = []
    neighbours: list[Neighbour] = []
    weeks: list[Week] = []
    failing: list[Failing] = []
