"""Model -> `.brain`: graphs (traced in a process of their own, see `graphs`), weights, and manifest.

Last station of training. Nothing is written before the graphs ran in onnxruntime and gave what torch gives.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from itertools import product, repeat
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from adaptive_agents.model.brain import GRAPH_PARTS, PARAMS_PART, Brain, write_brain
from adaptive_agents.model.brain_archive import FROZEN_PART
from adaptive_agents.model.posterior import COVARIANCE, MEAN
from adaptive_agents.model.support import SupportSet
from adaptive_agents.spec import Spec
from pytrain.data.tasks import Batch
from pytrain.errors import PytrainError
from pytrain.learners.inner_loop import adapt, adapter_of, for_each_task
from pytrain.models.model import Model, save_model
from pytrain.models.networks import Params
from pytrain.models.regression import FORGETTING

POLICY_PART = GRAPH_PARTS[0]
TOLERANCE = 1e-5
CHECKED_PROFILES = (1, 7, 64)
CHECKED_STEPS = (1, 10)
DRAWS = 3
WITHOUT_GRADIENT = ("loss_before", "policy")
ROUNDING = 4.0  # times as far from double precision as torch is in single
NORMAL_INTERVALS = {"0.5": 0.674, "0.8": 1.282, "0.95": 1.96}
"""Half widths in deviations, for as long as nobody measured them."""


def export_brain(
    path: Path,
    model: Model,
    params: Params,
    spec: Spec,
    about: Mapping[str, Any],
    frozen: tuple[Model, Params] | None = None,
) -> Brain:
    """Write a `.brain`; `about` gives the manifest's algorithm, inner_loop, training and scores.

    `frozen` is the pooled model that the brain carries, if it does: it never adapts.

    Raises PytrainError when the graphs cannot be made or do not compute what torch computes, BrainError when
    the file cannot be written. A file that was there before stays as it was until the new one is whole.
    """
    parts = trace_graphs(model, params)
    if frozen is not None:
        parts[FROZEN_PART] = trace_frozen(*frozen)
    parts[PARAMS_PART] = b"".join(value.numpy().astype("<f4").tobytes() for value in params.values())
    manifest = {
        "spec": spec.to_dict(),
        "model": model.network.describe(),
        "parameters": [{"name": name, "shape": list(value.shape)} for name, value in params.items()],
        **about,
        "inner_loop": {**about["inner_loop"], **_consolidation(model)},
    }
    if model.has_deviations and "uncertainty" not in manifest:
        manifest["uncertainty"] = {"intervals": NORMAL_INTERVALS}
    with tempfile.TemporaryDirectory(prefix="pytrain-") as folder:
        brain = write_brain(Path(folder) / path.name, manifest, parts)
    check_same_as_torch(brain, model, params)
    if frozen is not None:
        check_frozen(brain, *frozen)
    return write_brain(path, manifest, parts)


def trace_graphs(model: Model, params: Params) -> dict[str, bytes]:
    """The three graphs by the name of their part, traced in a process of their own.

    A failed export can leave torch unusable, and a successful one leaves hundreds of megabytes behind.
    """
    return _traced(model, params, GRAPH_PARTS)


def trace_frozen(model: Model, params: Params) -> bytes:
    """The graph of a model that never adapts: its parameters are constants."""
    policy = onnx.load_from_string(_traced(model, params, (POLICY_PART,))[POLICY_PART])
    inputs = [value for value in policy.graph.input if value.name not in params]
    del policy.graph.input[:]
    policy.graph.input.extend(inputs)
    return bytes(policy.SerializeToString())


def check_frozen(brain: Brain, model: Model, params: Params) -> None:
    """Run the frozen graph beside torch. Raises PytrainError when they differ."""
    observations = _random_examples(model, 1, 32, np.random.default_rng(0)).observations[0]
    scale = model.normalisation.target_scale.numpy() if model.target.kind == "vector" else 1.0
    expected = model.predict(params, torch.from_numpy(observations)).numpy() / scale
    found = brain.predict_frozen(observations) / scale
    difference = float(np.abs(found - expected).max()) / max(1.0, float(np.abs(expected).max()))
    if not difference <= TOLERANCE:
        raise PytrainError(
            f"the frozen model's graph differs from torch by {difference:.2g}, more than {TOLERANCE:g}; no "
            "brain was written"
        )


def _traced(model: Model, params: Params, parts: Sequence[str]) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory(prefix="pytrain-") as name:
        folder = Path(name)
        request = folder / "model.npz"
        save_model(request, model, params)
        command = [sys.executable, "-m", "pytrain.export.graphs", str(request), name, *parts]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise PytrainError(
                f"the model could not be exported to ONNX (exit code {done.returncode} of "
                f"`python -m pytrain.export.graphs`): {done.stderr.strip()[-2000:]}"
            )
        return {part: (folder / part).read_bytes() for part in parts}


def check_same_as_torch(brain: Brain, model: Model, params: Params) -> None:
    """Run the brain's graphs on random examples beside torch.

    Losses, parameters and logits are compared as they are, vectors in units of their standard deviation.
    One step is as long as the brain's; several go as far together, since a row of long steps on random
    examples would blow up the rounding itself. A posterior is judged by what it predicts: in directions that
    no example shows, its mean is as good as any other.

    Raises PytrainError when the graphs are further from torch in double precision than 1e-5 (of the largest
    value, if that is above 1) and than a few times what torch in single precision is: such examples can lie
    far from any player's. Where a ReLU is about to change sides, rounding decides the gradient, so with them
    one profile in ten may differ, and another draw of examples gets a chance; a graph that computes something
    else differs in all.
    """
    random = np.random.default_rng(0)
    has_kinks = '"relu"' in json.dumps(model.network.describe())
    for profiles, steps in product(CHECKED_PROFILES, CHECKED_STEPS):
        complaint = ""
        for _ in range(DRAWS if has_kinks else 1):
            support = _random_examples(model, profiles, 32, random)
            complaint = _what_differs(brain, model, params, support, steps, profiles // 10 * has_kinks)
            if not complaint:
                break
        if complaint:
            raise PytrainError(f"the exported graphs differ from torch {complaint}; no brain was written")


def _what_differs(
    brain: Brain, model: Model, params: Params, support: SupportSet, steps: int, may_differ: int
) -> str:
    """What the graphs and torch do not agree on, but for some profiles; empty if there is nothing."""
    inner_lr = brain.inner_loop.inner_lr / steps
    rounded, exact = (
        _as_torch_has_it(model, params, support, inner_lr, steps, dtype)
        for dtype in (torch.float32, torch.float64)
    )
    for what, values in _as_the_brain_has_it(brain, model, params, support, inner_lr, steps).items():
        without = 0 if what in WITHOUT_GRADIENT else may_differ
        difference, of_torch = (
            _difference(model, what, each, exact[what], without) for each in (values, rounded[what])
        )
        allowed = max(TOLERANCE, ROUNDING * of_torch)
        if not difference <= allowed:
            return (
                f"by {difference:.2g} in {what} ({len(support.weights)} profiles, {steps} steps of "
                f"{inner_lr:g}), more than {allowed:.2g}"
            )
    return ""


def _as_the_brain_has_it(
    brain: Brain, model: Model, params: Params, support: SupportSet, inner_lr: float, steps: int
) -> dict[str, NDArray[np.floating[Any]]]:
    profiles = len(support.weights)
    start = {name: value.numpy().copy() for name, value in for_each_task(params, profiles).items()}
    result = brain.adapt(start, support, inner_lr, steps)
    scale = model.normalisation.target_scale.numpy() if model.target.kind == "vector" else 1.0
    predictions, deviations = brain.estimate_batched(support.observations, result.params)
    found = {
        "loss_before": result.loss_before,
        "loss_after": result.loss_after,
        "policy_batched": predictions / scale,
        "policy": brain.predict(support.observations[0]) / scale,
        **{f"adapted {name}": result.params[name] for name in params if name not in (MEAN, COVARIANCE)},
    }
    if model.has_deviations:
        if deviations is None:
            raise PytrainError("the exported graphs give no deviations; no brain was written")
        found["deviations"] = deviations / scale
    return found


def _as_torch_has_it(
    model: Model, params: Params, support: SupportSet, inner_lr: float, steps: int, dtype: torch.dtype
) -> dict[str, NDArray[np.floating[Any]]]:
    model, params = model.to(dtype), {name: value.to(dtype) for name, value in params.items()}
    batch = Batch(*(torch.from_numpy(column).to(dtype) for column in vars(support).values()))
    ready, start = model.prepared(batch), for_each_task(params, len(support.weights))
    adapted = adapt(model, start, repeat(ready, steps), inner_lr)
    scale = model.normalisation.target_scale if model.target.kind == "vector" else 1.0
    found = {
        "loss_before": model.losses(start, ready),
        "loss_after": model.losses(adapted, ready),
        "policy_batched": model.predict(adapted, batch.observations) / scale,
        "policy": model.predict(params, batch.observations[0]) / scale,
        **{f"adapted {name}": value for name, value in adapted.items()},
    }
    if model.has_deviations:
        found["deviations"] = model.deviations(adapted, batch.observations) / scale
    return {name: value.detach().numpy() for name, value in found.items()}


def _difference(
    model: Model,
    what: str,
    found: NDArray[np.floating[Any]],
    expected: NDArray[np.floating[Any]],
    may_differ: int,
) -> float:
    """The largest difference, apart from those of the profiles (along the first axis) that may differ."""
    # Rounding grows with the values: the logits of prototypes are squared distances.
    differences = np.abs(found - expected) / max(1.0, np.abs(expected).max())
    if model.optimiser == "adam" and what != "policy":
        # Where a gradient is nothing but rounding, the direction of Adam's step is, too.
        return float(differences.mean())
    of_profiles = np.sort(differences.reshape(len(differences), -1).max(axis=1))
    return float(of_profiles[-1 - may_differ])


def _consolidation(model: Model) -> dict[str, Any]:
    """What of a player lasts, and how fast it is forgotten."""
    forgetting = model.shared.get(FORGETTING)
    kind = {"consolidation": adapter_of(model).consolidation}
    return kind if forgetting is None else {**kind, "forgetting": float(forgetting)}


def _random_examples(model: Model, profiles: int, rows: int, random: np.random.Generator) -> SupportSet:
    """Examples with the spread of the training data; a few are padding."""
    constants = {name: value.numpy() for name, value in model.normalisation.tensors().items()}
    observations = random.standard_normal((profiles, rows, len(constants["observation_mean"])))
    if model.target.kind == "category":
        targets = random.integers(model.target.size, size=(profiles, rows, 1)).astype(np.float64)
    else:
        targets = random.standard_normal((profiles, rows, model.target.size))
        targets = targets * constants["target_scale"] + constants["target_mean"]
    return SupportSet(
        model.normalisation.recorded(torch.from_numpy(observations)).numpy().astype(np.float32),
        targets.astype(np.float32),
        (random.random((profiles, rows)) > 0.1).astype(np.float32),
    )
