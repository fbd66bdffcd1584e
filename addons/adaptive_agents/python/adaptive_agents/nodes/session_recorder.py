"""SessionRecorder: writes what agents see, and what came of it, to `.session` files."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adaptive_agents.errors import AdaptiveAgentsError, SessionError
from adaptive_agents.formats.session import SessionHeader, read_header
from adaptive_agents.godot import engine
from adaptive_agents.godot.declare import (
    Exported,
    Hint,
    NativeObject,
    Signal,
    Strings,
    engine_method,
    method,
    static_method,
)
from adaptive_agents.godot.notifications import ENTER_TREE, EXIT_TREE
from adaptive_agents.spec import Spec
from adaptive_agents.tick.hub import hub
from adaptive_agents.tick.recording import SessionFile

if TYPE_CHECKING:
    from adaptive_agents.tick.crowd import Crowd
    from adaptive_agents.tick.labels import MaturedLabels
    from adaptive_agents.tick.participants import Agent


def _changed(recorder: SessionRecorder) -> None:
    hub.changed = True
    if not recorder.recording:
        recorder.finish()


class SessionRecorder(NativeObject, base="Node"):
    """Records every AdaptiveAgent below its parent."""

    notifications = (ENTER_TREE, EXIT_TREE)

    recording = Exported[bool](True, changed=_changed)
    player_id = Exported[str]("player", changed=lambda recorder: recorder.player_changed())
    directory = Exported[str]("user://sessions", hint=Hint.directory())
    max_megabytes = Exported[float](64.0, hint=Hint.range("0.1,1024,0.1,or_greater,suffix:MB"))
    seed = Exported[int](0)

    session_saved = Signal(path=str)

    def start(self) -> None:
        self.files: dict[Spec, SessionFile] = {}
        self.finishing: list[SessionFile] = []
        self.numbers: dict[Agent, int] = {}
        self.first_tick: int | None = None
        self.gave_up = False

    def notified(self, what: int) -> None:
        if what == ENTER_TREE:
            hub.add_recorder(self)
        else:
            self.save()
            hub.remove_recorder(self)

    def player_changed(self) -> None:
        """Another player's examples go to another file."""
        self.save()

    @method
    def save(self) -> str:
        """Finishes the session: everything is on the disk when this returns.

        The path of the (last) file; the next example begins another.
        """
        self.finish()
        path = ""
        for file in self.finishing:
            try:
                file.close()
            except SessionError as error:
                engine.push_error(str(error), "SessionRecorder.save")
            path = str(file.path)
        self.tell_finished()
        return path

    @staticmethod
    @static_method
    def describe_session(path: str) -> dict[str, Any]:
        """The head of a `.session` file, for the editor's list; `error` alone where it cannot be read."""
        try:
            header = read_header(engine.absolute_path(path))
        except AdaptiveAgentsError as error:
            return {"error": str(error)}
        return {
            "player_id": header.player_id,
            "seed": header.seed,
            "game_build": header.game_build,
            "started_at": header.started_at,
            "spec": header.spec.to_dict(),
        }

    @engine_method
    def _get_configuration_warnings(self) -> Strings:
        return [] if self.directory else ["Set a directory, for example user://sessions."]

    # ---- for the tick

    def finish(self) -> None:
        """Finishes the session without waiting for the disk; the next example begins another."""
        for file in self.files.values():
            file.finish()
            self.finishing.append(file)
        self.files.clear()
        self.numbers.clear()
        hub.changed = True  # the crowds hold the numbers of the session before
        self.first_tick, self.gave_up = None, False

    def tell_finished(self) -> None:
        """Emits `session_saved` for every file that is on the disk by now."""
        for file in list(self.finishing):
            if file.problem:
                engine.push_error(file.take_problem(), "SessionRecorder")
            if file.is_complete:
                self.finishing.remove(file)
                self.emit("session_saved", str(file.path))

    def fail(self, message: str) -> None:
        """After an exception in one of its callbacks: nothing more is recorded."""
        if not self.gave_up:
            self.gave_up = True
            self.recording = False

    def take(self, crowd: Crowd, labels: MaturedLabels, numbers: object) -> None:
        """Records labelled observations of agents; `numbers` are the agents' numbers in this session."""
        if self.first_tick is None:
            self.first_tick = labels.tick
        file = self.files.get(crowd.spec) or self._new_file(crowd.spec)
        if file is None:
            return
        # Of a window only the newest: those before have rows of their own.
        observations = crowd.window.newest(labels.windows, crowd.spec.observation_size)
        file.put(
            labels.tick - self.first_tick,
            numbers,
            crowd.episodes[labels.slots],
            observations,
            labels.targets,
        )
        if file.problem:
            engine.push_error(file.take_problem(), "SessionRecorder")
        if file.bytes_written > self.max_megabytes * 1e6:
            engine.push_warning(
                f"session '{file.path}' has reached {self.max_megabytes:g} MB (max_megabytes): "
                "recording stops"
            )
            self.recording = False

    def number_of(self, agent: Agent) -> int:
        """The agent's number in this session, given at the first call."""
        return self.numbers.setdefault(agent, len(self.numbers))

    def _new_file(self, spec: Spec) -> SessionFile | None:
        if self.gave_up:
            return None
        folder = Path(engine.absolute_path(self.directory))
        now = datetime.now(UTC)
        header = SessionHeader(
            spec=spec,
            player_id=self.player_id,
            seed=self.seed or hub.seed,
            game_build=hub.game_build,
            started_at=now.isoformat(timespec="seconds"),
        )
        stem = f"{re.sub(r'[^A-Za-z0-9_.-]+', '_', self.player_id) or 'player'}-{now:%Y%m%d-%H%M%S}"
        try:
            file = self.files[spec] = SessionFile.create(folder, stem, header)
        except SessionError as error:
            self.gave_up = True
            engine.push_error(f"{error}; nothing is recorded until then", "SessionRecorder")
            return None
        return file
