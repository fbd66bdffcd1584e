"""THIRD_PARTY.md: what travels with a game beside the addon, and under which terms.

Taken from what the installed packages say of themselves, so it is true of the very files that are staged.
"""

from __future__ import annotations

import importlib.metadata
import sys
import sysconfig
from pathlib import Path

DISTRIBUTIONS = ("cffi", "msgpack", "numpy", "onnxruntime")
_FILES = ("LICENSE", "LICENCE", "COPYING", "NOTICE", "ThirdPartyNotices")

_HEAD = """\
# Third-party software in this folder

A game made with Adaptive Agents carries the software below. All of it may be given away with a game, also
with one that is sold; the terms ask that these texts come along. Keep this file beside the game.
"""


def third_party() -> str:
    """The whole text.

    Raises:
        LookupError: a package is installed without its licence; the message names it.
    """
    parts = [_HEAD, _part("Python", ".".join(map(str, sys.version_info[:3])), "PSF-2.0", python_licence())]
    parts += [_of_distribution(name) for name in DISTRIBUTIONS]
    return "\n".join(parts)


def python_licence() -> list[Path]:
    """CPython's own licence file."""
    standard = Path(sysconfig.get_path("stdlib"))
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    places = [standard / "LICENSE.txt", Path(f"/usr/share/doc/{version}/copyright"), standard / "LICENSE"]
    found = [path for path in places if path.is_file()]
    if not found:
        raise LookupError(f"no licence of Python {version}: looked for {', '.join(map(str, places))}")
    return found[:1]


def _of_distribution(name: str) -> str:
    distribution = importlib.metadata.distribution(name)
    metadata = distribution.metadata
    files = [Path(str(file.locate())) for file in distribution.files or () if file.name.startswith(_FILES)]
    if not files:
        raise LookupError(
            f"{name} {distribution.version} is installed without a licence file: install it again"
        )
    terms = metadata.get("License-Expression") or metadata.get("License") or "see below"
    return _part(name, distribution.version, terms.splitlines()[0], sorted(files))


def _part(name: str, version: str, terms: str, files: list[Path]) -> str:
    # numpy's packages hold the same text several times, one for each folder that it came from.
    texts = dict.fromkeys(_text(path) for path in files)
    body = "\n".join(f"```text\n{text}\n```\n" for text in texts)
    return f"## {name} {version}\n\nTerms: {terms}\n\n{body}"


def _text(path: Path) -> str:
    text = path.read_text(encoding="utf-8-sig", errors="replace").replace("```", "'''")
    return "\n".join(line.rstrip() for line in text.strip().splitlines())
