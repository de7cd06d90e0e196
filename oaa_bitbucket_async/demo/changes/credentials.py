"""Adds and removes keys, tokens, branch restrictions and merge checks, and reports each change.

Bitbucket has service users for a place's access keys and tokens. It reports their grants too.
"""

from dataclasses import replace
from typing import Any

from oaa_bitbucket_async.demo.branch_permissions import ModelMergeChecks, ModelRestriction
from oaa_bitbucket_async.demo.changes.grants import level
from oaa_bitbucket_async.demo.changes.telling import Place, found, new_id, place_things, tell_done, user_thing
from oaa_bitbucket_async.demo.credentials import ModelAccessKey, ModelAccessToken, ModelGpgKey, ModelSshKey
from oaa_bitbucket_async.demo.happening import Thing, Told
from oaa_bitbucket_async.demo.model import Estate, ModelGrant, ModelProject, ModelRepository, ModelUser


def add_access_key(estate: Estate, at: Place, key: ModelSshKey, permission: str) -> None:
    """Lets a key into a project or repository."""
    at.access_keys = [*at.access_keys, ModelAccessKey(key, permission)]
    estate.unnamed()
    tell_done(estate, f"{level(at)} access key added", place_things(at))
    _tell_service_user(estate, at, "granted", f"{key.id:016x}", permission)


def remove_access_key(estate: Estate, at: Place, key_id: int) -> None:
    """Shuts a key out."""
    gone = found(next((one for one in at.access_keys if one.key.id == key_id), None), f"key {key_id}")
    at.access_keys = [one for one in at.access_keys if one is not gone]
    estate.unnamed()
    tell_done(estate, f"{level(at)} access key removed", place_things(at))
    _tell_service_user(estate, at, "revoked", f"{key_id:016x}", gone.permission)


def create_token(estate: Estate, of: Place | ModelUser, token: ModelAccessToken, *, listed: bool = False) -> None:
    """A new HTTP access token of a user, project or repository.

    A place's token has a service user with an administrator's grant. `listed`: whether that user and its grant are
    shown among the others.
    """
    of.tokens = [*of.tokens, token]
    estate.unnamed()
    if isinstance(of, ModelUser):
        tell_done(estate, "user token created", _things(estate, of))
        return
    name = service_user_of(of)
    permission = "PROJECT_ADMIN" if isinstance(of, ModelProject) else "REPO_ADMIN"
    if listed:
        if estate.user(name) is None:
            estate.users.append(ModelUser(new_id(estate), name, type="SERVICE"))
            estate.changed("users")
        others = [one for one in of.user_grants if one.principal != name]
        of.user_grants = [*others, ModelGrant(name, permission)]
        estate.unnamed()
    tell_done(estate, f"{level(of)} token created", _things(estate, of))
    _tell_service_user(estate, of, "granted", name, permission)


def change_token(estate: Estate, of: Place | ModelUser, token_id: str, **fields: Any) -> None:
    """Gives a token another name or other permissions."""
    found(next((one for one in of.tokens if one.id == token_id), None), f"token {token_id}")
    of.tokens = [replace(one, **fields) if one.id == token_id else one for one in of.tokens]
    estate.unnamed()
    tell_done(estate, f"{_kind(of)} token changed", _things(estate, of))


def delete_token(estate: Estate, of: Place | ModelUser, token_id: str) -> None:
    """Deletes a token. The grant of its service user stays."""
    of.tokens = [one for one in of.tokens if one.id != token_id]
    estate.unnamed()
    tell_done(estate, f"{_kind(of)} token deleted", _things(estate, of))


def service_user_of(place: Place) -> str:
    """The name of the user for whom the tokens of a project or repository act."""
    if isinstance(place, ModelProject):
        return f"access-token-user/{place.id}"
    return f"access-token-user/{place.project.id}/{place.id}"


def add_ssh_key(estate: Estate, user: ModelUser, key: ModelSshKey) -> None:
    """A user's own key."""
    user.ssh_keys = [*user.ssh_keys, key]
    estate.unnamed()
    tell_done(estate, "SSH key added", _things(estate, user))


def remove_ssh_key(estate: Estate, user: ModelUser, key_id: int) -> None:
    """A user's own key is gone."""
    user.ssh_keys = [one for one in user.ssh_keys if one.id != key_id]
    estate.unnamed()
    tell_done(estate, "SSH key removed", _things(estate, user))


def add_gpg_key(estate: Estate, user: ModelUser, key: ModelGpgKey) -> None:
    """A user's GPG key."""
    user.gpg_keys = [*user.gpg_keys, key]
    estate.unnamed()
    tell_done(estate, "GPG key added", _things(estate, user))


def remove_gpg_key(estate: Estate, user: ModelUser, number: int) -> None:
    """A user's GPG key is gone."""
    user.gpg_keys = [one for one in user.gpg_keys if one.number != number]
    estate.unnamed()
    tell_done(estate, "GPG key removed", _things(estate, user))


def restrict(estate: Estate, at: Place, restriction: ModelRestriction) -> None:
    """Protects branches. Nobody has seen the row: its key is an invention that a reader can't know."""
    at.restrictions = [*at.restrictions, restriction]
    estate.unnamed()
    tell_done(estate, "branch restriction added", place_things(at))


def lift_restriction(estate: Estate, at: Place, restriction_id: int) -> None:
    """Protects them no longer. The key is an invention too."""
    at.restrictions = [one for one in at.restrictions if one.id != restriction_id]
    estate.unnamed()
    tell_done(estate, "branch restriction removed", place_things(at))


def set_merge_checks(estate: Estate, repository: ModelRepository, checks: ModelMergeChecks) -> None:
    """What a pull request needs. The key is an invention too."""
    repository.checks = checks
    estate.unnamed()
    tell_done(estate, "pull request settings changed", place_things(repository))


def _kind(of: Place | ModelUser) -> str:
    return "user" if isinstance(of, ModelUser) else level(of)


def _things(estate: Estate, of: Place | ModelUser) -> list[Thing]:
    return [user_thing(estate, of.name)] if isinstance(of, ModelUser) else place_things(of)


def _tell_service_user(estate: Estate, at: Place, what: str, name: str, permission: str) -> None:
    things = [*place_things(at), user_thing(estate, name)]
    tell_done(estate, f"{level(at)} permission {what}", things, Told("permission", permission))
