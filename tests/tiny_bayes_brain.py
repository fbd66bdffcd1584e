"""A small brain that keeps statistics, knows how sure it is, and may carry a frozen model.

Bayesian regression on one feature, the first number observed: its weights are the feature's precision (1,)
and its response (2,), sums over all examples with forgetting; the prior adds 1 to the precision. Written out
as ONNX nodes, so that a test can say in one line what must come out.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from adaptive_agents.model.brain import Brain, write_brain
from tests.tiny_brain import (
    VECTOR_SPEC,
    Nodes,
    loss_and_error,
    make_manifest,
    support_inputs,
    to_bytes,
    value,
)

SHAPES = {"precision": (1,), "response": (2,)}
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
        "init_params.bin": bytes(4 * 3),
    }
    if has_frozen:
        parts["frozen.onnx"] = _frozen()
    return write_brain(path, whole, parts)


def absorbed(
    before: Mapping[str, NDArray[np.float32]],
    features: NDArray[Any],
    targets: NDArray[Any],
    forgetting: float,
) -> dict[str, NDArray[np.float64]]:
    """What the adapt graph computes, one example at a time: features (n,), targets (n, 2)."""
    precision, response = (before[name].astype(np.float64) for name in SHAPES)
    for feature, target in zip(features, targets, strict=True):
        precision = forgetting * precision + feature**2
        response = forgetting * response + feature * target
    return {"precision": precision, "response": response}


def mean_and_deviation(params: Mapping[str, NDArray[Any]], feature: float) -> tuple[NDArray[Any], float]:
    """What the policy says of one observation: its prediction (2,), and the deviation of both numbers."""
    share = params["precision"][0] + 1
    return feature * params["response"] / share, float(np.sqrt(NOISE**2 * (1 + feature**2 / share)))


def _predict(node: Nodes, features: str, precision: str, response: str, name: str | None = None) -> str:
    """features (profiles, rows, 1), weights with as many axes -> (profiles, rows, 2)."""
    share = node("Add", precision, node.constant(1.0, np.float32))
    return node("Mul", features, node("Div", response, share), name=name)


def _rows(node: Nodes, weights: str) -> str:
    """Weights of each profile (profiles, n) -> (profiles, 1, n)."""
    return node("Unsqueeze", weights, node.constant([1], np.int64))


def _feature(node: Nodes, observations: str) -> str:
    first = node.constant([0], np.int64)
    return node("Slice", observations, first, node.constant([1], np.int64), node.constant([-1], np.int64))


def _policy(*, batched: bool) -> bytes:
    node = Nodes()
    feature = _feature(node, "observations")
    precision, response = ("precision", "response")
    if batched:
        precision, response = _rows(node, precision), _rows(node, response)
    _predict(node, feature, precision, response, "predictions")
    share = node("Add", precision, node.constant(1.0, np.float32))
    own = node("Div", node("Mul", feature, feature), share)
    variance = node("Add", node("Mul", own, _constant(node, NOISE**2)), _constant(node, NOISE**2))
    deviation = node("Sqrt", variance)
    node("Concat", deviation, deviation, axis=-1, name="deviations")
    axes = ("profiles", "agents") if batched else ("agents",)
    inputs = [value("observations", (*axes, VECTOR_SPEC.observation_size))]
    inputs += [value(name, (*axes[:-1], *shape)) for name, shape in SHAPES.items()]
    made = [value(name, (*axes, 2)) for name in ("predictions", "deviations")]
    constants = [] if batched else [_zeros(name) for name in SHAPES]
    return to_bytes(helper.make_graph(node.nodes, "policy", inputs, made, constants))


def _constant(node: Nodes, number: float) -> str:
    return node.constant(number, np.float32)


def _zeros(name: str) -> Any:
    return numpy_helper.from_array(np.zeros(SHAPES[name], np.float32), name)


def _frozen() -> bytes:
    node = Nodes()
    weight = node.constant(np.zeros((VECTOR_SPEC.observation_size, 2)), np.float32)
    node("Gemm", "observations", weight, node.constant(FROZEN, np.float32), name="predictions")
    inputs = [value("observations", ("agents", VECTOR_SPEC.observation_size))]
    return to_bytes(helper.make_graph(node.nodes, "frozen", inputs, [value("predictions", ("agents", 2))]))


def _adapt() -> bytes:
    node = Nodes()
    feature = _feature(node, "support_observations")

    def loss(name: str, precision: str, response: str) -> None:
        predicted = _predict(node, feature, _rows(node, precision), _rows(node, response))
        loss_and_error(node, VECTOR_SPEC, predicted, name)

    loss("loss_before", "precision", "response")
    # Padding forgets nothing: an example's age is how many real ones come after it.
    is_real = node("Cast", node("Greater", "support_weights", _constant(node, 0)), to=TensorProto.FLOAT)
    place = node("CumSum", is_real, node.constant(1, np.int64))
    count = node("ReduceSum", is_real, node.constant([1], np.int64), keepdims=1)
    left = node("Mul", node("Pow", "forgetting", node("Sub", count, place)), "support_weights")
    left = node("Unsqueeze", left, node.constant([-1], np.int64))
    all_left = node("Pow", "forgetting", count)
    rows = node.constant([1], np.int64)
    moves = node("Greater", "num_inner_steps", node.constant(0, np.int64))
    for name, new in (
        ("precision", node("Mul", feature, feature)),
        ("response", node("Mul", feature, "support_targets")),
    ):
        total = node("ReduceSum", node("Mul", new, left), rows, keepdims=0)
        taken = node("Add", node("Mul", name, all_left), total)
        node("Where", moves, taken, name, name=f"adapted.{name}")
    loss("loss_after", "adapted.precision", "adapted.response")
    inputs = [value(name, ("profiles", *shape)) for name, shape in SHAPES.items()]
    inputs += [*support_inputs(VECTOR_SPEC, VECTOR_SPEC.observation_size), value("forgetting", ())]
    made = [value(f"adapted.{name}", ("profiles", *shape)) for name, shape in SHAPES.items()]
    made += [value(name, ("profiles",)) for name in ("loss_before", "loss_after")]
    return to_bytes(helper.make_graph(node.nodes, "adapt", inputs, made))
