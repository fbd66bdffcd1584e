"""The checkpoint file of a training: when it is written, who may go on from it, and how they are told.

It lies beside the brain that is being trained, `archer.checkpoint` beside `archer.brain`, and is gone once
that is written. Only the first of several processes touches it; the others are told what it holds.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Protocol, Self

from torch import Tensor

from pytrain.console import messages, warn
from pytrain.data.dataset import Players, player_hash
from pytrain.errors import AdaptiveAgentsError
from pytrain.models.networks import Params
from pytrain.settings import TrainSettings
from pytrain.training.checkpoint import Checkpoint, read_bytes
from pytrain.training.distributed import Processes

SUFFIX = ".checkpoint"
OLDER = ".older.checkpoint"

WITHOUT_INFLUENCE = frozenset(
    # Where things lie, how often a checkpoint is written, and what changes a result by rounding at most.
    (
        "sessions",
        "validation_sessions",
        "judge_sessions",
        "pooled",
        "out",
        "log_dir",
        "resume",
        "checkpoint_sec",
        "threads",
        "device",
    )
)


class Random(Protocol):
    """What draws the tasks."""

    def state(self) -> Tensor:
        """Where in its sequence of tasks it is."""
        ...

    def restore(self, state: Tensor) -> None:
        """Go on with the sequence of tasks where `state` was taken."""
        ...


@dataclass
class CheckpointFile:
    """Where a training keeps its checkpoint, and how often it writes it."""

    path: Path
    fingerprint: Mapping[str, Any]  # JSON: what must be equal for the same result
    random: Random
    command: str  # with which to go on
    resume: bool = False  # whether to go on from what is there
    every_sec: float = 60.0
    processes: Processes = field(default_factory=Processes)
    stage: str = "meta-train"  # which one is under way
    earlier: Params = field(default_factory=dict)  # what the stages before it made
    saved_step: int | None = field(default=None, init=False)
    saved_stage: str = field(default="", init=False)
    _found: Checkpoint | None = field(default=None, init=False)
    _tried: float = field(default_factory=time.monotonic, init=False)

    def is_due(self) -> bool:
        """Whether it is time to write it again; in the first process only."""
        return self.processes.is_first and time.monotonic() - self._tried >= self.every_sec

    def at_stage(self, stage: str, random: Random, earlier: Params | None = None) -> Self:
        """The same file at another stage of the training, after those that made `earlier`."""
        self.stage, self.random, self.earlier = stage, random, earlier or {}
        return self

    def start(self) -> Checkpoint | None:
        """The checkpoint of this stage to go on from; None to start from its beginning.

        Raises PytrainError for a checkpoint that this training cannot go on from.
        """
        found = self.found()
        if found is None or found.stage != self.stage:
            return None
        self.random.restore(found.random_state)
        self.saved_step, self.saved_stage = found.now.step, found.stage
        return found

    def found(self) -> Checkpoint | None:
        """The checkpoint of whatever stage to go on from; None to start over, an older one is then put aside.

        Raises PytrainError for a checkpoint that this training cannot go on from.
        """
        if not self.resume:
            self._put_aside()
        elif self._found is None:
            data = self.processes.bytes_of_first(lambda: read_bytes(self.path))
            self._found = Checkpoint.from_bytes(data, self.path, self.fingerprint)
        return self._found

    def _put_aside(self) -> None:
        if self.saved_step is not None:
            return  # it is this training's own
        if self.processes.is_first and self.path.exists():
            older = self.path.with_suffix(OLDER)
            self.path.replace(older)
            warn(
                f"this training starts over; the checkpoint of an interrupted one is now '{older}'. To go on "
                f"from that instead, stop, rename it to '{self.path}' and run: {self.command}"
            )

    def save(self, checkpoint: Checkpoint) -> None:
        """Write it; when the disk is full, say so and go on: the one before stays whole."""
        if not self.processes.is_first:
            return
        self._tried = time.monotonic()
        try:
            checkpoint.save(self.path)
        except OSError as error:
            kept = f"the one of meta step {self.saved_step:,} is kept" if self.saved_step else "there is none"
            warn(
                f"no checkpoint at meta step {checkpoint.now.step:,}: '{self.path}' cannot be written "
                f"({error.strerror}), {kept}; the training goes on, free some space for the next one"
            )
        else:
            self.saved_step, self.saved_stage = checkpoint.now.step, checkpoint.stage

    def remove(self) -> None:
        """The brain is written: nobody needs it any more."""
        if self.processes.is_first:
            self.path.unlink(missing_ok=True)

    @contextmanager
    def told_when_interrupted(self) -> Iterator[None]:
        """Within it an interruption, or an error that is not about the training, says how to go on."""
        try:
            yield
        except AdaptiveAgentsError:
            raise
        except BaseException:
            if self.saved_step is not None and self.processes.is_first:
                messages.print(
                    f"\n{self.saved_stage}: checkpoint of meta step {self.saved_step:,}: {self.path}; "
                    f"go on with: {self.command}",
                    soft_wrap=True,
                    markup=False,
                )
            raise


def checkpoint_path(out: Path) -> Path:
    """Where the checkpoint of the training that writes `out` lies."""
    return out.with_suffix(SUFFIX)


def fingerprint_of(
    settings: TrainSettings, players: Players, validation_players: Players
) -> dict[str, str | int]:
    """What must be equal for the same result: settings by the name of their option, and the data.

    Sessions may have moved: players go by their hashes, and by how many examples they have.
    """
    chosen = {field.name: getattr(settings, field.name) for field in fields(settings)}
    chosen |= asdict(settings.meta_training())
    made_of: dict[str, str | int] = {
        _option(name): _shown(value) for name, value in chosen.items() if name not in WITHOUT_INFLUENCE
    }
    if settings.pooled is not None:
        made_of["hash of the brain of --pooled"] = hashlib.sha256(settings.pooled.read_bytes()).hexdigest()[
            :16
        ]
    made_of["what a session holds (spec)"] = json.dumps(players.spec.to_dict(), sort_keys=True)
    for who, group in (("training", players), ("validation", validation_players)):
        made_of[f"number of {who} players"] = len(group)
        made_of[f"number of examples of the {who} players"] = group.examples
        made_of[f"hash of the {who} players"] = _hash_of(group)
    return made_of


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _shown(value: object) -> str:
    """As it is written on the command line."""
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _hash_of(players: Players) -> str:
    """Who they are, and until when they played."""
    last = players.last_ticks.tolist()
    each = [f"{player_hash(player)} {tick}" for player, tick in zip(players.ids, last, strict=True)]
    return hashlib.sha256("\n".join(each).encode()).hexdigest()[:16]
