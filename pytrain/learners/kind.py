"""What tells one learner from another. Each learner's file declares its `KIND`, `registry` collects them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from torch import Tensor

from pytrain.data.tasks import Tasks, TaskSampler
from pytrain.models.model import Model
from pytrain.models.networks import Network, Params
from pytrain.settings import Algorithm, Head, InnerOptimiser, MetaTraining


class MetaGradient(Protocol):
    """Every learner's own function."""

    def __call__(
        self,
        model: Model,
        meta_params: Params,
        tasks: Tasks,
        inner_lr: float,
        step_weights: Tensor | None = None,
    ) -> tuple[Params, Tensor]:
        """From meta-parameters and prepared tasks: their meta-gradient, and the loss it was taken of."""
        ...


def cut_tasks(sampler: TaskSampler, chosen: MetaTraining) -> Tasks:
    """Players cut into support and query at a random moment: what most learners learn from."""
    return sampler.tasks(
        chosen.meta_batch_size,
        chosen.support_size,
        chosen.query_size,
        chosen.num_inner_steps,
        chosen.inner_batch_size,
    )


def everything(network: Network) -> tuple[str, ...]:
    """No names: all parameters are a player's own."""
    del network
    return ()


def take_over(fresh: Params, pooled: Params) -> Params:
    """Fresh meta-parameters, with those of the pooled model in place of all that it has too.

    No meta-training starts from there: from a random start first-order MAML came to 47.7 px after 20 s, from
    the pooled model, whose sharper valleys bear only a tenth of the inner step, to 55.2 (demo, 167 players).
    """
    known = {
        name: value.clone()
        for name, value in pooled.items()
        if name in fresh and fresh[name].shape == value.shape
    }
    return fresh | known


def start_fresh(fresh: Params, pooled: Params) -> Params:
    """Fresh meta-parameters, whatever the pooled model learned."""
    del pooled
    return fresh


def anything_goes(chosen: MetaTraining) -> None:
    """Has nothing against these settings."""
    del chosen


@dataclass(frozen=True)
class Kind:
    """A learner, to all who train, measure and export it."""

    algorithm: Algorithm
    meta_gradient: MetaGradient
    own: Callable[[Network], tuple[str, ...]] = everything
    """Names of the parameters that are a player's own; () is all."""
    draw: Callable[[TaskSampler, MetaTraining], Tasks] = cut_tasks
    """A fresh meta-batch."""
    head: Head = "linear"
    """What its networks end in."""
    optimisers: tuple[InnerOptimiser, ...] = ("sgd",)
    """The rules of an inner step that go with it."""
    first_order: bool = False
    has_query_loss: bool = True
    """Whether the meta-gradient is that of a loss on the query set; then step sizes can be learned by it."""
    outer: Literal["meta_lr", "meta_step_size"] = "meta_lr"
    """Where a meta step's length comes from: Adam's rate, or a plain step's towards the adapted weights."""
    is_trained: bool = True
    has_pooled_beside: bool = True
    """Whether the pooled model is trained first, to build on, to fall back to, and to be compared with."""
    fall_back: Callable[[Params, Params], Params] = take_over
    """From fresh meta-parameters and the pooled model's: those that predict as the pooled model does."""
    carries_frozen: bool = True
    """Whether the pooled model travels in the brain; False where whoever has shown nothing has it anyway."""

    @property
    def takes_over(self) -> bool:
        """Whether it can have the pooled model's own parameters, where its own turn out to be no better."""
        return self.fall_back is take_over

    is_best_adapted: bool = True
    """Whether the best model is the one whose error after adaptation is the lowest, or the one before it."""
    check: Callable[[MetaTraining], None] = anything_goes
    """Raises PytrainError for settings that do not go with it."""
