"""Specs are written, stored and compared by name, and say what does not fit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptive_agents.errors import ObservationError, SpecError
from adaptive_agents.spec import Field, Spec, Target
from tests.tiny_brain import CATEGORY_SPEC, VECTOR_SPEC

names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,12}", fullmatch=True)
fields = st.builds(Field, names, st.integers(1, 9))
targets = st.one_of(
    st.builds(Target, st.just("vector"), names, st.integers(1, 4)),
    st.builds(Target, st.just("category"), names, st.integers(2, 9)),
)
specs = st.builds(
    Spec,
    st.lists(fields, min_size=1, max_size=5, unique_by=lambda field: field.name).map(tuple),
    targets,
    st.integers(1, 600),
    st.integers(1, 240),
)


@given(fields)
def test_a_field_reads_back_from_its_text(field: Field) -> None:
    assert Field.parse(str(field)) == field


@pytest.mark.parametrize(
    "text", ["", "2d_velocity", "velocity[]", "velocity[x]", "velocity[2", "a b", "v[-1]"]
)
def test_a_field_that_is_not_a_name_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(SpecError, match=r"player_velocity\[2\]"):
        Field.parse(text)


@pytest.mark.parametrize("make", [lambda: Field.parse("v[0]"), lambda: Target.parse("category", "move[1]")])
def test_a_size_that_is_too_small_is_refused(make: Any) -> None:
    with pytest.raises(SpecError, match="smallest is"):
        make()


@given(specs)
def test_a_spec_reads_back_from_what_is_stored(spec: Spec) -> None:
    assert Spec.from_dict(spec.to_dict(), "session 'a.session'") == spec


@given(specs)
def test_a_spec_fits_itself(spec: Spec) -> None:
    spec.check_fits(spec)


@given(specs, specs)
def test_different_specs_never_fit_in_either_direction(one: Spec, other: Spec) -> None:
    if one != other:
        for first, second in ((one, other), (other, one)):
            with pytest.raises(SpecError):
                first.check_fits(second)


def test_sizes_count_all_fields_and_a_category_stores_one_column() -> None:
    assert (VECTOR_SPEC.observation_size, VECTOR_SPEC.target_columns) == (3, 2)
    assert (CATEGORY_SPEC.observation_size, CATEGORY_SPEC.target_columns) == (3, 1)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (
            replace(VECTOR_SPEC, observation=(Field("player_velocity", 3), Field("distance"))),
            r"expects player_velocity\[2\] as observation field 1, agent Archer3 has player_velocity\[3\]",
        ),
        (
            replace(VECTOR_SPEC, observation=(Field("player_velocity", 2),)),
            r"expects 3 observations \(player_velocity\[2\], distance\), agent Archer3 has 2 observations",
        ),
        (replace(VECTOR_SPEC, horizon_ticks=36), "horizon 6 ticks, agent Archer3 has 36 ticks"),
        (replace(VECTOR_SPEC, tick_rate_hz=120), "tick rate 60 Hz, agent Archer3 has 120 Hz"),
        (
            CATEGORY_SPEC,
            r"target vector player_displacement\[2\], agent Archer3 has category next_move\[3\]",
        ),
    ],
)
def test_the_first_difference_is_named_with_both_values_and_what_to_do(other: Spec, said: str) -> None:
    with pytest.raises(SpecError, match=rf"brain 'a\.brain' .*{said}.*retrain"):
        VECTOR_SPEC.check_fits(other, "brain 'a.brain'", "agent Archer3")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("observation", "player_velocity[2]"),
        ("observation", []),
        ("observation", ["v[2]", "v"]),
        ("target", None),
        ("target", {"kind": "action", "name": "move", "size": 2}),
        ("horizon_ticks", 0),
        ("horizon_ticks", 2.5),
        ("tick_rate_hz", True),
    ],
)
def test_a_damaged_stored_spec_is_refused_and_its_source_named(key: str, value: Any) -> None:
    with pytest.raises(SpecError, match=r"brain 'a\.brain'"):
        Spec.from_dict({**VECTOR_SPEC.to_dict(), key: value}, "brain 'a.brain'")


def test_something_that_is_no_table_is_refused() -> None:
    with pytest.raises(SpecError, match="missing"):
        Spec.from_dict(None, "brain 'a.brain'")


def test_an_observation_of_the_wrong_size_says_both_sizes() -> None:
    message = r"expects 3 observations \(player_velocity\[2\], distance\), agent Archer3 gave 2"
    with pytest.raises(ObservationError, match=message):
        VECTOR_SPEC.check_observation(np.zeros(2, np.float32), "brain 'archer.brain'", "agent Archer3")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_an_observation_that_is_not_finite_names_its_field(bad: float) -> None:
    values = np.array([0.0, bad, 1.0], np.float32)
    with pytest.raises(ObservationError, match=r"player_velocity, value 2 of 2 \(observation 2 of 3\)"):
        VECTOR_SPEC.check_observation(values, "brain 'archer.brain'", "agent Archer3")


@pytest.mark.parametrize("bad", [-1.0, 3.0, 0.5, np.nan])
def test_a_class_that_does_not_exist_is_refused(bad: float) -> None:
    with pytest.raises(ObservationError, match=r"next_move\[3\]"):
        CATEGORY_SPEC.check_target(np.array([bad], np.float32), "agent Archer3")


def test_a_target_of_the_wrong_size_is_refused() -> None:
    with pytest.raises(ObservationError, match=r"needs shape \(2,\), agent Archer3 gave \(3,\)"):
        VECTOR_SPEC.check_target(np.zeros(3, np.float32), "agent Archer3")
