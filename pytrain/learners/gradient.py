"""The adapters that take gradient steps on the support set: plain ones, or scaled as by Adam.

All tasks of a meta-batch move at once: every adapted parameter has a leading task axis, and because a task's
loss depends on its own slice only, the gradient of the summed losses is each task's own gradient.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pytrain.data.tasks import Batch
from pytrain.learners.adapter import Consolidation, InnerStep
from pytrain.models.model import Model
from pytrain.models.networks import CONTEXT, Params

INNER_LRS = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01)
MOST_STEPS = 100
SUPPORT_SIZES = (128, 256, 512, 1024)
SQUARES_DECAY = 0.999  # Adam's beta2
SMALLEST_ROOT = 1e-7  # Adam's epsilon; the usual 1e-8 is a zero to torch's exporter, which leaves it out


@dataclass(frozen=True)
class GradientSteps:
    """`params - inner_lr * gradient`, where step sizes were learned times their factors."""

    consolidation: Consolidation = "average"
    most_steps: int = MOST_STEPS

    def inner_lrs(self, model: Model) -> tuple[float, ...]:
        """The step sizes to try: a context is a few long steps away."""
        factor = 10.0 if model.adapts == (CONTEXT,) else 1.0
        return tuple(factor * inner_lr for inner_lr in INNER_LRS)

    def support_sizes(self, model: Model) -> tuple[int, ...]:
        """More examples cost as much more."""
        del model
        return SUPPORT_SIZES

    def start(self, model: Model, own: Params) -> Params:
        """As it was learned."""
        del model
        return own

    def finish(self, model: Model, params: Params) -> Params:
        """Nothing more follows."""
        del model
        return params

    def first_memory(self, params: Params) -> Params:
        """Nothing."""
        del params
        return {}

    def step(
        self,
        model: Model,
        params: Params,
        memory: Params,
        support: Batch,
        inner_lr: float | Tensor,
        step: int | Tensor,
        *,
        second_order: bool,
    ) -> InnerStep:
        """One step in every task.

        With `second_order` autograd can go back through the step; otherwise the step's own gradients count as
        constants, and it only leads back to parameters (and rates) that themselves require a gradient.
        """
        start = params if second_order else differentiable(params)
        losses = model.losses(start, support)
        gradients = gradients_of(losses.sum(), start, second_order=second_order)
        gradients, memory = self._directions(gradients, memory, step)
        rates = _rates(model, params, inner_lr, step)
        stepped = {name: param - rates[name] * gradients[name] for name, param in params.items()}
        return InnerStep(stepped, memory, losses.detach())

    def _directions(self, gradients: Params, memory: Params, step: int | Tensor) -> tuple[Params, Params]:
        del step
        return gradients, memory


@dataclass(frozen=True)
class AdamSteps(GradientSteps):
    """The same in Adam's direction without momentum (beta1 = 0, as in Reptile)."""

    def inner_lrs(self, model: Model) -> tuple[float, ...]:
        """The step sizes to try: Adam's steps are as long as inner_lr."""
        del model
        return tuple(0.05 * inner_lr for inner_lr in INNER_LRS)

    def first_memory(self, params: Params) -> Params:
        """A running mean of squares for each parameter."""
        return {name: torch.zeros_like(param) for name, param in params.items()}

    def _directions(self, gradients: Params, memory: Params, step: int | Tensor) -> tuple[Params, Params]:
        squares = {
            name: SQUARES_DECAY * memory[name] + (1 - SQUARES_DECAY) * gradient.square()
            for name, gradient in gradients.items()
        }
        seen = 1 - SQUARES_DECAY ** (step + 1)
        scaled = {
            name: gradient / ((squares[name] / seen).sqrt() + SMALLEST_ROOT)
            for name, gradient in gradients.items()
        }
        return scaled, squares


def differentiable(params: Params) -> Params:
    """The same values as a fresh start for autograd."""
    return {name: param.detach().requires_grad_() for name, param in params.items()}


def gradients_of(loss: Tensor, params: Params, *, second_order: bool = False) -> Params:
    """Gradient of a scalar loss with respect to each parameter; zero where the loss does not depend on it.

    Plain autograd: with networks this small torch.func.grad spends as long on bookkeeping as on the products
    (MAML, 8 tasks, 8 steps on 64 examples: 1.7 times as long).
    """
    gradients = torch.autograd.grad(
        loss, tuple(params.values()), create_graph=second_order, allow_unused=True, materialize_grads=True
    )
    return dict(zip(params, gradients, strict=True))


def _rates(
    model: Model, params: Params, inner_lr: float | Tensor, step: int | Tensor
) -> dict[str, float | Tensor]:
    """The step size of each parameter: inner_lr, times its learned factors."""
    if model.rates is None:
        return dict.fromkeys(params, inner_lr)
    if not model.rates_per_step:
        return {name: inner_lr * rate for name, rate in model.rates.items()}
    rates: dict[str, float | Tensor] = {}
    for name, rate in model.rates.items():
        # The last is for all steps beyond those that were trained.
        at = torch.as_tensor(step, device=rate.device).clamp(max=len(rate) - 1)
        rates[name] = inner_lr * rate.index_select(0, at.reshape(1)).reshape(())
    return rates
