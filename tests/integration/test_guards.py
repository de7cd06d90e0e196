"""What may replace the last upload: filters that match, parts and the whole, and where a kept payload goes."""

import gzip
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from oaa_bitbucket_async.demo.estate import generate
from oaa_bitbucket_async.errors import ConfigurationError, IncompleteError, RemovalError
from oaa_bitbucket_async.settings import Output, Scope, State
from tests.integration.conftest import SMALL, Benches, Typed
from tests.integration.harness import DATA_SOURCE, Bench, typed_as_printed
from tests.integration.process import Ended
from tests.servers import Fault
from tests.servers.changes import delete_repository


def regular(bench: Bench) -> list[str]:
    return [project.key for project in bench.bitbucket.estate.projects if not project.key.startswith("~")]


def personal(bench: Bench) -> str:
    """One that is seen: personal projects are listed by their repositories only."""
    return next(r.project.key for r in bench.bitbucket.estate.repositories if r.project.key.startswith("~"))


def only(*keys: str, **more: Any) -> Scope:
    return Scope(projects=keys, **more)


def collected(payload: dict[str, Any]) -> set[str]:
    (application,) = payload["applications"]
    return {project["custom_properties"]["key"] for project in application["resources"]}


def warnings(end: Ended, event: str) -> list[str]:
    records = [json.loads(line) for line in end.err.splitlines()]
    return [record["message"] for record in records if record["event"] == event]


def asked_for_permissions(bench: Bench) -> bool:
    return any("/repos/" in request.path and "/permissions/" in request.path for request in bench.bitbucket.requests)


# --- filters that match nothing ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [(), ("--dry-run",), ("--check",)])
def test_a_filter_that_matches_nothing_is_a_usage_error(bench: Benches, typed: Typed, how: tuple[str, ...]) -> None:
    made = bench()
    key = regular(made)[0]
    for flag in ("--project", "--exclude-project"):
        end = typed(made, *how, flag, f"{key}X")
        assert end.code == 2, end.err
        end.said(f"{flag} (OAA_")
        end.said(f"{key}X matches no project; the nearest keys are {key}")
    assert not asked_for_permissions(made)


def test_every_pattern_must_match(bench: Benches) -> None:
    made = bench()
    uploads = len(made.veza.pushed)
    ran = made.run(scope=only(regular(made)[0], "NOPE*"))
    assert isinstance(ran.error, ConfigurationError)
    assert "NOPE*" in ran.error.message
    assert regular(made)[0] + " matches" not in ran.error.message
    assert len(made.veza.pushed) == uploads


def test_keys_are_compared_as_bitbucket_does(bench: Benches) -> None:
    made = bench()
    key, own = regular(made)[0], personal(made)
    ran = made.run(scope=only(key.lower(), own.upper()))
    assert ran.code == 0, ran.error
    assert collected(ran.payload) == {key, own}


def test_filters_that_leave_nothing(bench: Benches) -> None:
    made = bench()
    ran = made.run(scope=Scope(exclude_projects=("*",)))
    assert isinstance(ran.error, ConfigurationError)
    assert "leave none of the" in ran.error.message
    nothing = made.run(scope=only(personal(made), personal_projects=False))
    assert isinstance(nothing.error, ConfigurationError)


def test_a_run_without_a_filter_asks_nothing_for_this(bench: Benches) -> None:
    made = bench()
    plain = made.run()
    made.state.rename(made.state.parent / "elsewhere")
    everything = made.run(scope=Scope(projects=("*",)))
    assert collected(everything.payload) == collected(plain.payload)
    assert everything.requests == plain.requests + 1, "one page of projects tells that the pattern matches"


def test_projects_that_can_not_be_listed_end_the_run(bench: Benches) -> None:
    made = bench(faults=[Fault("lost-right", match=r"/projects\?limit")])
    ran = made.run(scope=only(regular(made)[0]))
    assert isinstance(ran.error, IncompleteError), ran.error
    assert not asked_for_permissions(made)


def test_a_project_that_was_deleted_is_a_warning_if_the_last_upload_had_it(bench: Benches, typed: Typed) -> None:
    made = bench()
    stays, goes = regular(made)[:2]
    assert typed(made, "--project", stays, "--project", goes).code == 0
    estate = made.bitbucket.estate
    for repository in [r for r in estate.repositories if r.project.key == goes]:
        delete_repository(estate, goes, repository.slug)
    estate.projects[:] = [project for project in estate.projects if project.key != goes]
    estate.changed()
    for _ in range(2):  # a schedule does not begin to fail after its first warning
        end = typed(made, "--project", stays, "--project", goes.lower(), "--max-removed", "99", "--log-format", "json")
        assert end.code == 0, end.err
        assert len(warnings(end, "filter-unmatched")) == 1
    alone = typed(made, "--project", goes)
    assert alone.code == 2, "the others do not match either"


def test_an_excluded_project_that_was_deleted_is_a_warning(bench: Benches, typed: Typed) -> None:
    made = bench()
    gone = "GONE"
    estate = made.bitbucket.estate
    excluded = regular(made)[0]
    assert made.run(scope=Scope(exclude_projects=(excluded,))).code == 0
    next(project for project in estate.projects if project.key == excluded).key = gone
    estate.changed()
    end = typed(made, "--exclude-project", f"{excluded},{gone}", "--log-format", "json")
    assert end.code == 0, end.err
    [warning] = warnings(end, "filter-unmatched")
    assert excluded in warning


# --- parts and the whole ----------------------------------------------------------------------------------------------


def test_a_part_does_not_replace_the_whole(bench: Benches, typed: Typed) -> None:
    made = bench()
    assert made.run().code == 0
    key, uploads = regular(made)[0], len(made.veza.pushed)
    made.bitbucket.requests.clear()
    for flags in (("--project", key), ("--exclude-project", key), ("--no-personal-projects",), ("--no-archived",)):
        end = typed(made, *flags)
        assert end.code == 3, end.err
        end.said(" ".join(flags))
        end.said("--data-source-name")
    check = typed(made, "--check", "--project", key)
    assert check.code == 3, check.err
    assert len(made.veza.pushed) == uploads
    assert not asked_for_permissions(made)
    assert typed(made, "--project", key, "--data-source-name", "a part").code == 0
    forced = typed(made, "--project", key, "--max-removed", "off", "--log-format", "json")
    assert forced.code == 0, forced.err
    assert warnings(forced, "scope-limited")


def test_a_smaller_part_is_a_warning_and_counts(bench: Benches, typed: Typed) -> None:
    made = bench()
    keys = regular(made)
    both = ("--project", keys[0], "--project", keys[1])
    assert typed(made, *both).code == 0
    again = typed(made, *both, "--log-format", "json")
    assert (again.code, warnings(again, "scope-limited")) == (0, [])
    smaller = typed(made, *both[:2], "--log-format", "json", "--max-removed", "0")
    assert smaller.code == 3, smaller.err
    [warning] = warnings(smaller, "scope-limited")
    assert f"--project {keys[0]}" in warning
    whole = typed(made, "--log-format", "json")
    assert (whole.code, warnings(whole, "scope-limited")) == (0, [])


def test_a_last_upload_that_says_no_scope_counts_as_whole(bench: Benches) -> None:
    made = bench()
    assert made.run().code == 0
    [last] = made.state.glob("*.last-payload.gz")
    payload = json.loads(gzip.decompress(last.read_bytes()))
    for name in ("provider_name", "data_source_name"):
        del payload["applications"][0]["custom_properties"][name]
    last.write_bytes(gzip.compress(json.dumps(payload).encode()))
    ran = made.run(scope=only(regular(made)[0]))
    assert isinstance(ran.error, RemovalError)
    assert "does not say what it covered" in ran.error.message
    assert made.run().code == 0


def test_a_data_source_that_nothing_here_knows_is_one_warning(bench: Benches, typed: Typed) -> None:
    made = bench()
    name = ("--data-source-name", "seen from two machines", "--log-format", "json")
    assert warnings(typed(made, *name), "last-upload-unknown") == []
    assert warnings(typed(made, *name), "last-upload-unknown") == []
    shutil.rmtree(made.state)
    checked = typed(made, *name[:2], "--check")
    assert "no earlier upload to it is known" in checked.out
    other = typed(made, *name)
    assert (other.code, len(warnings(other, "last-upload-unknown"))) == (0, 1)


# --- where a kept payload goes ----------------------------------------------------------------------------------------


def test_what_veza_refused_goes_where_it_belongs_when_typed_as_printed(
    bench: Benches, typed: Typed, tmp_path: Path
) -> None:
    made = bench()
    assert made.run().code == 0
    state = tmp_path / "a state's folder"
    made.veza.fail("rejected", 1, "push")
    refused = typed(
        made, "--project", regular(made)[0], "--data-source-name", "a part", "--provider-name", "Another",
        "--state-dir", str(state),
    )  # fmt: skip
    assert refused.code == 5, refused.err
    # what the schedule sets is not there in somebody's shell
    elsewhere = {"VEZA_URL": "", "OAA_DATA_SOURCE_NAME": "", "OAA_STATE_DIR": ""}
    done = typed(made, *typed_as_printed(refused.err), **elsewhere)
    assert done.code == 0, done.err
    pushed = made.veza.pushed[-1]
    assert (pushed.provider, pushed.data_source) == ("Another", "a part")
    done.said(f"a part of the instance (--project {regular(made)[0]}), to the data source 'a part'")
    assert len(list(state.glob("*.last-payload.gz"))) == 1
    assert done.err.index("to the data source") < done.err.index("upload: uploaded")


def test_push_refuses_a_setting_that_names_another_place(bench: Benches, typed: Typed, tmp_path: Path) -> None:
    made = bench()
    file = tmp_path / "saved.json"
    assert made.run(output=Output(progress=False, save_json=file), dry_run=True).code == 0
    uploads = len(made.veza.pushed)
    for flags, variables in (
        (("--data-source-name", "other"), {}),
        ((), {"OAA_DATA_SOURCE_NAME": "other"}),
        (("--provider-name", "other"), {}),
        ((), {"OAA_PROVIDER_NAME": "other"}),
    ):
        end = typed(made, "push", str(file), *flags, **variables)
        assert end.code == 2, end.err
        end.said("'other'")
    assert len(made.veza.pushed) == uploads
    assert typed(made, "push", str(file), "--provider-name", "Bitbucket Server").code == 0


def test_a_saved_part_does_not_replace_the_whole_when_it_is_pushed(
    bench: Benches, typed: Typed, tmp_path: Path
) -> None:
    made = bench()
    key, file = regular(made)[0], tmp_path / "saved.json"
    saved = typed(made, "--dry-run", "--project", key, "--save-json", str(file))
    assert saved.code == 0, saved.err
    application = json.loads(file.read_text())["applications"][0]
    assert application["custom_properties"]["scope"] == [f"--project {key}"]
    assert made.run().code == 0
    copy = tmp_path / "copied.gz"
    copy.write_bytes(gzip.compress(file.read_bytes()))
    uploads = len(made.veza.pushed)
    for path in (file, copy):
        end = typed(made, "push", str(path))
        assert end.code == 3, end.err
        end.said(f"--project {key}")
        end.said("--data-source-name")
    assert len(made.veza.pushed) == uploads
    assert typed(made, "push", str(file), "--max-removed", "off").code == 0


def test_what_the_guard_refused_is_pushed_as_printed(bench: Benches, typed: Typed) -> None:
    made = bench(estate=generate(SMALL))
    assert made.run().code == 0
    for group in made.bitbucket.estate.groups:
        group.members.clear()
    made.bitbucket.estate.changed()
    refused = made.run()
    assert isinstance(refused.error, RemovalError)
    done = typed(made, *typed_as_printed(refused.error.advice), OAA_STATE_DIR="")
    assert done.code == 0, done.err
    assert made.veza.pushed[-1].data_source == DATA_SOURCE
    assert made.run().code == 0, "the next run compares with what was pushed"


def test_advice_keeps_what_the_run_had_been_told(bench: Benches) -> None:
    made = bench()
    made.veza.fail("rejected", 2, "push")
    loose = made.run(max_removed=None)
    assert loose.error is not None
    assert "--max-removed off" in " ".join(typed_as_printed(loose.error.advice))
    none_kept = made.run(state=replace(State(directory=made.state), keep_last=False))
    assert none_kept.error is not None
    assert "--no-keep-last" in typed_as_printed(none_kept.error.advice)
