"""The embedded Veza: strict where Veza is, and usable by the plain oaaclient."""

import copy
import gzip
import json
import os
from collections.abc import Callable, Iterator

import pytest
from oaaclient.client import OAAClient, OAAClientError, OAAConnectionError, OAAResponseError
from oaaclient.templates import CustomApplication, LocalUserType, OAAPermission, OAAPropertyType

from oaa_bitbucket_async.demo.veza.check import check_payload
from tests.servers.veza import RiggedVeza

Json = dict


def application() -> CustomApplication:
    app = CustomApplication("App", "Type")
    app.property_definitions.define_local_user_property("slug", OAAPropertyType.STRING)
    app.property_definitions.define_local_user_property("logins", OAAPropertyType.NUMBER)
    app.property_definitions.define_resource_property("Project", "names", OAAPropertyType.STRING_LIST)
    app.property_definitions.define_resource_property("Project", "seen_at", OAAPropertyType.TIMESTAMP)
    app.property_definitions.define_resource_property("Project", "is_public", OAAPropertyType.BOOLEAN)
    app.add_custom_permission("Read", [OAAPermission.DataRead])
    app.add_local_group("Parents", unique_id="g0")
    app.add_local_group("Group", unique_id="g1").add_group("g0")
    user = app.add_local_user("ann", identities=["ann@example.com"], groups=["g1"], unique_id="u1")
    user.set_property("slug", "ann")
    user.set_property("logins", 3)
    user.created_at = "2022-02-08T13:10:50.25Z"
    user.user_type = LocalUserType.Human
    project = app.add_resource("P", "Project", "text", unique_id="p1")
    project.set_property("names", ["a"])
    project.set_property("seen_at", "2022-02-08T13:10:50Z")
    project.set_property("is_public", property_value=True)
    repo = project.add_sub_resource("R", "Repo", unique_id="r1")
    user.add_permission("Read", resources=[project, repo], apply_to_application=True)
    app.local_groups["g1"].add_permission("Read", resources=[repo])
    return app


def with_credentials() -> CustomApplication:
    app = application()
    app.property_definitions.define_access_cred_property("bits", OAAPropertyType.NUMBER)
    key = app.add_access_cred("k1", "key")
    key.set_property("bits", 256)
    key.expires_at = "2022-02-08T13:10:50Z"
    key.add_permission("Read", resources=[app.resources["p1"]])
    app.add_access_cred("k2", "another")
    app.local_users["u1"].add_access_cred("k2")
    return app


PAYLOAD = json.loads(json.dumps(with_credentials().get_payload()))


def app_of(payload: Json) -> Json:
    return payload["applications"][0]


def user_of(payload: Json) -> Json:
    return app_of(payload)["local_users"][0]


def group_of(payload: Json) -> Json:
    return app_of(payload)["local_groups"][1]


def project_of(payload: Json) -> Json:
    return app_of(payload)["resources"][0]


def key_of(payload: Json) -> Json:
    return app_of(payload)["local_access_creds"][0]


def grant_of(payload: Json) -> Json:
    return payload["identity_to_permissions"][0]["application_permissions"][1]


VIOLATIONS: dict[str, Callable[[Json], object]] = {
    "unknown key at the top": lambda p: p.update(extra=1),
    "unknown key in the application": lambda p: app_of(p).update(extra=1),
    "unknown key in a user": lambda p: user_of(p).update(extra=1),
    "unknown key in a resource": lambda p: project_of(p).update(extra=1),
    "no permissions": lambda p: p.pop("permissions"),
    "two applications": lambda p: p["applications"].append(copy.deepcopy(app_of(p))),
    "user without id": lambda p: user_of(p).pop("id"),
    "user without name": lambda p: user_of(p).update(name=""),
    "user id repeated but for its case": lambda p: app_of(p)["local_users"].append({"name": "x", "id": "U1"}),
    "group id repeated": lambda p: app_of(p)["local_groups"].append({"name": "x", "id": "G1"}),
    "project id repeated": lambda p: app_of(p)["resources"].append(copy.deepcopy(project_of(p))),
    "repository id repeated": lambda p: project_of(p)["sub_resources"].append(project_of(p)["sub_resources"][0]),
    "permission repeated": lambda p: p["permissions"].append(p["permissions"][0] | {"name": "read"}),
    "holder repeated": lambda p: p["identity_to_permissions"].append(p["identity_to_permissions"][0]),
    "unknown group": lambda p: user_of(p)["groups"].append("g9"),
    "group repeated": lambda p: user_of(p)["groups"].append("g1"),
    "identity repeated": lambda p: user_of(p)["identities"].append("ann@example.com"),
    "unknown credential": lambda p: user_of(p)["access_creds"].append("k9"),
    "credential repeated": lambda p: user_of(p)["access_creds"].append("k2"),
    "credential of two users": lambda p: app_of(p)["local_users"].append(user_of(p) | {"id": "u2", "name": "bob"}),
    "credential id repeated": lambda p: app_of(p)["local_access_creds"].append(key_of(p) | {"id": "K2"}),
    "credential without name": lambda p: key_of(p).pop("name"),
    "credential with a secret": lambda p: key_of(p).update(secret="x"),
    "credential's property that is not defined": lambda p: key_of(p)["custom_properties"].update(other="x"),
    "credential's property that is a string": lambda p: key_of(p)["custom_properties"].update(bits="256"),
    "credential's time that is none": lambda p: key_of(p).update(expires_at="2022-02-31T13:10:50Z"),
    "unknown credential that holds something": lambda p: p["identity_to_permissions"][-1].update(identity="k9"),
    "unknown parent group": lambda p: group_of(p)["groups"].append("g9"),
    "group within itself": lambda p: group_of(p)["groups"].append("g1"),
    "unknown holder": lambda p: p["identity_to_permissions"][0].update(identity="u9"),
    "unknown kind of holder": lambda p: p["identity_to_permissions"][0].update(identity_type="local_thing"),
    "unknown permission": lambda p: grant_of(p).update(permission="Nope"),
    "permission in another case": lambda p: grant_of(p).update(permission="read"),
    "unknown application": lambda p: grant_of(p).update(application="Other"),
    "unknown resource": lambda p: grant_of(p)["resources"].append("p9"),
    "repository without its project": lambda p: grant_of(p)["resources"].append("r1"),
    "resource repeated": lambda p: grant_of(p)["resources"].append("p1"),
    "grant on nothing": lambda p: grant_of(p).update(resources=[]),
    "no grants": lambda p: p["identity_to_permissions"][0].update(application_permissions=[]),
    "unknown canonical permission": lambda p: p["permissions"][0].update(permission_type=["Fly"]),
    "time that is no RFC 3339": lambda p: user_of(p).update(created_at="2022-02-08 13:10:50"),
    "empty time": lambda p: user_of(p).update(last_login_at=""),
    "time that is none": lambda p: user_of(p).update(created_at="2022-02-31T13:10:50Z"),
    "unknown type of user": lambda p: user_of(p).update(user_type="robot"),
    "active that is no boolean": lambda p: user_of(p).update(is_active="yes"),
    "property that is not defined": lambda p: user_of(p)["custom_properties"].update(other="x"),
    "property of another case": lambda p: user_of(p)["custom_properties"].update(Slug="x"),
    "string property that is a boolean": lambda p: user_of(p)["custom_properties"].update(slug=True),
    "string property that is null": lambda p: user_of(p)["custom_properties"].update(slug=None),
    "string property that is too long": lambda p: user_of(p)["custom_properties"].update(slug="x" * 4097),
    "number property that is a string": lambda p: user_of(p)["custom_properties"].update(logins="3"),
    "number property that is a boolean": lambda p: user_of(p)["custom_properties"].update(logins=True),
    "boolean property that is a string": lambda p: project_of(p)["custom_properties"].update(is_public="true"),
    "list property that is a string": lambda p: project_of(p)["custom_properties"].update(names="a"),
    "time property that is none": lambda p: project_of(p)["custom_properties"].update(seen_at="now"),
    "description of 258 bytes": lambda p: project_of(p).update(description="ü" * 129),
    "property name with a digit": lambda p: p["custom_property_definition"]["applications"][0].update(
        local_group_properties={"a1": "STRING"}
    ),
    "property of an unknown type": lambda p: p["custom_property_definition"]["applications"][0].update(
        local_group_properties={"a": "TEXT"}
    ),
    "definitions of another type": lambda p: p["custom_property_definition"]["applications"][0].update(
        application_type="Other"
    ),
}


def test_a_good_payload_has_no_violation():
    assert check_payload(json.dumps(PAYLOAD).encode()) == []


@pytest.mark.parametrize("violation", VIOLATIONS)
def test_a_violation_is_found(violation):
    payload = copy.deepcopy(PAYLOAD)
    VIOLATIONS[violation](payload)
    assert len(check_payload(json.dumps(payload).encode())) >= 1


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b"\xff"])
def test_what_is_no_json_object_is_a_violation(text):
    assert len(check_payload(text)) == 1


@pytest.fixture
def server(monkeypatch) -> Iterator[RiggedVeza]:
    monkeypatch.setenv("OAA_API_RETRIES", "0")
    with RiggedVeza() as server, server.trusted():
        yield server


@pytest.fixture
def client(server) -> OAAClient:
    return OAAClient(server.url, server.api_key)


def push(client: OAAClient, app: CustomApplication | None = None, **options) -> Json:
    return client.push_application("Provider", "Source", app or with_credentials(), create_provider=True, **options)


def test_oaaclient_pushes_an_application(server, client):
    assert push(client) == {"warnings": []}
    assert server.last("Source") == PAYLOAD
    assert server.last("Other") is None
    assert gzip.decompress(server.pushed[0].body) == server.pushed[0].raw
    provider = client.get_provider("Provider")
    assert client.get_data_source("Source", provider["id"])["status"] == "QUEUED"
    assert client.get_data_source("Source", provider["id"])["status"] == "PARSING"
    assert [client.get_data_source("Source", provider["id"])["status"] for _ in range(2)] == ["SUCCESS"] * 2
    assert [one["name"] for one in client.get_provider_list()] == ["Provider"]
    assert [one["name"] for one in client.get_data_sources(provider["id"])] == ["Source"]


def test_oaaclient_pushes_in_parts(server, client):
    client.enable_multipart = True
    client.MULTIPART_THRESHOLD_SIZE = 100
    client.DEFAULT_PART_SIZE = 500
    assert push(client) == {"warnings": []}
    assert server.last("Source") == PAYLOAD
    assert server.pushed[0].body is None


def test_identities_that_nobody_knows_are_warned_of(server, client):
    app = application()
    app.local_users["u1"].add_identity("ann")
    assert push(client, app) == {"warnings": [{"message": "Cannot find identity by names [ann]"}]}


def test_a_payload_that_is_wrong_is_refused_with_details(server, client):
    app = application()
    app.local_users["u1"].add_permission("Nope", apply_to_application=True)
    with pytest.raises(OAAResponseError) as raised:
        push(client, app)
    assert raised.value.status_code == 400
    assert raised.value.details == [{"violation": "local_user u1: permission 'Nope' does not exist"}]
    assert server.pushed == []


@pytest.mark.parametrize(
    ("fault", "status"),
    [("throttled", 429), ("unavailable", 503), ("error", 500), ("refused", 403), ("rejected", 400)],
)
def test_faults_that_are_answers(server, client, fault, status):
    server.fail(fault)
    with pytest.raises(OAAResponseError) as raised:
        push(client)
    assert raised.value.status_code == status
    assert server.pushed == []
    push(client)
    assert len(server.pushed) == 1


def test_faults_that_are_none(server, client):
    server.fail("dropped")
    with pytest.raises(OAAConnectionError):
        push(client)
    server.fail("not-json")
    with pytest.raises(OAAClientError):
        push(client)
    client._api_timeout = 0.2
    server.fail("hanging")
    with pytest.raises(OAAConnectionError):
        push(client)
    assert server.pushed == []


def test_faults_hit_the_calls_that_they_are_for_and_in_order(server, client):
    server.fail("rejected", times=2, call="provider")
    server.fail("rejected", times=9, call="push")
    server.fail("refused", call="any")
    for status in (400, 400, 403):
        with pytest.raises(OAAResponseError) as raised:
            client.get_provider("Provider")
        assert raised.value.status_code == status
    assert client.get_provider("Provider") is None


def test_a_wrong_key_is_refused(server):
    with pytest.raises(OAAResponseError) as raised:
        OAAClient(server.url, "wrong")
    assert raised.value.status_code == 401


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("", {"name": "a/b", "custom_template": "application"}),
        ("", {"name": "", "custom_template": "application"}),
        ("", {"name": "a", "custom_template": "other"}),
        ("", {"name": "Provider", "custom_template": "application"}),
        ("/provider-1/datasources", {"name": "a/b"}),
        ("/provider-1/datasources", {"name": "Source"}),
        ("/provider-9/datasources", {"name": "a"}),
        ("/provider-1/datasources/datasource-9:push", {}),
        ("/provider-1/datasources/datasource-2:push", {"json_data": ""}),
        ("/provider-1/datasources/datasource-2:parts", {"operation": "upload", "upload_id": "none"}),
        ("/provider-1/unknown", {}),
    ],
)
def test_calls_that_veza_would_refuse(server, client, path, body):
    push(client)
    with pytest.raises(OAAResponseError) as raised:
        client.api_post(f"/api/v1/providers/custom{path}", body)
    assert 400 <= raised.value.status_code < 500


@pytest.mark.parametrize("data", ["no base64!", "bm8gZ3ppcA=="])
def test_a_body_that_is_not_gzip_in_base64_is_refused(server, client, data):
    push(client)
    body = {"id": "provider-1", "data_source_id": "datasource-2", "json_data": data, "compression_type": "GZIP"}
    with pytest.raises(OAAResponseError, match="not"):
        client.api_post("/api/v1/providers/custom/provider-1/datasources/datasource-2:push", body)


def test_missing_parts_are_refused(server, client):
    push(client)
    path = "/api/v1/providers/custom/provider-1/datasources/datasource-2:parts"
    upload_id = client.api_post(path, {"operation": "start"})["upload_id"]
    client.api_post(path, {"operation": "upload", "upload_id": upload_id, "sequence_number": 2, "data": ""})
    with pytest.raises(OAAResponseError, match="parts are missing"):
        client.api_post(path, {"operation": "complete", "upload_id": upload_id, "sequence_count": 1})


def test_the_environment_is_as_it_was_afterwards(monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/some/file")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("no_proxy", "example.com")
    before = dict(os.environ)
    with RiggedVeza() as server:
        assert dict(os.environ) == before
        with server.trusted():
            assert os.environ["REQUESTS_CA_BUNDLE"] == str(server.ca_file)
            assert os.environ["NO_PROXY"] == "example.com,127.0.0.1"
        ca_file = server.ca_file
    assert dict(os.environ) == before
    assert not ca_file.exists()
