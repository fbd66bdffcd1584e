"""Small brains of which only a part is a player's own; all other weights are constants of their graphs.

The context brain is like CAVIA's: a vector of few numbers, moved by gradient steps (here with momentum, so
that the loop carries more than the parameters), shifts the predictions of a linear model. The prototype brain
is like a prototypical network: a player's own are the mean embeddings of the classes, without a gradient.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from adaptive_agents.model.brain import Brain, write_brain
from adaptive_agents.spec import Spec
from tests.tiny_brain import (
    CATEGORY_SPEC,
    VECTOR_SPEC,
    Nodes,
    loss_and_error,
    make_manifest,
    one_hot,
    support_inputs,
    to_bytes,
    value,
)

Arrays = Mapping[str, NDArray[np.float32]]
MOMENTUM = 0.5
EMBEDDED = 4


def make_context_brain(
    path: Path,
    spec: Spec = VECTOR_SPEC,
    seed: int = 0,
    *,
    context: tuple[int, ...] = (5,),
    inner_loop: Mapping[str, Any] | None = None,
) -> Brain:
    """Writes a brain whose parameter `context` (of that shape, perhaps a single number) alone adapts."""
    shared, own = context_weights(spec, context, seed), {"context": np.zeros(context, np.float32)}
    parts = {
        "policy.onnx": _context_policy(spec, shared, own, batched=False),
        "policy_batched.onnx": _context_policy(spec, shared, own, batched=True),
        "adapt.onnx": _context_adapt(spec, shared, context),
    }
    return _write(path, spec, "cavia", own, parts, inner_loop)


def context_weights(
    spec: Spec = VECTOR_SPEC, context: tuple[int, ...] = (5,), seed: int = 0
) -> dict[str, NDArray[np.float32]]:
    """The shared weights: predictions = observations @ weight + context @ by_context + bias."""
    random, size = np.random.default_rng(seed), math.prod(context)
    return {
        "weight": random.normal(0, 0.5, (spec.observation_size, spec.target.size)).astype(np.float32),
        "bias": random.normal(0, 0.5, (spec.target.size,)).astype(np.float32),
        "by_context": random.normal(0, 0.5, (size, spec.target.size)).astype(np.float32),
    }


def make_prototype_brain(
    path: Path, spec: Spec = CATEGORY_SPEC, seed: int = 0, *, inner_loop: Mapping[str, Any] | None = None
) -> Brain:
    """Writes a brain whose parameter `prototypes` (classes, embedded) is the mean of a player's examples."""
    random = np.random.default_rng(seed)
    own = {"prototypes": random.normal(0, 0.1, (spec.target.size, EMBEDDED)).astype(np.float32)}
    shared = {"embedding": embedding_weights(spec, seed)}
    parts = {
        "policy.onnx": _prototype_policy(spec, shared, own, batched=False),
        "policy_batched.onnx": _prototype_policy(spec, shared, own, batched=True),
        "adapt.onnx": _prototype_adapt(spec, shared),
    }
    return _write(path, spec, "protonet", own, parts, {"num_inner_steps": 1, **(inner_loop or {})})


def embedding_weights(spec: Spec = CATEGORY_SPEC, seed: int = 0) -> NDArray[np.float32]:
    """(obs_dim, embedded): the shared weights of the prototype brain."""
    random = np.random.default_rng(seed + 1)
    return random.normal(size=(spec.observation_size, EMBEDDED)).astype(np.float32)


def _write(
    path: Path,
    spec: Spec,
    algorithm: str,
    own: Arrays,
    parts: Mapping[str, bytes],
    inner_loop: Mapping[str, Any] | None,
) -> Brain:
    manifest = {
        **make_manifest(spec, inner_loop=inner_loop),
        "algorithm": algorithm,
        "parameters": [{"name": name, "shape": list(array.shape)} for name, array in own.items()],
    }
    values = b"".join(array.astype("<f4").tobytes() for array in own.values())
    return write_brain(path, manifest, {**parts, "init_params.bin": values})


def _graph(
    node: Nodes,
    name: str,
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
    constants: Arrays,
) -> bytes:
    initializers = [numpy_helper.from_array(array, key) for key, array in constants.items()]
    return to_bytes(helper.make_graph(node.nodes, name, inputs, outputs, initializers))


def _policy_values(
    spec: Spec, own: Arrays, *, batched: bool
) -> tuple[list[onnx.ValueInfoProto], list[onnx.ValueInfoProto]]:
    """Inputs and outputs of a policy."""
    profiles, rows = ("profiles",) if batched else (), ("profiles", "agents") if batched else ("agents",)
    inputs = [
        value("observations", (*rows, spec.observation_size)),
        *(value(name, (*profiles, *array.shape)) for name, array in own.items()),
    ]
    return inputs, [value("predictions", (*rows, spec.target.size))]


def _shift(node: Nodes, context: str, size: int) -> str:
    """Context (profiles, *shape), or without profiles -> what it adds to predictions (profiles, outputs)."""
    flat = node("Reshape", context, node.constant([-1, size], np.int64))
    return node("Add", node("MatMul", flat, "by_context"), "bias")


def _context_policy(spec: Spec, shared: Arrays, own: Arrays, *, batched: bool) -> bytes:
    node = Nodes()
    shift = _shift(node, "context", own["context"].size)
    if batched:
        node.predict("observations", "weight", shift, name="predictions")
    else:
        node("Add", node("MatMul", "observations", "weight"), shift, name="predictions")
    constants = {**shared} if batched else {**shared, **own}
    return _graph(node, "policy", *_policy_values(spec, own, batched=batched), constants)


def _context_adapt(spec: Spec, shared: Arrays, context: tuple[int, ...]) -> bytes:
    node, size, stacked = Nodes(), math.prod(context), ("profiles", *context)

    def loss(name: str, params: str) -> None:
        shift = _shift(node, params, size)
        loss_and_error(node, spec, node.predict("support_observations", "weight", shift), name)

    loss("loss_before", "context")
    still = node("Sub", "context", "context")
    node.nodes.append(
        helper.make_node(
            "Loop",
            ["num_inner_steps", "", "context", still],
            ["adapted.context", "last_velocity"],
            body=_momentum_step(spec, size, stacked),
        )
    )
    loss("loss_after", "adapted.context")
    inputs = [value("context", stacked), *support_inputs(spec, spec.observation_size)]
    made = [value("adapted.context", stacked)]
    made += [value(name, ("profiles",)) for name in ("loss_before", "loss_after")]
    return _graph(node, "adapt", inputs, made, shared)


def _momentum_step(spec: Spec, size: int, stacked: tuple[Any, ...]) -> onnx.GraphProto:
    """The loop's body: it carries the velocity beside the context."""
    node = Nodes("step_")
    predictions = node.predict("support_observations", "weight", _shift(node, "context_in", size))
    _, gradient = loss_and_error(node, spec, predictions)
    by_shift = node("ReduceSum", gradient, node.constant([1], np.int64), keepdims=0)
    by_context = node("MatMul", by_shift, node("Transpose", "by_context", perm=[1, 0]))
    slope = node("Reshape", by_context, node("Shape", "context_in"))
    kept = node("Mul", "velocity_in", node.constant(MOMENTUM, np.float32))
    node("Add", kept, slope, name="velocity_out")
    node("Sub", "context_in", node("Mul", "velocity_out", "inner_lr"), name="context_out")
    node("Identity", "go_on", name="go_on_out")
    go_on = value("go_on", (), TensorProto.BOOL)
    return helper.make_graph(
        node.nodes,
        "momentum_step",
        [value("iteration", (), TensorProto.INT64), go_on, *_carried("in", stacked)],
        [value("go_on_out", (), TensorProto.BOOL), *_carried("out", stacked)],
    )


def _carried(suffix: str, stacked: tuple[Any, ...]) -> list[onnx.ValueInfoProto]:
    return [value(f"{name}_{suffix}", stacked) for name in ("context", "velocity")]


def _logits(node: Nodes, observations: str, prototypes: str, name: str | None = None) -> str:
    """Minus the squared distance to each prototype, without what is the same for all."""
    last = node.constant([-1], np.int64)
    turned = node("Transpose", prototypes, perm=[0, 2, 1])
    near = node("Mul", node("MatMul", node("MatMul", observations, "embedding"), turned), "two")
    lengths = node("ReduceSum", node("Mul", prototypes, prototypes), last, keepdims=0)
    return node("Sub", near, node("Unsqueeze", lengths, node.constant([1], np.int64)), name=name)


def _prototype_policy(spec: Spec, shared: Arrays, own: Arrays, *, batched: bool) -> bytes:
    node, first = Nodes(), np.array([0], np.int64)
    constants = {**shared, "two": np.full((), 2, np.float32)}
    if batched:
        _logits(node, "observations", "prototypes", name="predictions")
    else:
        observations, prototypes = (
            node("Unsqueeze", each, node.constant(first, np.int64)) for each in ("observations", "prototypes")
        )
        together = _logits(node, observations, prototypes)
        node("Squeeze", together, node.constant(first, np.int64), name="predictions")
        constants |= own
    return _graph(node, "policy", *_policy_values(spec, own, batched=batched), constants)


def _prototype_adapt(spec: Spec, shared: Arrays) -> bytes:
    node, stacked = Nodes(), ("profiles", spec.target.size, EMBEDDED)
    loss_and_error(node, spec, _logits(node, "support_observations", "prototypes"), "loss_before")
    weights = node("Unsqueeze", "support_weights", node.constant([-1], np.int64))
    of_class = node("Transpose", node("Mul", one_hot(node, spec), weights), perm=[0, 2, 1])
    sums = node("MatMul", of_class, node("MatMul", "support_observations", "embedding"))
    counts = node("ReduceSum", of_class, node.constant([-1], np.int64), keepdims=1)
    means = node("Div", sums, node("Max", counts, node.constant(1e-12, np.float32)))
    # No steps: nothing moves, as in every adapt graph. And a class of which nothing was seen stays.
    moves = node("Greater", "num_inner_steps", node.constant(0, np.int64))
    is_seen = node("And", moves, node("Greater", counts, node.constant(0, np.float32)))
    node("Where", is_seen, means, "prototypes", name="adapted.prototypes")
    loss_and_error(node, spec, _logits(node, "support_observations", "adapted.prototypes"), "loss_after")
    inputs = [value("prototypes", stacked), *support_inputs(spec, spec.observation_size)]
    made = [value("adapted.prototypes", stacked)]
    made += [value(name, ("profiles",)) for name in ("loss_before", "loss_after")]
    return _graph(node, "adapt", inputs, made, {**shared, "two": np.full((), 2, np.float32)})
