"""Frames of an append-only file: what was written whole is found again, whatever happened after it.

A frame is two little-endian uint32, the payload's length and a CRC-32 over that length and the payload, and
then the payload.
"""

from __future__ import annotations

import struct
import zlib
from typing import BinaryIO

_PREFIX = struct.Struct("<II")


def pack_frame(payload: bytes) -> bytes:
    """The payload with its length and checksum before it."""
    return _PREFIX.pack(len(payload), _checksum(payload)) + payload


def read_frame(file: BinaryIO, file_size: int) -> bytes | None:
    """Reads the payload of the frame at the file's position, or None if it is cut or damaged."""
    prefix = file.read(_PREFIX.size)
    if len(prefix) < _PREFIX.size:
        return None
    length, checksum = _PREFIX.unpack(prefix)
    if length > file_size - file.tell():
        return None
    payload = file.read(length)
    return payload if _checksum(payload) == checksum else None


def _checksum(payload: bytes) -> int:
    # The length is covered too: a stretch of zeros, as a crash can leave, is then no valid (empty) frame.
    return zlib.crc32(payload, zlib.crc32(len(payload).to_bytes(4, "little")))
