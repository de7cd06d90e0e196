"""The report in Veza after an upload. Whatever goes wrong with it, the upload stands."""

from oaa_bitbucket_async.errors import CollectorError
from oaa_bitbucket_async.oaa.payload import Payload
from oaa_bitbucket_async.oaa.upload import PushResult
from oaa_bitbucket_async.oaa.veza_report import ReportResult, make_report
from oaa_bitbucket_async.ops.summary import ReportOutcome, Summary
from oaa_bitbucket_async.settings import Veza


async def report_in_veza(veza: Veza, payload: Payload, uploaded: PushResult, summary: Summary) -> None:
    """Makes or completes the report if it is this run's turn, and says so in the summary. A failure is a warning."""
    wanted = uploaded.created_provider if veza.create_report is None else veza.create_report
    if not wanted:
        return
    try:
        result = await make_report(veza, payload.node_types, parsed=uploaded.parsed)
    except CollectorError as error:
        summary.veza_report = ReportOutcome(outcome="failed", detail="the upload is not touched by that")
        summary.warnings[
            f"the report in Veza was not made: {error} The upload stands; a later run with --create-report makes it."
        ] += 1
        return
    summary.veza_report = ReportOutcome(outcome=result.outcome, detail=_detail(result))
    for reason in result.refused.values():
        summary.warnings[f"a query of the report was left out: {reason}"] += 1


def _detail(result: ReportResult) -> str:
    waiting = f", {len(result.absent)} more need --include" if result.absent else ""
    return f"{result.name}, {len(result.queries)} queries{waiting}"
