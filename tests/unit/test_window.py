"""Sparse windows: what play pushes and what training builds from its session are what a plain list gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from adaptive_agents.errors import SpecError
from adaptive_agents.formats.session import SessionHeader, SessionWriter
from adaptive_agents.model.window import Window
from adaptive_agents.tick.history import ObservationHistory
from pytrain.data.dataset import read_players
from pytrain.models.normalisation import Normalisation
from tests.synthetic_players import HORIZON_TICKS, make_players, sinusoid_spec

OBS_DIM = 3
AGENTS = 4


def plain_row(seen: dict[int, np.ndarray], now: int, observation: np.ndarray, window: Window) -> np.ndarray:
    """A row at the tick `now`, from what one agent saw at which earlier ticks."""
    slots = []
    for slot in reversed(range(1, window.size)):
        known = [tick for tick in seen if tick <= now - slot * window.stride_ticks]
        stand_in = seen[min(seen)] if seen else observation
        slots.append([*(seen[max(known)] if known else stand_in), bool(known)])
    return np.array([*slots, [*observation, 1]], np.float32).flatten()


@dataclass
class Play:
    """Agents observe while it is recorded, as a crowd lets them; each agent's row by what it saw last."""

    window: Window
    tick: int = 0
    count: int = 0
    seen: dict[int, dict[int, np.ndarray]] = field(default_factory=dict)
    rows: dict[float, np.ndarray] = field(default_factory=dict)
    episodes: list[int] = field(default_factory=lambda: [0] * AGENTS)
    decided: list[tuple] = field(default_factory=list)
    told: list[tuple] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.history = ObservationHistory(self.window, OBS_DIM, slots=1)

    def observe(self, agents: list[int], *, is_told: bool = False) -> None:
        slots = np.array(agents, np.intp)
        observations = np.arange(self.count, self.count + 3 * len(agents), dtype=np.float32).reshape(-1, 3)
        self.count += observations.size
        windows = self.history.push(self.tick, slots, observations, is_told=is_told)
        for agent, observation, row in zip(agents, observations, windows, strict=True):
            seen = self.seen.setdefault(agent, {})
            before = {tick: value for tick, value in seen.items() if tick < self.tick}
            np.testing.assert_array_equal(row, plain_row(before, self.tick, observation, self.window))
            entry = (self.tick, agent, self.episodes[agent], observation)
            if not is_told:
                self.decided = [each for each in self.decided if each[:3] != entry[:3]]
            (self.told if is_told else self.decided).append(entry)
            self.rows[observation[0]] = row
            was_decided = any(each[:3] == entry[:3] for each in self.decided)
            if not is_told or not was_decided:  # what was told counts as seen before
                seen[self.tick] = observation

    def restart(self, agents: list[int]) -> None:
        for agent in agents:
            self.episodes[agent] += 1
            self.seen.pop(agent, None)
        self.history.restart(np.array(agents, np.intp))

    def record(self, path: Path) -> None:
        """Told examples are written at once, what was decided on when its label is known."""
        rows = [(tick, each) for each in self.told for tick in each[:1]]
        rows += [(tick + HORIZON_TICKS, each) for each in self.decided for tick in each[:1]]
        with SessionWriter(path, SessionHeader(sinusoid_spec(), "ann")) as writer:
            for _, (tick, agent, episode, observation) in sorted(rows, key=lambda row: row[0]):
                writer.add(tick, agent, episode, observation, [0])

    def assert_training_builds_the_same(self, path: Path) -> None:
        self.record(path)
        players = read_players([path]).with_window(self.window)
        rows = players.history.observed(torch.arange(players.examples), self.window).numpy()
        assert len(rows) == len(self.decided) + len(self.told)
        newest = self.window.newest(rows, OBS_DIM)
        np.testing.assert_array_equal(rows, [self.rows[number] for number in newest[:, 0]])


WHO = st.lists(st.integers(0, AGENTS - 1), unique=True, max_size=AGENTS)
MOVES = st.lists(
    st.tuples(
        st.integers(0, 9),  # ticks that pass
        WHO,  # who decides
        WHO,  # whom the game tells something
        st.one_of(st.just([]), st.just([]), WHO),  # whose episode ends
        st.booleans(),  # whether it tells before they decide
    ),
    min_size=1,
    max_size=40,
)
WINDOWS = st.builds(Window, st.integers(2, 5), st.integers(1, 12))


@given(window=WINDOWS, moves=MOVES)
def test_rows_of_play_and_of_training_are_those_of_a_plain_list(tmp_path_factory, window, moves):
    play = Play(window)
    for passes, deciding, told, ending, tells_first in moves:
        play.tick += passes
        if tells_first:
            play.observe(told, is_told=True)
        play.observe(deciding)
        if not tells_first:
            play.observe(told, is_told=True)
        play.restart(ending)
    if play.decided or play.told:
        play.assert_training_builds_the_same(tmp_path_factory.mktemp("session") / "1.session")


def test_a_slot_shows_what_was_seen_so_many_ticks_ago_or_a_little_earlier():
    history, slots = ObservationHistory(Window(3, 10), 1), np.zeros(1, np.intp)
    for tick in (0, 7, 14, 21, 28):
        row = history.push(tick, slots, np.full((1, 1), tick, np.float32))
    assert row.tolist() == [[7, 1, 14, 1, 28, 1]]


def test_what_is_not_known_yet_is_marked_and_the_oldest_stands_in():
    history, slots = ObservationHistory(Window(4, 10), 1), np.zeros(1, np.intp)
    rows = [history.push(tick, slots, np.full((1, 1), tick + 5, np.float32)) for tick in (0, 9, 12)]
    assert [row[0].tolist() for row in rows] == [
        [5, 0, 5, 0, 5, 0, 5, 1],
        [5, 0, 5, 0, 5, 0, 14, 1],
        [5, 0, 5, 0, 5, 1, 17, 1],
    ]


def test_a_long_play_keeps_no_more_than_a_window_reaches_back():
    window = Window(5, 30)
    history, slots = ObservationHistory(window, OBS_DIM), np.arange(3)
    for tick in range(3000):
        history.push(tick, slots, np.full((3, OBS_DIM), tick, np.float32))
    kept = history._past._observations
    assert kept.shape[1] == window.reach_ticks + 1
    for tick in range(3000, 6000, 6):
        row = history.push(tick, slots, np.full((3, OBS_DIM), tick, np.float32))
    assert row[0].reshape(5, 4)[:, 0].tolist() == [tick - 30 * slot for slot in range(4, -1, -1)]
    assert history._past._observations is kept, "all memory was taken before"


def test_an_agent_that_decides_seldom_needs_little_memory():
    history, slots = ObservationHistory(Window(5, 30), OBS_DIM), np.arange(3)
    for tick in range(0, 3000, 30):
        history.push(tick, slots, np.full((3, OBS_DIM), tick, np.float32))
    assert history._past._observations.shape[1] <= 8


def test_a_sparse_window_shows_its_past_as_differences_from_now_and_its_marks_as_they_are():
    players = make_players(3)
    dense, sparse = (Normalisation.of(players.with_window(each)) for each in (Window(), Window(3, 6)))
    rows = players.history.observed(torch.arange(300), Window(3, 6))
    slots = rows.view(300, 3, -1)
    seen = sparse.normalised(rows).view(300, 3, -1)
    assert torch.equal(seen[..., -1], slots[..., -1])
    assert torch.allclose(seen[:, 2, :-1], dense.normalised(slots[:, 2, :-1]), atol=1e-5)
    away = slots[:, :2, :-1] - slots[:, 2:, :-1]
    mean, scale = (each.view(3, -1)[:2, :-1] for each in (sparse.observation_mean, sparse.observation_scale))
    assert torch.allclose(seen[:, :2, :-1], (away - mean) / scale, atol=1e-5)
    assert (scale > 0).all()
    assert torch.allclose(sparse.recorded(sparse.normalised(rows)), rows, atol=1e-4)


def test_a_window_says_how_wide_its_rows_are():
    dense, sparse = Window(4), Window(4, 30)
    assert (dense.slot_size(3), dense.input_size(3), str(dense)) == (3, 12, "the last 4 observations")
    assert (sparse.slot_size(3), sparse.input_size(3)) == (4, 16)
    assert str(sparse) == "4 observations 30 ticks apart"
    assert str(Window()) == "one observation"


@pytest.mark.parametrize(
    ("size", "stride", "message"),
    [
        (0, 0, "the window 0, .*1 or more"),
        (4, -1, "the window stride -1, .*0 or more"),
        (1, 30, "30 and the window 1"),
    ],
)
def test_a_window_that_makes_no_sense_is_refused(size, stride, message):
    with pytest.raises(SpecError, match=message):
        Window(size, stride)
