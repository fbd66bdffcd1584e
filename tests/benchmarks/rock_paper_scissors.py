"""Real people through the real pipeline: 409 players of rock, paper, scissors against bots.

    python -m tests.benchmarks.rock_paper_scissors convert --out PLAY [--table rounds.csv.gz] [--split 0]
    pytrain train PLAY/meta-train --validation-sessions PLAY/meta-validation --algorithm maml --out maml.brain
    pytrain evaluate *.brain PLAY/meta-test --curve-sec 0 20 100 --headline-sec 100 --query-from-sec 100 \\
        --query-sec 200
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tests.benchmarks.rock_paper_scissors_sessions import convert


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, prog="rock_paper_scissors"
    )
    commands = parser.add_subparsers(required=True)
    to_sessions = commands.add_parser("convert", help="write the table's games as .session files")
    to_sessions.add_argument(
        "--table", type=Path, default=Path("../shared/data/rock_paper_scissors/rounds.csv.gz"), metavar="FILE"
    )
    to_sessions.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="a new folder")
    to_sessions.add_argument("--split", type=int, default=0, help="seed of who is learned from and tested on")
    given = parser.parse_args()
    for part, players in convert(given.table, given.out, given.split).items():
        print(f"{given.out / part}: {players} players")


if __name__ == "__main__":
    main()
