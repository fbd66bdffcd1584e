"""Real people through the real pipeline: 409 players of rock, paper, scissors against bots.

As a benchmark (`python -m tests.benchmarks rps`): for three splits of the players, every learner is trained
and evaluated by the ordinary commands. By hand, the figures of one split:

    python -m tests.benchmarks.rock_paper_scissors convert --out PLAY [--table rounds.csv.gz] [--split 0]
    python -m tests.benchmarks.rock_paper_scissors commands PLAY  (prints the commands that train)
    pytrain evaluate *.brain PLAY/meta-test --curve-sec 0 20 100 --headline-sec 100 --query-from-sec 100 \\
        --query-sec 200

`rps/defaults` trains without any option. All other settings were chosen on players who are meta-test players
in none of the three splits.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from adaptive_agents.model.brain import Brain
from pytrain.evaluation.evaluate import EvaluateSettings, Evaluation, evaluate
from pytrain.evaluation.intervals import Estimate, ratio_with_interval
from tests.benchmarks.people import LEARNERS, below_pooled, coverage, covered, run_pytrain
from tests.benchmarks.report import BenchSettings, CannotRun, Progress, Result, data_folder
from tests.benchmarks.rock_paper_scissors_sessions import convert

NAME = "rps"
TIMED = False

SPLITS, QUICK_SPLITS = 3, 1
AT_A_TIME = 2
FROZEN, POOLED = "frozen", "pooled"
DEFAULTS = "defaults"
"""What a studio gets that gives no option at all."""
EVALUATION = EvaluateSettings(
    curve_sec=(0.0, 20.0, 100.0), headline_sec=100.0, query_from_sec=100.0, query_sec=200.0
)

COMMON = "--adapt-at-sec 100 --min-cut-sec 5 --max-cut-sec 200 --query-window-sec 100"
POOLED_TRAINING = (
    "--meta-steps 500 --weight-decay 1 --matrix-lr 0 --meta-lr 3e-3 --meta-batch-size 16 --query-size 64"
)
META = "--meta-steps 500 --weight-decay 1 --support-size 128 --inner-batch-size 64 --query-size 100"


@dataclass(frozen=True)
class Seen:
    """What the opponent makes of the rounds, and how each learner is trained on that."""

    name: str
    """Part of the results' names."""
    keeps_count: bool
    learners: dict[str, str]
    """Options of `pytrain train` by learner; all but pooled are held against pooled."""
    common: str = COMMON
    """Options of all of them."""

    def result_name(self, learner: str, figure: str = "") -> str:
        """rps/maml/accuracy-20, rps/last-rounds/maml/accuracy-20."""
        return "/".join(part for part in (NAME, self.name, learner, figure) if part)


SEEN = (
    Seen(
        "",
        keeps_count=True,
        learners={
            "pooled": f"--hidden-sizes 32 {POOLED_TRAINING}",
            "maml": f"--hidden-sizes 32 {META} --num-inner-steps 2 --inner-lr 0.1",
            "fomaml": f"--hidden-sizes 32 {META} --num-inner-steps 2 --inner-lr 0.1",
            "anil": f"--hidden-sizes 32 {META} --num-inner-steps 2 --inner-lr 0.1",
            "reptile": "--hidden-sizes 32 --meta-steps 500 --meta-batch-size 16 --num-inner-steps 3 "
            "--inner-lr 0.05",
            "metasgd": f"--hidden-sizes 32 {META} --num-inner-steps 2 --inner-lr 0.1",
            "protonet": f"--hidden-sizes 32 {META}",
            "cavia": f"--hidden-sizes 32 {META} --num-inner-steps 2",
        },
    ),
    Seen(
        "last-rounds",
        keeps_count=False,
        learners={
            "pooled": f"--hidden-sizes 64 {POOLED_TRAINING}",
            "maml": f"--hidden-sizes 64 {META} --num-inner-steps 3 --inner-lr 0.2",
            "metasgd": f"--hidden-sizes 64 {META} --num-inner-steps 3 --inner-lr 0.2",
        },
    ),
    Seen(DEFAULTS, keeps_count=True, learners=dict.fromkeys(LEARNERS, ""), common=""),
)
QUICK_LEARNERS = (POOLED, "maml")

Inside = dict[str, dict[str, list[float]]]
"""By learner and player: the share of rounds within the 80 % set, in each split that tests the player."""
QUICK = "--meta-steps 100 --compile never"


def run(settings: BenchSettings, progress: Progress) -> Iterator[Result]:
    """Train every wanted learner on every split, and measure all of them on its meta-test players."""
    table = data_folder(settings, "rock_paper_scissors") / "rounds.csv.gz"
    if not table.exists():
        raise CannotRun(f"there is no {table}: see {settings.data / 'README.md'} for where it is from")
    for seen in SEEN[:1] if settings.quick else SEEN:
        learners = _wanted(seen, settings)
        if learners:
            evaluations, inside = _evaluations(seen, learners, table, settings, progress)
            how = f"{len(evaluations)} split(s) × {len(evaluations[0].player_ids)} people"
            how += ", quick" * settings.quick
            yield from _results(seen, learners, evaluations, how)
            for name, shares in inside.items():
                means = {player: float(np.mean(each)) for player, each in shares.items()}
                yield coverage(seen.result_name(name, "coverage-80"), means, "after 100 rounds", how)
            if seen.name == DEFAULTS:
                yield _below_pooled(seen, learners, evaluations)


def train_command(seen: Seen, learner: str, play: Path, out: Path, more: str = "") -> list[str]:
    """The arguments of `pytrain` that train a learner on the converted games."""
    folders = [str(play / "meta-train"), "--validation-sessions", str(play / "meta-validation")]
    options = f"{seen.common} {seen.learners[learner]} {more}".split()
    return ["train", *folders, "--algorithm", learner, *options, "--out", str(out)]


def _wanted(seen: Seen, settings: BenchSettings) -> list[str]:
    """The learners that were asked for, after the pooled one, which all are held against."""
    choice = QUICK_LEARNERS if settings.quick else tuple(seen.learners)
    wanted = [learner for learner in choice if settings.wants(seen.result_name(learner))]
    if not wanted and not settings.wants(seen.result_name(FROZEN)):
        return []
    return list(dict.fromkeys((POOLED, *wanted)))


def _evaluations(
    seen: Seen, learners: Sequence[str], table: Path, settings: BenchSettings, progress: Progress
) -> tuple[list[Evaluation], Inside]:
    """One for each split, and what the learners' 80 % sets held; two trainings run side by side."""
    folder = settings.out / NAME / (seen.name or "counts")
    shutil.rmtree(folder, ignore_errors=True)
    splits = range(QUICK_SPLITS if settings.quick else SPLITS)
    for split in splits:
        convert(table, folder / f"split-{split}", split, seen.keeps_count)
    jobs = [(split, learner) for split in splits for learner in learners]
    more = f"{QUICK if settings.quick else ''} --device {settings.device}"

    def train(job: tuple[int, str]) -> None:
        split, learner = job
        play = folder / f"split-{split}"
        run_pytrain(
            train_command(seen, learner, play, play / f"{learner}.brain", more), play / f"{learner}.log"
        )

    evaluations: list[Evaluation] = []
    inside: Inside = {learner: {} for learner in learners}
    with ThreadPoolExecutor(AT_A_TIME) as threads:
        for done, ((split, learner), _) in enumerate(
            zip(jobs, threads.map(train, jobs), strict=True), start=1
        ):
            progress(f"{seen.result_name(learner)}, split {split}: trained ({done} of {len(jobs)})")
            if learner == learners[-1]:
                play = folder / f"split-{split}"
                brains = {name: Brain.open(play / f"{name}.brain") for name in learners}
                evaluations.append(evaluate(brains, [play / "meta-test"], EVALUATION))
                for name, brain in brains.items():
                    shares = covered(brain, play / "meta-test", EVALUATION, EVALUATION.headline_sec)
                    for player, share in shares.items():
                        inside[name].setdefault(player, []).append(share)
                progress(_line(evaluations[-1], split))
    return evaluations, inside


def _line(evaluation: Evaluation, split: int) -> str:
    """How a split came out, in one line."""
    at = evaluation.curve_sec.index(EVALUATION.headline_sec)
    shown = ", ".join(f"{name} {1 - curve.error[at].mean:.4f}" for name, curve in evaluation.methods.items())
    return f"split {split}, accuracy after 100 rounds: {shown}"


def _results(
    seen: Seen, learners: Sequence[str], evaluations: Sequence[Evaluation], how: str
) -> Iterator[Result]:
    """Means over the splits, beside the pooled model fine-tuned; that one beside itself as it was trained."""
    for name in (FROZEN, *learners):
        peer = FROZEN if name == POOLED else POOLED
        said = "pooled, not adapted" if peer == FROZEN else "pooled, fine-tuned"
        for rounds in (20.0, 100.0):
            at = EVALUATION.curve_sec.index(rounds)
            accuracy, peer_accuracy = (
                np.array([1 - each.methods[one].error[at].mean for each in evaluations])
                for one in (name, peer)
            )
            before = np.mean([1 - each.methods[name].error[0].mean for each in evaluations])
            gain = _difference(evaluations, name, peer, at)
            note = f"paired difference {gain:+.4f}; {before:.4f} before adapting; {how}"
            yield Result.against(
                seen.result_name(name, f"accuracy-{rounds:g}"),
                float(accuracy.mean()),
                "accuracy",
                said,
                float(peer_accuracy.mean()),
                spread=(float(accuracy.min()), float(accuracy.max())),
                note=note,
            )
            loss, peer_loss = (
                np.array([each.methods[one].loss[at].mean for each in evaluations]) for one in (name, peer)
            )
            yield Result.against(
                seen.result_name(name, f"nll-{rounds:g}"),
                float(loss.mean()),
                "nats",
                said,
                float(peer_loss.mean()),
                lower_is_better=True,
                spread=(float(loss.min()), float(loss.max())),
                note=how,
            )


def _difference(evaluations: Sequence[Evaluation], name: str, peer: str, at: int) -> Estimate:
    """How much more accurate than the peer over all splits, with an interval over people.

    A person who is tested on in several splits is drawn with all of them.
    """
    gains: dict[str, list[float]] = {}
    for evaluation in evaluations:
        own, other = (np.array(evaluation.methods[one].error_per_player)[:, at] for one in (name, peer))
        for player, gain in zip(evaluation.player_ids, other - own, strict=True):
            gains.setdefault(player, []).append(float(gain))
    gained, splits = [sum(each) for each in gains.values()], [float(len(each)) for each in gains.values()]
    return ratio_with_interval(gained, splits)


def _below_pooled(seen: Seen, learners: Sequence[str], evaluations: Sequence[Evaluation]) -> Result:
    """Who is less accurate than the better one of the pooled model frozen and fine-tuned, and when."""
    changes = {}
    for rounds in (20.0, 100.0):
        at = EVALUATION.curve_sec.index(rounds)
        fine_tuned_gain = _difference(evaluations, POOLED, FROZEN, at).mean
        peer = POOLED if fine_tuned_gain > 0 else FROZEN
        for name in learners:
            if name != POOLED:
                loss = _difference(evaluations, peer, name, at)
                points = Estimate(*(100 * value for value in (loss.mean, loss.low, loss.high)))
                changes[f"{name} after {rounds:g} rounds"] = points
    return below_pooled(seen.result_name("below-pooled"), changes, "points of error")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, prog="rock_paper_scissors"
    )
    commands = parser.add_subparsers(required=True, dest="command")
    to_sessions = commands.add_parser("convert", help="write the table's games as .session files")
    to_sessions.add_argument(
        "--table", type=Path, default=Path("../shared/data/rock_paper_scissors/rounds.csv.gz"), metavar="FILE"
    )
    to_sessions.add_argument("--out", type=Path, required=True, metavar="PLAY", help="a new folder")
    to_sessions.add_argument("--split", type=int, default=0, help="seed of who is learned from and tested on")
    to_sessions.add_argument(
        "--last-rounds",
        action="store_true",
        help="observe the last rounds only, without counts of all before",
    )
    to_commands = commands.add_parser("commands", help="print the commands that the benchmark trains with")
    to_commands.add_argument("play", type=Path, metavar="PLAY", help="the folder of the converted games")
    given = parser.parse_args()
    if given.command == "convert":
        for part, players in convert(given.table, given.out, given.split, not given.last_rounds).items():
            print(f"{given.out / part}: {players} players")
    else:
        for seen in SEEN:
            print(f"# {seen.name or 'with counts'}")
            for learner in seen.learners:
                print(
                    shlex.join(
                        ["pytrain", *train_command(seen, learner, given.play, Path(f"{learner}.brain"))]
                    )
                )


if __name__ == "__main__":
    main()
