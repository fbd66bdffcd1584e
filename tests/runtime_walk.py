"""Does once all that a game does with the addon's Python, and lists the standard modules that this needed.

`python -m tests.runtime_walk` prints them, one a line: the upper part of `native/stdlib.txt`, which says
what travels with a game. Run it after a change of imports, of numpy, onnxruntime or Python.
Needs the built bridge (`make setup`) and the demo's brain; pytrain and the tests' own packages stay out.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ADDON = ROOT / "addons" / "adaptive_agents"
BRAIN = ROOT / "demo_game" / "archer.brain"


def import_everything() -> None:
    """Every module of the addon's package, the ones that only the engine uses included."""
    import adaptive_agents

    for module in pkgutil.walk_packages(adaptive_agents.__path__, "adaptive_agents."):
        importlib.import_module(module.name)


def play(brain_path: Path, folder: Path) -> None:
    """A brain predicts and adapts on a worker thread; a session and a profile are written and read."""
    import time

    import numpy as np

    from adaptive_agents.formats.session import SessionHeader, SessionWriter, read_session
    from adaptive_agents.model.adaptation import AdaptationWorker, apply, make_job, run_job
    from adaptive_agents.model.brain import Brain
    from adaptive_agents.model.profile import Profile

    brain = Brain.load(brain_path.read_bytes(), str(brain_path))
    observations = np.linspace(-1, 1, 40 * brain.input_size, dtype=np.float32).reshape(40, -1)
    targets = np.zeros((40, brain.spec.target_columns), np.float32)
    outputs = brain.predict(observations)
    brain.predict_batched(
        observations[:2, None], {key: np.stack([value, value]) for key, value in brain.init_params.items()}
    )
    profile = Profile("ann")
    memory = profile.memory_for(brain)
    memory.support.append(observations, targets)
    worker = AdaptationWorker()
    worker.submit(make_job([memory], 0))
    while not (outcomes := worker.poll()):
        time.sleep(0.01)
    worker.close()
    apply(outcomes[0])
    run_job(make_job([memory], 1))
    profile.end_episode(0.5)
    profile.save(folder / "ann.profile")
    Profile.load(folder / "ann.profile").memory_for(brain)
    header = SessionHeader(brain.spec, "ann", started_at="2026-01-01T00:00:00Z")
    size = brain.spec.observation_size
    with SessionWriter(folder / "a.session", header, 8) as writer:
        for tick in range(20):
            writer.add(tick, 0, 0, observations[tick, :size], targets[tick])
    read_session(folder / "a.session")
    repr(outputs)  # numpy's printing, as error messages use it


def fail(folder: Path) -> None:
    """What goes wrong in a game, up to the text of the message."""
    import traceback
    import warnings

    from adaptive_agents.formats.session import read_session
    from adaptive_agents.model.brain import Brain
    from adaptive_agents.model.profile import Profile

    (folder / "broken").write_bytes(b"not what it should be")
    for attempt in (
        lambda: Brain.load(b"PK\3\4 and no more", "broken.brain"),
        lambda: Profile.load(folder / "broken"),
        lambda: read_session(folder / "broken"),
        lambda: "ä".encode("ascii"),
    ):
        try:
            attempt()
        except Exception:  # noqa: BLE001 - the text is what is wanted
            traceback.format_exc()
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.warn("as numpy gives them", RuntimeWarning, stacklevel=1)


def standard_modules() -> list[str]:
    """The modules that were imported so far and lie in the standard library as files, by their full names.

    Frozen ones count too: a build of Python may have been told not to use them.
    """
    found = set()
    for name, module in list(sys.modules.items()):
        spec = getattr(module, "__spec__", None)
        if spec is None or spec.name in ("__main__",) or name.split(".")[0] not in sys.stdlib_module_names:
            continue
        if spec.origin != "built-in":
            found.add(spec.name)
    return sorted(found)


def walk(brain: Path, folder: Path) -> list[str]:
    """All of it; the modules."""
    import_everything()
    play(brain, folder)
    fail(folder)
    return standard_modules()


def walk_alone(brain: Path = BRAIN) -> list[str]:
    """The same in an interpreter like the game's: isolated, without site, with nothing imported before."""
    import subprocess
    import sysconfig
    import tempfile

    paths = [ADDON / "python", ADDON / "bin", sysconfig.get_path("platlib")]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-I", "-S", __file__, brain, folder, *paths]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.path[:0] = sys.argv[3:]
        print("\n".join(walk(Path(sys.argv[1]), Path(sys.argv[2]))))
    else:
        print("\n".join(walk_alone()))
