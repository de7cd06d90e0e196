"""The plain way to the same payload: one call of oaaclient for everything, nothing collected, nothing streamed."""

import json
from datetime import UTC, datetime, timedelta

from oaaclient.templates import CustomApplication, LocalUserType, OAAPermission, OAAPropertyType

from oaa_bitbucket_async.collect.snapshot import Snapshot

P = OAAPermission
READ = [P.DataRead, P.MetadataRead]
WRITE = [*READ, P.DataWrite, P.DataCreate, P.DataDelete]
ADMIN = [*WRITE, P.MetadataWrite, P.MetadataCreate, P.MetadataDelete]
MEANING = {
    "LICENSED_USER": ([P.NonData], False),
    "PROJECT_CREATE": ([P.MetadataCreate], False),
    "ADMIN": ([*ADMIN, P.NonData], True),
    "SYS_ADMIN": ([*ADMIN, P.NonData], True),
    "PROJECT_READ": (READ, True),
    "PROJECT_WRITE": (WRITE, True),
    "REPO_CREATE": ([*WRITE, P.MetadataCreate], True),
    "PROJECT_ADMIN": (ADMIN, True),
    "REPO_READ": (READ, False),
    "REPO_WRITE": (WRITE, False),
    "REPO_ADMIN": (ADMIN, False),
}
WEIGHT = ["PROJECT_READ", "PROJECT_WRITE", "PROJECT_ADMIN"]
LICENSED = "built-in:licensed-users"


def plain_json(snapshot: Snapshot, identity: str) -> bytes:
    payload = plain_application(snapshot, identity).get_payload()
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()


def plain_application(s: Snapshot, identity: str) -> CustomApplication:
    app = CustomApplication(f"Bitbucket Server - {s.instance.host}", "Bitbucket Server")
    define(app)
    shown = permissions(app, s)

    for name in ("base_url", "version", "authentication", "global_permissions"):
        app.set_property(name, getattr(s.instance, name))
    app.set_property("public_access", s.public_access)
    missing_global = any(m.kind == "global" for m in s.missing)
    app.set_property("collected", not missing_global)

    global_grants = list(s.grants(s.global_grants))
    licensed_groups = {p.key for p, _ in global_grants if p.kind == "group"}
    licensed_users = {p.key for p, _ in global_grants if p.kind == "user"}
    unsure = missing_global or any(m.kind == "group" and m.key in licensed_groups for m in s.missing)
    for _, u in sorted(s.users.items()):
        user = app.add_local_user(blank(u.name, blank(u.slug, f"user {u.id}")), unique_id=str(u.id))
        if u.email and identity in ("email", "both"):
            user.add_identity(u.email)
        if u.name and identity in ("name", "both") and u.name not in (user.identities or []):
            user.add_identity(u.name)
        groups = sorted(key for key, members in s.members.items() if u.id in members)
        for key in groups:
            user.add_group(f"group:{s.groups[key].name}")
        if u.id in licensed_users:
            user.add_group(LICENSED)
        user.email = u.email
        user.is_active = u.active
        user.last_login_at = rfc3339(u.last_login)
        user.created_at = rfc3339(u.created)
        user.user_type = {"NORMAL": LocalUserType.Human, "SERVICE": LocalUserType.ServiceAccount}.get(u.type)
        put(user, display_name=u.display_name, slug=u.slug, directory=u.directory)
        is_licensed = u.active and (u.id in licensed_users or any(key in licensed_groups for key in groups))
        if is_licensed or not unsure or not u.active:
            user.set_property("licensed", is_licensed)
        user.set_property("listed", u.listed)

    everyone = app.add_local_group("Licensed users", unique_id=LICENSED)
    everyone.set_property("listed", True)
    everyone.set_property("collected", not missing_global)
    for key, g in sorted(s.groups.items()):
        group = app.add_local_group(blank(g.name, "(no name)"), unique_id=f"group:{g.name}")
        if key in licensed_groups:
            group.add_group(LICENSED)
        group.set_property("listed", g.listed)
        group.set_property("collected", ("group", key) not in s.missing)

    def holder(principal):
        if principal.kind == "user":
            return app.local_users[str(principal.key)]
        return app.local_groups[f"group:{s.groups[principal.key].name}"]

    for principal, permission in sorted(global_grants, key=lambda grant: grant[1]):
        holder(principal).add_permission(shown[permission], apply_to_application=True)

    held = []
    for _, p in sorted(s.projects.items()):
        project = app.add_resource(
            blank(p.name, blank(p.key, f"project {p.id}")), "Project", cut(p.description), unique_id=str(p.id)
        )
        owner = None if p.owner is None else s.users[p.owner]
        url = f"https://{s.instance.host}/projects/{p.key}"
        if owner is not None:
            url = f"https://{s.instance.host}/users/{owner.slug or p.key[1:].lower()}"
        defaults = s.default_permissions.get(p.id, frozenset())
        put(project, key=p.key)
        project.set_property("is_personal", p.personal)
        put(project, owner=None if owner is None else owner.name)
        project.set_property("is_public", p.public)
        put(project, default_permission=max(defaults, key=WEIGHT.index, default=None), url=url)
        project.set_property("collected", ("project", p.id) not in s.missing)
        held += [(holder(who), permission, project) for who, permission in s.grants(s.project_grants.get(p.id))]
        if owner is not None:
            held.append((app.local_users[str(owner.id)], "PROJECT_ADMIN", project))
        held += [(everyone, permission, project) for permission in defaults]
        if p.public and s.public_access != "off":
            held.append((everyone, "PROJECT_READ", project))
        for _, r in sorted(s.repositories.items()):
            if r.project != p.id:
                continue
            name = blank(r.name, blank(r.slug, f"repository {r.id}"))
            repo = project.add_sub_resource(name, "Repo", cut(r.description), unique_id=str(r.id))
            put(repo, slug=r.slug, path=f"{p.key}/{r.slug}")
            repo.set_property("is_public", r.public)
            repo.set_property("is_archived", r.archived)
            repo.set_property("is_fork", r.fork)
            repo.set_property("forkable", r.forkable)
            put(repo, state=r.state, url=f"{url}/repos/{r.slug}")
            repo.set_property("collected", ("repository", r.id) not in s.missing)
            held += [(holder(who), permission, repo) for who, permission in s.grants(s.repository_grants.get(r.id))]
            if r.public and s.public_access != "off":
                held.append((everyone, "REPO_READ", repo))
    for who, permission, resource in sorted(held, key=lambda one: one[1]):
        who.add_permission(shown[permission], resources=[resource])
    return app


def define(app: CustomApplication) -> None:
    string, boolean = OAAPropertyType.STRING, OAAPropertyType.BOOLEAN
    definitions = app.property_definitions
    for name in ("base_url", "version", "authentication", "global_permissions", "public_access"):
        definitions.define_application_property(name, string)
    definitions.define_application_property("collected", boolean)
    for name in ("display_name", "slug", "directory"):
        definitions.define_local_user_property(name, string)
    for name in ("licensed", "listed"):
        definitions.define_local_user_property(name, boolean)
    for name in ("listed", "collected"):
        definitions.define_local_group_property(name, boolean)
    for kind, names in (
        ("Project", "key is_personal! owner is_public! default_permission url collected!"),
        ("Repo", "slug path is_public! is_archived! is_fork! forkable! state url collected!"),
    ):
        for name in names.split():
            definitions.define_resource_property(kind, name.rstrip("!"), boolean if name.endswith("!") else string)


def permissions(app: CustomApplication, s: Snapshot) -> dict[str, str]:
    for name, (canonical, reaches_below) in MEANING.items():
        app.add_custom_permission(name, canonical, apply_to_sub_resources=reaches_below)
    shown = {name: name for name in MEANING}
    for name in sorted({permission for _, permission in s.all_grants()} - set(MEANING)):
        shown[name] = f"{name} (2)" if name.upper() in MEANING else name
        app.add_custom_permission(
            shown[name], [OAAPermission.Uncategorized], apply_to_sub_resources=name[:8] == "PROJECT_"
        )
    return shown


def put(entity, **values: str | None) -> None:
    for name, value in values.items():
        if value:
            entity.set_property(name, value[:4096])


def blank(text: str, fallback: str) -> str:
    return text if text.strip() else fallback


def cut(text: str | None) -> str | None:
    while text and len(text.encode()) > 256:
        text = text[:-1]
    return text or None


def rfc3339(milliseconds: int | None) -> str | None:
    if milliseconds is None or milliseconds <= 0 or milliseconds > 253402300799999:
        return None
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
