"""The closure over Debian's relations, against brute force on small universes."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import ResolutionFailed
from harness.lock import deb_index
from harness.lock.deb_index import Index, Package
from harness.lock.deb_resolve import PRUNED, edges, meets, resolve

NAMES = ("aa", "bb", "cc", "dd", "ee")
VIRTUAL = ("vv", "ww")
RELATIONS = st.builds(
    lambda name, bound: f"{name}{bound}",
    st.sampled_from(NAMES + VIRTUAL),
    st.sampled_from(["", "", " (>= 2)", " (<< 2)", " (= 1)"]),
)
CLAUSES = st.lists(RELATIONS, min_size=1, max_size=3).map(" | ".join)
STANZAS = st.builds(
    lambda version, depends, provides: {
        "Version": version,
        "Depends": ", ".join(depends),
        "Provides": ", ".join(provides),
    },
    st.sampled_from(["1", "2"]),
    st.lists(CLAUSES, max_size=3),
    st.lists(st.sampled_from(["vv", "ww", "vv (= 1)", "ww (= 2)"]), max_size=2),
)
UNIVERSES = st.dictionaries(st.sampled_from(NAMES), STANZAS, min_size=1)


def index_of(universe: dict[str, dict[str, str]], order: Iterable[str] | None = None) -> Index:
    stanzas = (
        "\n".join(f"{k}: {v}" for k, v in {"Package": name, **universe[name]}.items() if v)
        for name in order or universe
    )
    return deb_index.parse("\n\n".join(stanzas))


def closed(packages: Iterable[Package]) -> bool:
    present = tuple(packages)
    return all(
        any(meets(other, relation) for relation in clause for other in present)
        for package in present
        for clause in package.depends
    )


@given(UNIVERSES, st.data())
def test_the_closure_meets_every_dependency_wherever_any_choice_could(
    universe: dict[str, dict[str, str]], data: st.DataObject
) -> None:
    index = index_of(universe)
    wanted = data.draw(st.sets(st.sampled_from(sorted(universe)), min_size=1, max_size=2))
    everything = [p for name in sorted(universe) if (p := index.named(name))]
    possible = any(
        wanted <= {p.name for p in subset} and closed(subset)
        for size in range(len(everything) + 1)
        for subset in itertools.combinations(everything, size)
    )

    try:
        found = resolve(index, wanted)
    except ResolutionFailed:
        assert not possible
    else:
        assert possible
        assert wanted <= {package.name for package in found}
        assert closed(found)


@given(UNIVERSES, st.randoms(use_true_random=False), st.data())
def test_order_changes_nothing(
    universe: dict[str, dict[str, str]], chance: random.Random, data: st.DataObject
) -> None:
    wanted = data.draw(st.lists(st.sampled_from(sorted(universe)), min_size=1, max_size=3))
    shuffled, order = list(wanted), sorted(universe)
    chance.shuffle(shuffled)
    chance.shuffle(order)

    def outcome(index: Index, names: list[str]) -> object:
        try:
            return [(package.name, package.version) for package in resolve(index, names)]
        except ResolutionFailed:
            return "failed"

    assert outcome(index_of(universe), wanted) == outcome(index_of(universe, order), shuffled)


@given(UNIVERSES, st.data())
def test_every_edge_is_a_declared_need(
    universe: dict[str, dict[str, str]], data: st.DataObject
) -> None:
    index = index_of(universe)
    try:
        found = resolve(index, [data.draw(st.sampled_from(sorted(universe)))])
    except ResolutionFailed:
        return
    by_name = {package.name: package for package in found}

    for name, needs in edges(found).items():
        assert name not in needs
        for need in needs:
            clauses = by_name[name].depends
            assert any(meets(by_name[need], relation) for clause in clauses for relation in clause)


def names(index: Index, *wanted: str) -> list[str]:
    return [package.name for package in resolve(index, wanted)]


def test_the_first_alternative_is_taken() -> None:
    index = index_of({"aa": {"Version": "1", "Depends": "cc | bb"}, "bb": V1, "cc": V1})

    assert ["aa", "cc"] == names(index, "aa")


def test_an_alternative_that_is_wanted_anyway_is_enough() -> None:
    index = index_of({"aa": {"Version": "1", "Depends": "cc | bb"}, "bb": V1, "cc": V1})

    assert ["aa", "bb"] == names(index, "aa", "bb")


def test_an_alternative_that_cannot_be_installed_is_passed_over() -> None:
    index = index_of(
        {
            "aa": {"Version": "1", "Depends": "cc | bb"},
            "bb": V1,
            "cc": {"Version": "1", "Depends": "dd"},
        }
    )

    assert ["aa", "bb"] == names(index, "aa")


def test_recommended_packages_are_left_out() -> None:
    index = index_of({"aa": {"Version": "1", "Recommends": "bb"}, "bb": V1})

    assert ["aa"] == names(index, "aa")


def test_pre_dependencies_count() -> None:
    index = index_of({"aa": {"Version": "1", "Pre-Depends": "bb"}, "bb": V1})

    assert ["aa", "bb"] == names(index, "aa")


def test_an_unversioned_provides_does_not_meet_a_version() -> None:
    """Debian Policy §7.5."""
    index = index_of(
        {"aa": {"Version": "1", "Depends": "vv (>= 1)"}, "bb": {"Version": "1", "Provides": "vv"}}
    )

    with pytest.raises(ResolutionFailed, match="aa needs vv"):
        names(index, "aa")


def test_an_architecture_qualifier_does_not_hide_a_dependency() -> None:
    index = index_of({"aa": {"Version": "1", "Depends": "bb:any (>= 1)"}, "bb": V1})

    assert ["aa", "bb"] == names(index, "aa")


def test_the_highest_version_is_the_candidate() -> None:
    stanzas = [
        "Package: aa\nVersion: 1.9",
        "Package: aa\nVersion: 1.10",
        "Package: aa\nVersion: 1.2",
    ]
    index = deb_index.parse("\n\n".join(stanzas))

    assert ["1.10"] == [package.version for package in resolve(index, ["aa"])]


def test_an_unknown_package_is_named_with_its_nearest_match() -> None:
    index = index_of({"libgomp1": V1, "bash": V1})

    with pytest.raises(ResolutionFailed, match=r"no package libgomp$") as failed:
        resolve(index, ["libgomp"])

    assert "did you mean libgomp1?" == failed.value.hint


def test_a_failure_tells_the_whole_chain() -> None:
    index = index_of(
        {"aa": {"Version": "1", "Depends": "bb"}, "bb": {"Version": "1", "Depends": "zz (>= 3)"}}
    )

    with pytest.raises(
        ResolutionFailed, match=r"aa needs bb; bb needs zz \(>= 3\); which the suite"
    ):
        resolve(index, ["aa"])


def test_packages_that_exclude_each_other_are_both_named() -> None:
    index = index_of({"aa": V1, "bb": {"Version": "1", "Breaks": "aa (<< 2)"}})

    with pytest.raises(ResolutionFailed, match="bb 1 and aa 1 exclude each other"):
        resolve(index, ["aa", "bb"])


def test_a_package_for_maintainer_scripts_only_is_left_out_unless_wanted() -> None:
    index = index_of(
        {"aa": {"Version": "1", "Depends": "debconf (>= 0.5) | debconf-2.0"}, "debconf": V1}
    )

    assert ["aa"] == names(index, "aa")
    assert ["aa", "debconf"] == names(index, "aa", "debconf")


def test_openssl_is_left_out_for_the_certificates_only() -> None:
    index = index_of(
        {
            "ca-certificates": {"Version": "1", "Depends": "openssl"},
            "tool": {"Version": "1", "Depends": "openssl"},
            "openssl": V1,
        }
    )

    assert ["ca-certificates"] == names(index, "ca-certificates")
    assert ["openssl", "tool"] == names(index, "tool")


def test_a_library_of_a_desktop_brings_no_init_nor_setuid_programs() -> None:
    """The chain of Debian 12 from a library of GTK to chage(1)."""
    index = index_of(
        {
            "libgtk-3-0": {"Version": "1", "Depends": "libdbus-1-3, dconf-gsettings-backend"},
            "libdbus-1-3": V1,
            "dconf-gsettings-backend": {"Version": "1", "Depends": "dconf-service"},
            "dconf-service": {
                "Version": "1",
                "Depends": "default-dbus-session-bus | dbus-session-bus",
            },
            "dbus-user-session": {
                "Version": "1",
                "Depends": "dbus-daemon, libpam-systemd, systemd",
                "Provides": "default-dbus-session-bus, dbus-session-bus",
            },
            "dbus-daemon": V1,
            "dbus": {"Version": "1", "Depends": "dbus-daemon, dbus-system-bus-common"},
            "dbus-system-bus-common": {"Version": "1", "Depends": "adduser"},
            "libpam-systemd": {"Version": "1", "Depends": "systemd, dbus"},
            "systemd": {"Version": "1", "Depends": "mount"},
            "mount": V1,
            "adduser": {"Version": "1", "Depends": "passwd"},
            "passwd": V1,
        }
    )

    assert ["dconf-gsettings-backend", "dconf-service", "libdbus-1-3", "libgtk-3-0"] == names(
        index, "libgtk-3-0"
    )
    assert ["dbus", "dbus-daemon", "dbus-system-bus-common"] == names(index, "dbus")
    assert ["adduser", "passwd"] == names(index, "adduser")


def test_every_left_out_package_has_a_reason() -> None:
    assert all(reason for reason in PRUNED.values())


V1 = {"Version": "1"}
