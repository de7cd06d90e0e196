"""Default reviewers as properties of projects and repositories."""

from oaaclient.templates import OAAPropertyType

from oaa_bitbucket_async.collect.kinds import PROJECT_REVIEWERS, REPOSITORY_REVIEWERS
from oaa_bitbucket_async.collect.snapshot import ProjectRecord, RepositoryRecord, Snapshot
from oaa_bitbucket_async.oaa.values import PropertyValue
from oaa_bitbucket_async.settings import Include


def default_reviewer_properties(snapshot: Snapshot) -> dict[str, OAAPropertyType]:
    """The properties of projects and repositories, if this run has asked for them."""
    if Include.DEFAULT_REVIEWERS not in snapshot.included.asked_for:
        return {}
    return {
        "default_reviewers": OAAPropertyType.STRING_LIST,
        "default_reviewer_conditions": OAAPropertyType.STRING_LIST,
    }


def default_reviewers(snapshot: Snapshot, place: ProjectRecord | RepositoryRecord) -> dict[str, PropertyValue | None]:
    """What is known of one project or repository: user names, and `any branch -> main: 2 of ann, bob`."""
    if not snapshot.included.asked_for:
        return {}
    kind = PROJECT_REVIEWERS if isinstance(place, ProjectRecord) else REPOSITORY_REVIEWERS
    conditions = snapshot.included.rows(kind, place.id)
    if not conditions:
        return {}
    return {
        "default_reviewers": sorted({name for one in conditions for name in one.reviewers}) or None,
        "default_reviewer_conditions": sorted(
            f"{one.source} -> {one.target}: {one.approvals} of {', '.join(one.reviewers) or 'nobody'}"
            for one in conditions
        ),
    }
