"""Measuring on whole players: their error before and after adaptation, after more and more seconds of play.

The meta-validation players keep the best model during training, and at its end choose how the brain adapts
(`choosing`); the judges, who are used for nothing else, tell what that gains (`judging`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat

import torch
from torch import Tensor

from adaptive_agents.model.inner_loop import steps_for
from pytrain.data.dataset import Players
from pytrain.data.tasks import Batch, newest_known, spread_between
from pytrain.learners.inner_loop import adapt, for_each_task, trajectory
from pytrain.models.model import Model
from pytrain.models.networks import Params

QUERY_SIZE = 256
QUERY_SHARE = 1 / 3  # at least of each player's play, at its end; the seconds before are for supports


@dataclass(frozen=True)
class Setting:
    """How to adapt: as `adaptive_agents.model.inner_loop.InnerLoop` says."""

    inner_lr: float
    num_inner_steps: int
    support_size: int
    moments_per_step: float = 0.0

    @property
    def cost(self) -> int:
        """Examples that one adaptation passes through the network, at most."""
        return self.num_inner_steps * self.support_size

    def steps_for(self, moments: Tensor) -> Tensor:
        """How many steps each of the tasks `(tasks,)` takes that have shown so many moments."""
        steps = (
            steps_for(each, self.num_inner_steps, self.moments_per_step) for each in moments.int().tolist()
        )
        return torch.tensor(list(steps))


@dataclass(frozen=True, eq=False)
class Measured:
    """Some players' figures at each point of a curve."""

    errors: Tensor  # (points, players): distance in target units, or 1 - accuracy
    scores: Tensor  # (points, players): what is chosen by, see `Validation.scores_of`
    distances: Tensor  # (points, players): L2, of the adapted parameters from the initial ones
    errors_in_deviations: Tensor  # (points, numbers): of a model that has them, of each output by itself


NO_ADAPTATION = Setting(0.0, 0, 1)


class Validation:
    """Players, cut at each second of a curve: support before it, and one query after all of them.

    A query is the last third of a player's play, or all that was observed after the last second of the curve
    if that is more. Who played for less than the curve is cut no later than that: such points show the
    seconds they have.
    """

    def __init__(self, players: Players, curve_sec: Sequence[float]) -> None:
        self.players = players
        self.curve_sec = tuple(sorted(curve_sec))
        self._who = torch.arange(len(players))
        rate = players.spec.tick_rate_hz
        last = players.last_ticks
        latest = torch.tensor([round(self.curve_sec[-1] * rate)])
        query_from = torch.minimum(latest, (last * (1 - QUERY_SHARE)).long())
        self._cuts = [torch.minimum(torch.tensor([round(sec * rate)]), query_from) for sec in self.curve_sec]
        self._query = spread_between(players, self._who, query_from, last + 1, QUERY_SIZE)

    def __len__(self) -> int:
        return len(self.players)

    def some(self, count: int) -> Validation:
        """With so many of the players, drawn at random, or all if there are no more."""
        if count >= len(self):
            return self
        drawn = torch.randperm(len(self), generator=torch.Generator().manual_seed(0))[:count]
        return Validation(self.players.select(sorted(drawn.tolist())), self.curve_sec)

    def measure(self, model: Model, params: Params, setting: Setting) -> Measured:
        """What comes of a setting at each point of the curve."""
        start = for_each_task(params, len(self))
        points = range(len(self.curve_sec) if setting.num_inner_steps > 0 else 1)
        parts = [self._measured(model, start, self.adapted(model, params, setting, each)) for each in points]
        if len(parts) < len(self.curve_sec):  # without a step all of them are the same
            parts *= len(self.curve_sec)
        return Measured(*(torch.stack(columns) for columns in zip(*parts, strict=True)))

    def error(self, model: Model, params: Params, setting: Setting) -> float:
        """Mean error over the curve and the players: a distance in target units, or 1 - accuracy."""
        return float(self.measure(model, params, setting).errors.mean())

    def score(self, model: Model, params: Params, setting: Setting) -> float:
        """What models and settings are chosen by, the lower the better: the mean of all scores."""
        return float(self.measure(model, params, setting).scores.mean())

    def errors_of(self, model: Model, adapted: Params) -> Tensor:
        """Each player's error on their query `(players,)`, with parameters of their own."""
        return mean_errors(model, model.predict(adapted, self._query.observations), self._query)

    def scores_of(self, model: Model, adapted: Params) -> Tensor:
        """Each player's error; for a category the negative log-likelihood of the query `(players,)`.

        That tells the better of two models from far fewer examples than their accuracy does.
        """
        if model.target.kind == "category":
            return model.losses(adapted, model.prepared(self._query))
        return self.errors_of(model, adapted)

    def support(self, model: Model, point: int, size: int) -> Batch:
        """The newest moments known at a point of the curve, prepared; without columns that nobody fills."""
        known = newest_known(self.players, self._who, self._cuts[point], size)
        first = int((known.weights > 0).any(0).int().argmax())
        return model.prepared(Batch(*(column[:, first:] for column in vars(known).values())))

    def adapted(self, model: Model, params: Params, setting: Setting, point: int) -> Params:
        """What each player has at a point of the curve: parameters `(players, *shape)`."""
        start = for_each_task(params, len(self))
        if setting.num_inner_steps == 0:
            return start
        support = self.support(model, point, setting.support_size)
        steps = setting.steps_for((support.weights > 0).sum(1))
        most = int(steps.max())
        if (steps == most).all():
            return adapt(model, start, repeat(support, most), setting.inner_lr)
        adapted = start
        for step, after in enumerate(trajectory(model, start, repeat(support, most), setting.inner_lr), 1):
            goes_on = steps >= step
            adapted = {
                name: torch.where(goes_on.view(-1, *(1,) * (value.dim() - 1)), value, adapted[name])
                for name, value in after.items()
            }
        return adapted

    def _measured(
        self, model: Model, start: Params, adapted: Params
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """A point of the curve: the columns of `Measured`."""
        moved = torch.cat([(adapted[name] - value).flatten(1) for name, value in start.items()], dim=1)
        sure = torch.zeros(0)
        if model.has_deviations:
            away = (model.predict(adapted, self._query.observations) - self._query.targets).abs()
            deviations = model.deviations(adapted, self._query.observations)
            sure = (away / deviations)[self._query.weights > 0].flatten()
        return self.errors_of(model, adapted), self.scores_of(model, adapted), moved.norm(dim=1), sure


def mean_errors(model: Model, predictions: Tensor, query: Batch) -> Tensor:
    """Each task's mean error `(tasks,)`: distance in target units (vector), 1 - accuracy (category)."""
    if model.target.kind == "category":
        each = (predictions.argmax(-1) != query.targets.squeeze(-1)).float()
    else:
        each = (predictions - query.targets).norm(dim=-1)
    return (each * query.weights).sum(-1) / query.weights.sum(-1)
