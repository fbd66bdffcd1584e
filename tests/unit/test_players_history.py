"""Histories: windows follow one agent through one episode, and a recording need not fit into memory."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from adaptive_agents.formats.session import Examples, SessionHeader, SessionWriter
from adaptive_agents.model.window import Window
from adaptive_agents.spec import Field, Spec, Target
from pytrain.data import columns, dataset, history
from pytrain.data.dataset import Players, read_players
from pytrain.data.tasks import Cuts, TaskSampler, newest_known, observed_between
from pytrain.errors import PytrainError
from tests.synthetic_players import HORIZON_TICKS, make_players, sinusoid_spec
from tests.unit.full_disk import files_limited_to

Row = tuple[int, int, int, float]  # tick, agent, episode, weight


def write(path: Path, rows: list[Row], player: str = "ann") -> None:
    """A session whose observations are the numbers of their rows, as they were written."""
    with SessionWriter(path, SessionHeader(sinusoid_spec(), player), chunk_rows=3) as writer:
        for number, (tick, agent, episode, weight) in enumerate(rows):
            writer.add(tick, agent, episode, [number, 0, 0], [number], weight)


def windows(players: Players, window: int) -> list[list[int]]:
    """For each example of all players, the numbers of the rows in its window."""
    examples = torch.arange(players.examples)
    seen = players.history.observed(examples, Window(window)).view(players.examples, window, -1)
    return seen[:, :, 0].long().tolist()


def windows_one_by_one(rows: list[Row], window: int) -> list[list[int]]:
    """The same, with a list for each agent in each episode."""
    order = sorted(range(len(rows)), key=lambda number: rows[number][0])
    past: dict[tuple[int, int], list[int]] = {}
    found = []
    for number in order:
        _, agent, episode, weight = rows[number]
        seen = past.setdefault((agent, episode), [])
        seen.append(number)
        if weight > 0:
            found.append([seen[0]] * max(0, window - len(seen)) + seen[-window:])
    return found


def test_a_window_holds_the_last_observations_of_the_same_agent_oldest_first(tmp_path):
    write(
        tmp_path / "1.session",
        [(0, 7, 0, 1.0), (0, 8, 0, 1.0), (6, 7, 0, 1.0), (6, 8, 0, 1.0), (12, 7, 0, 1.0)],
    )
    assert windows(read_players([tmp_path]), 2)[2:] == [[0, 2], [1, 3], [2, 4]]


def test_the_first_observation_of_an_episode_stands_in_for_those_that_are_missing(tmp_path):
    write(tmp_path / "1.session", [(0, 7, 0, 1.0), (6, 7, 0, 1.0), (12, 7, 1, 1.0), (18, 7, 1, 1.0)])
    assert windows(read_players([tmp_path]), 3) == [[0, 0, 0], [0, 0, 1], [2, 2, 2], [2, 2, 3]]


def test_a_window_never_reaches_into_another_session_or_player(tmp_path):
    for file, player in (("1", "ann"), ("2", "ann"), ("3", "bob")):
        write(tmp_path / f"{file}.session", [(0, 7, 0, 1.0), (6, 7, 0, 1.0)], player)
    assert windows(read_players([tmp_path]), 2) == [[0, 0], [0, 1]] * 3


def test_observations_without_a_label_are_part_of_windows_but_no_examples(tmp_path):
    write(tmp_path / "1.session", [(0, 7, 0, 0.0), (6, 7, 0, 1.0), (12, 7, 0, 0.0), (18, 7, 0, 1.0)])
    players = read_players([tmp_path]).with_window(Window(2))
    assert players.examples == 2
    assert windows(players, 2) == [[0, 1], [2, 3]]
    drawn = TaskSampler(players, Cuts(0.0, 0.0, 5.0), 0).minibatches(8, 1, 8).query
    assert set(drawn.targets.flatten().tolist()) == {1, 3}
    support = newest_known(players, torch.tensor([0]), torch.tensor([1000]), 3)
    assert support.weights.tolist() == [[0, 1, 1]]
    assert support.targets[0, 1:, 0].tolist() == [1, 3]


ROWS = st.tuples(st.integers(0, 30), st.integers(-2, 2), st.integers(0, 1), st.sampled_from([0.0, 1.0]))


@given(st.lists(ROWS, min_size=1, max_size=60), st.integers(1, 4))
def test_windows_are_those_of_a_list_for_each_agent(tmp_path_factory, rows, window):
    folder = tmp_path_factory.mktemp("session")
    rows[0] = (*rows[0][:3], 1.0)
    write(folder / "1.session", rows)
    assert windows(read_players([folder]), window) == windows_one_by_one(rows, window)


@pytest.mark.parametrize("late", [1, 40, 700])
def test_rows_that_come_late_are_put_in_order_however_late(tmp_path, monkeypatch, late):
    monkeypatch.setattr(history, "BLOCK_BYTES", 0)  # 256 rows are held back
    ticks = np.arange(3000)
    written = np.argsort(ticks + np.where(ticks % 5 == 0, late, 0), kind="stable")
    rows = [(int(tick), 0, 0, 1.0) for tick in ticks[written]]
    write(tmp_path / "1.session", rows)
    players = read_players([tmp_path])
    assert players.history.ticks.tolist() == ticks.tolist()
    assert windows(players, 2) == windows_one_by_one(rows, 2)


def test_a_session_that_turns_out_to_be_damaged_leaves_nothing_behind(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(history, "BLOCK_BYTES", 0)
    for number, player in enumerate(("ann", "bob", "zoe")):
        write(tmp_path / f"{number}.session", [(tick, 0, 0, 1.0) for tick in range(3000)], player)
    with (tmp_path / "1.session").open("ab") as file:
        file.write(chunk_of_another_spec(tmp_path / "other"))
    players = read_players([tmp_path])
    assert players.ids == ("ann", "zoe")
    assert players.sessions == 2
    assert "left out: session" in " ".join(capsys.readouterr().err.split())
    everything = observed_between(players, torch.arange(2), torch.zeros(2).long(), players.last_ticks + 1)
    assert torch.equal(everything.targets[..., 0], torch.arange(3000.0).expand(2, -1))


def chunk_of_another_spec(path: Path) -> bytes:
    spec = Spec((Field("x"),), Target("vector", "y", 1), HORIZON_TICKS)
    with SessionWriter(path, SessionHeader(spec, "bob")) as writer:
        header_bytes = writer.bytes_written
        writer.add(0, 0, 0, [0], [0])
    return path.read_bytes()[header_bytes:]


def test_players_split_off_share_the_columns():
    players = make_players(4)
    chosen = players.select([2, 0]).with_window(Window(3))
    assert chosen.history is players.history
    assert chosen.window == Window(3)
    assert players.window == Window()


def test_mean_and_scale_are_those_of_the_players_own_examples():
    players = make_players(5).select([0, 1, 3])
    own = torch.cat(
        [players.history.observations[a:b] for a, b in zip(players.first, players.end, strict=True)]
    )
    mean, scale = players.mean_and_scale("observations")
    assert torch.allclose(mean, own.double().mean(0).float())
    assert torch.allclose(scale, own.double().std(0, correction=0).float())


def test_mean_and_scale_do_not_depend_on_the_size_of_a_block(monkeypatch):
    players = make_players(3)
    players.history.targets.add_(1e4)
    whole = players.mean_and_scale("targets")
    monkeypatch.setattr(dataset, "NUMBERS_AT_ONCE", 7)
    for expected, found in zip(whole, players.mean_and_scale("targets"), strict=True):
        assert torch.allclose(expected, found, rtol=1e-6)


@pytest.mark.parametrize("window", [Window(2), Window(3, 7)], ids=str)
def test_what_is_read_in_pieces_is_what_is_read_at_once(tmp_path, monkeypatch, window):
    write(tmp_path / "1.session", [(tick, tick % 3, 0, 1.0) for tick in range(500)])
    everything = torch.arange(500)
    expected = read_players([tmp_path]).history.observed(everything, window)
    monkeypatch.setattr(columns, "MOST_RESIDENT_BYTES", 0)
    monkeypatch.setattr(columns, "ROWS_AT_ONCE", 7)
    assert torch.equal(read_players([tmp_path]).history.observed(everything, window), expected)


def test_nothing_is_left_in_the_temporary_folder(tmp_path, monkeypatch):
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    write(tmp_path / "1.session", [(0, 0, 0, 1.0)])
    players = read_players([tmp_path])
    assert players.examples == 1
    assert list(folder.iterdir()) == []


def test_a_full_disk_is_named_with_what_is_needed_and_what_to_do(tmp_path):
    write(tmp_path / "1.session", [(tick, 0, 0, 1.0) for tick in range(20_000)])
    message = r"cannot be laid out in '.+' \(.+\): [\d,]+ bytes are needed, [\d,]+ are free: .*TMPDIR"
    with files_limited_to(4096), pytest.raises(PytrainError, match=message):
        read_players([tmp_path])


def test_a_disk_that_is_too_small_is_found_out_before_anything_is_written(tmp_path, monkeypatch):
    write(tmp_path / "1.session", [(tick, 0, 0, 1.0) for tick in range(1000)])
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=40_000))
    with pytest.raises(
        PytrainError, match=r"its disk is too full\): \d+,\d+ bytes are needed, 40,000 are free"
    ):
        read_players([tmp_path])


WITHIN_LIMITS = """
import resource, sys
from pathlib import Path
import torch
from pytrain.data.dataset import read_players, split_by_player
from pytrain.data.tasks import Cuts, TaskSampler
used = 4096 * int(Path("/proc/self/statm").read_text().split()[5])
resource.setrlimit(resource.RLIMIT_DATA, (used + int(sys.argv[2]),) * 2)
train, validation = split_by_player(read_players([Path(sys.argv[1])]), 0.2, 0)
train.mean_and_scale("observations")
TaskSampler(train, Cuts(), 0).tasks(8, 64, 64, 5, 16)
print(train.examples + validation.examples)
"""


@pytest.mark.skipif(
    sys.platform != "linux", reason="reads /proc, and RLIMIT_DATA holds elsewhere for other memory"
)
def test_a_recording_trains_in_less_memory_than_it_is_large(tmp_path):
    spec = Spec((Field("much", 250),), Target("vector", "y", 1), HORIZON_TICKS)
    rows = Examples.zeros(spec, 5000)
    rows.weights[:] = 1.0
    for player in range(2):
        with SessionWriter(tmp_path / f"{player}.session", SessionHeader(spec, f"player-{player}")) as writer:
            for number in range(8):
                rows.ticks[:] = np.arange(len(rows)) + number * len(rows)
                writer.extend(rows)
    recorded = sum(file.stat().st_size for file in tmp_path.iterdir())
    command = [sys.executable, "-c", WITHIN_LIMITS, str(tmp_path), str(recorded * 3 // 4)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "80000", done.stderr
