"""Brains predict and adapt as their graphs say; what does not fit is refused by name when they are loaded."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import numpy_helper

from adaptive_agents.errors import BrainError, ObservationError
from adaptive_agents.model.brain import Brain, Params, write_brain
from adaptive_agents.model.support import SupportSet
from adaptive_agents.model.window import Window
from tests.tiny_bayes_brain import make_bayes_brain
from tests.tiny_brain import (
    CATEGORY_SPEC,
    VECTOR_SPEC,
    make_manifest,
    make_params,
    make_parts,
    make_tiny_brain,
)
from tests.unit.full_disk import files_limited_to


@pytest.fixture
def brain(tmp_path: Path) -> Brain:
    return make_tiny_brain(tmp_path / "archer.brain")


def repeat(params: Params, profiles: int) -> Params:
    return {name: np.repeat(array[None], profiles, axis=0) for name, array in params.items()}


def random_support(profiles: int, support: int, columns: int, seed: int = 0) -> SupportSet:
    random = np.random.default_rng(seed)
    made = SupportSet.zeros(profiles, support, 3, columns)
    made.observations[:] = random.normal(size=made.observations.shape)
    made.targets[:] = (
        random.normal(size=made.targets.shape)
        if columns == 2
        else random.integers(0, 3, (profiles, support, 1))
    )
    made.weights[:] = random.uniform(0.5, 1.5, made.weights.shape)
    return made


def repack(
    data: bytes, change: Callable[[dict[str, bytes]], None], compression: int = zipfile.ZIP_STORED
) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    change(files)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def change_manifest(**entries: Any) -> Callable[[dict[str, bytes]], None]:
    def change(files: dict[str, bytes]) -> None:
        files["manifest.json"] = json.dumps({**json.loads(files["manifest.json"]), **entries}).encode()

    return change


def test_a_written_brain_is_read_with_all_it_holds(tmp_path: Path) -> None:
    written = make_tiny_brain(tmp_path / "archer.brain")
    brain = Brain.open(tmp_path / "archer.brain")
    assert brain.spec == VECTOR_SPEC
    assert brain.algorithm == "reptile"
    assert brain.inner_loop.support_size == 32
    assert brain.label == "brain 'archer.brain'"
    assert brain.sha256 == written.sha256
    for name, array in make_params().items():
        np.testing.assert_array_equal(brain.init_params[name], array)


def test_the_same_parts_give_the_same_bytes(tmp_path: Path) -> None:
    make_tiny_brain(tmp_path / "a.brain")
    make_tiny_brain(tmp_path / "b.brain")
    assert (tmp_path / "a.brain").read_bytes() == (tmp_path / "b.brain").read_bytes()


def test_init_params_cannot_be_changed_by_accident(brain: Brain) -> None:
    with pytest.raises(ValueError, match="read-only"):
        brain.init_params["bias"][0] = 1


def test_it_predicts_with_its_own_weights_and_with_given_ones(brain: Brain) -> None:
    observations = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    for params in (brain.init_params, make_params(seed=9)):
        expected = observations @ params["weight"] + params["bias"]
        np.testing.assert_allclose(brain.predict(observations, params), expected, atol=1e-6)
    np.testing.assert_array_equal(brain.predict(observations), brain.predict(observations, brain.init_params))


@pytest.mark.parametrize("profiles", [1, 7, 64])
def test_batched_predictions_equal_those_of_each_profile(brain: Brain, profiles: int) -> None:
    observations = np.random.default_rng(0).normal(size=(profiles, 4, 3)).astype(np.float32)
    each = [make_params(seed=seed) for seed in range(profiles)]
    stacked = {name: np.stack([params[name] for params in each]) for name in each[0]}
    together = brain.predict_batched(observations, stacked)
    for index, params in enumerate(each):
        np.testing.assert_allclose(together[index], brain.predict(observations[index], params), atol=1e-6)


def test_a_brain_with_a_window_takes_the_last_observations_as_one_row(tmp_path: Path) -> None:
    brain = make_tiny_brain(tmp_path / "a.brain", window=4)
    assert (brain.window, brain.input_size, brain.spec.observation_size) == (Window(4), 12, 3)
    rows = np.random.default_rng(0).normal(size=(5, 12)).astype(np.float32)
    expected = rows @ brain.init_params["weight"] + brain.init_params["bias"]
    np.testing.assert_allclose(brain.predict(rows), expected, atol=1e-6)
    together = brain.predict_batched(rows[None], repeat(brain.init_params, 1))
    np.testing.assert_allclose(together[0], expected, atol=1e-6)


def test_a_brain_with_a_sparse_window_takes_a_mark_with_each_observation(tmp_path: Path) -> None:
    brain = make_tiny_brain(tmp_path / "a.brain", window=5, stride_ticks=30)
    assert (brain.window, brain.input_size) == (Window(5, 30), 5 * 4)
    assert brain.predict(np.zeros((2, 20), np.float32)).shape == (2, brain.spec.target.size)


def test_a_brain_of_before_windows_takes_the_newest_observation_alone(brain: Brain) -> None:
    with zipfile.ZipFile(brain.source) as archive:
        assert "window" not in json.loads(archive.read("manifest.json"))
    assert (brain.window, brain.input_size) == (Window(), 3)


@pytest.mark.parametrize("window", [0, -2, 1.5, True, "4", None])
def test_a_window_that_makes_no_sense_is_refused(brain: Brain, window: Any) -> None:
    data = repack(Path(brain.source).read_bytes(), change_manifest(window=window))
    with pytest.raises(BrainError, match=r"'archer\.brain': its manifest has the window .*1 or more"):
        Brain.load(data, "archer.brain")


@pytest.mark.parametrize("stride", [-1, 1.5, True, "30", None])
def test_a_window_stride_that_makes_no_sense_is_refused(brain: Brain, stride: Any) -> None:
    data = repack(Path(brain.source).read_bytes(), change_manifest(window=4, window_stride_ticks=stride))
    with pytest.raises(BrainError, match=r"'archer\.brain': its manifest has the window stride .*0 or more"):
        Brain.load(data, "archer.brain")


def test_a_stride_without_a_window_is_refused(brain: Brain) -> None:
    data = repack(Path(brain.source).read_bytes(), change_manifest(window_stride_ticks=30))
    with pytest.raises(BrainError, match="the window stride 30 and the window 1"):
        Brain.load(data, "archer.brain")


def test_graphs_of_another_window_are_refused_with_both_shapes(tmp_path: Path) -> None:
    with pytest.raises(BrainError, match=r"'observations' has shape \(agents, 3\), .* needs \(any, 6\)"):
        write_brain(
            tmp_path / "a.brain",
            make_manifest(window=2),
            {**make_parts(window=2), "policy.onnx": make_parts()["policy.onnx"]},
        )


@pytest.mark.parametrize("spec", [VECTOR_SPEC, CATEGORY_SPEC], ids=["vector", "category"])
@pytest.mark.parametrize("profiles", [1, 7])
def test_adaptation_lowers_the_loss_and_no_steps_change_nothing(
    tmp_path: Path, spec: Any, profiles: int
) -> None:
    brain = make_tiny_brain(tmp_path / "a.brain", spec)
    params, support = repeat(brain.init_params, profiles), random_support(profiles, 16, spec.target_columns)
    result = brain.adapt(params, support)
    assert (result.loss_after < result.loss_before).all()
    nothing = brain.adapt(params, support, num_inner_steps=0)
    np.testing.assert_array_equal(nothing.loss_before, nothing.loss_after)
    np.testing.assert_allclose(nothing.loss_before, result.loss_before, rtol=1e-6)
    for name, array in params.items():
        np.testing.assert_array_equal(nothing.params[name], array)


def test_the_inner_loop_takes_the_gradient_of_its_loss(brain: Brain) -> None:
    params, support = repeat(brain.init_params, 1), random_support(1, 16, 2)
    step = brain.adapt(params, support, inner_lr=1e-3, num_inner_steps=1)
    descent = sum(float(np.square(step.params[name] - params[name]).sum()) for name in params) / 1e-3
    assert float((step.loss_before - step.loss_after)[0]) == pytest.approx(descent, rel=0.01)


@pytest.fixture(scope="module")
def kept_brain(tmp_path_factory: pytest.TempPathFactory) -> Brain:
    return make_tiny_brain(tmp_path_factory.mktemp("brain") / "a.brain")


@given(padding=st.integers(0, 9), seed=st.integers(0, 1000))
def test_rows_of_weight_0_change_nothing(kept_brain: Brain, padding: int, seed: int) -> None:
    brain = kept_brain
    support = random_support(2, 6, 2, seed)
    padded = SupportSet(
        *(
            np.concatenate([part, np.full((2, padding, *part.shape[2:]), 5, np.float32)], axis=1)
            for part in support.columns()
        )
    )
    padded.weights[:, 6:] = 0
    plain, with_padding = (brain.adapt(repeat(brain.init_params, 2), each) for each in (support, padded))
    for name in plain.params:
        np.testing.assert_allclose(with_padding.params[name], plain.params[name], atol=1e-5)
    np.testing.assert_allclose(with_padding.loss_after, plain.loss_after, atol=1e-5)


def test_a_support_set_whose_columns_disagree_is_refused() -> None:
    with pytest.raises(ObservationError, match="must agree"):
        SupportSet(
            np.zeros((1, 4, 3), np.float32), np.zeros((1, 5, 2), np.float32), np.zeros((1, 4), np.float32)
        )


def test_a_missing_brain_says_how_to_make_one() -> None:
    with pytest.raises(BrainError, match=r"'nowhere\.brain' cannot be opened .*pytrain train"):
        Brain.open("nowhere.brain")


@given(st.binary(max_size=300))
def test_any_other_bytes_are_refused_as_no_brain(data: bytes) -> None:
    with pytest.raises(BrainError, match=r"brain 'a\.brain'"):
        Brain.load(data, "a.brain")


def test_a_brain_cut_anywhere_or_with_a_flipped_byte_is_refused_or_the_same(tmp_path: Path) -> None:
    whole = make_tiny_brain(tmp_path / "a.brain")
    data = (tmp_path / "a.brain").read_bytes()
    random = np.random.default_rng(0)
    for length in random.integers(0, len(data), 60):
        with pytest.raises(BrainError):
            Brain.load(data[:length], "a.brain")
    for position in random.integers(0, len(data), 200):
        flipped = bytearray(data)
        flipped[position] ^= 0xFF
        try:
            brain = Brain.load(bytes(flipped), "a.brain")
        except BrainError:
            continue
        # Zip fields that nobody reads, such as the date.
        np.testing.assert_array_equal(brain.init_params["weight"], whole.init_params["weight"])
        assert (brain.spec, brain.inner_loop) == (whole.spec, whole.inner_loop)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda files: files.pop("manifest.json"), "without a manifest"),
        (lambda files: files.update({"manifest.json": b"{"}), "damaged manifest"),
        (lambda files: files.update({"manifest.json": b"[]"}), "no table"),
        (change_manifest(format="other"), "format 'other'"),
        (change_manifest(version=2), "version 2, this addon reads .* version 1"),
        (lambda files: files.pop("adapt.onnx"), "no part 'adapt.onnx'"),
        (
            lambda files: files.update({"policy.onnx": b"x"}),
            "'policy.onnx' has SHA-256 .*, its manifest says ",
        ),
        (change_manifest(parts={}), "its manifest says None"),
        (change_manifest(spec=None), "spec is missing"),
        (change_manifest(algorithm=3), "has 3 as algorithm, a str is needed"),
        (change_manifest(inner_loop={}), "inner_lr = None"),
        (change_manifest(parameters=[{"name": "weight"}]), "parameter {'name': 'weight'}"),
        (
            change_manifest(parameters=[{"name": "weight", "shape": [3, 3]}]),
            "has 32 bytes, its parameters need 36",
        ),
    ],
)
def test_what_is_wrong_with_a_brain_is_named(brain: Brain, change: Any, said: str) -> None:
    data = repack(Path(brain.source).read_bytes(), change)
    with pytest.raises(BrainError, match=said):
        Brain.load(data, "archer.brain")


@pytest.mark.parametrize(
    ("key", "value"), [("inner_lr", -1), ("num_inner_steps", 1.5), ("support_size", True)]
)
def test_inner_loop_settings_that_make_no_sense_are_refused(tmp_path: Path, key: str, value: Any) -> None:
    with pytest.raises(BrainError, match=f"{key} = "):
        make_tiny_brain(tmp_path / "a.brain", inner_loop={key: value})


def test_a_compressed_part_is_refused(brain: Brain) -> None:
    data = repack(Path(brain.source).read_bytes(), lambda files: None, zipfile.ZIP_DEFLATED)
    with pytest.raises(BrainError, match="without compression"):
        Brain.load(data, "archer.brain")


def change_graph(part: str, change: Callable[[onnx.GraphProto], Any]) -> dict[str, bytes]:
    parts = make_parts()
    model = onnx.load_from_string(parts[part])
    change(model.graph)
    return {**parts, part: model.SerializeToString()}


def freeze_first_axis(graph: onnx.GraphProto) -> None:
    for value in graph.input:
        value.type.tensor_type.shape.dim[0].dim_value = 1


def rename_input(graph: onnx.GraphProto) -> None:
    graph.input[0].name = graph.node[0].input[0] = "states"


@pytest.mark.parametrize(
    ("part", "change", "said"),
    [
        ("policy.onnx", rename_input, r"policy\.onnx has no input 'observations', it has states"),
        ("policy_batched.onnx", freeze_first_axis, r"'observations' has shape \(1, .*needs \(any, any, 3\)"),
    ],
)
def test_a_graph_that_does_not_fit_the_manifest_is_never_written(
    tmp_path: Path, part: str, change: Any, said: str
) -> None:
    with pytest.raises(BrainError, match=said):
        write_brain(tmp_path / "a.brain", make_manifest(), change_graph(part, change))
    assert list(tmp_path.iterdir()) == []


def test_graphs_of_another_spec_are_refused_with_both_shapes(tmp_path: Path) -> None:
    with pytest.raises(BrainError, match=r"'weight' has shape \(3, 3\), its manifest needs \(3, 2\)"):
        write_brain(
            tmp_path / "a.brain",
            make_manifest(),
            {**make_parts(), "policy.onnx": make_parts(CATEGORY_SPEC)["policy.onnx"]},
        )


def test_something_that_is_no_graph_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BrainError, match=r"adapt\.onnx cannot be loaded"):
        write_brain(tmp_path / "a.brain", make_manifest(), {**make_parts(), "adapt.onnx": b"no graph"})


def test_weights_that_diverged_are_refused(tmp_path: Path) -> None:
    values = np.full(8, np.nan, "<f4").tobytes()
    with pytest.raises(BrainError, match="not finite"):
        write_brain(tmp_path / "a.brain", make_manifest(), {**make_parts(), "init_params.bin": values})


def test_scores_that_json_cannot_hold_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BrainError, match="manifest cannot be stored"):
        write_brain(
            tmp_path / "a.brain", {**make_manifest(), "scores": {"error": float("nan")}}, make_parts()
        )


def test_a_full_disk_keeps_the_old_brain(tmp_path: Path) -> None:
    make_tiny_brain(tmp_path / "a.brain")
    before = (tmp_path / "a.brain").read_bytes()
    with files_limited_to(1000), pytest.raises(BrainError, match="cannot be written"):
        make_tiny_brain(tmp_path / "a.brain", seed=1)
    assert (tmp_path / "a.brain").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.brain"]


def test_a_policy_runs_in_any_onnx_runtime_as_it_is() -> None:
    model = onnx.load_from_string(make_parts()["policy.onnx"])
    assert {each.name for each in model.graph.initializer} == set(make_params())
    for each in model.graph.initializer:
        np.testing.assert_array_equal(numpy_helper.to_array(each), make_params()[each.name])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"uncertainty": {"scale": [1, 1]}}, "it needs intervals such as"),
        ({"uncertainty": {"intervals": {"0.8": -1}}}, "it needs intervals such as"),
        ({"uncertainty": {"intervals": {"80": 1.28}}}, "it needs intervals such as"),
        ({"uncertainty": 5}, "it needs intervals such as"),
    ],
)
def test_intervals_that_make_no_sense_are_refused(
    tmp_path: Path, wrong: dict[str, object], message: str
) -> None:
    with pytest.raises(BrainError, match=message):
        make_bayes_brain(tmp_path / "a.brain", manifest=wrong)


def test_a_brain_that_promises_deviations_or_forgetting_must_have_them(tmp_path: Path) -> None:
    uncertain = {**make_manifest(), "uncertainty": {"intervals": {"0.8": 1.28}}}
    with pytest.raises(BrainError, match=r"policy\.onnx has no output 'deviations'"):
        write_brain(tmp_path / "a.brain", uncertain, make_parts())
    forgetful = make_manifest(inner_loop={"consolidation": "statistics"})
    with pytest.raises(BrainError, match=r"adapt\.onnx has no input 'forgetting'"):
        write_brain(tmp_path / "a.brain", forgetful, make_parts())


def test_a_frozen_part_that_was_damaged_is_refused(tmp_path: Path) -> None:
    data = make_bayes_brain(tmp_path / "a.brain", has_frozen=True).source
    content = Path(data).read_bytes()
    place = content.index(b"frozen.onnx") + 100
    damaged = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
    with pytest.raises(BrainError, match=r"is damaged"):
        Brain.load(damaged, "a.brain")


def test_a_brain_takes_as_many_steps_as_a_profile_has_examples_for(tmp_path):
    """Profiles of one run take their own numbers of steps; who has shown nothing takes none."""
    loop = {"inner_lr": 0.1, "num_inner_steps": 8, "moments_per_step": 4.0}
    brain = make_tiny_brain(tmp_path / "a.brain", inner_loop=loop)
    random = np.random.default_rng(0)
    rows, profiles = 32, 4
    shown = np.array([0, 3, 14, 32])
    support = SupportSet(
        random.standard_normal((profiles, rows, brain.input_size)).astype(np.float32),
        random.standard_normal((profiles, rows, brain.spec.target_columns)).astype(np.float32),
        (np.arange(rows) < shown[:, None]).astype(np.float32),
    )
    params = {name: np.repeat(value[None], profiles, axis=0) for name, value in brain.init_params.items()}
    found = brain.adapt(params, support)
    assert [brain.inner_loop.steps_for(int(each)) for each in shown] == [0, 1, 4, 8]
    for profile, steps in enumerate((0, 1, 4, 8)):
        mine = slice(profile, profile + 1)
        alone = brain.adapt(
            {name: value[mine] for name, value in params.items()},
            SupportSet(*(column[mine] for column in support.columns())),
            num_inner_steps=steps,
        )
        for name, value in alone.params.items():
            np.testing.assert_allclose(found.params[name][mine], value, rtol=1e-6)
        np.testing.assert_allclose(found.loss_after[mine], alone.loss_after, rtol=1e-5)
