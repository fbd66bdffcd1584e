"""Converted tracks of the fish: what an opponent sees, what it is to tell, and who is kept apart."""

from itertools import chain, pairwise
from pathlib import Path

import numpy as np
import pytest

from adaptive_agents.formats.session import read_session
from pytrain.data.dataset import read_players
from pytrain.evaluation.intervals import Estimate
from tests.benchmarks.fish_play import OBSERVATION, displacements_of, observations_of, spec
from tests.benchmarks.fish_reference import Play, references
from tests.benchmarks.fish_sessions import convert
from tests.benchmarks.fish_tracks import Person, Run, read_people, split_games
from tests.benchmarks.people import below_pooled, change_percent, in_smallest_set

SLOW, FAST = 2.125, 7.125


def swim(rows: int, seed: int = 0) -> dict[str, np.ndarray]:
    """A random swim in the table's columns, far from all walls for at least a hundred rows."""
    random = np.random.default_rng(seed)
    angle = np.cumsum(random.choice([0, -40, 35], rows, p=[0.6, 0.2, 0.2])) % 360
    speed = np.where(np.arange(rows) // 10 % 2 == 0, SLOW, FAST)
    radians = np.deg2rad(angle)
    way = speed[:, None] * np.stack([np.sin(radians), -np.cos(radians)], axis=1)
    position = np.clip(np.array([240, 140]) + np.cumsum(way, axis=0), [2.5, 2.5], [482.5, 277.5])
    columns = {"x": position[:, 0], "y": position[:, 1], "speed": speed, "angle_deg": angle}
    return {
        "tick": np.arange(rows),
        "visible": np.ones(rows, np.uint8),
        **{name: values.astype(np.float32) for name, values in columns.items()},
        "score_field": random.uniform(0, 1, rows).astype(np.float32),
    }


def table(path: Path, swims: list[tuple[int, dict[str, np.ndarray]]]) -> Path:
    """The swims of one person each, with their games, as `tracks.npz` holds them."""
    rows = [
        {"game": np.full(len(each["tick"]), game), "player": np.full(len(each["tick"]), player), **each}
        for player, (game, each) in enumerate(swims)
    ]
    np.savez(path, **{name: np.concatenate([each[name] for each in rows]) for name in rows[0]})
    return path


def column(name: str) -> slice:
    first = 0
    for field in OBSERVATION:
        if field.name == name:
            return slice(first, first + field.size)
        first += field.size
    raise KeyError(name)


def run_of(each: dict[str, np.ndarray]) -> Run:
    radians = np.deg2rad(each["angle_deg"].astype(np.float64))
    return Run(
        0,
        np.stack([each["x"], each["y"]], axis=1).astype(np.float64),
        np.stack([np.sin(radians), -np.cos(radians)], axis=1),
        each["speed"] > 4,
        each["score_field"].astype(np.float64),
    )


def turned(run: Run, degrees: float) -> Run:
    """The same swim in a world that is turned about the middle of the tank."""
    angle = np.deg2rad(degrees)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = np.array([242.5, 140.0])
    return Run(
        0, (run.position - middle) @ rotation.T + middle, run.direction @ rotation.T, run.fast, run.score
    )


def test_a_gap_ends_an_episode_and_no_label_reaches_over_it(tmp_path: Path) -> None:
    each = swim(60)
    each["visible"][20:23] = 0
    each["x"][20:23] = np.nan
    each["score_field"][40] = np.nan
    (person,) = read_people(table(tmp_path / "tracks.npz", [(0, each)]))
    assert [(run.first_tick, len(run)) for run in person.runs] == [(0, 20), (23, 17), (41, 19)]
    convert([person], tmp_path / "play", 1, 5, test_from_sec=0)
    (file,) = (tmp_path / "play").rglob("*.session")
    examples = read_session(file).examples
    np.testing.assert_array_equal(examples.ticks, [*range(20), *range(23, 40), *range(41, 60)])
    np.testing.assert_array_equal(examples.episodes, np.repeat([0, 1, 2], [20, 17, 19]))
    unlabelled = [*range(15, 20), *range(35, 40), *range(55, 60)]
    np.testing.assert_array_equal(examples.ticks[examples.weights == 0], unlabelled)


def test_a_tick_that_is_left_out_is_a_gap(tmp_path: Path) -> None:
    each = {name: np.delete(values, 7) for name, values in swim(20).items()}
    (person,) = read_people(table(tmp_path / "tracks.npz", [(0, each)]))
    assert [(run.first_tick, len(run)) for run in person.runs] == [(0, 7), (8, 12)]


def test_who_was_never_seen_is_no_person(tmp_path: Path) -> None:
    hidden = swim(20)
    hidden["x"][:] = np.nan
    people = read_people(table(tmp_path / "tracks.npz", [(0, hidden), (0, swim(20))]))
    assert [person.id for person in people] == ["fish-1"]


def test_a_label_is_the_way_ahead_along_the_heading_and_to_its_right() -> None:
    east = np.tile([1.0, 0.0], (6, 1))
    position = np.array([[100, 100], [103, 100], [103, 104], [103, 104], [103, 104], [90, 104]], float)
    run = Run(0, position, east, np.zeros(6, bool), np.ones(6))
    ways = [[3, 4], [0, 4], [0, 0], [-13, 0]]
    np.testing.assert_allclose(displacements_of(run, 2)[:4], ways)
    assert np.isnan(displacements_of(run, 2)[4:]).all()
    np.testing.assert_allclose(displacements_of(turned(run, 90), 2)[:4], ways, atol=1e-5)


def test_a_turned_world_looks_the_same_but_for_walls_and_heading() -> None:
    run = run_of(swim(50))
    one, other = observations_of(run), observations_of(turned(run, 37))
    same = np.ones(one.shape[1], bool)
    same[column("wall_distance")] = same[column("heading")] = False
    np.testing.assert_allclose(one[:, same], other[:, same], atol=1e-3)
    np.testing.assert_allclose(
        displacements_of(run, 5)[:-5], displacements_of(turned(run, 37), 5)[:-5], atol=1e-3
    )


def test_walls_are_as_far_as_they_are() -> None:
    east = np.tile([1.0, 0.0], (2, 1))
    run = Run(0, np.array([[462.5, 100.0], [462.5, 262.5]]), east, np.zeros(2, bool), np.ones(2))
    ahead, right, left, back, ahead_right, ahead_left = observations_of(run)[:, column("wall_distance")].T
    np.testing.assert_allclose(ahead, [20, 20])
    np.testing.assert_allclose(right, [177.5, 15])
    np.testing.assert_allclose(left, [97.5, 200])
    np.testing.assert_allclose(back, [200, 200])
    np.testing.assert_allclose(ahead_right, np.sqrt(2) * np.array([20, 15]), rtol=1e-5)
    np.testing.assert_allclose(ahead_left, np.sqrt(2) * np.array([20, 20]), rtol=1e-5)


def test_an_observation_knows_nothing_of_what_comes() -> None:
    each = swim(80)
    before = observations_of(run_of(each))
    later = swim(80, seed=1)
    for name in ("x", "y", "speed", "angle_deg", "score_field"):
        each[name][50:] = later[name][50:]
    after = observations_of(run_of(each))
    np.testing.assert_array_equal(before[:50], after[:50])
    assert (before[50] != after[50]).any()


def test_the_slope_points_to_where_the_score_rises() -> None:
    run = run_of(swim(60))
    rising_east = Run(0, run.position, run.direction, run.fast, run.position[:, 0] / 500)
    slope = observations_of(rising_east)[20:, column("score_slope")]
    east = np.stack([run.direction[20:, 0], -run.direction[20:, 1]], axis=1)
    assert ((slope * east).sum(axis=1) / np.linalg.norm(slope, axis=1)).min() > 0.7
    np.testing.assert_allclose(slope.mean(axis=0), 50 / 500 * east.mean(axis=0), atol=0.02)


@pytest.mark.parametrize("split", range(4))
def test_no_game_is_in_two_parts_of_a_split(split: int) -> None:
    game_of_person = [person // 2 for person in range(300)] + [150 + person // 5 for person in range(200)]
    parts = split_games(game_of_person, split)
    assert sorted(chain(*parts.values())) == sorted(set(game_of_person))
    assert min(map(len, parts.values())) > 20


def test_every_game_is_tested_once_or_chosen_by_and_never_both() -> None:
    game_of_person = [person // 2 for person in range(400)]
    splits = [split_games(game_of_person, split) for split in range(4)]
    assert all(one["meta-validation"] == other["meta-validation"] for one, other in pairwise(splits))
    once = [*splits[0]["meta-validation"], *chain(*(split["meta-test"] for split in splits))]
    assert sorted(once) == sorted(set(game_of_person))


def test_people_of_one_game_stay_together_in_the_folders(tmp_path: Path) -> None:
    swims = [(player // 2, swim(40, player)) for player in range(40)]
    people = read_people(table(tmp_path / "tracks.npz", swims))
    parts = convert(people, tmp_path / "play", 0, 5, test_from_sec=-30)
    games = [{person.game for person in whose} for whose in parts.values()]
    assert sum(map(len, games)) == 20 == len(set().union(*games))
    assert len(read_players([tmp_path / "play" / "meta-train"])) == len(parts["meta-train"])
    with pytest.raises(FileExistsError):
        convert(people, tmp_path / "play", 1, 5, test_from_sec=-30)


def test_who_left_early_is_learned_from_but_not_tested(tmp_path: Path) -> None:
    people = [Person(f"p{i}", i, (run_of(swim(8 * 20)),)) for i in range(20)]
    assert convert(people, tmp_path / "play", 0, 5, test_from_sec=0)["meta-test"] == []


def test_a_personal_habit_is_found_by_the_personal_reference_alone() -> None:
    """Half of the people always drift to their right: nothing but their own past tells who."""

    def play(people: int, rows: int) -> Play:
        random = np.random.default_rng(people)
        observations = random.normal(size=(people * rows, spec(5).observation_size)).astype(np.float32)
        person = np.repeat(np.arange(people), rows)
        displacements = 5 * observations[:, 2:4] + np.stack([0 * person, 8 * (person % 2)], axis=1)
        ids = tuple(f"p{i}" for i in range(people))
        ticks = np.tile(np.arange(rows), people)
        return Play(ids, person, ticks, observations, displacements.astype(np.float32), 5)

    parts = {"meta-train": play(20, 1500), "meta-validation": play(6, 1500), "meta-test": play(8, 1500)}
    found = references(parts, (0.0, 60.0))
    mean = {name: [np.mean(list(each.values())) for each in moments] for name, moments in found.items()}
    assert mean["reference/constant-velocity"][1] == pytest.approx(4, abs=0.1)
    assert mean["reference/pooled-linear"][1] == pytest.approx(4, abs=0.1)
    assert mean["reference/personal-ridge"][0] == pytest.approx(4, abs=0.1)
    assert mean["reference/personal-ridge"][1] < 0.3


def test_a_change_is_paired_and_its_interval_is_over_games() -> None:
    peers = {f"p{i}": 1.0 + i for i in range(40)}
    ours = {person: 0.9 * error for person, error in peers.items()}
    apart = change_percent(ours, peers, {person: i for i, person in enumerate(peers)})
    assert (apart.mean, apart.low, apart.high) == pytest.approx((-10, -10, -10))
    ours = {person: error - (i < 20) for i, (person, error) in enumerate(peers.items())}
    alone = change_percent(ours, peers, {person: i for i, person in enumerate(peers)})
    together = change_percent(ours, peers, {person: i // 10 for i, person in enumerate(peers)})
    assert together.mean == pytest.approx(alone.mean)
    assert together.high - together.low > 1.5 * (alone.high - alone.low)


def test_calibrated_probabilities_cover_what_they_promise() -> None:
    random = np.random.default_rng(0)
    probabilities = random.dirichlet([1.0, 1.0, 1.0], 20_000)
    classes = (random.uniform(size=(20_000, 1)) > probabilities.cumsum(axis=1)).sum(axis=1)
    assert in_smallest_set(probabilities, classes).mean() == pytest.approx(0.8, abs=0.01)
    sharpened = probabilities**3 / (probabilities**3).sum(axis=1, keepdims=True)
    assert in_smallest_set(sharpened, classes).mean() < 0.72


def test_who_is_worse_by_more_than_half_an_interval_is_named() -> None:
    changes = {
        "clearly": Estimate(2.0, 1.0, 3.0),
        "just": Estimate(1.1, 0.1, 2.1),
        "hardly": Estimate(0.9, -0.1, 1.9),
        "better": Estimate(-5.0, -6.0, -4.0),
    }
    found = below_pooled("fish/below-pooled", changes, "%")
    assert found.ours == 2
    assert found.missed
    assert "clearly" in found.note
    assert "just" in found.note
    assert "hardly" not in found.note
    assert not below_pooled("fish/below-pooled", {"better": changes["better"]}, "%").missed
