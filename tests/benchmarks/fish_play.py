"""What a watching opponent sees of a swimmer, and where the swimmer is a moment later.

Places and targets are in the swimmer's own frame: the first number along the heading, the second to its
right. Features were chosen on the meta-validation games by the error of a pooled network (see `fish`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from adaptive_agents.spec import Field, Spec, Target
from tests.benchmarks.fish_tracks import ROWS_PER_SEC, Numbers, Run

FIRST_CORNER, LAST_CORNER = np.array([2.5, 2.5]), np.array([482.5, 277.5])  # px
FURTHEST_WALL_PX = 200.0
LONGEST_SINCE_TURN_ROWS, LONGEST_SINCE_SPEED_ROWS = 24, 40
PAST_ROWS = (4, 8, 16)
GRADIENT_ROWS, BEST_PLACE_ROWS = 16, 32
GRADIENT_DAMPING_PX2 = 500.0  # a slope needs some way to be told from
GRADIENT_SCALE_PX = 50.0  # the slope is given as what the score gains on so much way
BEST_FADES_PER_ROW = 0.002  # of the score: the field moves on

FIELDS = (
    "fast, turn, moved[2], since_turn_sec, last_turn, since_speed_sec, wall_distance[6], to_centre[2], "
    "heading[2], to_past_place[6], past_heading[6], score, score_change[2], score_slope[2], "
    "to_best_place[2], better_by"
)
OBSERVATION = tuple(Field.parse(field) for field in FIELDS.split(", "))
MOVED = slice(2, 4)
"""Columns of an observation: the last row's way in px, along the heading and to its right."""


def spec(horizon_ticks: int) -> Spec:
    """The sessions' spec: the swimmer's displacement in their own frame so many rows ahead."""
    return Spec(OBSERVATION, Target("vector", "displacement", 2), horizon_ticks, ROWS_PER_SEC)


def observations_of(run: Run) -> NDArray[np.float32]:
    """What is seen at every row `(rows, obs_dim)`; nothing of it looks ahead."""
    heading = np.arctan2(run.direction[:, 1], run.direction[:, 0])
    turn = (_change(heading, 1) + np.pi) % (2 * np.pi) - np.pi
    turned = np.abs(turn) > 1e-6
    changed_speed = np.append(False, np.diff(run.fast))
    right = _right_of(run.direction)
    ways = (run.direction, right, -right, -run.direction, *(run.direction + sign * right for sign in (1, -1)))
    best_place, better_by = _best_place(run)
    columns = (
        run.fast,
        turn,
        in_own_frame(run, _change(run.position, 1)),
        _rows_since(turned, LONGEST_SINCE_TURN_ROWS) / ROWS_PER_SEC,
        _last(turned, turn),
        _rows_since(changed_speed, LONGEST_SINCE_SPEED_ROWS) / ROWS_PER_SEC,
        np.column_stack([_wall_distance(run.position, way) for way in ways]),
        in_own_frame(run, (FIRST_CORNER + LAST_CORNER) / 2 - run.position),
        run.direction,
        *(in_own_frame(run, -_change(run.position, rows)) for rows in PAST_ROWS),
        *(in_own_frame(run, run.direction - _change(run.direction, rows)) for rows in PAST_ROWS),
        run.score,
        np.column_stack([_change(run.score, rows) for rows in (4, 16)]),
        in_own_frame(run, _score_slope(run)) * GRADIENT_SCALE_PX,
        in_own_frame(run, best_place),
        better_by,
    )
    return np.column_stack(columns).astype(np.float32)


def displacements_of(run: Run, horizon_ticks: int) -> NDArray[np.float32]:
    """Where the swimmer goes within the horizon `(rows, 2)` px; NaN where the run ends before."""
    ahead = np.full_like(run.position, np.nan)
    if len(run) > horizon_ticks:
        ahead[:-horizon_ticks] = run.position[horizon_ticks:] - run.position[:-horizon_ticks]
    return in_own_frame(run, ahead).astype(np.float32)


def in_own_frame(run: Run, vectors: Numbers) -> Numbers:
    """World vectors `(rows, 2)`: how much along each row's heading, and how much to its right."""
    return np.stack([(vectors * way).sum(1) for way in (run.direction, _right_of(run.direction))], axis=1)


def _right_of(direction: Numbers) -> Numbers:
    """A quarter turn clockwise as seen on a screen, where y points down."""
    return np.stack([-direction[:, 1], direction[:, 0]], axis=1)


def _change(values: Numbers, rows: int) -> Numbers:
    """What came within the last `rows` rows; since the run's start where that is later."""
    ago = np.maximum(np.arange(len(values)) - rows, 0)
    change: Numbers = values - values[ago]
    return change


def _rows_since(event: NDArray[np.bool_], most: int) -> Numbers:
    """How long ago the event was last, `most` at most, and that where it never was."""
    row = np.arange(len(event))
    last = np.maximum.accumulate(np.where(event, row, -most))
    return np.minimum(row - last, most).astype(np.float64)


def _last(event: NDArray[np.bool_], values: Numbers) -> Numbers:
    """The value of the last event; 0 before there was one."""
    last = np.maximum.accumulate(np.where(event, np.arange(len(event)), -1))
    return np.where(last >= 0, values[last], 0.0)


def _wall_distance(position: Numbers, way: Numbers) -> Numbers:
    """How far it is to the wall on `way (rows, 2)`, in px and not beyond what matters."""
    unit = way / np.linalg.norm(way, axis=1, keepdims=True)
    wall = np.where(unit > 0, LAST_CORNER, FIRST_CORNER)
    steps = np.full_like(position, np.inf)
    np.divide(wall - position, unit, out=steps, where=np.abs(unit) > 1e-9)
    return np.clip(steps.min(axis=1), 0.0, FURTHEST_WALL_PX)


def _score_slope(run: Run) -> Numbers:
    """Where the score rises and how steeply `(rows, 2)` per px: damped least squares over the last 2 s."""
    squares = np.tile(GRADIENT_DAMPING_PX2 * np.eye(2), (len(run), 1, 1))
    products = np.zeros((len(run), 2))
    for rows in range(1, min(GRADIENT_ROWS, len(run) - 1) + 1):
        weight = np.exp(-rows / GRADIENT_ROWS)
        way = run.position[:-rows] - run.position[rows:]
        squares[rows:] += weight * way[:, :, None] * way[:, None, :]
        products[rows:] += weight * way * (run.score[:-rows] - run.score[rows:])[:, None]
    slope: Numbers = np.linalg.solve(squares, products[:, :, None])[:, :, 0]
    return slope


def _best_place(run: Run) -> tuple[Numbers, Numbers]:
    """Where within the last 4 s the score was best, from here `(rows, 2)` px, and how much better."""
    best, place = run.score.copy(), np.zeros_like(run.position)
    for rows in range(1, min(BEST_PLACE_ROWS, len(run) - 1) + 1):
        then = run.score[:-rows] - BEST_FADES_PER_ROW * rows
        better = np.flatnonzero(then > best[rows:])
        best[rows + better] = then[better]
        place[rows + better] = run.position[better] - run.position[rows + better]
    return place, best - run.score
