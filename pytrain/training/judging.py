"""What adapting gains, told by players who were used for nothing else, in words that a game developer knows.

Compared with the model that does not adapt (the pooled one), never with a meta-learner's own start, which is
nobody's model. Differences are paired: both models predict the same players.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pytrain.evaluation.intervals import Estimate, ratio_with_interval
from pytrain.training.validation import Measured

HEADLINE_SEC = 20.0
ABOUT_EQUAL = 0.02  # a part of the error; less is not worth a word
BEST_NOT_TO = "use adaptation = off, or record more players"


@dataclass(frozen=True)
class Judgement:
    """Errors of the model that does not adapt and of the one that does, along the curve."""

    players: int
    curve_sec: tuple[float, ...]
    frozen: tuple[float, ...]  # mean error over the players, in target units or 1 - accuracy
    adapted: tuple[float, ...]
    ratios: tuple[Estimate | None, ...]  # adapted / frozen, paired; None with one player, or without errors
    takes_steps: bool

    @property
    def at(self) -> int:
        """The point of the curve that the verdict is about."""
        return min(range(len(self.curve_sec)), key=lambda i: abs(self.curve_sec[i] - HEADLINE_SEC))

    @property
    def verdict(self) -> str:
        """One sentence: what adapting gains on these recordings, and whether it is worth it."""
        ratio = self.ratios[self.at]
        seconds = f"{self.curve_sec[self.at]:g} s"
        not_worth_it = "adapting is not worth it on these recordings:"
        if not self.takes_steps:
            return (
                f"{not_worth_it} of all settings tried none predicted better than not to adapt; {BEST_NOT_TO}"
            )
        if ratio is None:
            return "too few players, or no errors at all, to say whether adapting is worth it"
        if ratio.high < 1:
            return (
                f"after {seconds} of play this brain predicts new players {100 * (1 - ratio.mean):.0f} % "
                f"better than one that does not adapt ({100 * (1 - ratio.high):.0f} to "
                f"{100 * (1 - ratio.low):.0f} %){self._early()}"
            )
        if ratio.low > 1:
            found = (
                f"predicts new players {100 * (ratio.mean - 1):.0f} % worse than one that does not adapt "
                f"({100 * (ratio.low - 1):.0f} to {100 * (ratio.high - 1):.0f} %)"
            )
        else:
            found = (
                "predicts new players about as well as one that does not adapt "
                f"({_signed(ratio.high)} to {_signed(ratio.low)})"
            )
        return f"{not_worth_it} after {seconds} of play this brain {found}; {BEST_NOT_TO}"

    def to_dict(self) -> dict[str, Any]:
        """For the manifest; `error_before` and `error_after` are those of the verdict's second."""
        ratio = self.ratios[self.at]
        entries: dict[str, Any] = {
            "verdict": self.verdict,
            "players": self.players,
            "at_sec": self.curve_sec[self.at],
            "error_before": self.frozen[self.at],
            "error_after": self.adapted[self.at],
        }
        if ratio is not None:
            entries["ratio"] = ratio.to_dict()
        entries["curve"] = {
            "at_sec": list(self.curve_sec),
            "frozen": list(self.frozen),
            "adapted": list(self.adapted),
            "ratio": [None if each is None else each.to_dict() for each in self.ratios],
        }
        return entries

    def _early(self) -> str:
        """What is to be said of the seconds before that."""
        early = [(sec, ratio) for sec, ratio in zip(self.curve_sec, self.ratios, strict=True) if ratio]
        early = early[: self.at]
        worse = [(sec, ratio) for sec, ratio in early if ratio.low > 1 and ratio.mean > 1 + ABOUT_EQUAL]
        equal = [(sec, ratio) for sec, ratio in early if ratio.high >= 1 - ABOUT_EQUAL]
        if worse:
            sec, ratio = worse[-1]
            return f"; in the first {sec:g} s {100 * (ratio.mean - 1):.0f} % worse"
        if equal:
            return f"; in the first {equal[-1][0]:g} s about equally well"
        return ""


def judge(curve_sec: Sequence[float], frozen: Measured, adapted: Measured, *, takes_steps: bool) -> Judgement:
    """Both models as they were measured on the same players, along the same curve."""
    without, after = (each.errors.double().numpy() for each in (frozen, adapted))
    players = without.shape[1]
    ratios = tuple(
        ratio_with_interval(one, other) if players > 1 and other.mean() > 0 else None
        for one, other in zip(after, without, strict=True)
    )
    return Judgement(
        players=players,
        curve_sec=tuple(curve_sec),
        frozen=tuple(np.mean(without, axis=1).tolist()),
        adapted=tuple(np.mean(after, axis=1).tolist()),
        ratios=ratios,
        takes_steps=takes_steps,
    )


def _signed(ratio: float) -> str:
    """A ratio of errors as how much better or worse that is."""
    percent = round(100 * (1 - ratio))
    if percent == 0:
        return "0 %"
    return f"{abs(percent)} % {'better' if percent > 0 else 'worse'}"
