"""AdaptiveBrain, a `.brain` file as a resource, and the loader behind `load()` and drag and drop.

A brain that cannot be read is still a resource, without content: a scene that names it loads, its agents stay
idle, and the reason was printed once.
"""

from __future__ import annotations

from typing import Any

from adaptive_agents.brain import Brain
from adaptive_agents.errors import AdaptiveAgentsError, BrainError
from adaptive_agents.godot import engine
from adaptive_agents.godot.declare import AnyValue, Exported, Name, NativeObject, Strings, engine_method
from adaptive_agents.godot.register import new
from adaptive_agents.godot.start import settle

EXTENSION = "brain"


class AdaptiveBrain(NativeObject, base="Resource", is_reference=True):
    """A meta-learned model that predicts, and that a few gradient steps fit to a player."""

    source_path = Exported[str](get=lambda self: self.source)
    algorithm = Exported[str](get=lambda self: self.brain.algorithm if self.brain else "")
    spec = Exported[dict[str, Any]](get=lambda self: self.brain.spec.to_dict() if self.brain else {})
    scores = Exported[dict[str, Any]](get=lambda self: self.brain.scores if self.brain else {})
    inner_loop = Exported[dict[str, Any]](get=lambda self: vars(self.brain.inner_loop) if self.brain else {})

    def start(self) -> None:
        self.source = ""
        self.brain: Brain | None = None
        self.error = "it has no content: drag a .brain file here"

    def read(self, path: str) -> None:
        """Reads the file; what is wrong with it is in `error`, and `brain` is None then.

        Raises:
            AdaptiveAgentsError: the file is missing or damaged.
        """
        self.source = path
        self.brain = None
        try:
            self.brain = Brain.load(engine.read_file(path), path)
        except OSError as error:
            self.error = (
                f"brain '{path}' cannot be opened ({error}): "
                "check the path, or train one with `pytrain train`"
            )
            raise BrainError(self.error) from error
        except AdaptiveAgentsError as error:
            self.error = str(error)
            raise
        self.error = ""
        settle()  # the first brain has imported onnxruntime


class AdaptiveBrainLoader(NativeObject, base="ResourceFormatLoader", is_reference=True):
    """Teaches the engine's ResourceLoader the extension `.brain`."""

    is_exposed = False

    @engine_method
    def _get_recognized_extensions(self) -> Strings:
        return [EXTENSION]

    @engine_method
    def _handles_type(self, kind: Name) -> bool:
        return kind in ("AdaptiveBrain", "Resource")

    @engine_method
    def _get_resource_type(self, path: str) -> str:
        return "AdaptiveBrain" if path.lower().endswith(f".{EXTENSION}") else ""

    @engine_method
    def _load(self, path: str, original_path: str, _use_sub_threads: bool, _cache_mode: int) -> AnyValue:
        brain = new(AdaptiveBrain)
        try:
            brain.object.read(original_path or path)
        except AdaptiveAgentsError as error:
            engine.push_error(str(error), "AdaptiveBrain.load")
        return brain


_loader: Any = None


def add_loader() -> None:
    """Makes the engine ask AdaptiveBrainLoader about `.brain` files."""
    global _loader
    _loader = new(AdaptiveBrainLoader)
    engine.call(engine.singleton("ResourceLoader"), "add_resource_format_loader", _loader, True)


def remove_loader() -> None:
    """Takes it away again."""
    global _loader
    engine.call(engine.singleton("ResourceLoader"), "remove_resource_format_loader", _loader)
    _loader = None
