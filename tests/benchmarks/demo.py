"""The demo game's learners beside the best frozen model, several seeds each, on players nobody trained on.

Records the players (if they are not there yet), trains with the ordinary commands as the demo does, and
evaluates all trainings together: intervals are over players and seeds, comparisons are paired. Who is "best"
was chosen on the meta-validation players. The models are kept in `build/bench/demo`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from adaptive_agents.model.brain import Brain
from pytrain.demo import LEARNERS, MODEL, POOLED
from pytrain.evaluation.comparison import Evaluation
from pytrain.evaluation.evaluate import FROZEN, EvaluateSettings, evaluate
from pytrain.evaluation.goals import COVERAGE_80, RATIO_TO_FROZEN, UNSEEN_RATIO_TO_FROZEN
from pytrain.games.record import RecordSettings, record
from pytrain.games.simulation import Population
from pytrain.settings import Algorithm
from tests.benchmarks.people import run_pytrain
from tests.benchmarks.report import BenchSettings, Progress, Result

NAME = "demo"
TIMED = False

BEST = "best"
LEVEL = 0.8
SEEDS, QUICK_SEEDS = 3, 1
PLAYERS: dict[Population, int] = {
    "meta-train": 2048, "meta-validation": 64, "meta-test": 96, "unseen-family": 64
}  # fmt: skip
MORE: dict[Algorithm, tuple[str, ...]] = {"bayes": ()}
"""Learners beside those of the demo."""
LONGER: dict[str, tuple[str, ...]] = {"memory": ("--meta-steps", "4000")}
"""The demo has to end within minutes; here there is time."""
QUICK = ("--meta-steps", "100")
AT_A_TIME = 2


def run(settings: BenchSettings, progress: Progress) -> Iterator[Result]:
    """Train every learner with every seed, and measure all of them on both kinds of new players."""
    folder = settings.out / NAME
    sessions = _recorded(folder / "sessions")
    progress("the players are recorded")
    brains = _trained(folder, sessions, settings, progress)
    fit = (sessions / "meta-validation",)
    known = evaluate(
        brains, [sessions / "meta-test"], EvaluateSettings(baselines=True, fit_sessions=fit), progress=_silent
    )
    progress("known families evaluated")
    unseen = evaluate(
        brains,
        [sessions / "unseen-family"],
        EvaluateSettings(baselines=True, fit_sessions=fit),
        progress=_silent,
    )
    progress("the unseen family evaluated")
    best = known.chosen.best_learner if known.chosen and known.chosen.best_learner else next(iter(LEARNERS))
    how = f"{QUICK_SEEDS if settings.quick else SEEDS} seed(s){', quick' * settings.quick}"
    for method in known.methods:
        if method != FROZEN:
            yield from _ratios(known, method, method, "ratio", {}, how)
            yield from _ratios(unseen, method, method, "unseen", {}, how)
    yield from _ratios(known, best, BEST, "ratio", RATIO_TO_FROZEN, how)
    yield from _ratios(unseen, best, BEST, "unseen", UNSEEN_RATIO_TO_FROZEN, how)
    yield from _coverage(known, best, how)
    yield from _rivals(known, best, how)


def _recorded(folder: Path) -> Path:
    missing = [
        RecordSettings(out=folder / population, population=population, players=f"0:{count}")
        for population, count in PLAYERS.items()
        if not (folder / population).is_dir()
    ]
    if missing:
        record(missing)
    return folder


def _trained(folder: Path, sessions: Path, settings: BenchSettings, progress: Progress) -> dict[str, Brain]:
    """All trainings by NAME@SEED; the learners of a seed build on its pooled model."""
    data = (str(sessions / "meta-train"), "--validation-sessions", str(sessions / "meta-validation"))
    seeds = range(QUICK_SEEDS if settings.quick else SEEDS)
    brains = {}

    def train(algorithm: Algorithm, seed: int, words: Sequence[str]) -> None:
        out = folder / f"{algorithm}@{seed}.brain"
        steps = QUICK if settings.quick else LONGER.get(algorithm, ())
        options = ("--algorithm", algorithm, "--seed", str(seed), "--out", str(out), *MODEL, *words, *steps)
        run_pytrain(("train", *data, *options), out.with_suffix(".log"))
        brains[out.stem] = Brain.open(out)
        progress(f"{out.stem} trained")

    with ThreadPoolExecutor(AT_A_TIME) as threads:
        list(threads.map(lambda seed: train(POOLED, seed, ()), seeds))
        jobs = [
            (algorithm, seed, ("--pooled", str(folder / f"{POOLED}@{seed}.brain"), *words))
            for seed in seeds
            for algorithm, words in (LEARNERS | MORE).items()
        ]
        list(threads.map(lambda job: train(*job), jobs))
    return brains


def _ratios(
    measured: Evaluation, method: str, name: str, key: str, wanted: dict[float, float], how: str
) -> Iterator[Result]:
    curve = measured.ratio_curves.get(f"{method}/{FROZEN}")
    if curve is None:
        return
    for seconds, ratio in zip(measured.curve_sec, curve, strict=True):
        if seconds == 0 or (wanted and seconds not in wanted):
            continue
        error = measured.methods[method].error[measured.curve_sec.index(seconds)]
        goal = wanted.get(seconds)
        yield Result(
            f"{NAME}/{name}/{key}-{seconds:g}",
            ratio.mean,
            "of the error",
            "frozen, the same window",
            1.0,
            ratio=1 / ratio.mean,
            spread=(ratio.low, ratio.high),
            goal=None if goal is None else 1 / goal,
            note=f"{method}: {error.mean:.1f} px; {len(measured.player_ids)} players, {how}",
        )


def _rivals(measured: Evaluation, best: str, how: str) -> Iterator[Result]:
    """The best learner beside every other method, at every second."""
    for pair, curve in measured.ratio_curves.items():
        method, _, rival = pair.partition("/")
        if method != best or rival == FROZEN:
            continue
        for seconds, ratio in zip(measured.curve_sec, curve, strict=True):
            if seconds:
                yield Result(
                    f"{NAME}/{BEST}/beside-{rival}-{seconds:g}",
                    ratio.mean,
                    "of the error",
                    rival,
                    1.0,
                    ratio=1 / ratio.mean,
                    spread=(ratio.low, ratio.high),
                    note=f"{method}, {how}",
                )


def _coverage(measured: Evaluation, best: str, how: str) -> Iterator[Result]:
    coverage = measured.methods[best].coverage
    if coverage is None:
        return
    covered = coverage[LEVEL][measured.headline_index]
    low, high = COVERAGE_80
    yield Result(
        f"{NAME}/{BEST}/coverage-80",
        covered.mean,
        "of the truth in the 80 % interval",
        ratio=1.0 if low <= covered.mean <= high else 0.0,
        spread=(covered.low, covered.high),
        goal=1.0,
        note=f"{best}, {how}; wanted {low} to {high}",
    )


def _silent(progress: object) -> None:
    del progress
