"""Builds small brains by hand, so that runtime and engine tests need neither torch nor a training run.

The model is linear, prediction = observation · W + b, with its SGD step written out as ONNX nodes. Vector
targets are fitted by the squared error, categories by cross-entropy, each weighted by the rows' weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from adaptive_agents.model.brain import Brain, write_brain
from adaptive_agents.model.window import Window
from adaptive_agents.spec import Field, Spec, Target

OPSET = 18
IR_VERSION = 9
PARAMETERS = ("weight", "bias")

VECTOR_SPEC = Spec(
    observation=(Field("player_velocity", 2), Field("distance")),
    target=Target("vector", "player_displacement", 2),
    horizon_ticks=6,
)
CATEGORY_SPEC = Spec(
    observation=(Field("player_velocity", 2), Field("distance")),
    target=Target("category", "next_move", 3),
    horizon_ticks=6,
)


def make_tiny_brain(
    path: Path,
    spec: Spec = VECTOR_SPEC,
    seed: int = 0,
    *,
    window: int = 1,
    stride_ticks: int = 0,
    inner_loop: Mapping[str, Any] | None = None,
) -> Brain:
    """Writes a linear brain for the spec to `path` and returns it loaded."""
    manifest = make_manifest(spec, window=window, stride_ticks=stride_ticks, inner_loop=inner_loop)
    return write_brain(path, manifest, make_parts(spec, seed, window, stride_ticks))


def make_manifest(
    spec: Spec = VECTOR_SPEC,
    *,
    window: int = 1,
    stride_ticks: int = 0,
    inner_loop: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A manifest for `write_brain`; `inner_loop` overrides single settings."""
    width = Window(window, stride_ticks).input_size(spec.observation_size)
    shapes = {"weight": [width, spec.target.size], "bias": [spec.target.size]}
    return {
        # Brains of before windows, or before sparse ones, have no such entries.
        **({"window": window} if window > 1 else {}),
        **({"window_stride_ticks": stride_ticks} if stride_ticks > 0 else {}),
        "spec": spec.to_dict(),
        "algorithm": "reptile",
        "model": {"name": "linear", "hidden_sizes": []},
        "inner_loop": {
            "inner_lr": 0.1,
            "num_inner_steps": 5,
            "support_size": 32,
            "first_order": True,
            "trust_radius": 100.0,
            **(inner_loop or {}),
        },
        "parameters": [{"name": name, "shape": shapes[name]} for name in PARAMETERS],
        "training": {"players": 0, "sessions": 0, "examples": 0, "command": "tests/tiny_brain.py", "seed": 0},
        "scores": {},
    }


def make_parts(
    spec: Spec = VECTOR_SPEC, seed: int = 0, window: int = 1, stride_ticks: int = 0
) -> dict[str, bytes]:
    """The parts for `write_brain`, with small random weights."""
    params = make_params(spec, seed, window, stride_ticks)
    return {
        "policy.onnx": _policy(spec, params, batched=False),
        "policy_batched.onnx": _policy(spec, params, batched=True),
        "adapt.onnx": _adapt(spec, len(params["weight"])),
        "init_params.bin": b"".join(params[name].astype("<f4").tobytes() for name in PARAMETERS),
    }


def make_params(
    spec: Spec = VECTOR_SPEC, seed: int = 0, window: int = 1, stride_ticks: int = 0
) -> dict[str, NDArray[np.float32]]:
    """Initial weights: weight (input_size, outputs), bias (outputs,)."""
    random = np.random.default_rng(seed)
    width, outputs = Window(window, stride_ticks).input_size(spec.observation_size), spec.target.size
    return {
        "weight": random.normal(0, 0.1, (width, outputs)).astype(np.float32),
        "bias": random.normal(0, 0.1, outputs).astype(np.float32),
    }


class Nodes:
    """Collects ONNX nodes, naming each result."""

    def __init__(self, prefix: str = "") -> None:
        self.nodes: list[onnx.NodeProto] = []
        self._prefix = prefix

    def __call__(self, operator: str, *inputs: str, name: str | None = None, **attributes: Any) -> str:
        output = name or f"{self._prefix}{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def constant(self, values: Any, dtype: Any) -> str:
        return self("Constant", value=numpy_helper.from_array(np.asarray(values, dtype)))

    def predict(self, observations: str, weight: str, bias: str, name: str | None = None) -> str:
        """observations (profiles, rows, inputs) -> (profiles, rows, outputs)."""
        bias_row = self("Unsqueeze", bias, self.constant([1], np.int64))
        return self("Add", self("MatMul", observations, weight), bias_row, name=name)


def one_hot(node: Nodes, spec: Spec) -> str:
    """support_targets (profiles, support, 1) -> (profiles, support, classes)."""
    index = node("Squeeze", "support_targets", node.constant([-1], np.int64))
    classes, values = node.constant(spec.target.size, np.int64), node.constant([0.0, 1.0], np.float32)
    return node("OneHot", node("Cast", index, to=TensorProto.INT64), classes, values, axis=-1)


def value(name: str, shape: tuple[Any, ...], kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def to_bytes(graph: onnx.GraphProto) -> bytes:
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="tiny_brain",
    )
    onnx.checker.check_model(model)
    return model.SerializeToString()


def _parameter_inputs(spec: Spec, inputs: int) -> list[onnx.ValueInfoProto]:
    return [
        value("weight", ("profiles", inputs, spec.target.size)),
        value("bias", ("profiles", spec.target.size)),
    ]


def _policy(spec: Spec, params: Mapping[str, NDArray[np.float32]], *, batched: bool) -> bytes:
    node, width, outputs = Nodes(), len(params["weight"]), spec.target.size
    if batched:
        node.predict("observations", "weight", "bias", name="predictions")
        inputs = [value("observations", ("profiles", "agents", width)), *_parameter_inputs(spec, width)]
        made, initializers = value("predictions", ("profiles", "agents", outputs)), []
    else:
        node("Gemm", "observations", "weight", "bias", name="predictions")
        shapes = [value("weight", (width, outputs)), value("bias", (outputs,))]
        inputs = [value("observations", ("agents", width)), *shapes]
        made = value("predictions", ("agents", outputs))
        initializers = [numpy_helper.from_array(params[name], name) for name in PARAMETERS]
    return to_bytes(helper.make_graph(node.nodes, "policy", inputs, [made], initializers))


def loss_and_error(
    node: Nodes, spec: Spec, predictions: str, loss_name: str | None = None
) -> tuple[str, str]:
    """Of predictions (profiles, support, outputs): the loss (profiles,), and its gradient by them."""
    last, rows = node.constant([-1], np.int64), node.constant([1], np.int64)
    total = node("ReduceSum", "support_weights", rows)
    total = node("Max", total, node.constant(1e-12, np.float32))
    share = node("Div", "support_weights", total)  # (profiles, support), sums to 1
    share_column = node("Unsqueeze", share, last)
    if spec.target.kind == "vector":
        error = node("Sub", predictions, "support_targets")
        row_losses = node("ReduceMean", node("Mul", error, error), last, keepdims=0)
        scaled = node("Mul", error, node.constant(2.0 / spec.target.size, np.float32))
        gradient = node("Mul", scaled, share_column)
    else:
        truth = one_hot(node, spec)
        log_chances = node("LogSoftmax", predictions, axis=-1)
        row_losses = node("Neg", node("ReduceSum", node("Mul", log_chances, truth), last, keepdims=0))
        gradient = node("Mul", node("Sub", node("Exp", log_chances), truth), share_column)
    loss = node("ReduceSum", node("Mul", row_losses, share), rows, name=loss_name, keepdims=0)
    return loss, gradient


def support_inputs(spec: Spec, width: int) -> list[onnx.ValueInfoProto]:
    """What an adapt graph takes beside the weights."""
    return [
        value("support_observations", ("profiles", "support", width)),
        value("support_targets", ("profiles", "support", spec.target_columns)),
        value("support_weights", ("profiles", "support")),
        value("inner_lr", ()),
        value("num_inner_steps", (), TensorProto.INT64),
    ]


def _sgd_step(spec: Spec, width: int) -> onnx.GraphProto:
    """The loop's body: (iteration, condition, weight, bias) -> (condition, weight, bias)."""
    node, outputs = Nodes("step_"), spec.target.size
    _, gradient = loss_and_error(node, spec, node.predict("support_observations", "weight_in", "bias_in"))
    transposed = node("Transpose", "support_observations", perm=[0, 2, 1])
    by_weight = node("MatMul", transposed, gradient)
    by_bias = node("ReduceSum", gradient, node.constant([1], np.int64), keepdims=0)
    node("Sub", "weight_in", node("Mul", by_weight, "inner_lr"), name="weight_out")
    node("Sub", "bias_in", node("Mul", by_bias, "inner_lr"), name="bias_out")
    node("Identity", "go_on", name="go_on_out")
    return helper.make_graph(
        node.nodes,
        "sgd_step",
        [
            value("iteration", (), TensorProto.INT64),
            value("go_on", (), TensorProto.BOOL),
            value("weight_in", ("profiles", width, outputs)),
            value("bias_in", ("profiles", outputs)),
        ],
        [
            value("go_on_out", (), TensorProto.BOOL),
            value("weight_out", ("profiles", width, outputs)),
            value("bias_out", ("profiles", outputs)),
        ],
    )


def _adapt(spec: Spec, width: int) -> bytes:
    node, outputs = Nodes(), spec.target.size
    loss_and_error(node, spec, node.predict("support_observations", "weight", "bias"), "loss_before")
    loop = helper.make_node(
        "Loop",
        ["num_inner_steps", "", "weight", "bias"],
        ["adapted.weight", "adapted.bias"],
        body=_sgd_step(spec, width),
    )
    node.nodes.append(loop)
    adapted = node.predict("support_observations", "adapted.weight", "adapted.bias")
    loss_and_error(node, spec, adapted, "loss_after")
    inputs = [*_parameter_inputs(spec, width), *support_inputs(spec, width)]
    made = [
        value("adapted.weight", ("profiles", width, outputs)),
        value("adapted.bias", ("profiles", outputs)),
        value("loss_before", ("profiles",)),
        value("loss_after", ("profiles",)),
    ]
    return to_bytes(helper.make_graph(node.nodes, "adapt", inputs, made))
