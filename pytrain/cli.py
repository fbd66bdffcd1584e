"""The command line: `pytrain record | train | evaluate | inspect | play | demo`.

Each command is a dataclass of settings (its fields are the `--help`) and a function that takes it. A user's
mistake ends with one clear message and exit code 2, Ctrl-C with 130, SIGTERM with 143; a traceback means a
mistake of ours.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

from tyro.extras import subcommand_cli_from_dict

from pytrain.commands import EvaluateCommand, run_evaluate, run_train
from pytrain.console import fail, messages
from pytrain.demo import DemoSettings
from pytrain.demo import run as run_demo
from pytrain.errors import AdaptiveAgentsError
from pytrain.evaluation.inspection import InspectSettings
from pytrain.evaluation.inspection import run as run_inspect
from pytrain.games.play import PlaySettings
from pytrain.games.play import run as run_play
from pytrain.games.record import RecordSettings
from pytrain.games.record import run as run_record
from pytrain.settings import TrainSettings
from pytrain.setup.debian import SetupError

USER_MISTAKE = 2
INTERRUPTED = 128 + signal.SIGINT
ENDING_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Command:
    """A subcommand."""

    settings: type
    run: Callable[[Any], None]
    kept: str
    """What an interruption leaves behind."""


COMMANDS = {
    "record": Command(
        RecordSettings, run_record, "every finished session is whole, the others end at their last chunk"
    ),
    "train": Command(TrainSettings, run_train, "no brain was written, and an older one is untouched"),
    "evaluate": Command(EvaluateCommand, run_evaluate, "nothing was written"),
    "play": Command(PlaySettings, run_play, "the results of finished conditions are in the --out folder"),
    "inspect": Command(InspectSettings, run_inspect, "nothing was written"),
    "demo": Command(DemoSettings, run_demo, "finished stages are in the --out folder"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code; `SystemExit` for `--help` and for unknown options."""
    settings = _parse(arguments)
    command = next(command for command in COMMANDS.values() if type(settings) is command.settings)
    try:
        with _unwound_when_ended():
            command.run(settings)
    except (AdaptiveAgentsError, SetupError) as error:
        fail(str(error))
        return USER_MISTAKE
    except OSError as error:
        fail(_describe(error))
        return USER_MISTAKE
    except KeyboardInterrupt:
        messages.print(f"\ninterrupted; {command.kept}")
        return INTERRUPTED
    except Ended as ended:
        messages.print(f"\nended by {ended.signal.name}; {command.kept}")
        return 128 + ended.signal
    return 0


class Ended(BaseException):
    """Somebody asked this process to end; like KeyboardInterrupt, and for the same reason no Exception."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.signal = signal.Signals(number)


@contextmanager
def _unwound_when_ended() -> Iterator[None]:
    """Lets a request to end run the `finally` blocks, which stop what this process has started."""

    def end(number: int, frame: FrameType | None) -> None:
        del frame
        for each in ENDING_SIGNALS:
            signal.signal(each, signal.SIG_IGN)  # asking twice must not interrupt the stopping
        raise Ended(number)

    before = {number: signal.signal(number, end) for number in ENDING_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _parse(arguments: Sequence[str] | None) -> Any:
    return subcommand_cli_from_dict(
        {name: command.settings for name, command in COMMANDS.items()},
        prog="pytrain",
        description="Train enemies that learn how a player plays, and show what that gains.\n"
        "`pytrain COMMAND --help` explains the settings of a command.",
        args=arguments,
        sort_subcommands=False,
    )


def _describe(error: OSError) -> str:
    if error.filename is None:
        return f"the system refused ({error.strerror or error}); free some space or check the permissions"
    return f"'{error.filename}': {error.strerror}; check the path, its permissions and the space left"


if __name__ == "__main__":
    sys.exit(main())
