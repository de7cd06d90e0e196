"""What the endpoints of branch restrictions, merge checks and default reviewers answer, and to whom."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec

from oaa_bitbucket_async.demo.bitbucket.answers import ServerAnswer, bad_argument, not_permitted
from oaa_bitbucket_async.demo.bitbucket.base_endpoints import BaseEndpoints, Handler, ServerRequest
from oaa_bitbucket_async.demo.branch_permissions import (
    CATEGORIES,
    MATCHER_TYPES,
    NO_CHECKS,
    RESTRICTION_TYPES,
    ModelMatcher,
    ModelMergeChecks,
    ModelRestriction,
    ModelReviewCondition,
)
from oaa_bitbucket_async.demo.model import ModelProject, ModelRepository

_APPROVERS = "com.atlassian.bitbucket.server.bundled-hooks.requiredApproversMergeHook"
_BUILDS = "com.atlassian.bitbucket.server.bitbucket-build.requiredBuildsMergeCheck"
_MATCHER_NAMES = {
    "BRANCH": "Branch",
    "PATTERN": "Pattern",
    "MODEL_BRANCH": "Branching model branch",
    "MODEL_CATEGORY": "Branching model category",
    "ANY_REF": "Any branch",
}
_STRATEGIES = {"no-ff": "Merge commit", "ff": "Fast-forward", "ff-only": "Fast-forward only", "squash": "Squash"}


class _Placed(NamedTuple):
    restriction: ModelRestriction
    place: ModelProject | ModelRepository


class BranchPermissionEndpoints(BaseEndpoints):
    """Branch restrictions, the default branch, what a pull request needs to be merged, and who reviews it."""

    def handlers(self) -> dict[str, Handler]:
        """By kind of endpoint."""
        return {
            "project-restrictions": self._project_restrictions,
            "repository-restrictions": self._repository_restrictions,
            "repository-default-branch": self._default_branch,
            "repository-branch-model": self._branch_model,
            "repository-settings": self._repository_settings,
            "project-settings": self._project_settings,
            "project-reviewers": self._project_reviewers,
            "repository-reviewers": self._repository_reviewers,
        }

    # --- restrictions -----------------------------------------------------------------------------------------

    def _project_restrictions(self, request: ServerRequest) -> ServerAnswer:
        return self._restrictions(request, _of(self._administered_project(request)))

    def _repository_restrictions(self, request: ServerRequest) -> ServerAnswer:
        repository = self._administered_repository(request)
        return self._restrictions(request, [*_of(repository), *_of(repository.project)])

    def _restrictions(self, request: ServerRequest, rows: "Iterator[_Placed] | list[_Placed]") -> ServerAnswer:
        query = request.query
        kind, matcher, matched = query.get("type"), query.get("matcherType"), query.get("matcherId")
        if kind and kind not in RESTRICTION_TYPES:
            raise bad_argument(f"{kind} is no type of restriction.", "type")
        if matcher and matcher not in MATCHER_TYPES:
            raise bad_argument(f"{matcher} is no type of matcher.", "matcherType")
        if matched and not matcher:
            raise bad_argument("matcherId needs matcherType.", "matcherId")
        found = [
            row
            for row in rows
            if (not kind or row.restriction.type == kind)
            and (not matcher or row.restriction.matcher.type == matcher)
            and (not matched or row.restriction.matcher.id == matched)
        ]
        return self._page(request, found, self._restriction)

    def _restriction(self, row: _Placed) -> bytes:
        restriction, place = row
        users = [user for name in restriction.users if (user := self._estate.user(name)) is not None]
        scope = "PROJECT" if isinstance(place, ModelProject) else "REPOSITORY"
        return msgspec.json.encode(
            {
                "id": restriction.id,
                "scope": {"type": scope, "resourceId": place.id},
                "type": restriction.type,
                "matcher": _matcher(restriction.matcher),
                "users": [msgspec.Raw(self._render.user(user)) for user in users if not user.deleted],
                "groups": restriction.groups,
                "accessKeys": [{"key": self._keys.ssh_key_fields(key)} for key in restriction.keys],
            }
        )

    # --- default branch, merge checks -------------------------------------------------------------------------

    def _default_branch(self, request: ServerRequest) -> ServerAnswer:
        branch = self._readable_repository(request).default_branch
        short = branch.removeprefix("refs/heads/")
        return ServerAnswer(200, msgspec.json.encode({"id": branch, "displayId": short, "type": "BRANCH"}))

    def _branch_model(self, request: ServerRequest) -> ServerAnswer:
        repository = self._administered_repository(request)
        roles = {"development": _role(repository.development, default=True)}
        if repository.production is not None:
            roles["production"] = _role(repository.production, default=False)
        types = [{"id": category, "enabled": True, "prefix": prefix} for category, prefix in CATEGORIES.items()]
        return ServerAnswer(200, msgspec.json.encode(roles | {"types": types}))

    def _repository_settings(self, request: ServerRequest) -> ServerAnswer:
        checks = self._readable_repository(request).checks
        fields = {
            "mergeConfig": _merge_config(checks, "repository" if checks is not NO_CHECKS else "default"),
            "requiredAllApprovers": checks.all_approvers,
            "requiredAllTasksComplete": checks.all_tasks,
            "requiredApprovers": checks.required_approvers,
            "requiredSuccessfulBuilds": checks.required_builds,
            _APPROVERS: {"enabled": checks.required_approvers > 0, "count": checks.required_approvers},
            _BUILDS: {"enabled": checks.required_builds > 0, "count": checks.required_builds},
        }
        return ServerAnswer(200, msgspec.json.encode(fields))

    def _project_settings(self, request: ServerRequest) -> ServerAnswer:
        self._readable_project(request)
        return ServerAnswer(200, msgspec.json.encode({"mergeConfig": _merge_config(NO_CHECKS, "default")}))

    def _readable_project(self, request: ServerRequest) -> ModelProject:
        project = self._find_project(request, creates=False)
        caller = request.caller
        if not self._estate.anybody_reads(project) and not (
            caller is not None and caller.on_project("PROJECT_READ", project)
        ):
            raise not_permitted()
        return project

    # --- default reviewers ------------------------------------------------------------------------------------

    def _project_reviewers(self, request: ServerRequest) -> ServerAnswer:
        return self._conditions([self._readable_project(request)])

    def _repository_reviewers(self, request: ServerRequest) -> ServerAnswer:
        repository = self._readable_repository(request)
        return self._conditions([repository, repository.project])

    def _conditions(self, places: "list[ModelProject | ModelRepository]") -> ServerAnswer:
        """All of them in an array, without pages, as the document has it."""
        conditions = [self._condition(one, place) for place in places for one in place.review_conditions]
        return ServerAnswer(200, msgspec.json.encode(conditions))

    def _condition(self, condition: ModelReviewCondition, place: ModelProject | ModelRepository) -> dict[str, object]:
        users = [user for name in condition.reviewers if (user := self._estate.user(name)) is not None]
        scope = "PROJECT" if isinstance(place, ModelProject) else "REPOSITORY"
        return {
            "id": condition.id,
            "scope": {"type": scope, "resourceId": place.id},
            "sourceRefMatcher": _matcher(condition.source),
            "targetRefMatcher": _matcher(condition.target),
            "reviewers": [msgspec.Raw(self._render.user(user)) for user in users if not user.deleted],
            "requiredApprovals": condition.approvals,
        }


def _role(branch: str | None, *, default: bool) -> dict[str, object]:
    return {"refId": branch, "useDefault": default and branch is None}


def _of(place: ModelProject | ModelRepository) -> Iterator[_Placed]:
    return (_Placed(restriction, place) for restriction in place.restrictions)


def _matcher(matcher: ModelMatcher) -> dict[str, object]:
    shown: Callable[[str], str] = str.title if matcher.type.startswith("MODEL") else str
    identity = "ANY_REF_MATCHER_ID" if matcher.type == "ANY_REF" else matcher.id
    return {
        "id": identity,
        "displayId": shown(identity.removeprefix("refs/heads/")),
        "type": {"id": matcher.type, "name": _MATCHER_NAMES[matcher.type]},
        "active": True,
    }


def _merge_config(checks: ModelMergeChecks, of: str) -> dict[str, object]:
    strategies = [
        {"id": strategy, "name": name, "enabled": strategy == checks.strategy, "flag": f"--{strategy}"}
        for strategy, name in _STRATEGIES.items()
    ]
    default = next(strategy for strategy in strategies if strategy["enabled"])
    return {"type": of, "commitSummaries": 20, "defaultStrategy": default, "strategies": strategies}
