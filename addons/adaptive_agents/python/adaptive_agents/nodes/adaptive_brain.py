"""AdaptiveBrain, a `.brain` file as a resource. Behind `load()` and drag and drop is native/loader.c.

A brain that cannot be read is still a resource, without content: a scene that names it loads, its agents stay
idle, and the reason was printed once.
"""

from __future__ import annotations

from typing import Any

from adaptive_agents.errors import AdaptiveAgentsError, BrainError
from adaptive_agents.godot import engine
from adaptive_agents.godot.declare import Exported, NativeObject, Usage
from adaptive_agents.godot.memory import settle
from adaptive_agents.model.brain import Brain

NO_CONTENT = "it has no content: drag a .brain file here"


def _read(brain: AdaptiveBrain, path: str) -> None:
    try:
        brain.read(path)
    except AdaptiveAgentsError as error:
        engine.push_error(str(error), "AdaptiveBrain.load")


class AdaptiveBrain(NativeObject, base="Resource", is_reference=True):
    """A meta-learned model that predicts, and that a few gradient steps fit to a player."""

    # Stored, so that a copy of the resource has the content, too: to set it is to read the file.
    source_path = Exported[str]("", get=lambda self: self.source, set_=_read, usage=Usage.STORED_READ_ONLY)
    algorithm = Exported[str](get=lambda self: self.brain.algorithm if self.brain else "")
    spec = Exported[dict[str, Any]](get=lambda self: self.brain.spec.to_dict() if self.brain else {})
    scores = Exported[dict[str, Any]](get=lambda self: self.brain.scores if self.brain else {})
    inner_loop = Exported[dict[str, Any]](get=lambda self: vars(self.brain.inner_loop) if self.brain else {})

    def start(self) -> None:
        self.source = ""
        self.brain: Brain | None = None
        self.error = NO_CONTENT

    def read(self, path: str) -> None:
        """Reads the file; what is wrong with it is in `error`, and `brain` is None then.

        An empty path empties the resource.

        Raises:
            AdaptiveAgentsError: the file is missing or damaged.
        """
        self.source = path
        self.brain = None
        self.error = NO_CONTENT
        if not path:
            return
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
