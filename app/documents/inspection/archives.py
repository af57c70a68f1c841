"""Archives and office files (which are archives): limits on what they say they hold, before anything is unpacked."""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from typing import IO

from app.documents.inspection.kinds import KINDS, Kind, Unacceptable, suffix_of

MOST_ENTRIES = 2_000
MOST_DIRECTORY = 1 << 20
MOST_UNPACKED = 1 << 30
MOST_RATIO, RATIO_FROM = 100, 10 << 20
SMALL_ENTRY = 4_096
END = b"PK\x05\x06"
END_SIZE = 22
ARCHIVES = (".zip", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".tar", ".zst", ".jar", ".cab", ".iso")
PROGRAMS = (".exe", ".dll", ".scr", ".com", ".bat", ".cmd", ".ps1", ".vbs", ".js", ".jse", ".wsf", ".hta", ".lnk",
            ".msi", ".app", ".sh", ".html", ".htm", ".svg", ".xhtml")
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"

TOO_MUCH = "This archive would unpack to far more than it should. Please send the files in it one by one."
DAMAGED = "This file is damaged and cannot be opened. Please save it again on your computer and upload the new copy."


def has_archive_at_end(file: IO[bytes], size: int) -> bool:
    """Whether a file that begins as something else ends as an archive: two files in one."""
    return _end_record(file, size) is not None


def inspect_archive(file: IO[bytes], size: int) -> Kind:
    """An office file or a plain archive within every limit; raises Unacceptable."""
    found = _end_record(file, size)
    if found is None:
        raise Unacceptable(DAMAGED)
    entries, directory = found
    if entries > MOST_ENTRIES or directory > MOST_DIRECTORY:
        raise Unacceptable(f"This archive holds more than {MOST_ENTRIES:,} files. Please send them in smaller parts.")
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            _check_amounts(members, size)
            kind = _office_kind(archive, members)
            _check_members(archive, members, plain=kind is None)
    except (zipfile.BadZipFile, NotImplementedError, zlib.error, struct.error, OSError, ValueError, EOFError) as error:
        raise Unacceptable(DAMAGED) from error
    return kind or KINDS["application/zip"]


def _end_record(file: IO[bytes], size: int) -> tuple[int, int] | None:
    """Entries and directory bytes as the archive's very last record says, if there is one."""
    tail_size = min(size, END_SIZE + 0xFFFF)
    file.seek(size - tail_size)
    tail = file.read(tail_size)
    at = tail.rfind(END)
    while at >= 0:
        if len(tail) - at >= END_SIZE:
            fields = struct.unpack("<4s4H2LH", tail[at : at + END_SIZE])
            if at + END_SIZE + fields[7] == len(tail):
                return int(fields[4]), int(fields[5])
        at = tail.rfind(END, 0, at)
    return None


def _check_amounts(members: list[zipfile.ZipInfo], size: int) -> None:
    packed, unpacked = sum(m.compress_size for m in members), sum(m.file_size for m in members)
    if packed > size or unpacked > MOST_UNPACKED:
        raise Unacceptable(TOO_MUCH)
    if unpacked > RATIO_FROM and unpacked > MOST_RATIO * max(packed, 1):
        raise Unacceptable(TOO_MUCH)
    if len(members) > MOST_ENTRIES:
        raise Unacceptable(TOO_MUCH)


def _check_members(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], *, plain: bool) -> None:
    for member in members:
        if _leaves_its_folder(member.orig_filename) or _is_link(member):
            raise Unacceptable("This archive holds names that point outside of it. Please send its files one by one.")
        if member.flag_bits & 0x1:
            raise Unacceptable("This archive is locked with a password, so it cannot be checked. "
                               "Please send its files without the password.")
        if plain and suffix_of(os.path.basename(member.filename)) in ARCHIVES:
            raise Unacceptable("There is an archive inside this archive. Please send the inner files one by one.")
        if plain and suffix_of(os.path.basename(member.filename)) in PROGRAMS:
            raise Unacceptable("This archive holds a program or a web page. Please send the documents alone.")
        if 0 < member.file_size <= SMALL_ENTRY and EICAR in archive.read(member):
            raise Unacceptable("Something harmful was found in this file, so it was not kept.")


def _leaves_its_folder(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    return name.startswith(("/", "\\")) or ".." in parts or (len(name) > 1 and name[1] == ":") or "\x00" in name


def _is_link(member: zipfile.ZipInfo) -> bool:
    return (member.external_attr >> 16) & 0o170000 == 0o120000


def _office_kind(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo]) -> Kind | None:
    names = {member.filename: member for member in members}
    if "mimetype" in names and names["mimetype"].file_size < 200:
        return KINDS.get(archive.read("mimetype").decode("ascii", "replace").strip())
    if "[Content_Types].xml" not in names:
        return None
    for folder, word in (("word/", "wordprocessingml.document"), ("xl/", "spreadsheetml.sheet"),
                         ("ppt/", "presentationml.presentation")):
        if any(name.startswith(folder) for name in names):
            return KINDS["application/vnd.openxmlformats-officedocument." + word]
    return None
