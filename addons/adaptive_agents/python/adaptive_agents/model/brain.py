"""`.brain` files: a meta-learned model that predicts, and that a few gradient steps fit to a player.

A brain is a zip (stored, not compressed):

    manifest.json        format, version, spec, algorithm, inner loop, training, scores, SHA-256 of each part
    policy.onnx          one set of weights for all agents; its weights are initializers and inputs at once
    policy_batched.onnx  the same with a leading profile axis on every weight
    adapt.onnx           (weights, support set) -> (new weights, losses), for any number of profiles
    init_params.bin      the meta-learned weights, float32, in the manifest's order

`pytrain.export` writes it with `write_brain`; the engine reads it with `Brain.load`. onnxruntime is imported
at the first load, so that importing this module stays cheap.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from adaptive_agents.errors import BrainError, SpecError
from adaptive_agents.formats.atomic import write_atomically
from adaptive_agents.model.graph import FREE, Graph, Signature
from adaptive_agents.model.support import SupportSet
from adaptive_agents.model.window import Window
from adaptive_agents.spec import Spec

FORMAT = "adaptive_agents.brain"
VERSION = 1
GRAPH_PARTS = ("policy.onnx", "policy_batched.onnx", "adapt.onnx")
PARAMS_PART = "init_params.bin"

Params = dict[str, NDArray[np.float32]]
"""The weights of a model by name: each `(*shape,)` for one profile, `(profiles, *shape)` for several."""


@dataclass(frozen=True)
class InnerLoop:
    """How the brain adapts: the settings it was meta-trained and exported with."""

    inner_lr: float
    num_inner_steps: int
    support_size: int
    """How many of the newest moments adaptation learns from, each by one example."""
    first_order: bool
    trust_radius: float
    """The largest L2 distance that adapted weights may have from the initial ones."""


@dataclass(frozen=True)
class AdaptResult:
    """What the adapt graph gives, for each profile. Losses are in normalised units."""

    params: Params
    loss_before: NDArray[np.float32]
    """(profiles,): mean loss on the support set with the weights that went in."""
    loss_after: NDArray[np.float32]
    """(profiles,): the same with the weights that came out."""


class Brain:
    """A loaded brain. Its runs may be made from several threads at once.

    Attributes:
        source: where it was read from: a path or `res://` address.
        spec: what it observes and predicts.
        algorithm: the learner that trained it, such as "maml".
        model: the model's name and sizes, as trained.
        window: which of an agent's observations one prediction takes.
        inner_loop: how it adapts.
        init_params: the meta-learned weights, read-only arrays of shape `(*shape,)`.
        scores: what evaluation found, as stored by `pytrain`.
        training: what it was trained on, as stored by `pytrain`.
        sha256: hash of the whole file, in hexadecimal.
    """

    def __init__(self, data: bytes, source: str, threads: int) -> None:
        self.source = source
        self.sha256 = hashlib.sha256(data).hexdigest()
        archive = _Archive(data, f"brain '{source}'")
        manifest = archive.manifest
        try:
            self.spec = Spec.from_dict(manifest.get("spec"), archive.name)
        except SpecError as error:
            raise BrainError(str(error)) from None
        self.algorithm = archive.entry("algorithm", str)
        self.model: dict[str, Any] = archive.entry("model", dict)
        self.window = _window(archive)
        self.inner_loop = _inner_loop(archive)
        self.scores: dict[str, Any] = archive.entry("scores", dict)
        self.training: dict[str, Any] = archive.entry("training", dict)
        self.init_params = _init_params(archive)

        inputs, columns, outputs = self.input_size, self.spec.target_columns, self.spec.target.size
        shapes = {name: array.shape for name, array in self.init_params.items()}
        stacked = {name: (FREE, *shape) for name, shape in shapes.items()}
        signatures = (
            Signature({"observations": (FREE, inputs), **shapes}, {"predictions": (FREE, outputs)}),
            Signature(
                {"observations": (FREE, FREE, inputs), **stacked}, {"predictions": (FREE, FREE, outputs)}
            ),
            Signature(
                {
                    **stacked,
                    "support_observations": (FREE, FREE, inputs),
                    "support_targets": (FREE, FREE, columns),
                    "support_weights": (FREE, FREE),
                    "inner_lr": (),
                    "num_inner_steps": (),
                },
                {
                    **{f"adapted.{name}": shape for name, shape in stacked.items()},
                    "loss_before": (FREE,),
                    "loss_after": (FREE,),
                },
            ),
        )
        self._policy, self._policy_batched, self._adapt = (
            Graph(archive.parts[part], f"{archive.name}: {part}", signature, threads)
            for part, signature in zip(GRAPH_PARTS, signatures, strict=True)
        )

    @classmethod
    def load(cls, data: bytes, source: str, threads: int = 1) -> Self:
        """Reads a brain from the bytes of its file.

        Args:
            data: the whole file; in the engine it comes from FileAccess, since `res://` may be inside a .pck.
            source: its path or address, named in errors.
            threads: for onnxruntime; 1 in play, since the other cores belong to the game.

        Raises:
            BrainError: it is no brain, of another version, damaged, or its graphs do not fit its manifest.
        """
        return cls(data, source, threads)

    @classmethod
    def open(cls, path: str | os.PathLike[str], threads: int = 1) -> Self:
        """Reads a brain from a file.

        Raises:
            BrainError: as `load`, or the file cannot be opened.
        """
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise BrainError(
                f"brain '{os.fspath(path)}' cannot be opened ({error.strerror}): "
                "check the path, or train one with `pytrain train`"
            ) from error
        return cls(data, os.fspath(path), threads)

    @property
    def label(self) -> str:
        """Short, for messages: "brain 'archer.brain'"."""
        return f"brain '{PurePosixPath(self.source.replace(os.sep, '/')).name}'"

    @property
    def input_size(self) -> int:
        """The width of a row to predict from: the slots of a window, oldest first."""
        return self.window.input_size(self.spec.observation_size)

    def predict(self, observations: NDArray[np.float32], params: Params | None = None) -> NDArray[np.float32]:
        """Predicts with one set of weights for all rows.

        Args:
            observations: `(agents, input_size)`
            params: each `(*shape,)`; None means the brain's own.

        Returns:
            `(agents, outputs)`: the target in its own units (vector) or logits (category).
        """
        feed = {"observations": observations} if params is None else {"observations": observations, **params}
        return self._policy.run(feed)[0]

    def predict_batched(self, observations: NDArray[np.float32], params: Params) -> NDArray[np.float32]:
        """Predicts with weights of its own for each profile.

        Args:
            observations: `(profiles, agents, input_size)`
            params: each `(profiles, *shape)`

        Returns:
            `(profiles, agents, outputs)`
        """
        return self._policy_batched.run({"observations": observations, **params})[0]

    def adapt(
        self,
        params: Params,
        support: SupportSet,
        inner_lr: float | None = None,
        num_inner_steps: int | None = None,
    ) -> AdaptResult:
        """Runs the inner loop on the support set, for all profiles at once.

        Args:
            params: where the inner loop starts, each `(profiles, *shape)`.
            support: what it learns from; a profile needs at least one row of weight > 0 to have a loss. No
                rows at all (profiles, 0, …) leave the weights as they are, at a loss of 0.
            inner_lr: None means the brain's own.
            num_inner_steps: None means the brain's own; 0 gives the loss only, and the weights as they were,
                also where they do not come from gradient steps.
        """
        if support.weights.shape[1] == 0:
            # Not left to the graphs: whether one takes an axis without rows, and what a mean over it gives,
            # differs between the operators that an exporter chooses.
            nothing = np.zeros(len(support.weights), np.float32)
            return AdaptResult(dict(params), nothing, nothing)
        settings = self.inner_loop
        steps = settings.num_inner_steps if num_inner_steps is None else num_inner_steps
        outputs = self._adapt.run(
            {
                **params,
                "support_observations": support.observations,
                "support_targets": support.targets,
                "support_weights": support.weights,
                "inner_lr": np.asarray(settings.inner_lr if inner_lr is None else inner_lr, np.float32),
                "num_inner_steps": np.asarray(steps, np.int64),
            }
        )
        *adapted, loss_before, loss_after = outputs
        return AdaptResult(dict(zip(self.init_params, adapted, strict=True)), loss_before, loss_after)


def write_brain(
    path: str | os.PathLike[str], manifest: Mapping[str, Any], parts: Mapping[str, bytes]
) -> Brain:
    """Writes a `.brain`, after loading it as the engine will; the file appears whole or not at all.

    Args:
        path: where to; an older file is replaced.
        manifest: the entries of `manifest.json`; `format`, `version` and `parts` are filled in here.
        parts: the content of `policy.onnx`, `policy_batched.onnx`, `adapt.onnx` and `init_params.bin`.

    Raises:
        BrainError: the parts do not fit the manifest, or the file cannot be written.
    """
    hashes = {name: {"sha256": hashlib.sha256(content).hexdigest()} for name, content in parts.items()}
    whole = {**manifest, "format": FORMAT, "version": VERSION, "parts": hashes}
    try:
        text = json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise BrainError(
            f"brain '{os.fspath(path)}': its manifest cannot be stored as JSON ({error})"
        ) from error
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in (("manifest.json", text.encode()), *parts.items()):
            # ZipInfo's own date (1980) instead of now: the same training gives the same bytes.
            archive.writestr(zipfile.ZipInfo(name), content)
    brain = Brain.load(buffer.getvalue(), os.fspath(path))
    try:
        write_atomically(path, buffer.getvalue())
    except OSError as error:
        raise BrainError(
            f"brain '{os.fspath(path)}' cannot be written ({error.strerror}): "
            "choose a folder that exists and has room"
        ) from error
    return brain


class _Archive:
    """The zip, opened and checked: format, version, and the hash of every part."""

    def __init__(self, data: bytes, name: str) -> None:
        self.name = name
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                files = {info.filename: self._read(archive, info) for info in archive.infolist()}
        except (zipfile.BadZipFile, EOFError, NotImplementedError, ValueError) as error:
            raise BrainError(f"{name} is damaged or is no brain ({error}): copy or train it again") from error
        if "manifest.json" not in files:
            raise BrainError(f"{name} is a zip without a manifest.json: it is no brain")
        try:
            self.manifest = json.loads(files["manifest.json"])
        except ValueError as error:
            raise BrainError(
                f"{name} has a damaged manifest.json ({error}): copy or train it again"
            ) from error
        if not isinstance(self.manifest, dict):
            raise BrainError(f"{name} has a manifest.json that is no table: it is no brain")
        found = (self.manifest.get("format"), self.manifest.get("version"))
        if found != (FORMAT, VERSION):
            raise BrainError(
                f"{name} has format {found[0]!r} version {found[1]!r}, "
                f"this addon reads {FORMAT!r} version {VERSION}: "
                "train it again, or use the addon it was made for"
            )
        self.parts = {part: self._checked(files, part) for part in (*GRAPH_PARTS, PARAMS_PART)}

    def entry(self, key: str, kind: type) -> Any:
        """One entry of the manifest, of the given type."""
        value = self.manifest.get(key)
        if not isinstance(value, kind):
            raise BrainError(
                f"{self.name}: its manifest has {value!r} as {key}, a {kind.__name__} is needed: "
                "train it again"
            )
        return value

    def _read(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
        if info.compress_type != zipfile.ZIP_STORED:
            raise BrainError(
                f"{self.name} has a compressed part '{info.filename}': store it without compression"
            )
        return archive.read(info)

    def _checked(self, files: Mapping[str, bytes], part: str) -> bytes:
        if part not in files:
            raise BrainError(f"{self.name} has no part '{part}': copy or train it again")
        declared = self.entry("parts", dict).get(part)
        expected = declared.get("sha256") if isinstance(declared, dict) else None
        found = hashlib.sha256(files[part]).hexdigest()
        if found != expected:
            raise BrainError(
                f"{self.name} is damaged: '{part}' has SHA-256 {found}, its manifest says {expected}: "
                "copy or train it again"
            )
        return files[part]


def _window(archive: _Archive) -> Window:
    try:  # brains of before windows, or before sparse ones, lack these entries
        return Window(archive.manifest.get("window", 1), archive.manifest.get("window_stride_ticks", 0))
    except SpecError as error:
        raise BrainError(f"{archive.name}: its manifest has {error}: train it again") from error


def _inner_loop(archive: _Archive) -> InnerLoop:
    stored = archive.entry("inner_loop", dict)
    limits = {"inner_lr": 0.0, "num_inner_steps": 0, "support_size": 0, "trust_radius": 0.0}
    for key, least in limits.items():
        value = stored.get(key)
        allowed = (int, float) if isinstance(least, float) else int
        if isinstance(value, bool) or not isinstance(value, allowed) or not least <= value < math.inf:
            raise BrainError(f"{archive.name}: inner_loop has {key} = {value!r}, it must be {least} or more")
    return InnerLoop(
        inner_lr=float(stored["inner_lr"]),
        num_inner_steps=stored["num_inner_steps"],
        support_size=stored["support_size"],
        first_order=bool(stored.get("first_order")),
        trust_radius=float(stored["trust_radius"]),
    )


def _init_params(archive: _Archive) -> Params:
    shapes: dict[str, tuple[int, ...]] = {}
    for parameter in archive.entry("parameters", list):
        try:
            shapes[str(parameter["name"])] = tuple(int(size) for size in parameter["shape"])
        except (KeyError, TypeError, ValueError) as error:
            raise BrainError(
                f"{archive.name}: its manifest has the parameter {parameter!r}: train it again"
            ) from error
    expected = 4 * sum(math.prod(shape) for shape in shapes.values())
    data = archive.parts[PARAMS_PART]
    if len(data) != expected:
        raise BrainError(
            f"{archive.name}: {PARAMS_PART} has {len(data)} bytes, its parameters need {expected}"
        )
    values = np.frombuffer(data, "<f4").astype(np.float32)
    if not np.isfinite(values).all():
        raise BrainError(
            f"{archive.name} has weights that are not finite: its training diverged; train it again"
        )
    values.flags.writeable = False
    params: Params = {}
    for name, shape in shapes.items():
        size = math.prod(shape)
        params[name], values = values[:size].reshape(shape), values[size:]
    return params
