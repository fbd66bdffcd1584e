"""A profile remembers a player across games, retrained brains and damaged files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptive_agents.errors import ProfileError
from adaptive_agents.model.adaptation import AdaptationSettings, apply, is_due, make_job, run_job
from adaptive_agents.model.brain import Brain
from adaptive_agents.model.memory import BrainMemory
from adaptive_agents.model.profile import Profile, set_aside
from adaptive_agents.model.window import Window
from tests.tiny_brain import CATEGORY_SPEC, VECTOR_SPEC, make_tiny_brain
from tests.unit.full_disk import files_limited_to


@pytest.fixture
def brain(tmp_path: Path) -> Brain:
    return make_tiny_brain(tmp_path / "archer.brain")


def play(profile: Profile, brain: Brain, seed: int = 0) -> BrainMemory:
    """A round of play, after which slow weights and examples differ from a new player's."""
    memory = profile.memory_for(brain)
    random = np.random.default_rng(seed)
    observations = random.normal(size=(30, brain.input_size)).astype(np.float32)
    targets = observations[:, :1].repeat(brain.spec.target_columns, axis=1)
    memory.support.append(
        observations, targets if brain.spec.target.kind == "vector" else np.ones_like(targets)
    )
    (outcome,) = run_job(make_job([memory], 0))
    assert apply(outcome)
    profile.end_episode(0.5)
    return memory


def assert_remembers(memory: BrainMemory, before: BrainMemory) -> None:
    for one, other in zip(
        memory.support.in_order().columns(), before.support.in_order().columns(), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_a_saved_player_is_known_the_next_time(brain: Brain, tmp_path: Path) -> None:
    profile = Profile("ann")
    before = play(profile, brain)
    profile.save(tmp_path / "ann.profile")
    loaded = Profile.load(tmp_path / "ann.profile")
    assert loaded.player_id == "ann"
    assert loaded.examples == profile.examples == 30
    memory = loaded.memory_for(brain)
    assert_remembers(memory, before)
    for name, slow in before.slow_params.items():
        np.testing.assert_array_equal(memory.slow_params[name], slow)
        assert not np.array_equal(slow, brain.init_params[name])
    assert memory.fast_params is memory.slow_params
    assert is_due(memory, 0, AdaptationSettings())


def test_the_same_memory_is_given_each_time(brain: Brain) -> None:
    profile = Profile()
    assert profile.memory_for(brain) is profile.memory_for(brain)
    assert len(profile.memories) == 1


def test_a_retrained_brain_keeps_the_examples_and_starts_from_its_own_weights(
    brain: Brain, tmp_path: Path
) -> None:
    profile = Profile("ann")
    before = play(profile, brain)
    loaded = Profile.from_bytes(profile.to_bytes(), "ann.profile")
    retrained = make_tiny_brain(tmp_path / "archer.brain", seed=1)
    for each in (loaded, profile):  # met again in a new game, and exchanged while the game runs
        memory = each.memory_for(retrained)
        assert_remembers(memory, before)
        assert memory.slow_params is retrained.init_params
        assert is_due(memory, 0, AdaptationSettings())
        assert each.memories == (memory,)


def test_a_brain_that_was_moved_is_known_by_its_hash(brain: Brain, tmp_path: Path) -> None:
    profile = Profile("ann")
    before = play(profile, brain)
    loaded = Profile.from_bytes(profile.to_bytes(), "ann.profile")
    (tmp_path / "enemies").mkdir()
    moved = Path(brain.source).rename(tmp_path / "enemies" / "archer.brain")
    memory = loaded.memory_for(Brain.open(moved))
    assert_remembers(memory, before)
    assert Profile.from_bytes(loaded.to_bytes(), "ann.profile").examples == 30


def test_several_brains_are_remembered_side_by_side(brain: Brain, tmp_path: Path) -> None:
    hunter = make_tiny_brain(tmp_path / "hunter.brain", CATEGORY_SPEC)
    profile = Profile("ann")
    memories = [play(profile, each, seed) for seed, each in enumerate((brain, hunter))]
    loaded = Profile.from_bytes(profile.to_bytes(), "ann.profile")
    assert loaded.examples == 60
    for each, before in zip((brain, hunter), memories, strict=True):
        assert_remembers(loaded.memory_for(each), before)


def test_what_is_known_for_a_brain_that_is_not_loaded_stays_in_the_file(brain: Brain, tmp_path: Path) -> None:
    profile = Profile("ann")
    before = play(profile, brain)
    later = Profile.from_bytes(profile.to_bytes(), "ann.profile")
    play(later, make_tiny_brain(tmp_path / "hunter.brain", seed=5))
    assert_remembers(Profile.from_bytes(later.to_bytes(), "ann.profile").memory_for(brain), before)


def test_a_brain_with_another_spec_gives_a_clear_error_and_then_a_fresh_memory(
    brain: Brain, tmp_path: Path
) -> None:
    profile = Profile("ann")
    play(profile, brain)
    path = tmp_path / "ann.profile"
    profile.save(path)
    before = path.read_bytes()
    changed = make_tiny_brain(tmp_path / "archer.brain", CATEGORY_SPEC)
    loaded = Profile.load(path)
    message = r"brain 'archer\.brain' .* the profile of player 'ann' has .*starts afresh"
    with pytest.raises(ProfileError, match=message):
        loaded.memory_for(changed)
    assert loaded.to_bytes() == before, "the old examples stay until they are given up"
    aside = set_aside(path)
    loaded.forget(changed)
    assert len(loaded.memory_for(changed).support) == 0
    loaded.save(path)
    assert aside.read_bytes() == before


@pytest.mark.parametrize(
    ("before", "now"), [((1,), (4,)), ((4,), (1,)), ((4,), (2,)), ((4,), (3, 30)), ((3, 30), (3, 6))]
)
def test_a_brain_with_another_window_gives_a_clear_error_and_then_a_fresh_memory(
    tmp_path: Path, before: tuple[int, ...], now: tuple[int, ...]
) -> None:
    profile = Profile("ann")
    play(profile, made_with(tmp_path, Window(*before)))
    kept = profile.to_bytes()
    retrained = made_with(tmp_path, Window(*now))
    loaded = Profile.from_bytes(kept, "ann.profile")
    for each in (loaded, profile):  # met again in a new game, and exchanged while the game runs
        message = (
            f"predicts from {Window(*now)}, the examples .* player 'ann' hold {Window(*before)}: .*afresh"
        )
        with pytest.raises(ProfileError, match=message):
            each.memory_for(retrained)
        assert each.examples == 30, "the old examples stay until they are given up"
        each.forget(retrained)
        assert len(each.memory_for(retrained).support) == 0
        play(each, retrained)
        assert Profile.from_bytes(each.to_bytes(), "ann.profile").memory_for(retrained).support.total == 30


def test_another_window_is_no_matter_where_nothing_was_learned(tmp_path: Path) -> None:
    profile = Profile("ann")
    profile.memory_for(make_tiny_brain(tmp_path / "archer.brain"))
    loaded = Profile.from_bytes(profile.to_bytes(), "ann.profile")
    retrained = make_tiny_brain(tmp_path / "archer.brain", window=3)
    assert loaded.memory_for(retrained).slow_params is retrained.init_params


def made_with(folder: Path, window: Window) -> Brain:
    return make_tiny_brain(folder / "archer.brain", window=window.size, stride_ticks=window.stride_ticks)


@pytest.mark.parametrize("window", [Window(3), Window(3, 30)], ids=str)
def test_a_player_of_a_brain_with_a_window_is_known_the_next_time(tmp_path: Path, window: Window) -> None:
    brain = made_with(tmp_path, window)
    profile = Profile("ann")
    before = play(profile, brain)
    memory = Profile.from_bytes(profile.to_bytes(), "ann.profile").memory_for(brain)
    assert_remembers(memory, before)
    assert memory.support.in_order().observations.shape == (1, 30, brain.input_size)


def test_a_profile_of_before_sparse_windows_is_one_of_the_last_observations(tmp_path: Path) -> None:
    brain = make_tiny_brain(tmp_path / "archer.brain", window=3)
    profile = Profile("ann")
    before = play(profile, brain)
    data = profile.to_bytes()
    magic, payload = data[:8], msgpack.unpackb(data[40:])
    for entry in payload["brains"]:
        assert entry.pop("window_stride_ticks") == 0
    packed = msgpack.packb(payload)
    old = magic + hashlib.sha256(packed).digest() + packed
    assert_remembers(Profile.from_bytes(old, "ann.profile").memory_for(brain), before)


def test_files_moved_aside_never_replace_each_other(tmp_path: Path) -> None:
    path = tmp_path / "ann.profile"
    names = []
    for content in (b"1", b"2", b"3"):
        path.write_bytes(content)
        names.append(set_aside(path).name)
    assert names == ["ann.profile.old", "ann.profile.old2", "ann.profile.old3"]
    assert [(tmp_path / name).read_bytes() for name in names] == [b"1", b"2", b"3"]
    with pytest.raises(ProfileError, match="cannot be moved aside"):
        set_aside(path)


def test_a_reset_forgets_everything(brain: Brain) -> None:
    profile = Profile("ann")
    memory = play(profile, brain)
    profile.reset()
    assert profile.examples == 0
    assert memory.slow_params is memory.fast_params is brain.init_params
    assert profile.memory_for(brain) is memory


def test_a_full_disk_keeps_the_old_file(brain: Brain, tmp_path: Path) -> None:
    profile = Profile("ann")
    path = tmp_path / "ann.profile"
    profile.save(path)
    before = path.read_bytes()
    play(profile, brain)
    with files_limited_to(len(before) + 10), pytest.raises(ProfileError, match="cannot be written"):
        profile.save(path)
    assert path.read_bytes() == before
    assert sorted(each.name for each in tmp_path.iterdir()) == ["ann.profile", "archer.brain"]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match=r"missing/ann\.profile' cannot be written .*choose a folder"):
        Profile().save(tmp_path / "missing" / "ann.profile")
    with pytest.raises(ProfileError, match=r"missing/ann\.profile' cannot be opened"):
        Profile.load(tmp_path / "missing" / "ann.profile")


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    profile = Profile("ann")
    play(profile, make_tiny_brain(tmp_path_factory.mktemp("brain") / "a.brain"))
    return profile.to_bytes()


@given(data=st.data())
def test_a_damaged_file_is_always_noticed(content: bytes, data: st.DataObject) -> None:
    if data.draw(st.booleans(), "cut"):
        damaged = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        position = data.draw(st.integers(0, len(content) - 1))
        damaged = (
            content[:position]
            + bytes([content[position] ^ data.draw(st.integers(1, 255))])
            + content[position + 1 :]
        )
    with pytest.raises(ProfileError, match=r"profile 'ann\.profile'"):
        Profile.from_bytes(damaged, "ann.profile")


def test_a_profile_of_another_version_names_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adaptive_agents.model.profile.VERSION", 2)
    data = Profile("ann").to_bytes()
    monkeypatch.undo()
    with pytest.raises(ProfileError, match=r"version 2, this addon reads .* version 1"):
        Profile.from_bytes(data, "ann.profile")


def test_examples_that_do_not_fit_their_own_spec_are_refused(
    brain: Brain, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = Profile("ann")
    play(profile, brain)
    monkeypatch.setattr(type(VECTOR_SPEC), "to_dict", lambda self: CATEGORY_TABLE)
    data = profile.to_bytes()
    monkeypatch.undo()
    with pytest.raises(ProfileError, match=r"its examples have 3 and 2 columns, its spec needs 3 .* and 1"):
        Profile.from_bytes(data, "ann.profile")
    with monkeypatch.context() as other_widths:
        other_widths.setattr(type(VECTOR_SPEC), "observation_size", 2)
        with pytest.raises(ProfileError, match="its examples have 3 and 2 columns, its spec needs 2 "):
            Profile.from_bytes(profile.to_bytes(), "ann.profile")


CATEGORY_TABLE = CATEGORY_SPEC.to_dict()
