"""A small brain that keeps statistics, knows how sure it is, and may carry a frozen model.

Bayesian regression of two outputs on one feature, the first number observed: sums over all examples with
forgetting, on top of the prior's, and the mean and the covariance that follow (model/posterior.py). Written
out as ONNX nodes, so that a test can say in one line what must come out.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from adaptive_agents.model.brain import Brain, write_brain
from adaptive_agents.model.posterior import COVARIANCE, MEAN, PRECISION, RESPONSE, with_posterior
from tests.tiny_brain import (
    VECTOR_SPEC,
    Nodes,
    loss_and_error,
    make_manifest,
    support_inputs,
    to_bytes,
    value,
)

SHAPES = {MEAN: (1, 2), COVARIANCE: (1, 1), PRECISION: (1, 1), RESPONSE: (1, 2)}
INITIAL = {
    name: np.full(shape, name in (COVARIANCE, PRECISION), np.float32) for name, shape in SHAPES.items()
}
"""The prior has precision 1 and mean 0."""
NOISE = 0.5
FROZEN = np.array([0.25, -0.25], np.float32)
INTERVALS = {"0.5": 0.67, "0.8": 1.28, "0.95": 1.96}


def make_bayes_brain(
    path: Path,
    *,
    inner_loop: Mapping[str, Any] | None = None,
    has_frozen: bool = False,
    manifest: Mapping[str, Any] | None = None,
) -> Brain:
    """Writes it; `inner_loop` and `manifest` override entries, `has_frozen` adds a model that says FROZEN."""
    settings = {"consolidation": "statistics", "num_inner_steps": 1, **(inner_loop or {})}
    whole = {
        **make_manifest(inner_loop=settings),
        "algorithm": "bayes",
        "parameters": [{"name": name, "shape": list(shape)} for name, shape in SHAPES.items()],
        "uncertainty": {"scale": [1.0, 1.0], "intervals": INTERVALS},
        **(manifest or {}),
    }
    parts = {
        "policy.onnx": _policy(batched=False),
        "policy_batched.onnx": _policy(batched=True),
        "adapt.onnx": _adapt(),
        "init_params.bin": b"".join(array.tobytes() for array in INITIAL.values()),
    }
    if has_frozen:
        parts["frozen.onnx"] = _frozen()
    return write_brain(path, whole, parts)


def absorbed(
    before: Mapping[str, NDArray[Any]], features: NDArray[Any], targets: NDArray[Any], forgetting: float
) -> dict[str, NDArray[np.float32]]:
    """What adapting gives, one example at a time: features (n,), targets (n, 2)."""
    precision, response = (before[name].astype(np.float64) for name in (PRECISION, RESPONSE))
    for feature, target in zip(features, targets, strict=True):
        precision = 1 + forgetting * (precision - 1) + feature**2
        response = forgetting * response + feature * target
    sums = {PRECISION: precision.astype(np.float32), RESPONSE: response.astype(np.float32)}
    return with_posterior({**INITIAL, **sums})


def mean_and_deviation(params: Mapping[str, NDArray[Any]], feature: float) -> tuple[NDArray[Any], float]:
    """What the policy says of one observation: its prediction (2,), and the deviation of both numbers."""
    variance = NOISE**2 * (1 + feature**2 * params[COVARIANCE][0, 0])
    return feature * params[MEAN][0], float(np.sqrt(variance))


def _feature(node: Nodes, observations: str) -> str:
    first = node.constant([0], np.int64)
    return node("Slice", observations, first, node.constant([1], np.int64), node.constant([-1], np.int64))


def _policy(*, batched: bool) -> bytes:
    node = Nodes()
    feature = _feature(node, "observations")
    node("MatMul", feature, MEAN, name="predictions")
    own = node("MatMul", node("Mul", feature, feature), COVARIANCE)
    variance = node("Add", node("Mul", own, _constant(node, NOISE**2)), _constant(node, NOISE**2))
    deviation = node("Sqrt", variance)
    node("Concat", deviation, deviation, axis=-1, name="deviations")
    axes = ("profiles", "agents") if batched else ("agents",)
    inputs = [value("observations", (*axes, VECTOR_SPEC.observation_size))]
    inputs += [value(name, (*axes[:-1], *shape)) for name, shape in SHAPES.items()]
    made = [value(name, (*axes, 2)) for name in ("predictions", "deviations")]
    # The sums are a player's own, and nothing that predicts needs them: a graph has them all the same.
    for name in (PRECISION, RESPONSE):
        node("Identity", name)
    constants = [] if batched else [numpy_helper.from_array(INITIAL[name], name) for name in SHAPES]
    return to_bytes(helper.make_graph(node.nodes, "policy", inputs, made, constants))


def _constant(node: Nodes, number: float) -> str:
    return node.constant(number, np.float32)


def _frozen() -> bytes:
    node = Nodes()
    weight = node.constant(np.zeros((VECTOR_SPEC.observation_size, 2)), np.float32)
    node("Gemm", "observations", weight, node.constant(FROZEN, np.float32), name="predictions")
    inputs = [value("observations", ("agents", VECTOR_SPEC.observation_size))]
    return to_bytes(helper.make_graph(node.nodes, "frozen", inputs, [value("predictions", ("agents", 2))]))


def _adapt() -> bytes:
    node = Nodes()
    feature = _feature(node, "support_observations")
    loss_and_error(node, VECTOR_SPEC, node("MatMul", feature, MEAN), "loss_before")
    # Padding forgets nothing: an example's age is how many real ones come after it.
    is_real = node("Cast", node("Greater", "support_weights", _constant(node, 0)), to=TensorProto.FLOAT)
    place = node("CumSum", is_real, node.constant(1, np.int64))
    rows = node.constant([1], np.int64)
    count = node("ReduceSum", is_real, rows, keepdims=1)
    left = node("Mul", node("Pow", "forgetting", node("Sub", count, place)), "support_weights")
    left = node("Unsqueeze", left, node.constant([-1], np.int64))
    all_left = node("Unsqueeze", node("Pow", "forgetting", count), node.constant([-1], np.int64))
    moves = node("Greater", "num_inner_steps", node.constant(0, np.int64))
    for name, new in (
        (PRECISION, node("Mul", feature, feature)),
        (RESPONSE, node("Mul", feature, "support_targets")),
    ):
        total = node("ReduceSum", node("Mul", new, left), rows, keepdims=1)
        prior = node.constant(INITIAL[name], np.float32)
        kept = node("Mul", node("Sub", name, prior), all_left)
        node("Where", moves, node("Add", node("Add", kept, prior), total), name, name=f"adapted.{name}")
    for name in (MEAN, COVARIANCE):
        node("Identity", name, name=f"adapted.{name}")
    loss_and_error(node, VECTOR_SPEC, node("MatMul", feature, f"adapted.{MEAN}"), "loss_after")
    inputs = [value(name, ("profiles", *shape)) for name, shape in SHAPES.items()]
    inputs += [*support_inputs(VECTOR_SPEC, VECTOR_SPEC.observation_size), value("forgetting", ())]
    made = [value(f"adapted.{name}", ("profiles", *shape)) for name, shape in SHAPES.items()]
    made += [value(name, ("profiles",)) for name in ("loss_before", "loss_after")]
    return to_bytes(helper.make_graph(node.nodes, "adapt", inputs, made))
