"""The archive that a `.brain` is, opened and checked: format, version, and the hash of every part."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

from adaptive_agents.errors import BrainError

FORMAT = "adaptive_agents.brain"
VERSION = 1
GRAPH_PARTS = ("policy.onnx", "policy_batched.onnx", "adapt.onnx")
FROZEN_PART = "frozen.onnx"
"""Optional: a model that never adapts, which the adapted ones are compared with."""
PARAMS_PART = "init_params.bin"


class Archive:
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
        optional = [FROZEN_PART] if FROZEN_PART in files else []
        self.parts = {part: self._checked(files, part) for part in (*GRAPH_PARTS, PARAMS_PART, *optional)}

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
