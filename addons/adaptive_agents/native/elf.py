"""Linux libraries without the tools that compilers bring: cut to what is loaded, and asked what they need.

A library built on a developer's machine carries names of source files and lines, three quarters of its size.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

MAGIC = b"\x7fELF"
_LOAD, _DYNAMIC = 1, 2
_DT_NEEDED, _DT_STRTAB, _DT_STRSZ = 1, 5, 10
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_PROGRAM = struct.Struct("<IIQQQQQQ")


@dataclass(frozen=True)
class Segment:
    """A row of the program header: what of the file goes where in memory."""

    kind: int
    offset: int
    address: int
    size: int


def is_elf(data: bytes) -> bool:
    """Whether this is a 64-bit little-endian ELF file, the only kind that the addon is built for."""
    return data[:6] == MAGIC + b"\2\1" and len(data) >= _HEADER.size


def segments(data: bytes) -> Iterator[Segment]:
    """The program header's rows."""
    _, _, _, _, _, start, _, _, _, size, count, *_ = _HEADER.unpack_from(data)
    for row in range(count):
        kind, _, offset, address, _, length, _, _ = _PROGRAM.unpack_from(data, start + row * size)
        yield Segment(kind, offset, address, length)


def trimmed(data: bytes) -> bytes:
    """The file without what the loader never reads: everything behind the last segment, the section table."""
    if not is_elf(data):
        return data
    end = max(each.offset + each.size for each in segments(data))
    header = list(_HEADER.unpack_from(data))
    header[6] = header[11] = header[12] = header[13] = 0  # e_shoff, e_shentsize, e_shnum, e_shstrndx
    return _HEADER.pack(*header) + data[_HEADER.size : end]


def without_path(data: bytes, path: str) -> bytes:
    """The same with an absolute path of this machine made unreadable, in as many bytes.

    Libraries remember where Python was installed, often in a developer's home. A runtime is told its place,
    so nothing looks there. The last part stays: linkers keep a string that ends another only once, and in a
    folder named after it that is the version which Python says it has.
    """
    written = path.encode()
    folder, slash, name = written.rpartition(b"/")
    # What is as short as /usr says nothing, and might be part of something else.
    return data.replace(written, b"/" + b"-" * (len(folder) - 1) + slash + name) if len(written) > 8 else data


def needed(data: bytes) -> list[str]:
    """The libraries that the loader looks for with this one."""
    dynamic, strings = _dynamic(data)
    return [_text(strings, value) for tag, value in dynamic if tag == _DT_NEEDED]


def newest_version(data: bytes, of: str = "GLIBC") -> tuple[int, ...]:
    """The newest version of the C library (or GLIBCXX) that a symbol here asks for; () for none."""
    _, strings = _dynamic(data)
    found = re.findall(rb"\0" + of.encode() + rb"_(\d+(?:\.\d+)+)(?=\0)", strings)
    return max((tuple(map(int, each.split(b"."))) for each in found), default=())


def _dynamic(data: bytes) -> tuple[list[tuple[int, int]], bytes]:
    """The dynamic section's entries, and the strings that they and the symbols name."""
    rows = list(segments(data))
    entries: list[tuple[int, int]] = []
    for row in rows:
        if row.kind == _DYNAMIC:
            entries = list(struct.iter_unpack("<QQ", data[row.offset : row.offset + row.size // 16 * 16]))
    known = dict(entries)
    if _DT_STRTAB not in known:
        return [], b""
    place = known[_DT_STRTAB]
    for row in rows:
        if row.kind == _LOAD and row.address <= place < row.address + row.size:
            start = row.offset + place - row.address
            return entries, data[start : start + known[_DT_STRSZ]]
    return entries, b""


def _text(strings: bytes, start: int) -> str:
    return strings[start : strings.index(b"\0", start)].decode()
