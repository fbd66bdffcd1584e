"""Evaluation on held-out players, before and after adaptation, with the graphs of the brains themselves.

What is measured is what ships: the `.brain`'s own graphs, run through `adaptive_agents.model.brain` as the
engine runs them, beside baselines that nobody trained. Every comparison is paired over players, and over the
trainings of a brain that was trained with several seeds; what is called best was chosen on other players.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import torch

from adaptive_agents.errors import SpecError
from adaptive_agents.model.brain import Brain
from adaptive_agents.model.window import Window
from pytrain.data.dataset import Players, player_hash, read_players, who_played_longer
from pytrain.errors import PytrainError
from pytrain.evaluation.chosen import Chosen, baselines_as_chosen, settings_of
from pytrain.evaluation.comparison import Curve, Evaluation, Trained, compare
from pytrain.evaluation.conditions import ALL, Condition
from pytrain.evaluation.fitting import Search, baselines
from pytrain.evaluation.measure import Measured, ask, measure, query_ticks
from pytrain.evaluation.predictors import BrainPredictor, FrozenPredictor, Predictor
from pytrain.progress import Progress, ProgressCallback, silent
from pytrain.settings import TRAINING_MARK, EvaluateSettings

__all__ = ["Curve", "EvaluateSettings", "Evaluation", "evaluate"]

FROZEN, POOLED, SCRATCH = "frozen", "pooled", "scratch"

Trainings = Mapping[str, Predictor]
"""What was trained several times, by seed; "" where there is one training, or none was needed."""


def evaluate(
    brains: Mapping[str, Brain],
    sessions: Sequence[Path],
    settings: EvaluateSettings | None = None,
    progress: ProgressCallback = silent,
) -> Evaluation:
    """Evaluate brains side by side on every player found in `sessions` (files or folders).

    Brains named "NAME@SEED" are trainings of one method NAME. The line "frozen" is the brain named "pooled"
    without a step; without one, the frozen model of the brain that is best without a step on the fit players,
    or of the first. Raises PytrainError when a player was in a brain's training, when brain and sessions
    disagree about the spec, or when a player's play is too short for the curve.
    """
    settings = settings or EvaluateSettings()
    _check_curve(settings)
    players = read_players(sessions, progress)
    for brain in brains.values():
        _check_unseen(brain, players)
    _check_query(players, settings)
    conditions = {text: Condition.parse(text, players.spec) for text in settings.when}
    earlier = _chosen_earlier(settings)
    search = _search(players, settings)
    groups = _by_method(brains)
    of_frozen = earlier.frozen if earlier is not None else _best_frozen(groups, search)
    frozen = groups.get(of_frozen or "", {})
    predictors: dict[str, Trainings] = {}
    if frozen:
        predictors[FROZEN] = _each(FrozenPredictor, frozen)
    predictors |= {name: _each(BrainPredictor, group) for name, group in groups.items()}
    if settings.baselines:
        window = max((brain.window for brain in brains.values()), key=_looks_back, default=Window())
        if earlier is None:
            predictors |= baselines(players, frozen, window, search, progress)
        else:
            predictors |= baselines_as_chosen(earlier.settings, players.spec, frozen, window)
    before = {name: _each(FrozenPredictor, group) for name, group in groups.items()}
    total = sum(map(len, [*predictors.values(), *before.values()]))
    done = count()

    def measured(which: Mapping[str, Trainings]) -> dict[str, dict[str, dict[str, Measured]]]:
        """By method, training and condition."""
        figures: dict[str, dict[str, dict[str, Measured]]] = {}
        for name, trainings in which.items():
            figures[name] = {}
            for training, predictor in trainings.items():
                progress(Progress("evaluate", next(done), total))
                questions = ask(players, predictor.window, predictor.support_size, settings, conditions)
                figures[name][training] = measure(predictor, questions)
        return figures

    adapting, frozen_own = measured(predictors), measured(before)
    progress(Progress("evaluate", total, total))
    chosen = earlier if search is None else _choose(predictors, groups, of_frozen, search)
    evaluations = {
        moments: compare(_at(moments, adapting), _at(moments, frozen_own), players, settings, chosen)
        for moments in (ALL, *conditions)
    }
    return replace(evaluations.pop(ALL), when=evaluations)


def _looks_back(window: Window) -> tuple[int, int]:
    """How much of its past an agent sees: in ticks if that is known, then in observations."""
    return window.reach_ticks, window.size


def _each(kind: Callable[[Brain], Predictor], brains: Mapping[str, Brain]) -> dict[str, Predictor]:
    return {training: kind(brain) for training, brain in brains.items()}


def _at(moments: str, measured: Mapping[str, Mapping[str, Mapping[str, Measured]]]) -> Trained:
    return {
        name: {training: each[moments] for training, each in trainings.items()}
        for name, trainings in measured.items()
    }


def _by_method(brains: Mapping[str, Brain]) -> dict[str, dict[str, Brain]]:
    groups: dict[str, dict[str, Brain]] = {}
    for name, brain in brains.items():
        method, _, training = name.partition(TRAINING_MARK)
        groups.setdefault(method, {})[training] = brain
    return groups


def _best_frozen(groups: Mapping[str, Mapping[str, Brain]], search: Search | None) -> str | None:
    """The method whose frozen model is the line "frozen"."""
    if POOLED in groups or not groups:
        return POOLED if groups else None
    if search is None:
        return next(iter(groups))
    scores = {name: _score(search, map(FrozenPredictor, group.values())) for name, group in groups.items()}
    return min(scores, key=lambda name: scores[name])


def _choose(
    predictors: Mapping[str, Trainings],
    groups: Mapping[str, Mapping[str, Brain]],
    of_frozen: str | None,
    search: Search,
) -> Chosen:
    """The best baseline and the best learner on the fit players."""
    scores = {name: _score(search, trainings.values()) for name, trainings in predictors.items()}
    learners = [name for name in groups if name not in (POOLED, SCRATCH)]
    others = [name for name in predictors if name not in learners]
    return Chosen(
        players=len(search.players),
        frozen=of_frozen,
        best_baseline=min(others, key=lambda name: scores[name]),
        best_learner=min(learners, key=lambda name: scores[name], default=None),
        errors=scores,
        settings={
            name: settings_of(next(iter(predictors[name].values()))) for name in others if name not in groups
        },
    )


def _score(search: Search, trainings: Iterable[Predictor]) -> float:
    return float(np.mean([search.score(predictor, None) for predictor in trainings]))


def _chosen_earlier(settings: EvaluateSettings) -> Chosen | None:
    if settings.as_chosen_in is None:
        return None
    if settings.fit_sessions:
        raise PytrainError(
            "give --fit-sessions to choose, or --as-chosen-in to take what was chosen, not both"
        )
    return Chosen.read(settings.as_chosen_in)


def _search(players: Players, settings: EvaluateSettings) -> Search | None:
    """The fit players. Raises PytrainError where they are among those who are measured, or observe
    otherwise."""
    if not settings.fit_sessions:
        return None
    fit_players = read_players(settings.fit_sessions)
    try:
        players.spec.check_fits(fit_players.spec, mine="the sessions", theirs="those of --fit-sessions")
    except SpecError as error:
        raise PytrainError(str(error)) from error
    both = sorted(set(players.ids) & set(fit_players.ids))
    if both:
        raise PytrainError(
            f"player {both[0]!r} is among those who are measured and those of --fit-sessions "
            f"({len(both)} such players): what is chosen on a player cannot be measured on them; leave them "
            "out of one of the two"
        )
    return Search(who_played_longer(fit_players, settings.query_from_sec, "--query-from-sec"), settings)


def _check_query(players: Players, settings: EvaluateSettings) -> None:
    who = torch.arange(len(players))
    first, end = (players.first_at(who, ticks) for ticks in query_ticks(players, who, settings))
    empty = torch.nonzero(first == end).flatten().tolist()
    if empty:
        seconds = int(players.last_ticks[empty[0]]) / players.spec.tick_rate_hz
        raise PytrainError(
            f"player {players.ids[empty[0]]!r} played {seconds:.1f} s, but the query starts after "
            f"{settings.query_from_sec:g} s ({len(empty)} such players): leave their sessions out, or lower "
            "--query-from-sec and --curve-sec"
        )


def _check_curve(settings: EvaluateSettings) -> None:
    if settings.headline_sec not in settings.curve_sec:
        raise PytrainError(
            f"--headline-sec {settings.headline_sec:g} is none of --curve-sec {settings.curve_sec}: "
            "add it there"
        )
    if max(settings.curve_sec) > settings.query_from_sec:
        raise PytrainError(
            f"--curve-sec goes up to {max(settings.curve_sec):g} s, but the query starts at --query-from-sec "
            f"{settings.query_from_sec:g} s: what was adapted to must lie before it"
        )


def _check_unseen(brain: Brain, players: Players) -> None:
    try:
        brain.spec.check_fits(players.spec, mine=brain.label, theirs="the sessions")
    except SpecError as error:
        raise PytrainError(str(error)) from error
    seen = set(brain.training.get("player_ids_sha256", ()))
    known = [player for player in players.ids if player_hash(player) in seen]
    if known:
        raise PytrainError(
            f"player {known[0]!r} was in the training of {brain.label} ({len(known)} such players): "
            "evaluate on sessions of players that it never saw"
        )
