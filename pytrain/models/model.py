"""The model: a network between observations and targets as recorded, and the loss that all learners share.

Also what of the network a player has for their own, and how the inner loop moves it: `inner_loop` reads it
from here, so that training, validation and export cannot differ in it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from adaptive_agents.spec import Target
from pytrain.data.tasks import Batch
from pytrain.errors import PytrainError
from pytrain.models.architectures import network_from
from pytrain.models.networks import Network, Params, Uncertain
from pytrain.models.normalisation import Normalisation
from pytrain.settings import InnerOptimiser, VectorLoss

SMALL_ERROR = 0.3  # standard deviations; below it an error's square counts, above it its length


@dataclass(frozen=True)
class Model:
    """A network between normalised observations and normalised targets, with its loss and its inner loop."""

    network: Network
    target: Target
    normalisation: Normalisation
    loss: VectorLoss = "huber"
    """For a vector; a category has cross-entropy."""
    optimiser: InnerOptimiser = "sgd"
    """The rule of an inner step."""
    adapts: tuple[str, ...] = ()
    """Names of the parameters that the inner loop moves, and that a player has for their own; () is all."""
    shared: Params = field(default_factory=dict)
    """The other parameters: the same for all players."""
    rates: Params | None = None
    """Factors of inner_lr by name, where a learner learned them: one for each weight, or for each step."""
    rates_per_step: bool = False

    def __post_init__(self) -> None:
        if self.optimiser == "prototypes" and self.target.kind != "category":
            raise PytrainError(
                f"protonet compares classes, but the target {self.target} is a {self.target.kind}: "
                "train with maml, reptile or cavia"
            )

    def to(self, place: torch.device | torch.dtype) -> Model:
        """The same model with its tensors on a device, or of a precision."""
        return replace(
            self,
            normalisation=self.normalisation.to(place),
            shared={name: value.to(place) for name, value in self.shared.items()},
            rates=None if self.rates is None else {k: v.to(place) for k, v in self.rates.items()},
        )

    def normalised(self, observations: Tensor) -> Tensor:
        """Observations as the network takes them."""
        return self.normalisation.normalised(observations)

    def encoded(self, targets: Tensor) -> Tensor:
        """Targets as the loss takes them: normalised vectors, or one-hot rows for class indices."""
        if self.target.kind == "category":
            classes = torch.arange(self.target.size, device=targets.device)
            return (targets == classes).to(targets.dtype)
        return (targets - self.normalisation.target_mean) / self.normalisation.target_scale

    def prepared(self, batch: Batch) -> Batch:
        """A batch of recorded examples as `losses` and the inner loop take it."""
        return Batch(self.normalised(batch.observations), self.encoded(batch.targets), batch.weights)

    def predict(self, params: Params, observations: Tensor) -> Tensor:
        """Predictions in target units (a vector) or logits (a category) for observations as recorded."""
        outputs = self.network(self.shared | params, self.normalised(observations))
        if self.target.kind == "category":
            return outputs
        return outputs * self.normalisation.target_scale + self.normalisation.target_mean

    @property
    def has_deviations(self) -> bool:
        """Whether it says of a vector how far off its prediction may be."""
        return self.target.kind == "vector" and isinstance(self.network, Uncertain)

    def deviations(self, params: Params, observations: Tensor) -> Tensor:
        """The standard deviation of each output, in target units, for observations as recorded."""
        return self._deviations(params, self.normalised(observations)) * self.normalisation.target_scale

    def surprises_of(self, outputs: Tensor, deviations: Tensor, batch: Batch) -> Tensor:
        """Each task's mean negative log-likelihood `(tasks,)` of a prepared batch, by the deviations.

        Of Student's t with 4 degrees of freedom, since now and then a player does something else altogether.
        The errors count as they are: what is learned from it is how far off predictions are, not what to
        predict.
        """
        errors = (outputs - batch.targets).detach()
        each = deviations.log() + 2.5 * torch.log1p((errors / deviations).square() / 4)
        return (each.sum(-1) * batch.weights).sum(-1) / batch.weights.sum(-1).clamp(min=1e-6)

    def _deviations(self, params: Params, observations: Tensor) -> Tensor:
        if not isinstance(self.network, Uncertain):
            raise PytrainError(f"{type(self.network).__name__} networks have no deviations")
        return self.network.deviations(self.shared | params, observations)

    def losses(self, params: Params, batch: Batch) -> Tensor:
        """Weighted mean loss of each task `(tasks,)` on a prepared batch; 0 for a task without examples.

        A vector: the length of the normalised error, rounded to a parabola at zero (pseudo-Huber: smooth, so
        that MAML may differentiate it twice), or its square. A category: cross-entropy.
        """
        return self.losses_of(self.network(self.shared | params, batch.observations), batch)

    def losses_of(self, outputs: Tensor, batch: Batch) -> Tensor:
        """The same, of the network's outputs for the batch."""
        if self.target.kind == "category":
            each = -(batch.targets * torch.log_softmax(outputs, dim=-1)).sum(-1)
        else:
            each = (outputs - batch.targets).square().sum(-1)
            if self.loss == "huber":
                each = (each + SMALL_ERROR**2).sqrt() - SMALL_ERROR
        return (each * batch.weights).sum(-1) / batch.weights.sum(-1).clamp(min=1e-6)


def save_model(path: Path, model: Model, params: Params) -> None:
    """Write model and parameters as .npz, for `load_model` in another process."""
    plain = {name: getattr(model, name) for name in ("loss", "optimiser", "adapts", "rates_per_step")}
    description = {
        "network": model.network.describe(),
        "target": asdict(model.target),
        "slot_size": model.normalisation.slot_size,
        **plain,
    }
    groups = {
        "normalisation": model.normalisation.tensors(),
        "params": params,
        "shared": model.shared,
        "rates": model.rates or {},
    }
    arrays = {
        f"{group}.{name}": value.numpy() for group, values in groups.items() for name, value in values.items()
    }
    np.savez(path, allow_pickle=False, description=np.array(json.dumps(description)), **arrays)


def load_model(path: Path) -> tuple[Model, Params]:
    """What `save_model` wrote."""
    with np.load(path, allow_pickle=False) as stored:
        description = json.loads(str(stored["description"]))
        arrays = {name: torch.from_numpy(stored[name]) for name in stored.files if name != "description"}
    model = Model(
        network=network_from(description.pop("network")),
        target=Target(**description.pop("target")),
        normalisation=Normalisation(
            **_of_prefix(arrays, "normalisation."), slot_size=description.pop("slot_size")
        ),
        shared=_of_prefix(arrays, "shared."),
        rates=_of_prefix(arrays, "rates.") or None,
        **description | {"adapts": tuple(description["adapts"])},
    )
    return model, _of_prefix(arrays, "params.")


def _of_prefix(arrays: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}
