"""How well swimmers can be predicted without this project, and how well at all.

References, in NumPy alone: constant velocity; one linear model for all on the features of `fish_play`; and a
ridge regression of each person's own on what that leaves.

The ceiling: one network for all, trained with and without a learned code for each person (as in Maurer,
Pontil, Romera-Paredes 2016, a representation shared by tasks), where the code is fitted to **all** other time
of the person, later time included. No learner that has seen 180 s of them should do better than that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pytrain.models.networks import CONTEXT, MLP
from tests.benchmarks.fish_play import MOVED, displacements_of, observations_of
from tests.benchmarks.fish_tracks import ROWS_PER_SEC, Numbers, Person, Run
from tests.benchmarks.people import PerPerson

REFERENCES = ("reference/constant-velocity", "reference/pooled-linear", "reference/personal-ridge")
DAMPING = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
"""Rows' worth of the pooled model in the personal ridge; chosen on the meta-validation people."""
TESTED_FROM_SEC = 180.0

CODE_SIZE = 16
BLOCK_SEC, BLOCKS = 20, 4  # of each person's time after TESTED_FROM_SEC, one block in four is held out
CEILING_STEPS, QUICK_CEILING_STEPS = 6000, 600
CEILING_ROWS, CEILING_LR, CODE_LR = 1024, 3e-3, 1e-2
SMALL_ERROR = 0.3  # as pytrain's loss: below it an error's square counts, above it its length


@dataclass(frozen=True)
class Play:
    """Everything that some people did, in rows."""

    ids: tuple[str, ...]
    person: NDArray[np.int64]
    """(rows,): whose row it is, by place in `ids`."""
    ticks: NDArray[np.int64]
    observations: NDArray[np.float32]
    """(rows, window * obs_dim), oldest first."""
    displacements: NDArray[np.float32]
    """(rows, 2) px"""
    horizon_ticks: int

    @classmethod
    def of(cls, people: Sequence[Person], horizon_ticks: int, window: int = 1) -> Self:
        """All rows whose label was recorded."""
        person, ticks, observations, displacements = [], [], [], []
        for index, each in enumerate(people):
            for run in each.runs:
                label = displacements_of(run, horizon_ticks)
                known = np.isfinite(label).all(axis=1)
                person.append(np.full(known.sum(), index))
                ticks.append((run.first_tick + np.arange(len(run)))[known])
                observations.append(_windows(run, window)[known])
                displacements.append(label[known])
        columns = map(np.concatenate, (person, ticks, observations, displacements))
        return cls(tuple(each.id for each in people), *columns, horizon_ticks)

    @property
    def is_tested(self) -> NDArray[np.bool_]:
        """Rows that every method is measured on."""
        return self.ticks >= TESTED_FROM_SEC * ROWS_PER_SEC

    def rows_of(self, person: int) -> slice:
        """The rows of one person, which lie together."""
        first, end = np.searchsorted(self.person, [person, person + 1])
        return slice(int(first), int(end))

    def errors(self, predictions: Numbers, rows: NDArray[np.bool_]) -> PerPerson:
        """Each person's mean error in px over the given rows."""
        length = np.linalg.norm(predictions - self.displacements, axis=1)[rows]
        count, total = (np.bincount(self.person[rows], each, len(self.ids)) for each in (None, length))
        return {self.ids[i]: float(total[i] / count[i]) for i in np.flatnonzero(count)}


def references(play: Mapping[str, Play], after_sec: Sequence[float]) -> dict[str, list[PerPerson]]:
    """By reference: the errors of the meta-test people after each of these seconds of their play."""
    validation, test = play["meta-validation"], play["meta-test"]
    linear = _Linear(play["meta-train"])

    def damping(seconds: float) -> float:
        def error(tried: float) -> float:
            errors = validation.errors(linear.personal(validation, seconds, tried), validation.is_tested)
            return float(np.mean(list(errors.values())))

        return min(DAMPING, key=error)

    steady = test.errors(test.horizon_ticks * test.observations[:, MOVED].astype(np.float64), test.is_tested)
    pooled = test.errors(linear.predict(test), test.is_tested)
    personal = [
        test.errors(linear.personal(test, seconds, damping(seconds)), test.is_tested) if seconds else pooled
        for seconds in after_sec
    ]
    several = ([steady] * len(after_sec), [pooled] * len(after_sec), personal)
    return dict(zip(REFERENCES, several, strict=True))


class _Linear:
    """Least squares on standardised features over all people, and each person's own on what it leaves."""

    def __init__(self, train: Play) -> None:
        self._mean, self._scale = train.observations.mean(0), train.observations.std(0)
        self._weights = self._ridge(self._features(train), train.displacements, 1.0)

    def predict(self, play: Play) -> Numbers:
        """For every row `(rows, 2)` px."""
        return self._features(play) @ self._weights

    def personal(self, play: Play, seconds: float, damping: float) -> Numbers:
        """The same, corrected by a ridge regression on what each person did in their first seconds."""
        features, predictions = self._features(play), self.predict(play)
        known = play.ticks + play.horizon_ticks <= seconds * ROWS_PER_SEC
        for person in range(len(play.ids)):
            rows = play.rows_of(person)
            seen = features[rows][known[rows]]
            left = (play.displacements[rows] - predictions[rows])[known[rows]]
            predictions[rows] += features[rows] @ self._ridge(seen, left, damping)
        return predictions

    def _features(self, play: Play) -> Numbers:
        """Of length about 1, the last of them constant."""
        scaled = (play.observations - self._mean) / self._scale
        features = np.column_stack([scaled, np.ones(len(scaled))])
        return features / np.sqrt(features.shape[1])

    @staticmethod
    def _ridge(features: Numbers, targets: Numbers, damping: float) -> Numbers:
        squares = features.T @ features + damping * np.eye(features.shape[1])
        weights: Numbers = np.linalg.solve(squares, features.T @ targets)
        return weights


def ceiling(train: Play, test: Play, quick: bool) -> tuple[PerPerson, PerPerson]:
    """Errors of the meta-test people's held-out blocks, without and with a code for each person."""
    block = np.stack([test.ticks, test.ticks + test.horizon_ticks]) // (BLOCK_SEC * ROWS_PER_SEC)
    in_held_out = (block % BLOCKS == 0) & (block >= TESTED_FROM_SEC / BLOCK_SEC)
    held_out, other = in_held_out[0], ~in_held_out.any(axis=0)
    both = [
        torch.from_numpy(np.concatenate([getattr(train, name), getattr(test, name)[other]]))
        for name in ("observations", "displacements")
    ]
    codes = np.concatenate([train.person, len(train.ids) + test.person[other]])
    people = len(train.ids) + len(test.ids)
    errors = []
    for has_code in (False, True):
        rows = len(codes) if has_code else len(train.person)
        predict = _trained(
            both[0][:rows], both[1][:rows], torch.from_numpy(codes[:rows]), people, has_code, quick
        )
        predictions = predict(
            torch.from_numpy(test.observations), torch.from_numpy(len(train.ids) + test.person)
        )
        errors.append(test.errors(predictions, held_out & test.is_tested))
    return errors[0], errors[1]


def _trained(
    observations: Tensor, displacements: Tensor, person: Tensor, people: int, has_code: bool, quick: bool
) -> Callable[[Tensor, Tensor], Numbers]:
    """A network as pooled training makes it, whose first layer is shifted by the person's code."""
    random = torch.Generator().manual_seed(0)
    network = MLP(observations.shape[1], (64, 64, 64), 2, "relu", context_size=CODE_SIZE)
    params = network.init_params(random)
    codes = torch.zeros(people, CODE_SIZE)
    learned = {name: value for name, value in params.items() if name != CONTEXT}
    groups = [{"params": list(learned.values())}, {"params": [codes] if has_code else [], "lr": CODE_LR}]
    for value in (*learned.values(), codes):
        value.requires_grad_()
    steps = QUICK_CEILING_STEPS if quick else CEILING_STEPS
    optimiser = torch.optim.Adam(groups, lr=CEILING_LR)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    (mean, scale), (middle, spread) = (
        (column.mean(0), column.std(0).clamp(min=1e-6)) for column in (observations, displacements)
    )

    def outputs(seen: Tensor, whose: Tensor) -> Tensor:
        inputs = ((seen - mean) / scale)[:, None]
        return network(learned | {CONTEXT: codes[whose]}, inputs)[:, 0]

    for _ in range(steps):
        rows = torch.randint(len(person), (CEILING_ROWS,), generator=random)
        away = outputs(observations[rows], person[rows]) - (displacements[rows] - middle) / spread
        loss = (away.square().sum(1) + SMALL_ERROR**2).sqrt().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()

    def predict(seen: Tensor, whose: Tensor) -> Numbers:
        with torch.no_grad():
            return (outputs(seen, whose) * spread + middle).numpy().astype(np.float64)

    return predict


def _windows(run: Run, window: int) -> NDArray[np.float32]:
    """As training does it: the first observation stands in for what is missing."""
    observations = observations_of(run)
    row = np.arange(len(run))
    return np.concatenate([observations[np.maximum(row - ago, 0)] for ago in reversed(range(window))], axis=1)
