"""In-engine evaluation: every condition meets the same players, and comparisons are paired by player."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from pytrain.errors import PytrainError
from pytrain.evaluation.intervals import mean_with_interval
from pytrain.games.play import CONDITIONS, PlaySettings, play, read_results
from pytrain.games.simulation import Players, Simulation

# Started through sh: a first line that names Python breaks where its path has a space.
ENGINE = f"""#!/bin/sh
'''exec' "{sys.executable}" "$0" "$@" #'''
import json, sys
if "--version" in sys.argv:
    print("4.6.3.stable"); sys.exit()
words = dict(word.split("=", 1) for word in sys.argv[sys.argv.index("--") + 1:])
share = {{"none": 0, "linear": 1, "brain": 2 + (words["adaptation"] == "player")}}[words["aim"]]
players = [
    {{"player_id": f"{{words['population']}}-{{n:04d}}", "seed": int(words["seed"]), "shots": 40, "hits": 10
     * share, "shots_by_second": [4] * 10, "hits_by_second": [share] * 9 + [share]}}
    for n in range(int(words["from"]), int(words["to"]))
]
for done in range(len(players)):
    print("PROGRESS", done + 1, len(players))
json.dump({{"players": players, "words": words}}, open(words["results"], "w"))
"""


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlaySettings:
    engine = tmp_path / "godot"
    engine.write_text(ENGINE)
    engine.chmod(0o755)
    monkeypatch.setenv("GODOT", str(engine))
    (tmp_path / "a.brain").touch()
    (tmp_path / "pooled.brain").touch()
    return PlaySettings(
        brain=tmp_path / "a.brain",
        frozen=tmp_path / "pooled.brain",
        players="0:5",
        seconds=10,
        out=tmp_path / "play",
    )


def test_all_conditions_play_the_same_players_and_differ_only_in_their_aim(settings: PlaySettings) -> None:
    result = play(settings)
    assert result.player_ids == tuple(f"meta-test-{number:04d}" for number in range(5))
    assert {name: result.hit_rate(name).mean for name in CONDITIONS} == {
        "no_lead": 0,
        "linear_lead": 0.25,
        "frozen": 0.5,
        "pooled": 0.75,
        "adapting": 0.75,
    }
    assert result.paired_ratio("adapting", "linear_lead").mean == pytest.approx(3)
    assert result.paired_ratio("adapting", "frozen").mean == pytest.approx(1.5)
    words = {name: json.loads((settings.out / f"{name}-0.json").read_text())["words"] for name in CONDITIONS}
    assert words["frozen"]["brain"].endswith("pooled.brain")
    assert words["pooled"]["brain"].endswith("pooled.brain")
    assert words["adapting"]["brain"].endswith("a.brain")
    assert [words[name]["adaptation"] for name in CONDITIONS] == ["off", "off", "off", "player", "player"]
    assert len({words[name]["seed"] for name in CONDITIONS}) == 1


def test_the_hit_rate_over_time_has_a_figure_for_every_five_seconds(settings: PlaySettings) -> None:
    figures = play(settings).to_dict()
    assert figures["curve_sec"] == [2.5, 7.5]
    assert figures["curves"]["adapting"][1] == mean_with_interval([0.75] * 5).to_dict()


def test_other_players_in_one_condition_cannot_be_paired(settings: PlaySettings) -> None:
    write_results(settings, "frozen", ["a", "b"])
    write_results(settings, "adapting", ["a", "c"])
    with pytest.raises(PytrainError, match="cannot be paired"):
        read_results(settings, {name: [settings.out / f"{name}.json"] for name in ("frozen", "adapting")})


def test_a_player_whom_nobody_shot_at_has_no_hit_rate(settings: PlaySettings) -> None:
    write_results(settings, "frozen", ["a", "b"], shots=0)
    with pytest.raises(PytrainError, match="nobody shot at 2 players"):
        read_results(settings, {"frozen": [settings.out / "frozen.json"]})


def test_results_that_were_cut_off_are_named(settings: PlaySettings) -> None:
    write_results(settings, "frozen", ["a", "b"])
    path = settings.out / "frozen.json"
    path.write_text(path.read_text()[:30])
    with pytest.raises(PytrainError, match=r"frozen\.json' cannot be read"):
        read_results(settings, {"frozen": [path]})


def test_players_are_dealt_out_without_loss_or_overlap() -> None:
    for count in (1, 2, 7, 64):
        for parts in (1, 2, 3):
            dealt = Players(3, 3 + count).deal(parts)
            numbers = np.concatenate([np.arange(part.first, part.last) for part in dealt])
            assert numbers.tolist() == list(range(3, 3 + count))
            assert len(dealt) <= parts


@pytest.mark.parametrize("text", ["", "5", "5:5", "9:3", "-1:4", "a:b"])
def test_what_is_no_range_of_players_is_refused(text: str) -> None:
    with pytest.raises(PytrainError, match="such as 0:64"):
        Players.parse(text)


def test_paths_reach_the_engine_absolute(tmp_path: Path) -> None:
    simulation = Simulation(
        "meta-test", Players(0, 4), 60, "brain", log=tmp_path / "log", brain=Path("a.brain"), adapts=True
    )
    assert f"brain={Path.cwd() / 'a.brain'}" in simulation.words()


def write_results(settings: PlaySettings, name: str, players: list[str], shots: int = 10) -> None:
    settings.out.mkdir(exist_ok=True)
    rows = [
        {
            "player_id": player,
            "seed": 0,
            "shots": shots,
            "hits": shots // 2,
            "shots_by_second": [shots],
            "hits_by_second": [shots // 2],
        }
        for player in players
    ]
    (settings.out / f"{name}.json").write_text(json.dumps({"players": rows}))
