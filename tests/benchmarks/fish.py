"""Real people through the real pipeline: 465 people who steer an avatar, .625 and 2 s ahead.

As a benchmark (`python -m tests.benchmarks fish`): for four splits of the games, every learner is trained by
the ordinary command at its defaults, and evaluated on people it never saw, after 0, 20, 60 and 180 s of
their play. By hand, the figures of one split:

    python -m tests.benchmarks.fish convert --out PLAY [--split 0] [--horizon-ticks 5]
    pytrain train PLAY/meta-train --validation-sessions PLAY/meta-validation --window 5 --algorithm pooled \\
        --out pooled.brain
    pytrain train …, with --algorithm bayes --pooled pooled.brain --out bayes.brain, and so on
    pytrain evaluate *.brain PLAY/meta-test --curve-sec 0 20 60 180 --headline-sec 180 --query-from-sec 180 \\
        --query-sec 180

`fish/best` is the learner with the lowest error on the meta-validation people, as `pytrain train` tells it;
it and all others are held against the better one of the pooled network frozen and fine-tuned, chosen on the
very people who are tested. Features and window were chosen on the meta-validation games, which are tested in
no split. `fish/reference` and `fish/ceiling` say what is there to be had: see `fish_reference`.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from adaptive_agents.model.brain import Brain
from pytrain.evaluation.evaluate import EvaluateSettings, Evaluation, evaluate
from pytrain.evaluation.intervals import Estimate
from tests.benchmarks.fish_reference import REFERENCES, Play, ceiling, references
from tests.benchmarks.fish_sessions import convert
from tests.benchmarks.fish_tracks import SPLITS, Person, read_people
from tests.benchmarks.people import (
    LEARNERS,
    PerPerson,
    below_pooled,
    change_percent,
    coverage,
    covered,
    run_pytrain,
)
from tests.benchmarks.report import BenchSettings, CannotRun, Progress, Result, data_folder

NAME = "fish"
TIMED = False

FROZEN, POOLED, BEST = "frozen", "pooled", "best"
QUICK_LEARNERS = (POOLED, "bayes")
HORIZONS = {"": 5, "2s": 16}
"""Ticks ahead; the name is part of the results' names."""
WINDOW = 5
TRAINING = f"--window {WINDOW}"
QUICK = "--meta-steps 300 --compile never"
AT_A_TIME = 2
AFTER_SEC = (0.0, 20.0, 60.0, 180.0)
EVALUATION = EvaluateSettings(curve_sec=AFTER_SEC, headline_sec=180.0, query_from_sec=180.0, query_sec=180.0)
WANTED_CHANGE = {20.0: -3.0, 60.0: -6.0, 180.0: -13.0}
"""In percent, of the best learner .625 s ahead."""


@dataclass(frozen=True)
class Measured:
    """All splits of one horizon; who is tested in one is tested in no other."""

    horizon: str
    how: str
    game: dict[str, int]
    errors: dict[str, list[dict[str, float]]]
    """By method: for each of AFTER_SEC the mean error of every tested person in px."""
    validation_errors: dict[str, float]
    covered: dict[str, PerPerson]

    def name(self, *parts: str) -> str:
        """fish/bayes/change-20, fish/2s/bayes/change-20."""
        return "/".join(part for part in (NAME, self.horizon, *parts) if part)

    def mean(self, method: str, at: int) -> float:
        """Mean error over people in px."""
        return float(np.mean(list(self.errors[method][at].values())))


def run(settings: BenchSettings, progress: Progress) -> Iterator[Result]:
    """Train every wanted learner on every split, and measure all of them on its meta-test people."""
    tracks = data_folder(settings, "fish_swarm") / "tracks.npz"
    if not tracks.exists():
        raise CannotRun(f"there is no {tracks}: see {settings.data / 'README.md'} for where it is from")
    people = read_people(tracks)
    for horizon, ticks in HORIZONS.items():
        if _wants(settings, horizon):
            yield from _results(_measured(people, horizon, ticks, settings, progress))


def _wants(settings: BenchSettings, horizon: str) -> bool:
    """The nearer horizon's results have no group of their own: they are meant by all other names."""
    if horizon:
        named = any(name.startswith(f"{NAME}/{horizon}") for name in settings.names)
        return named or (settings.wants(f"{NAME}/{horizon}") and not settings.quick)
    others = tuple(f"{NAME}/{name}" for name in HORIZONS if name)
    return not settings.names or not all(name.startswith(others) for name in settings.names)


def train_command(learner: str, play: Path, out: Path, more: str = "") -> list[str]:
    """The arguments of `pytrain` that train a learner on the converted play."""
    folders = [str(play / "meta-train"), "--validation-sessions", str(play / "meta-validation")]
    return ["train", *folders, "--algorithm", learner, *f"{TRAINING} {more}".split(), "--out", str(out)]


def _measured(
    people: Sequence[Person], horizon: str, ticks: int, settings: BenchSettings, progress: Progress
) -> Measured:
    """One split after the other; two trainings run side by side."""
    folder = settings.out / NAME / (horizon or "0.625s")
    learners = QUICK_LEARNERS if settings.quick else LEARNERS
    more = f"{QUICK if settings.quick else ''} --device {settings.device}"
    splits = range(1 if settings.quick else SPLITS)
    errors: dict[str, list[dict[str, float]]] = {}
    in_validation: dict[str, list[float]] = {}
    inside: dict[str, dict[str, float]] = {}
    for split in splits:
        shutil.rmtree(folder, ignore_errors=True)
        parts = convert(people, folder, split, ticks, EVALUATION.query_from_sec)
        play = {part: Play.of(whose, ticks) for part, whose in parts.items()}
        for name, per_moment in references(play, AFTER_SEC).items():
            _add(errors, name, per_moment)
        progress(f"{horizon} split {split}: converted, references measured".lstrip())

        brains = _trained(folder, learners, more)
        progress(f"{horizon} split {split}: {', '.join(learners)} trained".lstrip())
        evaluation = evaluate(brains, [folder / "meta-test"], EVALUATION)
        for method, curve in evaluation.methods.items():
            columns = np.array(curve.error_per_player).T
            _add(errors, method, [dict(zip(evaluation.player_ids, each, strict=True)) for each in columns])
        for name, brain in brains.items():
            scores = brain.scores["meta_validation"]
            in_validation.setdefault(name, []).append(float(scores["error_after"]))
            if brain.uncertainty is not None:
                inside.setdefault(name, {}).update(
                    covered(brain, folder / "meta-test", EVALUATION, EVALUATION.headline_sec)
                )
        progress(_line(evaluation, split))
        if split == 0:
            seen = [Play.of(parts[part], ticks, WINDOW) for part in ("meta-train", "meta-test")]
            without, with_code = ceiling(*seen, quick=settings.quick)
            _add(errors, "ceiling/pooled", [without] * len(AFTER_SEC))
            _add(errors, "ceiling/with-code", [with_code] * len(AFTER_SEC))
    return Measured(
        horizon,
        f"{len(splits)} split(s){', quick' * settings.quick}",
        {person.id: person.game for person in people},
        errors,
        {name: float(np.mean(each)) for name, each in in_validation.items()},
        inside,
    )


def _trained(folder: Path, learners: Sequence[str], more: str) -> dict[str, Brain]:
    """Every learner on one split, two of them side by side.

    All are given the one pooled model that they are held against, instead of one of their own: what they gain
    is then no matter of how long, or how luckily, a pooled model was trained.
    """

    def train(learner: str) -> Brain:
        out = folder / f"{learner}.brain"
        start = [] if learner == POOLED else ["--pooled", str(folder / f"{POOLED}.brain")]
        run_pytrain([*train_command(learner, folder, out, more), *start], out.with_suffix(".log"))
        return Brain.open(out)

    pooled, *others = learners
    brains = {pooled: train(pooled)}
    with ThreadPoolExecutor(AT_A_TIME) as threads:
        return brains | dict(zip(others, threads.map(train, others), strict=True))


def _add(
    errors: dict[str, list[dict[str, float]]], method: str, per_moment: Sequence[Mapping[str, float]]
) -> None:
    """Keep the errors of one more split's people."""
    for so_far, new in zip(errors.setdefault(method, [{} for _ in AFTER_SEC]), per_moment, strict=True):
        so_far.update(new)


def _line(evaluation: Evaluation, split: int) -> str:
    """How a split came out, in one line."""
    at = AFTER_SEC.index(EVALUATION.headline_sec)
    shown = ", ".join(f"{name} {curve.error[at].mean:.3f}" for name, curve in evaluation.methods.items())
    return f"split {split}, px after 180 s: {shown}"


def _results(measured: Measured) -> Iterator[Result]:
    """Every learner beside the best pooled network; then the references and the ceiling."""
    learners = [name for name in measured.validation_errors if name != POOLED]
    best = min(learners, key=measured.validation_errors.__getitem__)
    changes = {}
    for at, seconds in enumerate(AFTER_SEC):
        peer = min((FROZEN, POOLED), key=lambda name, at=at: measured.mean(name, at))
        for name in (FROZEN, POOLED, *REFERENCES, *learners):
            yield _change(measured, f"{name}/change-{seconds:g}", name, peer, at)
        for name in learners:
            changes[f"{name} after {seconds:g} s"] = _percent(measured, name, peer, at)
        wanted = None if measured.horizon else WANTED_CHANGE.get(seconds)
        yield _change(measured, f"{BEST}/change-{seconds:g}", best, peer, at, wanted)
    yield below_pooled(measured.name("below-pooled"), changes, "%")
    yield _change(measured, "ceiling/change", "ceiling/with-code", "ceiling/pooled", 0)
    for name, shares in measured.covered.items():
        for shown in (name, *([BEST] if name == best else [])):
            yield coverage(measured.name(shown, "coverage-80"), shares, "after 180 s", measured.how)


def _percent(measured: Measured, method: str, peer: str, at: int) -> Estimate:
    return change_percent(measured.errors[method][at], measured.errors[peer][at], measured.game)


def _change(
    measured: Measured, name: str, method: str, peer: str, at: int, wanted: float | None = None
) -> Result:
    """By how many percent the error differs from the peer's, with an interval over games."""
    change = _percent(measured, method, peer, at)
    people = measured.errors[method][at]
    games = len({measured.game[person] for person in people})
    return Result(
        measured.name(name),
        change.mean,
        "% of the error",
        f"pooled, {'frozen' if peer == FROZEN else 'fine-tuned' if peer == POOLED else 'without a code'}",
        measured.mean(peer, at),
        ratio=100 / (100 + change.mean),
        spread=(change.low, change.high),
        goal=None if wanted is None else 100 / (100 + wanted),
        note=f"{method}: {measured.mean(method, at):.3f} px; {len(people)} people in {games} games, "
        + measured.how,
    )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, prog="fish"
    )
    to_sessions = parser.add_subparsers(required=True).add_parser(
        "convert", help="write the tracks as .session files"
    )
    to_sessions.add_argument(
        "--tracks", type=Path, default=Path("../shared/data/fish_swarm/tracks.npz"), metavar="FILE"
    )
    to_sessions.add_argument("--out", type=Path, required=True, metavar="PLAY", help="a new folder")
    to_sessions.add_argument("--split", type=int, default=0, help="which quarter of the games is tested on")
    to_sessions.add_argument("--horizon-ticks", type=int, default=HORIZONS[""], help="eighths of a second")
    given = parser.parse_args()
    people = read_people(given.tracks)
    parts = convert(people, given.out, given.split, given.horizon_ticks, EVALUATION.query_from_sec)
    for part, written in parts.items():
        print(f"{given.out / part}: {len(written)} people")


if __name__ == "__main__":
    main()
