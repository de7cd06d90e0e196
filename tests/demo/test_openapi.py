"""The embedded Bitbucket against Atlassian's OpenAPI document of 9.4, where that document lies beside the project."""

import functools
import re
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from oaa_bitbucket_async.demo.bitbucket import KINDS
from oaa_bitbucket_async.demo.bitbucket.routes import route
from tests.demo.asking import Asker, Reply, ask, escaped, small_estate
from tests.servers import RiggedBitbucket, RiggedOptions, TokenBucket

DOCUMENT = Path(__file__).parents[3] / "shared" / "bitbucket-9.4.openapi.json"

pytestmark = pytest.mark.skipif(not DOCUMENT.is_file(), reason=f"{DOCUMENT.name} is not beside the project")

MEMBERS = f"admin/groups/more-members?context={escaped('R&D 100%/süd')}&filter=c&start=0&limit=10"
PROJECT = "/latest/projects/{projectKey}"
REPOSITORY = PROJECT + "/repos/{repositorySlug}"
ENDPOINTS = [
    ("application-properties", "application-properties"),
    ("users?filter=a&start=0&limit=10", "users"),
    ("users?permission=LICENSED_USER&limit=10", "users"),
    ("users?permission.1=REPO_READ&permission.1.projectKey=PRIV&permission.1.repositorySlug=tool", "users"),
    (f"users?group={escaped('R&D 100%/süd')}", "users"),
    ("users/ben_x_example.com", "users/{userSlug}"),
    ("groups?filter=r&start=0&limit=10", "groups"),
    ("admin/users?filter=n&start=0&limit=10", "admin/users"),
    ("admin/groups?filter=r&start=0&limit=10", "admin/groups"),
    (MEMBERS, "admin/groups/more-members"),
    ("admin/permissions/users?filter=c&start=0&limit=10", "admin/permissions/users"),
    ("admin/permissions/groups?filter=s&start=0&limit=10", "admin/permissions/groups"),
    ("admin/rate-limit/settings", "admin/rate-limit/settings"),
    ("admin/rate-limit/settings/users/ann", "admin/rate-limit/settings/users/{userSlug}"),
    ("projects?name=p&permission=PROJECT_ADMIN&start=0&limit=1", "projects"),
    ("projects/PRIV", "projects/{projectKey}"),
    ("projects/~cleo", "projects/{projectKey}"),
    ("projects/PRIV/repos?start=0&limit=1", "projects/{projectKey}/repos"),
    ("projects/PRIV/permissions/users?filter=a&start=0&limit=10", "projects/{projectKey}/permissions/users"),
    ("projects/PRIV/permissions/groups?filter=s&start=0&limit=10", "projects/{projectKey}/permissions/groups"),
    ("projects/PRIV/permissions/PROJECT_READ/all", "projects/{projectKey}/permissions/{permission}/all"),
    (
        "repos?archived=ALL&visibility=private&permission=REPO_READ&projectkey=PRIV&projectname=p&name=o"
        "&state=AVAILABLE&start=0&limit=10",
        "repos",
    ),
    ("projects/PRIV/repos/tool", "projects/{projectKey}/repos/{repositorySlug}"),
    ("projects/PRIV/repos/old", "projects/{projectKey}/repos/{repositorySlug}"),
    ("projects/PRIV/repos/tool/permissions/users", "projects/{projectKey}/repos/{repositorySlug}/permissions/users"),
    ("projects/PRIV/repos/tool/permissions/groups", "projects/{projectKey}/repos/{repositorySlug}/permissions/groups"),
    ("projects/PRIV/repos/tool/default-branch", "projects/{projectKey}/repos/{repositorySlug}/default-branch"),
    (
        "projects/PRIV/repos/tool/settings/pull-requests",
        "projects/{projectKey}/repos/{repositorySlug}/settings/pull-requests",
    ),
    ("projects/PRIV/settings/pull-requests/git", "projects/{projectKey}/settings/pull-requests/{scmId}"),
    ("/keys/1.0/projects/PRIV/ssh?filter=b&permission=PROJECT_READ&start=0&limit=1", f"/keys{PROJECT}/ssh"),
    (
        "/keys/1.0/projects/PRIV/repos/tool/ssh?effective=true&minimumPermission=REPO_READ&filter=b&start=0&limit=10",
        f"/keys{REPOSITORY}/ssh",
    ),
    ("/access-tokens/1.0/projects/PRIV?start=0&limit=1", f"/access-tokens{PROJECT}"),
    ("/access-tokens/1.0/projects/PRIV/repos/tool?start=0&limit=1", f"/access-tokens{REPOSITORY}"),
    ("/access-tokens/1.0/users/ann?start=0&limit=1", "/access-tokens/latest/users/{userSlug}"),
    ("/ssh/1.0/keys?user=Ann&start=0&limit=1", "/ssh/latest/keys"),
    ("/ssh/1.0/keys?userName=ann&start=0&limit=1", "/ssh/latest/keys"),
    ("/gpg/1.0/keys?user=ann&start=0&limit=1", "/gpg/latest/keys"),
    (
        "/branch-permissions/2.0/projects/PRIV/restrictions?matcherType=PATTERN&matcherId=rel*&type=no-deletes"
        "&start=0&limit=1",
        f"/branch-permissions{PROJECT}/restrictions",
    ),
    (
        "/branch-permissions/2.0/projects/PRIV/repos/tool/restrictions?start=0&limit=10",
        f"/branch-permissions{REPOSITORY}/restrictions",
    ),
    ("/default-reviewers/latest/projects/PRIV/conditions", f"/default-reviewers{PROJECT}/conditions"),
    ("/default-reviewers/latest/projects/PRIV/repos/tool/conditions", f"/default-reviewers{REPOSITORY}/conditions"),
]
"""What is asked for, and the document's path for it; without a slash before them, both are below `/api/latest/`."""

UNDOCUMENTED_ENDPOINTS = {
    "repository-branch-model",
    *("audit-events", "audit-coverage", "audit-retention", "audit-denied", "audit-usage"),
}
"""What the document lacks. The audit log is held against recordings: tests/demo/test_audit_log.py."""
UNDOCUMENTED_PARAMETERS = {
    ("users", "start"): "recorded servers page /users as every other listing",
    ("users", "limit"): "recorded servers page /users as every other listing",
}
WRONG_ANSWERS = {
    "users": "the document shows a single user where servers answer a page of them",
    "admin/permissions/users": "the document shows rows of groups where servers answer rows of users",
}
"""Paths whose 200 is wrong in the document; the right schema is named in `answer_schema`."""


DATES = ("createdDate", "lastAuthenticated", "expiryDate")
_USER = {"$ref": "#/components/schemas/RestApplicationUser"}
_CHECK = {
    "type": "object",
    "properties": {"enabled": {"type": "boolean"}, "count": {"type": "integer"}},
    "additionalProperties": False,
}
UNDOCUMENTED_FIELDS: list[tuple[set[str], dict[str, Any]]] = [
    # a personal project has an owner
    ({"scope", "key", "public"}, {"owner": _USER}),
    # recorded servers tell more of a token: what it may do, until when, and whose it is
    (
        {"createdDate", "id", "name"},
        {
            "permissions": {"type": "array", "items": {"type": "string"}},
            "expiryDate": {},
            "lastAuthenticated": {},
            "user": _USER,
            "project": {"$ref": "#/components/schemas/RestProject"},
            "repository": {"$ref": "#/components/schemas/RestRepository"},
        },
    ),
    # recorded restrictions tell whether the branching model has what is meant
    ({"displayId", "id", "type"}, {"active": {"type": "boolean"}}),
    # the description says that these are numbers, and names the checks that came after them
    (
        {"requiredAllApprovers", "requiredApprovers"},
        {
            "requiredApprovers": {"type": "integer"},
            "requiredSuccessfulBuilds": {"type": "integer"},
            "com.atlassian.bitbucket.server.bundled-hooks.requiredApproversMergeHook": _CHECK,
            "com.atlassian.bitbucket.server.bitbucket-build.requiredBuildsMergeCheck": _CHECK,
        },
    ),
]
"""What servers answer beyond the document: the fields by which the schema is known, and those that are missing."""


@functools.cache
def document() -> dict[str, Any]:
    return dict(msgspec.json.decode(DOCUMENT.read_bytes()))


def operation(path: str) -> dict[str, Any]:
    return dict(document()["paths"][path if path.startswith("/") else f"/api/latest/{path}"]["get"])


def urls(base: str, asked: str) -> list[str]:
    """The URL with a version, and the one with `latest`."""
    versioned = asked if asked.startswith("/") else f"/api/1.0/{asked}"
    return [f"{base}/rest{versioned}", f"{base}/rest{re.sub(r'/[0-9.]+/', '/latest/', versioned, count=1)}"]


def page_of(schema: str) -> dict[str, Any]:
    page = operation("admin/users")["responses"]["200"]["content"]["application/json;charset=UTF-8"]["schema"]
    row = {"$ref": f"#/components/schemas/{schema}"}
    return {**page, "properties": {**page["properties"], "values": {"type": "array", "items": row}}}


def answer_schema(path: str, status: str = "200") -> dict[str, Any]:
    if status == "200" and path == "users":
        return page_of("RestApplicationUser")
    if status == "200" and path == "admin/permissions/users":
        return page_of("RestPermittedUser")
    return dict(next(iter(operation(path)["responses"][status]["content"].values()))["schema"])


def as_json_schema(schema: Any, name: str = "") -> Any:
    """OpenAPI 3.0 in the words of JSON Schema, corrected where the document is wrong for every server:

    - a `nullable` thing may be null;
    - an error's `context` and `exceptionName` are null where there is none;
    - a personal project's name is that of its owner, and not bound by the pattern of a normal one's;
    - dates of keys and tokens are milliseconds; in a GPG key the document has it so, elsewhere it says `date-time`;
    - no answer has keys that the document does not know, but for those in UNDOCUMENTED_FIELDS.
    """
    if isinstance(schema, list):
        return [as_json_schema(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: as_json_schema(value, key) for key, value in schema.items()}
    if name in ("context", "exceptionName"):
        result["nullable"] = True
    if result.pop("nullable", False) and isinstance(result.get("type"), str):
        result["type"] = [result["type"], "null"]
    properties = result.get("properties")
    if result.get("type") == "object" or isinstance(properties, dict):
        if isinstance(properties, dict) and properties:
            properties |= next((more for known, more in UNDOCUMENTED_FIELDS if known <= properties.keys()), {})
            properties |= {date: {"type": ["integer", "string"]} for date in DATES if date in properties}
            result.setdefault("additionalProperties", False)
        result.setdefault("type", "object")
    return result


@functools.cache
def components() -> dict[str, Any]:
    """The schemas that the document's answers refer to."""
    wanted = ("RestApplicationUser", "RestApplicationProperties", "RestDetailedUser", "RestDetailedGroup")
    wanted += ("RestPermittedUser", "RestPermittedGroup", "RestPermitted", "RestProject", "RestRepository")
    wanted += ("RestSshAccessKey", "RestSshKey", "RestGpgKey", "RestGpgSubKey", "RestAccessToken", "RestMinimalRef")
    wanted += ("RestRefRestriction", "RestRepositoryPullRequestSettings", "RestPullRequestSettings")
    wanted += ("RestPullRequestCondition", "RestPullRequestMergeStrategy")
    wanted += ("RestRateLimitSettings", "RestUserRateLimitSettings", "RestErrorMessage")
    return {name: as_json_schema(document()["components"]["schemas"][name]) for name in wanted}


def validate(reply: Reply, schema: dict[str, Any]) -> None:
    whole = {**as_json_schema(schema), "components": {"schemas": components()}}
    jsonschema.Draft202012Validator(whole).validate(reply.json)


@pytest.fixture(scope="module")
def options() -> RiggedOptions:
    return RiggedOptions(version="9.4.0", bucket=TokenBucket(1000, 100, exempt=frozenset({"Ann"})))


@pytest.mark.parametrize(("asked", "path"), ENDPOINTS, ids=[asked for asked, _ in ENDPOINTS])
def test_answers_are_as_documented(asked: str, path: str, options: RiggedOptions) -> None:
    async def check(asker: Asker) -> None:
        for url in urls(asker.server.url, asked):
            reply = await asker.admin(url)
            assert reply.status == 200
            assert reply.json if isinstance(reply.json, list) else reply.json.get("size") != 0, "nothing proves nothing"
            validate(reply, answer_schema(path))

    ask(check, options=options)


@pytest.mark.parametrize(("asked", "path"), ENDPOINTS, ids=[asked for asked, _ in ENDPOINTS])
def test_parameters_are_documented(asked: str, path: str) -> None:
    documented = {p["name"] for p in operation(path).get("parameters", []) if p["in"] == "query"}
    for name in re.findall(r"[?&]([^=&]+)=", asked):
        root = re.sub(r"^permission\.\d+(\..*)?$", "permission.N", name)
        assert root in documented or (path, name) in UNDOCUMENTED_PARAMETERS, name


NONSENSE = "permission=NONSENSE&type=NONSENSE"


@pytest.mark.parametrize("path", sorted({path for _, path in ENDPOINTS if path != "application-properties"}))
def test_refusals_are_as_documented(path: str) -> None:
    responses = operation(path)["responses"]
    asked = next(asked for asked, of in ENDPOINTS if of == path)
    missing = re.sub(r"((?:projects|repos|users)/|user(?:Name)?=)[^/?&]+", r"\1nobody", asked)

    async def check(asker: Asker) -> None:
        anonymous = await asker.get(urls(asker.server.url, asked)[0], token=None)
        if path not in ("projects", "repos"):
            assert anonymous.status == 401
            documented = path if "401" in responses else f"/keys{PROJECT}/ssh"  # some forget to say how they refuse
            validate(anonymous, answer_schema(documented, "401"))
        if "404" in responses:
            gone = await asker.admin(urls(asker.server.url, missing)[0])
            assert gone.status == 404
            validate(gone, answer_schema(path, "404"))
        if "400" in responses and "?" in asked:
            wrong = await asker.admin(f"{urls(asker.server.url, asked)[0].partition('?')[0]}?{NONSENSE}")
            assert wrong.status == 400
            validate(wrong, answer_schema(path, "400"))

    ask(check)


def test_every_endpoint_is_held_against_the_document() -> None:
    asked = [urls("", asked)[0].partition("?") for asked, _ in ENDPOINTS]
    kinds = {route(path, query).kind for path, _, query in asked}
    assert kinds == set(KINDS) - {"unknown"} - UNDOCUMENTED_ENDPOINTS
    assert not [path for path in document()["paths"] if "/auditing/" in path or "/branchmodel" in path]


@pytest.mark.parametrize("path", sorted(WRONG_ANSWERS))
def test_the_exceptions_are_still_needed(path: str) -> None:
    """A later document may be right: then the exception goes."""

    async def check(asker: Asker) -> None:
        schema = dict(next(iter(operation(path)["responses"]["200"]["content"].values()))["schema"])
        with pytest.raises(jsonschema.ValidationError):
            validate(await asker.admin(path), schema)

    ask(check)


def test_a_wrong_answer_would_be_noticed() -> None:
    async def check(asker: Asker) -> None:
        reply = await asker.admin("projects/PRIV/repos/tool")
        schema = answer_schema("projects/{projectKey}/repos/{repositorySlug}")
        for spoiled in (
            {**reply.json, "id": "1"},
            {**reply.json, "state": "BROKEN"},
            {**reply.json, "invented": 1},
            {**reply.json, "project": {"id": 1}},
        ):
            with pytest.raises(jsonschema.ValidationError):
                validate(Reply(200, {}, msgspec.json.encode(spoiled)), schema)

    ask(check)


@pytest.mark.parametrize(
    ("asked", "path", "wrong"),
    [
        ("/keys/1.0/projects/PRIV/ssh", f"/keys{PROJECT}/ssh", {"permission": "READ"}),
        ("/keys/1.0/projects/PRIV/ssh", f"/keys{PROJECT}/ssh", {"key": {"id": 1, "lastUsed": 1}}),
        ("/keys/1.0/projects/PRIV/ssh", f"/keys{PROJECT}/ssh", {"project": {"id": 1}}),
        ("/access-tokens/1.0/users/ann", "/access-tokens/latest/users/{userSlug}", {"id": 1}),
        ("/access-tokens/1.0/users/ann", "/access-tokens/latest/users/{userSlug}", {"token": "x"}),
        ("/ssh/1.0/keys?user=Ann", "/ssh/latest/keys", {"bitLength": "256"}),
        ("/gpg/1.0/keys?user=Ann", "/gpg/latest/keys", {"subKeys": [{"id": 1}]}),
        (
            "/branch-permissions/2.0/projects/PRIV/restrictions",
            f"/branch-permissions{PROJECT}/restrictions",
            {"matcher": {"id": "x", "type": {"id": "REGEX"}}},
        ),
        (
            "/branch-permissions/2.0/projects/PRIV/restrictions",
            f"/branch-permissions{PROJECT}/restrictions",
            {"groups": [{"name": "x"}]},
        ),
    ],
)
def test_a_wrong_row_would_be_noticed(asked: str, path: str, wrong: dict[str, Any]) -> None:
    async def check(asker: Asker) -> None:
        reply = await asker.admin(urls(asker.server.url, asked)[0])
        validate(reply, answer_schema(path))
        spoiled = {**reply.json, "values": [{**reply.values[0], **wrong}]}
        with pytest.raises(jsonschema.ValidationError):
            validate(Reply(200, {}, msgspec.json.encode(spoiled)), answer_schema(path))

    ask(check)


def test_the_version_is_the_one_of_the_document() -> None:
    assert RiggedBitbucket(small_estate()).options.version.startswith("9.4")
