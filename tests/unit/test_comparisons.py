"""Brains and baselines beside each other: in pairs, at every second, over trainings, and chosen on others."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from adaptive_agents.formats.session import SessionHeader, SessionWriter
from adaptive_agents.model.brain import Brain
from adaptive_agents.model.inner_loop import Uncertainty
from adaptive_agents.model.window import Window
from pytrain.commands import EvaluateCommand, run_evaluate
from pytrain.console import results
from pytrain.data.dataset import read_players
from pytrain.errors import PytrainError
from pytrain.evaluation.baselines import POOLED_TUNED
from pytrain.evaluation.chosen import baselines_as_chosen, settings_of
from pytrain.evaluation.evaluate import EvaluateSettings, Evaluation, evaluate
from pytrain.evaluation.figures import prediction_figures, write_csv
from pytrain.evaluation.intervals import Resampling
from pytrain.evaluation.measure import ask
from pytrain.evaluation.predictors import LEVELS, BrainPredictor
from tests.synthetic_players import sinusoid_spec, write_sessions
from tests.tiny_brain import make_manifest, make_parts, make_tiny_brain, write_brain

SHORT = {"curve_sec": (0.0, 5.0), "headline_sec": 5.0, "query_from_sec": 8.0, "query_sec": 4.0}
SECONDS = 13.0


@pytest.fixture(scope="module")
def sessions(tmp_path_factory) -> Path:
    return write_sessions(tmp_path_factory.mktemp("test"), range(100, 106), seconds=SECONDS)


@pytest.fixture(scope="module")
def fit_sessions(tmp_path_factory) -> Path:
    return write_sessions(tmp_path_factory.mktemp("fit"), range(200, 204), seconds=SECONDS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Brains of three seeds of one method, and another one."""
    folder = tmp_path_factory.mktemp("brains")
    for seed in range(3):
        parts = make_parts(sinusoid_spec(), seed=seed)
        write_brain(folder / f"reptile@{seed}.brain", make_manifest(sinusoid_spec()), parts)
    hardly = {"inner_lr": 1e-4, "num_inner_steps": 1}
    manifest = {**make_manifest(sinusoid_spec(), inner_loop=hardly), "algorithm": "pooled"}
    write_brain(folder / "frozen-one.brain", manifest, make_parts(sinusoid_spec(), seed=7))
    return folder


@pytest.fixture(scope="module")
def trainings(folder) -> dict[str, Brain]:
    return {f"reptile@{seed}": Brain.open(folder / f"reptile@{seed}.brain") for seed in range(3)}


def run(brains: dict[str, Brain], sessions: Path, **settings: object) -> Evaluation:
    return evaluate(brains, [sessions], EvaluateSettings(**{**SHORT, **settings}))  # type: ignore[arg-type]


def test_trainings_of_one_method_are_one_line_and_their_mean(trainings, sessions):
    together = run(trainings, sessions).methods["reptile"]
    alone = [run({"reptile": brain}, sessions).methods["reptile"] for brain in trainings.values()]
    assert together.trainings == ("0", "1", "2")
    assert together.per_training == pytest.approx(np.stack([each.per_training[0] for each in alone]))
    assert together.error[1].mean == pytest.approx(np.mean([each.error[1].mean for each in alone]))


def test_an_interval_over_trainings_tells_that_trainings_differ():
    """Players who do not differ: all that is uncertain is which seed one gets."""
    of_players = Resampling(20).of(np.tile([[[1.0]], [[2.0]], [[3.0]]], (1, 20, 1)))
    (estimate,) = of_players.estimates()
    assert estimate.mean == pytest.approx(2.0)
    assert estimate.low == pytest.approx(1.0)
    assert estimate.high == pytest.approx(3.0)


def test_players_and_trainings_are_resampled_together():
    random = np.random.default_rng(0)
    players, trainings = random.normal(0, 1, (1, 60, 1)), random.normal(0, 1, (8, 1, 1))
    widths = []
    for values in (players + 0 * trainings, 0 * players + trainings, players + trainings):
        (estimate,) = Resampling(60).of(values).estimates()
        widths.append(estimate.high - estimate.low)
    assert widths[2] == pytest.approx(np.hypot(widths[0], widths[1]), rel=0.1)


def test_a_training_is_paired_with_its_own_frozen_model():
    """Trainings that differ by ten, adaptation that always gains one: the difference is certain."""
    frozen = np.tile([[[10.0]], [[20.0]], [[30.0]]], (1, 5, 1))
    resampling = Resampling(5)
    (difference,) = resampling.of(frozen - 1).differences(resampling.of(frozen))
    assert (difference.low, difference.high) == pytest.approx((-1.0, -1.0))


def test_differences_are_paired_at_every_second(trainings, sessions):
    result = run({"one": trainings["reptile@0"], "other": trainings["reptile@1"]}, sessions)
    one, other = (result.methods[name].per_training[0] for name in ("one", "other"))
    for at in range(2):
        difference = result.difference_curves["one-other"][at]
        assert difference.mean == pytest.approx((one - other)[:, at].mean())
        unpaired = result.methods["one"].error[at]
        assert difference.high - difference.low < unpaired.high - unpaired.low
        ratio = result.ratio_curves["one/other"][at]
        assert ratio.mean == pytest.approx(one[:, at].mean() / other[:, at].mean())


def test_a_brain_alone_has_a_frozen_line_and_shows_what_it_was_before(trainings, sessions):
    result = run({"reptile": trainings["reptile@0"]}, sessions)
    assert result.methods["frozen"].error == result.methods["reptile"].before
    assert result.ratios["reptile/frozen"] == result.ratios["reptile/before"]
    assert result.methods["reptile"].before[1] == result.methods["reptile"].error[0]


def test_before_is_the_frozen_model_that_a_brain_carries(trainings, sessions, monkeypatch):
    """Not what its own weights say: who learns on top of a pooled model has that one to beat."""
    monkeypatch.setattr(
        Brain, "estimate_frozen", lambda self, rows: (np.full((len(rows), 1), 1e3, np.float32), None)
    )
    result = run({"reptile": trainings["reptile@0"]}, sessions)
    assert result.methods["reptile"].before[1].mean == pytest.approx(1e3, rel=0.01)
    assert result.methods["frozen"].error[1].mean == pytest.approx(1e3, rel=0.01)
    assert result.methods["reptile"].error[0].mean < 10


def test_without_a_pooled_brain_the_frozen_line_is_the_best_of_the_fit_players(
    trainings, sessions, fit_sessions
):
    brains = {"a": trainings["reptile@0"], "b": trainings["reptile@1"], "c": trainings["reptile@2"]}
    result = run(brains, sessions, fit_sessions=(fit_sessions,))
    of_fit = {name: run({name: brain}, fit_sessions) for name, brain in brains.items()}
    best = min(brains, key=lambda name: of_fit[name].methods[name].before[1].mean)
    assert result.methods["frozen"].error == result.methods[best].before


def test_what_is_best_is_chosen_on_the_fit_players_alone(trainings, sessions, fit_sessions):
    brains = {"pooled": trainings["reptile@0"], "a": trainings["reptile@1"], "b": trainings["reptile@2"]}
    settings = {"baselines": True, "fit_sessions": (fit_sessions,)}
    chosen = run(brains, sessions, **settings).chosen
    again = run(
        brains, write_sessions(fit_sessions.parent / "others", range(300, 303), seconds=SECONDS), **settings
    )
    assert chosen == again.chosen
    errors = chosen.errors
    assert errors.keys() == {"frozen", "pooled", "a", "b", "kernel", "knn", "frozen_kernel"}
    assert chosen.best_learner == min(("a", "b"), key=lambda name: errors[name])
    others = [name for name in errors if name not in ("a", "b")]
    assert chosen.best_baseline == min(others, key=lambda name: errors[name])
    best = chosen.best_baseline
    assert again.ratio_curves["a/best-baseline"] == again.ratio_curves[f"a/{best}"]


def test_without_fit_players_nothing_is_called_best(trainings, sessions):
    result = run(trainings, sessions, baselines=True)
    assert result.chosen is None
    assert not any("best" in name for name in result.ratio_curves)
    assert {"kernel", "knn", "frozen_kernel"} < result.methods.keys()


def test_the_pooled_brain_is_also_fine_tuned_with_settings_of_the_fit_players(folder, sessions, fit_sessions):
    pooled = Brain.open(folder / "frozen-one.brain")
    result = run({"pooled": pooled}, sessions, baselines=True, fit_sessions=(fit_sessions,))
    errors = result.chosen.errors
    assert errors["pooled_tuned"] < 0.95 * errors["pooled"]
    assert result.chosen.settings["pooled_tuned"]["num_inner_steps"] > 1
    ratio = result.ratio_curves["pooled_tuned/pooled"]
    assert (ratio[0].mean, ratio[1].mean < 1) == (pytest.approx(1.0), True)


def test_what_was_chosen_is_taken_over_to_other_players(folder, sessions, fit_sessions, tmp_path):
    """To the last digit: an evaluation that chooses anew, and one that reads what was chosen."""
    brains = {"pooled": Brain.open(folder / "frozen-one.brain"), "a": Brain.open(folder / "reptile@0.brain")}
    anew = run(brains, sessions, baselines=True, fit_sessions=(fit_sessions,))
    (tmp_path / "figures.json").write_text(json.dumps(prediction_figures(anew)))
    taken = run(brains, sessions, baselines=True, as_chosen_in=tmp_path / "figures.json")
    assert prediction_figures(taken)["chosen"] == prediction_figures(anew)["chosen"]
    assert taken.ratio_curves == anew.ratio_curves


def test_a_brain_whose_own_settings_are_best_keeps_them(folder):
    own = BrainPredictor(Brain.open(folder / "frozen-one.brain"))
    settings = json.loads(json.dumps(settings_of(own)))
    made = baselines_as_chosen({POOLED_TUNED: settings}, sinusoid_spec(), {"": own.brain}, Window())
    assert made == {POOLED_TUNED: {"": own}}


def test_what_was_chosen_must_fit(folder, trainings, sessions, fit_sessions, tmp_path):
    chosen = tmp_path / "figures.json"
    (tmp_path / "wide").mkdir()
    wide = make_tiny_brain(tmp_path / "wide" / "a.brain", sinusoid_spec(), window=3)
    figures = run({"pooled": wide}, sessions, baselines=True, fit_sessions=(fit_sessions,))
    chosen.write_text(json.dumps(prediction_figures(figures)))
    pooled = {"pooled": Brain.open(folder / "frozen-one.brain")}
    with pytest.raises(PytrainError, match=r"windows of shape \(3, 3\), these brains have \(1, 3\)"):
        run(pooled, sessions, baselines=True, as_chosen_in=chosen)
    with pytest.raises(PytrainError, match="frozen_kernel was chosen for a pooled brain"):
        run({"reptile": wide}, sessions, baselines=True, as_chosen_in=chosen)
    with pytest.raises(PytrainError, match="not both"):
        run(pooled, sessions, as_chosen_in=chosen, fit_sessions=(fit_sessions,))
    chosen.write_text("{}")
    with pytest.raises(PytrainError, match=r"figures\.json' holds nothing that was chosen"):
        run(pooled, sessions, as_chosen_in=chosen)


def test_fit_players_who_are_measured_are_refused(trainings, sessions):
    with pytest.raises(PytrainError, match="'player-100' is among those who are measured and those of --fit"):
        run(trainings, sessions, fit_sessions=(sessions,))


def test_a_condition_counts_its_moments_alone(trainings, sessions):
    result = run(trainings, sessions, when=("x>2", "x<=2"))
    whole, high, low = (
        each.methods["reptile"].per_training[0, :, 1] for each in (result, *result.when.values())
    )
    players = read_players([sessions])
    (asked,) = ask(players, players.window, 1, EvaluateSettings(**SHORT))
    share = (asked.query.observations[..., 0] > 2).mean(1)
    assert whole == pytest.approx(share * high + (1 - share) * low)
    assert np.abs(high - low).min() > 0.01


def test_a_condition_that_never_holds_says_so(trainings, sessions):
    with pytest.raises(PytrainError, match=r"0 of 6 players have such moments.*--when"):
        run(trainings, sessions, when=("x>50",))


def test_who_knows_how_sure_it_is_shows_how_often_it_was_right(trainings, sessions, monkeypatch):
    """Intervals of next to no width hold nothing, enormous ones everything."""

    def estimate(self, observations, params):
        predictions = observations @ params["weight"] + params["bias"][:, None]
        return predictions, np.ones_like(predictions)

    for brain in trainings.values():
        monkeypatch.setattr(brain, "uncertainty", Uncertainty({0.5: 1e-9, 0.8: 1e3, 0.95: 1e9}))
    monkeypatch.setattr(Brain, "estimate_batched", estimate)
    curve = run(trainings, sessions).methods["reptile"]
    assert [curve.coverage[level][1].mean for level in LEVELS] == pytest.approx([0.0, 1.0, 1.0])
    assert curve.calibration_error[1].mean == pytest.approx((0.5 + 0.2 + 0.05) / 3)
    stored = prediction_figures(run(trainings, sessions))["methods"]["reptile"]
    assert stored["coverage"]["80"]["mean"] == pytest.approx(1.0)


def test_agents_who_look_at_once_are_asked_as_one_moment(trainings, tmp_path):
    """Four agents that see the same: baselines and brains learn from as many moments as with one."""
    for player in range(2):
        with SessionWriter(
            tmp_path / f"{player}.session", SessionHeader(sinusoid_spec(), f"p{player}")
        ) as out:
            for tick in range(0, round(SECONDS * 60), 6):
                for agent in range(4):
                    out.add(tick, agent, 0, [float(tick), float(agent), 0.0], [1.0])
    players = read_players([tmp_path])
    (asked,) = ask(players, players.window, 4096, EvaluateSettings(**SHORT))
    nothing, support = asked.supports
    assert nothing.weights.sum() == 0
    assert support.weights.sum(1).tolist() == [45.0, 45.0]  # ticks 0 to 264
    assert sorted(set(support.observations[0, :, 1].tolist())) == [0.0, 1.0, 2.0, 3.0]


def test_a_category_is_looked_up_too_and_shows_how_right_its_chances_are(tmp_path):
    folder = write_sessions(tmp_path / "test", range(100, 106), "category", seconds=SECONDS)
    fit = write_sessions(tmp_path / "fit", range(200, 204), "category", seconds=SECONDS)
    brain = make_tiny_brain(tmp_path / "a.brain", sinusoid_spec("category"))
    result = run({"pooled": brain}, folder, baselines=True, fit_sessions=(fit,))
    nothing_known, known = result.methods["kernel"].error
    assert known.high < nothing_known.mean
    for name in ("pooled", "kernel", "knn", "frozen_kernel"):
        curve = result.methods[name]
        assert 0 < curve.brier[1].mean < 2
        assert 0 <= curve.calibration_error[1].mean < 1
    shown_table = shown([Path(brain.source), folder], baselines=True)
    assert "How sure it is" in shown_table
    assert "Brier" in shown_table


def test_every_player_second_and_training_is_in_the_table(trainings, sessions, tmp_path):
    result = run(trainings, sessions, when=("x>2",))
    write_csv(tmp_path / "errors.csv", result)
    with (tmp_path / "errors.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * (3 + 1 * 3) * 6 * 2  # moments × (trainings, and frozen ones) × players × seconds
    row = next(
        row
        for row in rows
        if (row["moments"], row["method"], row["training"]) == ("x>2", "reptile", "2")
        and (row["player"], row["seconds"]) == ("player-103", "5")
    )
    assert float(row["error"]) == pytest.approx(
        result.when["x>2"].methods["reptile"].per_training[2, 3, 1], rel=1e-5
    )


def test_the_figures_are_json_with_every_second_and_player(trainings, sessions):
    figures = json.loads(json.dumps(prediction_figures(run(trainings, sessions)), allow_nan=False))
    assert figures["methods"]["reptile"]["trainings"] == 3
    assert np.shape(figures["per_player"]["reptile"]) == (6, 2)
    assert figures["ratios"]["reptile/frozen"] == figures["ratio_curves"]["reptile/frozen"][1]
    assert figures["player_ids"] == [f"player-{player}" for player in range(100, 106)]


def command(files: list[Path], **settings: object) -> EvaluateCommand:
    return EvaluateCommand(files=tuple(files), **{**SHORT, **settings})  # type: ignore[arg-type]


def shown(files: list[Path], **settings: object) -> str:
    with results.capture() as capture:
        run_evaluate(command(files, **settings))
    return capture.get()


def test_files_of_one_name_and_several_seeds_are_one_method(folder, sessions):
    figures = json.loads(shown([*sorted(folder.glob("*.brain")), sessions], json=True))
    assert figures["methods"].keys() == {"frozen", "pooled", "reptile"}
    assert figures["methods"]["reptile"]["trainings"] == 3
    assert "Reptile (× 3)" in " ".join(shown([*sorted(folder.glob("*.brain")), sessions]).split())


def test_baselines_need_no_brain(sessions):
    figures = json.loads(shown([sessions], baselines=True, json=True))
    assert figures["methods"].keys() == {"kernel", "knn"}
    with pytest.raises(PytrainError, match=r"no brain to evaluate.*or give --baselines"):
        run_evaluate(command([sessions]))


def test_a_method_and_its_trainings_cannot_share_a_name(folder, sessions, tmp_path):
    alone = make_tiny_brain(tmp_path / "x.brain", sinusoid_spec())
    with pytest.raises(
        PytrainError, match=r"'reptile' is both a brain and the name of trainings \(reptile@…\)"
    ):
        run_evaluate(command([folder / "reptile@0.brain", Path(alone.source), sessions]))
