"""The table of kinds: each is described in full, and the journal knows no others."""

import msgspec
import pytest

from oaa_bitbucket_async.bitbucket.api import Api, Listing, Weight
from oaa_bitbucket_async.collect import kinds
from oaa_bitbucket_async.collect.journal.records import Packer
from oaa_bitbucket_async.collect.kinds import AnyKind, Unit, subject_of, units_of
from oaa_bitbucket_async.collect.units import Subject
from tests.collect.instance import CAPABILITIES

NAMES = {"instance": (), "group": ("team",), "project": ("KEY", ""), "repository": ("KEY", "slug"), "user": ("n", "s")}


def names_of(kind: AnyKind) -> tuple[str, ...]:
    part = kind.parts[:1]
    return (*NAMES[kind.of][:1], *part) if part else NAMES[kind.of]


@pytest.mark.parametrize("kind", kinds.ALL, ids=str)
def test_every_kind_is_asked_under_its_name(kind: AnyKind) -> None:
    asked = kind.endpoint(Api("/scm", 77), CAPABILITIES, names_of(kind))
    assert (asked.kind, asked.weight) == (kind.name, kind.weight)
    assert asked.path.startswith("/scm/rest/")
    assert "{" not in asked.path
    assert ("limit=" in asked.path) is isinstance(asked, Listing)


def test_names_tell_kinds_apart() -> None:
    assert len(kinds.BY_NAME) == len(kinds.ALL) == 26


@pytest.mark.parametrize("kind", kinds.ALL, ids=str)
def test_what_is_included_is_kept_with_its_subject_and_the_rest_in_tables(kind: AnyKind) -> None:
    assert (kind.enter is None) is (kind.include is not None)
    assert (kind.weight is Weight.FEW) is (kind.of == "instance")
    if kind.helps:
        assert kind.include is not None


@pytest.mark.parametrize("owner", ["project", "repository", "user"])
def test_a_subject_has_all_units_of_its_kinds(owner: str) -> None:
    subject = Subject(owner, 7)  # type: ignore[arg-type]
    units = list(units_of(subject))
    assert {unit.kind for unit in units} == {kind for kind in kinds.ALL if kind.of == owner}
    assert {subject_of(unit) for unit in units} == {subject}


def test_a_kind_that_is_not_known_is_no_record() -> None:
    packer = Packer()
    packer.add(Unit(kinds.PROJECTS), "done", (), 1.0, "")
    packed = packer.take()
    assert [record.unit for record in Packer().unpack(packed).records] == [Unit(kinds.PROJECTS)]
    with pytest.raises(msgspec.ValidationError):
        Packer().unpack(packed.replace(b"\xa8projects", b"\xa8nonsense"))
