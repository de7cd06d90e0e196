"""Keys and tokens as servers of different ages tell them, and what is kept of them."""

import json
from typing import Any

import msgspec
import pytest

from oaa_bitbucket_async.bitbucket import branch_permissions, credentials, default_reviewers
from oaa_bitbucket_async.bitbucket.credentials import AccessKey, SshKey, fingerprint_of, milliseconds

# made with ssh-keygen, fingerprints as `ssh-keygen -l` printed them
RSA = (
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDDPwobfZkThlDiiMOmRqbT+t1Ovp84/TGgB1z7kOKASdaF/YHlXtES0mtTXgDn"
    "U9FuEx9dcsBTjkjcySHI3DsGpyySh0wrZ8QxIbt90tj+070vOhDxktO5JNBxJQhNJJIE6LOV9onCJ65+7SvhAHqyTg/5+Z/2t75M"
    "rXOxWb50STknVivHY9pjcBSnBl+6TtHIvAjgLg4ooO11o5tOh3WPLDHbUVZsqFY50KqjH0BZzuuGexrIK+bJeMqJqeGnnHtByWa0"
    "uyIebmMjw8PzQ8UAkP1SWIPg3ABWu4W8ArKX4W3JN4hrJh4QXcVFB76FMLs/IDz4ZvkqgSycZILzu4fh someone@somewhere"
)
ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIN/Mt+7uLAxS6a91cZOt8s3ZU/iIQVDcHfsPe//FQPGT someone@somewhere"
ECDSA = (
    "ecdsa-sha2-nistp384 AAAAE2VjZHNhLXNoYTItbmlzdHAzODQAAAAIbmlzdHAzODQAAABhBJUKCgTBlxCREB+wSU+/fM06B7hS"
    "8WylsdG9DfGm9EhwpgIpcpcUgHjH0baMLbKbUrP8hIJZOGkDSe9EImrvxXK+r3e52fBquDUYHRNFuYOm3YAMskS5oSKBVaj7udJe"
    "Zg== someone@somewhere"
)


def page(*rows: dict[str, Any]) -> bytes:
    return json.dumps({"values": rows, "isLastPage": True}).encode()


def ssh(**fields: Any) -> SshKey:
    (row,) = credentials.SSH_KEYS.decode(page({"id": 7, **fields})).values
    return row


@pytest.mark.parametrize(
    ("text", "fingerprint", "algorithm"),
    [
        (RSA, "SHA256:XG4u4qlWVWxmqfpuKltkR1gt6YDNK88IIS+iEpGrCj0", "RSA"),
        (ED25519, "SHA256:gJT8YFsAG9WyAX9FWvMkAG4wItTE8YroW+iafU0PsKo", "ED25519"),
        (ECDSA, "SHA256:PLjE8ciY38y8TlGj6T7PytR45gNosxp4tPbS5w1Hy0w", "ECDSA"),
    ],
)
def test_an_old_server_tells_only_the_text(text: str, fingerprint: str, algorithm: str) -> None:
    key = ssh(text=text, label="someone@somewhere")
    assert (key.fingerprint, key.algorithm) == (fingerprint, algorithm)
    assert fingerprint_of(f'command="x" {text}') == fingerprint, "options may stand before a key"
    assert text.split()[1][-20:] not in repr(key)
    assert text.split()[1][-20:].encode() not in msgspec.msgpack.encode(key)


@pytest.mark.parametrize("text", ["", "ssh-rsa", "AAAA", "ssh-rsa AAAA?", "ssh-rsa AAAAB", "ünlesbar AAAAé"])
def test_a_text_that_holds_no_key_has_no_fingerprint_or_one_of_what_is_there(text: str) -> None:
    key = ssh(text=text)
    assert key.fingerprint in ("", fingerprint_of("x AAAA"))
    assert key.algorithm == ""


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("Cbg38r+gDCiNHqBk6Y1BKO+EvufFBqhFWIEXh8oq9MI", "SHA256:Cbg38r+gDCiNHqBk6Y1BKO+EvufFBqhFWIEXh8oq9MI"),
        ("Cbg38r+gDCiNHqBk6Y1BKO+EvufFBqhFWIEXh8oq9MI=", "SHA256:Cbg38r+gDCiNHqBk6Y1BKO+EvufFBqhFWIEXh8oq9MI"),
        ("SHA256:Cbg38r+gDCiNHqBk6Y1BKO+EvufFBqhFWIEXh8o", "SHA256:Cbg38r+gDCiNHqBk6Y1BKO+EvufFBqhFWIEXh8o"),
        ("43:51:43:a1:b5:fc:8b:b7:0a:3a:a9:b1:0f:66:73:a8", "43:51:43:a1:b5:fc:8b:b7:0a:3a:a9:b1:0f:66:73:a8"),
    ],
)
def test_the_servers_fingerprint_is_taken(told: str, shown: str) -> None:
    assert ssh(text=ED25519, fingerprint=told).fingerprint == shown


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        (1_630_041_546_434, 1_630_041_546_434),
        ("1630041546434", 1_630_041_546_434),
        ("2021-08-27T05:19:06.434Z", 1_630_041_546_434),
        ("2021-08-27T05:19:06.434", 1_630_041_546_434),
        ("2021-08-27T07:19:06.434+02:00", 1_630_041_546_434),
        (None, None),
        ("", None),
        ("never", None),
        ("9" * 40, None),
        (0, 0),
    ],
)
def test_times_in_every_form(told: int | str | None, meant: int | None) -> None:
    assert milliseconds(told) == meant
    assert ssh(createdDate=told).created == ssh(lastAuthenticated=told).last_used == meant


def test_an_expiry_is_so_many_days_after_the_creation() -> None:
    assert ssh(createdDate=1_000, expiryDays=2).expires == 1_000 + 2 * 86_400_000
    assert ssh(createdDate=1_000).expires is None
    assert ssh(expiryDays=2).expires is None, "from when on, nobody tells"


def test_an_access_key() -> None:
    row = {"key": {"id": 1, "label": "deploy", "text": ED25519, "bitLength": 256}, "permission": "REPO_WRITE"}
    (key,) = credentials.ACCESS_KEYS.decode(page({**row, "repository": {"id": 3}})).values
    assert isinstance(key, AccessKey)
    assert (key.id, key.label, key.bits, key.permission) == (1, "deploy", 256, "REPO_WRITE")


@pytest.mark.parametrize("number", ["252973515069", 252973515069])
def test_a_token(number: str | int) -> None:
    row = {"id": number, "name": "ci", "permissions": ["REPO_WRITE", "PROJECT_READ", "REPO_WRITE"], "expiryDate": 5}
    (token,) = credentials.TOKENS.decode(page(row | {"token": "MTIzNDU2Nzg5"})).values
    assert (token.id, token.permissions, token.expires) == ("252973515069", ("PROJECT_READ", "REPO_WRITE"), 5)
    assert "MTIzNDU2Nzg5" not in repr(token)
    (token,) = credentials.TOKENS.decode(page({"id": number})).values
    assert (token.name, token.permissions, token.expires) == ("", (), None)


def test_what_has_no_id_is_no_row() -> None:
    for decoder, row in (
        (credentials.SSH_KEYS, {"label": "x"}),
        (credentials.ACCESS_KEYS, {"key": {"id": 1}}),
        (credentials.TOKENS, {"name": "x"}),
        (credentials.GPG_KEYS, {"fingerprint": "x"}),
    ):
        with pytest.raises(msgspec.ValidationError):
            decoder.decode(page(row))  # type: ignore[attr-defined]


def test_a_restriction() -> None:
    row = {
        "id": 9,
        "type": "read-only",
        "matcher": {"id": "refs/heads/main", "type": {"id": "BRANCH"}},
        "users": [{"id": 3, "name": "c"}, {"id": 1, "name": "a"}],
        "groups": ["b", "a", "b", {"name": "c"}],
        "accessKeys": [{"key": {"id": 5, "text": ED25519}}],
    }
    (one,) = branch_permissions.RESTRICTIONS.decode(page(row)).values
    assert (one.users, one.groups, one.keys, one.active) == ((1, 3), ("a", "b", "c"), (5,), True)
    assert ED25519.split()[1] not in repr(one)
    (bare,) = branch_permissions.RESTRICTIONS.decode(page({k: row[k] for k in ("id", "type", "matcher")})).values
    assert (bare.users, bare.groups, bare.keys) == ((), (), ())


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        (2, 2),
        ("2", 2),
        ({"enabled": True, "count": "3"}, 3),
        ({"enabled": True, "count": 3}, 3),
        ({"enabled": False, "count": 3}, 0),
        (None, None),
        ("many", None),
    ],
)
def test_merge_checks_in_every_form(told: object, meant: int | None) -> None:
    checks = branch_permissions.MERGE_CHECKS.decode(json.dumps({"requiredApprovers": told, "mergeConfig": {}}).encode())
    assert (checks.approvals, checks.builds, checks.all_tasks) == (meant, None, None)


def test_a_branching_model() -> None:
    told = {
        "development": {"refId": None, "useDefault": True},
        "production": {"refId": "refs/heads/prod", "useDefault": False},
        "types": [
            {"id": "RELEASE", "displayName": "Release", "enabled": True, "prefix": "release/"},
            {"id": "HOTFIX", "enabled": False, "prefix": "hotfix/"},
            {"id": "BUGFIX"},
        ],
    }
    model = branch_permissions.BRANCH_MODEL.decode(json.dumps(told).encode())
    assert dict(model.roles) == {"development": None, "production": "refs/heads/prod"}
    assert dict(model.prefixes) == {"RELEASE": "release/"}
    bare = branch_permissions.BRANCH_MODEL.decode(
        b'{"development": {"refId": null, "useDefault": false}, "production": null}'
    )
    assert (bare.roles, bare.prefixes) == ((), ())


def test_a_restriction_of_another_form_does_not_spoil_the_others() -> None:
    matcher = {"id": "refs/heads/main", "type": {"id": "BRANCH"}}
    good = {"type": "read-only", "matcher": matcher, "users": None, "accessKeys": None}
    odd: tuple[object, ...] = ({"type": "read-only"}, {"type": 7, "matcher": matcher}, None, "read-only", [])
    for row in odd:
        found = branch_permissions.RESTRICTIONS.decode(page(good, row, good)).values
        assert [one == branch_permissions.UNREADABLE for one in found] == [False, True, False]
        assert (found[0].kind, found[0].users) == ("read-only", ())
    with pytest.raises(msgspec.ValidationError):
        branch_permissions.RESTRICTIONS.decode(b'{"values": 7, "isLastPage": true}')


def test_default_reviewers_with_or_without_pages() -> None:
    """The document has an array; a server that pages is understood too."""
    main = {"id": "refs/heads/main", "displayId": "main", "type": {"id": "BRANCH", "name": "Branch"}}
    anything = {"id": "ANY_REF_MATCHER_ID", "displayId": "ANY_REF_MATCHER_ID", "type": {"id": "ANY_REF"}}
    bare = {"id": "refs/heads/release", "type": {"id": "BRANCH"}}
    people = [{"id": 2, "name": "bob"}, {"id": 1, "name": "ann", "emailAddress": None}]
    told = [
        {"id": 7, "sourceRefMatcher": anything, "targetRefMatcher": main, "requiredApprovals": 2, "reviewers": people},
        {"id": 8, "sourceRefMatcher": bare, "targetRefMatcher": anything},
    ]
    expected = [
        default_reviewers.ReviewCondition("any branch", "main", 2, ("ann", "bob")),
        default_reviewers.ReviewCondition("release", "any branch", 0, ()),
    ]
    decode = default_reviewers.CONDITIONS.decode
    whole = decode(json.dumps(told).encode())
    assert (whole.values, whole.is_last_page) == (expected, True)
    paged = decode(page(*told))
    assert (paged.values, paged.is_last_page) == (expected, True)
    for wrong in (b"7", b'{"values": 7, "isLastPage": true}', b'[{"id": 7}]'):
        with pytest.raises(msgspec.ValidationError):
            decode(wrong)
