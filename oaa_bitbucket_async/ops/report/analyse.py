"""Turns a snapshot into figures and short lists for people. Linear in the number of grants; takes seconds."""

from collections import Counter

from oaa_bitbucket_async.collect.snapshot import Missing, Snapshot
from oaa_bitbucket_async.oaa.gc_pause import gc_paused
from oaa_bitbucket_async.oaa.permissions import PERMISSIONS
from oaa_bitbucket_async.oaa.principals import Licensed, identities_of, is_licensed
from oaa_bitbucket_async.ops.report.analysis import (
    Analysis,
    PermissionCount,
    Things,
    Users,
)
from oaa_bitbucket_async.ops.report.evidence import Evidence
from oaa_bitbucket_async.ops.report.found import find_all
from oaa_bitbucket_async.ops.report.reach import groups_that_reach_most, users_that_reach_most
from oaa_bitbucket_async.ops.report.reach_index import ReachIndex
from oaa_bitbucket_async.settings import Identity


def analyse(snapshot: Snapshot, *, identity: Identity, now: float) -> Analysis:
    """Computes everything. Seconds for a large instance: call it off the event loop. `now`: seconds since 1970."""
    with gc_paused():
        return _analysis(snapshot, Evidence(snapshot, identity=identity, now=now))


def _analysis(snapshot: Snapshot, evidence: Evidence) -> Analysis:
    index = evidence.index
    able = (user for user in snapshot.users.values() if evidence.may_sign_in(user))
    return Analysis(
        instance=snapshot.instance,
        snapshot=snapshot,
        identity=evidence.identity,
        now=evidence.now,
        users=_users(snapshot, evidence.licensed, evidence.identity),
        things=_things(snapshot),
        levels=_levels(snapshot, index),
        public_access=snapshot.public_access,
        findings=find_all(evidence),
        by_everyone=index.of_everyone().bit_count(),
        top_users=tuple(users_that_reach_most(snapshot, index, able)),
        top_groups=tuple(groups_that_reach_most(snapshot, index)),
    )


def _users(snapshot: Snapshot, sign_in: Licensed, identity: Identity) -> Users:
    users = snapshot.users.values()
    active = sum(user.active for user in users)
    return Users(
        total=len(users),
        active=active,
        inactive=len(users) - active,
        without_identity=sum(not identities_of(user, identity) for user in users),
        may_sign_in=sum(bool(is_licensed(user, sign_in)) for user in users) if sign_in.all_known else None,
        unlisted=sum(not user.listed for user in users),
    )


def _things(snapshot: Snapshot) -> Things:
    projects, repositories = snapshot.projects, snapshot.repositories.values()
    return Things(
        groups=len(snapshot.groups),
        empty_groups=sum(
            group.listed and Missing("group", key) not in snapshot.missing and not snapshot.members.get(key)
            for key, group in snapshot.groups.items()
        ),
        projects=len(projects),
        personal_projects=sum(project.personal for project in projects.values()),
        public_projects=sum(project.public for project in projects.values()),
        repositories=len(repositories),
        personal_repositories=sum(
            (project := projects.get(r.project)) is not None and project.personal for r in repositories
        ),
        public_repositories=sum(
            r.public or ((project := projects.get(r.project)) is not None and project.public) for r in repositories
        ),
        archived_repositories=sum(repository.archived for repository in repositories),
        forks=sum(repository.fork for repository in repositories),
    )


def _levels(snapshot: Snapshot, index: ReachIndex) -> tuple[PermissionCount, ...]:
    counts: Counter[tuple[str, str]] = Counter()
    for principal, permission in snapshot.grants(snapshot.global_grants):
        counts[permission, principal.kind] += 1
    for principal, codes in index.codes.items():
        for code, permission in codes:
            counts[permission, principal.kind] += len(index.on_projects.get(code, ()))
            counts[permission, principal.kind] += len(index.on_repositories.get(code, ()))
    for permissions in index.default_permissions:
        for permission in permissions:
            counts[permission, "everyone"] += 1
    unknown = sorted({permission for permission, _ in counts} - PERMISSIONS.keys())
    return tuple(
        PermissionCount(name, counts[name, "user"], counts[name, "group"], counts[name, "everyone"])
        for name in (*PERMISSIONS, *unknown)
    )
