"""The state of a running minimisation in a file, which is whole at every moment."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import secrets
import stat
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

from gdx.optimize.files.error import CheckpointError

Path = str | os.PathLike[str]
State = tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]

_FORMAT, _VERSION = "gdx.minimize", 1
# What .npy keeps bit for bit: no objects, which would be pickled, nor another library's dtypes.
_DTYPES = frozenset(map(np.dtype, "?" + np.typecodes["AllInteger"] + np.typecodes["AllFloat"]))

# A temporary file not written to for so many seconds is taken for one of a process that was killed.
_STALE = 24 * 3600.0


def save(path: Path, header: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
    """Write a checkpoint; whatever interrupts this leaves the old file as it was.

    The header is what JSON has (a tuple comes back as a list), the arrays are NumPy's, of numbers
    or truth values; all keep their bits, but that a NaN in the header is any NaN. `path` is used
    as given, and the target of a symbolic link is replaced. The permissions are those of the file
    that is replaced, or of any new file.
    """
    target = _target(path)
    members = {f"arr_{i}": _numbers(*item) for i, item in enumerate(arrays.items())}
    document = {"format": _FORMAT, "version": _VERSION, "header": {**header}, "arrays": [*arrays]}
    members["header"] = np.frombuffer(_json("header", document).encode(), dtype=np.uint8)
    with _temporary(target) as temporary:
        with open(temporary, "xb") as stream:
            # By the clock of the file system, which may be another machine's.
            _sweep(target, os.fstat(stream.fileno()).st_mtime - _STALE)
            with zipfile.ZipFile(stream, "w") as archive:  # savez would pickle, before NumPy 2.1
                for name, array in members.items():
                    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                        np.lib.format.write_array(member, array, allow_pickle=False)
            stream.flush()
            os.fsync(stream.fileno())
        with suppress(OSError):  # there is no old file, or the file system has no permissions
            os.chmod(temporary, stat.S_IMODE(os.stat(target).st_mode))
        os.replace(temporary, target)
    with suppress(OSError):  # not every system opens directories
        directory = os.open(os.path.dirname(target), os.O_RDONLY)
        try:
            os.fsync(directory)  # the new name outlives a loss of power
        finally:
            os.close(directory)


def load(path: Path) -> State | None:
    """Return the header and the arrays of a checkpoint; None if there is no file.

    CheckpointError tells of any other file, or a damaged one. Nothing is unpickled.
    """
    try:
        with open(_target(path), "rb") as stream:
            content = io.BytesIO(stream.read())
    except FileNotFoundError:
        return None
    try:
        with zipfile.ZipFile(content) as archive:
            return _parsed(path, archive)
    except (CheckpointError, MemoryError):
        raise
    except Exception as error:  # damage shows itself in many ways
        raise _refusal(path, f"is no checkpoint, or a damaged one ({error})") from error


def expect(path: Path, header: Mapping[str, Any], wanted: Mapping[str, object]) -> None:
    """Raise CheckpointError at the first entry of `wanted` that `header` lacks, or has otherwise.

    Values are compared as JSON keeps them: a tuple is as good as a list, the order in a dict does
    not count, and NaN equals NaN. What else is in the header is not looked at.
    """
    for name, value in wanted.items():
        if name not in header:
            raise _refusal(path, f"does not say its {name}, which is {value!r} in this run")
        texts = _json(name, header[name]), _json(name, value)
        # NaN is read as a string, because it would differ from itself.
        found, given = (json.loads(text, parse_constant=repr) for text in texts)
        if found != given:
            what = f"is of another run: its {name} is {header[name]!r}, that of this run {value!r}"
            raise _refusal(path, what)


def check_writable(path: Path) -> None:
    """Raise OSError if `save` could not write to `path`; the file is neither made nor changed."""
    target = _target(path)
    if not os.path.isdir(os.path.dirname(target)):
        raise _unusable(errno.ENOENT, path, "its directory does not exist; make it first")
    if os.path.exists(target) and not os.access(target, os.W_OK):
        raise _unusable(errno.EACCES, path, "it is read-only; make it writable")
    # Whether a file can be made there is known for certain only when one was.
    with _temporary(target) as temporary:
        try:
            open(temporary, "xb").close()
        except OSError as error:
            what = f"no file can be made beside it ({error.strerror}); change that"
            raise _unusable(error.errno or errno.EACCES, path, what) from error


def _parsed(path: Path, archive: zipfile.ZipFile) -> State:
    damaged = archive.testzip()
    if damaged is not None:
        raise _refusal(path, f"is damaged: the checksum of {damaged} in it is wrong")
    document = json.loads(_member(archive, "header").tobytes())
    if not isinstance(document, dict) or document.get("format") != _FORMAT:
        raise _refusal(path, "is no checkpoint of gdx")
    if document["version"] != _VERSION:
        versions = f"version {document['version']}, and this gdx reads version {_VERSION}"
        raise _refusal(path, f"is in another format: {versions}")
    arrays = {name: _member(archive, f"arr_{i}") for i, name in enumerate(document["arrays"])}
    return dict(document["header"]), arrays


def _member(archive: zipfile.ZipFile, name: str) -> Any:
    with archive.open(f"{name}.npy") as stream:
        return np.lib.format.read_array(stream, allow_pickle=False)


def _numbers(name: str, array: object) -> Any:
    host = np.asarray(array)
    if host.dtype.newbyteorder("=") not in _DTYPES:
        what = f"numbers or truth values, of a dtype of NumPy's; got {host.dtype}"
        raise TypeError(f"arrays[{name!r}] must hold {what}.")
    return host


def _json(name: str, value: object) -> str:
    try:
        return json.dumps(value)  # the shortest text of a float, from which it is read bit for bit
    except (TypeError, ValueError) as error:
        what = "dicts, lists, strings, Python's numbers, True, False, None"
        raise TypeError(f"{name} must hold what JSON has: {what} ({error}).") from error


def _target(path: Path) -> str:
    """Return the name of the file itself, behind links; raise OSError if it can be no file."""
    name = os.fspath(path) if isinstance(path, os.PathLike) else path
    if not isinstance(name, str):
        raise TypeError(f"the path of a checkpoint must be a str or os.PathLike; got {path!r}.")
    target = os.path.realpath(name)
    if os.path.isdir(target):
        raise _unusable(errno.EISDIR, path, "it is a directory; name a file in it")
    if os.path.exists(target) and not os.path.isfile(target):  # or root would replace /dev/null
        raise _unusable(errno.EINVAL, path, "it is a device, a pipe or a socket; name a file")
    return target


@contextmanager
def _temporary(target: str) -> Iterator[str]:
    """Give a name beside `target` that no other process has, and leave no file of that name."""
    directory, name = os.path.split(target)
    temporary = os.path.join(directory, f".{name}.{secrets.token_hex(8)}.tmp")
    try:
        yield temporary
    finally:
        with suppress(OSError):
            os.unlink(temporary)


def _sweep(target: str, before: float) -> None:
    """Remove temporary files for `target` that have not been written to since `before`.

    Whether its process lives cannot be asked: it may run on another machine. One that slept for
    so long finds its temporary file missing and fails; even then, the target is whole.
    """
    directory, name = os.path.split(target)
    ours = re.compile(rf"\.{re.escape(name)}\.[0-9a-f]{{16}}\.tmp")
    with suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            if ours.fullmatch(entry.name) and entry.stat(follow_symlinks=False).st_mtime < before:
                os.unlink(entry.path)


def _refusal(path: Path, what: str) -> CheckpointError:
    advice = "delete it to begin anew, or give another name."
    return CheckpointError(f"the file {os.fspath(path)!r} {what}; {advice}")


def _unusable(number: int, path: Path, what: str) -> OSError:
    """Return the subclass of OSError that belongs to `number`."""
    return OSError(number, f"no place for a checkpoint: {what}, or give another name", path)
