"""What was chosen on the fit players: as part of an evaluation's `--json`, and taken from there by another
one.

The search takes longer than the evaluation; players of another kind are measured with the same choice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from adaptive_agents.model.brain import Brain
from adaptive_agents.model.window import Window
from adaptive_agents.spec import Spec
from pytrain.errors import PytrainError
from pytrain.evaluation.baselines import (
    FROZEN_KERNEL,
    KERNEL,
    KNN,
    POOLED_TUNED,
    Constant,
    Features,
    KernelRidge,
    NearestNeighbours,
    frozen_prior,
)
from pytrain.evaluation.predictors import BrainPredictor, FrozenPredictor, Predictor

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Chosen:
    """By the mean over the curve of the errors on the fit players."""

    players: int
    frozen: str | None  # the method whose frozen model is the line "frozen"
    best_baseline: str
    best_learner: str | None
    errors: Mapping[str, float]
    settings: Mapping[str, Settings]  # of the baselines

    def to_dict(self) -> dict[str, Any]:
        """As it stands in `--json`."""
        return asdict(self)

    @classmethod
    def read(cls, path: Path) -> Chosen:
        """From the output of `pytrain evaluate --json --fit-sessions …`. Raises PytrainError for another
        file."""
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))["chosen"]
            return cls(**{name: stored[name] for name in cls.__dataclass_fields__})
        except (ValueError, KeyError, TypeError) as error:
            raise PytrainError(
                f"'{path}' holds nothing that was chosen ({error}): give the output of an evaluation with "
                "--json and --fit-sessions"
            ) from error


def settings_of(predictor: Predictor) -> dict[str, Any]:
    """All that makes a baseline but its brain."""
    match predictor:
        case KernelRidge():
            settings = {"width": predictor.width, "ridge": predictor.ridge}
        case NearestNeighbours():
            settings = {"neighbours": predictor.neighbours}
        case BrainPredictor():
            # None is the brain's own, whose number of steps depends on what a player has shown.
            return {"inner_lr": predictor.inner_lr, "num_inner_steps": predictor.num_inner_steps}
        case _:
            return {}
    features = predictor.features
    # What never changes is divided by infinity, which JSON does not know.
    scale = np.where(np.isfinite(features.scale), features.scale, 0.0).tolist()
    expected = (
        {"expected": predictor.prior.expected.tolist()} if isinstance(predictor.prior, Constant) else {}
    )
    return {**settings, "weights": features.weights.tolist(), "scale": scale, **expected}


def baselines_as_chosen(
    chosen: Mapping[str, Settings], spec: Spec, frozen: Mapping[str, Brain], window: Window
) -> dict[str, dict[str, Predictor]]:
    """The baselines that `settings_of` describes; see `pytrain.evaluation.fitting.baselines`.

    Raises PytrainError where they were chosen for another window, observation or number of brains.
    """
    target = spec.target
    made: dict[str, dict[str, Predictor]] = {}
    for name, settings in chosen.items():
        if name in (FROZEN_KERNEL, POOLED_TUNED) and not frozen:
            raise PytrainError(f"{name} was chosen for a pooled brain: name that one, too")
        if name == KERNEL:
            features, prior = _features(settings, spec, window), Constant(np.array(settings["expected"]))
            kernel = KernelRidge(target, window, features, prior, settings["width"], settings["ridge"])
            made[name] = {"": kernel}
        elif name == KNN:
            features, prior = _features(settings, spec, window), Constant(np.array(settings["expected"]))
            nearest = NearestNeighbours(target, window, features, prior, settings["neighbours"])
            made[name] = {"": nearest}
        elif name == FROZEN_KERNEL:
            made[name] = {
                training: KernelRidge(
                    target,
                    brain.window,
                    _features(settings, spec, brain.window),
                    frozen_prior(target, FrozenPredictor(brain).predict),
                    settings["width"],
                    settings["ridge"],
                )
                for training, brain in frozen.items()
            }
        elif name == POOLED_TUNED:
            made[name] = {
                training: BrainPredictor(brain, settings["inner_lr"], settings["num_inner_steps"])
                for training, brain in frozen.items()
            }
    return made


def _features(settings: Settings, spec: Spec, window: Window) -> Features:
    scale, weights = np.array(settings["scale"]), np.array(settings["weights"])
    expected = (window.size, window.slot_size(spec.observation_size))
    if scale.shape != expected:
        raise PytrainError(
            f"what was chosen is for windows of shape {scale.shape}, these brains have {expected}: choose "
            "anew with --fit-sessions"
        )
    return Features(np.where(scale > 0, scale, np.inf), weights)
