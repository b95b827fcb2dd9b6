"""Checkpoints: what they keep, what they refuse, and that a file is whole whenever one looks."""

from __future__ import annotations

import io
import json
import math
import os
import pathlib
import pickle
import re
import stat
import struct
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest

from gdx.optimize.files.checkpoint import CheckpointError, check_writable, expect, load, save

ADVICE = "delete it to begin anew, or give another name"
HEADER = {"method": "adam", "nit": 3, "fun": 0.1}
ARRAYS = {"x": np.asarray([1.5, -2.0]), "m": np.asarray(7, dtype=np.float32)}

posix = pytest.mark.skipif(os.name != "posix", reason="permissions and signals as POSIX has them")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.npz"


def assert_equal(loaded, header, arrays):
    assert loaded is not None
    assert loaded[0] == header
    assert [*loaded[1]] == [*arrays]
    for name, array in arrays.items():
        found = loaded[1][name]
        assert (found.dtype, found.shape) == (array.dtype, array.shape)
        assert found.dtype.byteorder == array.dtype.byteorder
        assert found.tobytes() == array.tobytes()
        assert found.flags.writeable


def written(header, arrays, tmp_path):
    save(tmp_path / "written", header, arrays)
    return (tmp_path / "written").read_bytes()


def as_npz_of(*arrays, **named):
    stream = io.BytesIO()
    np.savez(stream, *arrays, **named)
    return stream.getvalue()


def as_npz(document, *arrays):
    return as_npz_of(*arrays, header=np.frombuffer(json.dumps(document).encode(), np.uint8))


# --- what is kept ---------------------------------------------------------------------------------

NAN_PAYLOADS = {
    "float16": np.asarray([0x7E01, 0xFE02, 0x7D03], np.uint16).view(np.float16),
    "float32": np.asarray([0x7FC00001, 0xFFC00002, 0x7F800003], np.uint32).view(np.float32),
    "float64": np.asarray([0x7FF8 << 48 | 1, 0xFFF8 << 48 | 2, 0x7FF << 52 | 3], np.uint64).view(
        np.float64
    ),
}


@pytest.mark.parametrize(
    "array",
    [
        *(np.asarray([-0.0, 0.1, np.inf, -np.inf], t) for t in ("f2", "f4", "f8", ">f2", ">f8")),
        *NAN_PAYLOADS.values(),
        np.asarray(-0.0),
        np.asarray(2.5, dtype=np.float16),
        np.empty((0, 3), np.float32),
        np.empty(0),
        np.asarray([[True, False]]),
        np.asarray(True),
        *(np.asarray([0, 1, 100], t) for t in ("i1", "u1", "i2", "i4", ">i4", "i8", "u8")),
        np.asarray([2**64 - 1], np.uint64),
        np.asarray([1 - 2j, complex(np.nan, -0.0)]),
        np.arange(12.0).reshape(3, 4).T,
        np.arange(12.0)[::-2],
    ],
    ids=lambda a: f"{a.dtype.str}{a.shape}",
)
def test_arrays_keep_their_bits(array, path):
    save(path, {}, {"x": array})
    assert_equal(load(path), {}, {"x": array})


@pytest.mark.parametrize(
    "name", ["file", "allow_pickle", "header", "arr_1", "a/b\\c.npy", "", "\0é"]
)
def test_any_name_of_an_array(name, path):
    arrays = {name: np.asarray([1.0]), name + ".npy": np.asarray([2.0])}
    save(path, {}, arrays)
    assert_equal(load(path), {}, arrays)


def test_nothing_at_all(path):
    save(path, {}, {})
    assert load(path) == ({}, {})


def test_the_arrays_are_of_their_own_memory(path):
    save(path, HEADER, ARRAYS)
    before = path.read_bytes()
    _, arrays = load(path)
    arrays["x"][:] = 0
    assert path.read_bytes() == before


def test_numpy_reads_the_file(path):
    save(path, HEADER, ARRAYS)
    with np.load(path, allow_pickle=False) as archive:
        document = json.loads(archive["header"].tobytes().decode("utf-8"))
        assert document["format"] == "gdx.minimize"
        assert document["version"] == 1
        np.testing.assert_array_equal(archive["arr_0"], ARRAYS["x"])


def bits(number):
    return struct.pack("<d", number)


def test_floats_in_the_header_keep_their_bits(path):
    patterns = np.random.default_rng(0).integers(0, 2**64, 20_000, dtype=np.uint64)
    random = patterns.view(np.float64)
    special = [0.0, -0.0, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 0.1, 1 / 3]
    special += [math.inf, -math.inf, 2.0**53 + 2, 1e22, 1e23, 9007199254740993.0]
    numbers = special + random[~np.isnan(random)].tolist()
    save(path, {"numbers": numbers, "numpy": np.float64(0.1)}, {})
    header, _ = load(path)
    assert [*map(bits, header["numbers"])] == [*map(bits, numbers)]
    assert header["numpy"] == 0.1


def test_a_header_of_every_kind(path):
    header = {
        "nan": [math.nan, -math.nan],
        "text": 'é\n"\ud800 \U0001f600',
        "int": 2**130 + 1,
        "nested": {"a": [None, True, False, {}], "": []},
        "format": "another",
        "version": 7,
    }
    save(path, header, {})
    loaded, _ = load(path)
    assert all(map(math.isnan, loaded.pop("nan")))
    assert loaded == {key: value for key, value in header.items() if key != "nan"}
    save(path, {"shape": (2, (3,))}, {})
    assert load(path)[0] == {"shape": [2, [3]]}


def test_one_replaces_another(path):
    save(path, HEADER, {"x": np.zeros(1000)})
    save(path, {"nit": 4}, ARRAYS)
    assert_equal(load(path), {"nit": 4}, ARRAYS)


@pytest.mark.parametrize("kind", [str, pathlib.Path])
@pytest.mark.parametrize("name", ["run", "run.npz", "a b.ckpt", "é", "run.npz.", "[x]*"])
def test_a_name_is_used_as_given(kind, name, tmp_path):
    save(kind(tmp_path / name), HEADER, ARRAYS)
    assert os.listdir(tmp_path) == [name]
    assert_equal(load(kind(tmp_path / name)), HEADER, ARRAYS)


def test_a_name_without_a_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_writable("run")
    assert load("run") is None
    save("run", HEADER, ARRAYS)
    assert os.listdir() == ["run"]


# --- what is not kept, and leaves the old file ----------------------------------------------------


@pytest.mark.parametrize(
    ("header", "arrays", "message"),
    [
        ({"rule": object()}, {}, "header must hold what JSON has: .*object is not JSON"),
        ({"n": np.int64(1)}, {}, "header must hold .*int64"),
        ({}, {"x": np.asarray([None])}, r"arrays\['x'\] must hold numbers .*got object"),
        ({}, {"x": np.zeros(2, [("a", "O")])}, r"arrays\['x'\]"),
        ({}, {"x": np.zeros(2, [("a", "f8")])}, r"arrays\['x'\]"),
        ({}, {"ok": np.zeros(2), "x": np.asarray("text")}, r"arrays\['x'\] .*got <U4"),
    ],
)
def test_what_cannot_be_kept(header, arrays, message, path):
    save(path, HEADER, ARRAYS)
    with pytest.raises(TypeError, match=message):
        save(path, header, arrays)
    assert os.listdir(path.parent) == [path.name]
    assert_equal(load(path), HEADER, ARRAYS)


def test_another_library_s_dtype_is_not_kept_as_raw_bytes(path):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    with pytest.raises(TypeError, match=r"arrays\['x'\] must hold .*got bfloat16"):
        save(path, {}, {"x": np.zeros(2, ml_dtypes.bfloat16)})


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("where", ["write", "fsync", "replace"])
@pytest.mark.parametrize("existed", [True, False])
def test_a_failing_write_leaves_the_old_file(error, where, existed, path, monkeypatch):
    if existed:
        save(path, HEADER, ARRAYS)
    before = path.read_bytes() if existed else None

    def fail(*_args, **_kwargs):
        raise error

    def half(stream, *_args, **_kwargs):
        stream.write(b"half of an array")
        raise error

    if where == "write":
        monkeypatch.setattr(np.lib.format, "write_array", half)
    else:
        monkeypatch.setattr(os, where, fail)
    with pytest.raises(type(error)):
        save(path, {"nit": 4}, {"x": np.zeros(1000)})
    assert os.listdir(path.parent) == ([path.name] if existed else [])
    assert not existed or path.read_bytes() == before


@posix
def test_a_disk_that_is_full_in_the_middle(path):
    import resource

    save(path, HEADER, ARRAYS)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            save(path, {"nit": 4}, {"x": np.zeros(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert os.listdir(path.parent) == [path.name]
    assert_equal(load(path), HEADER, ARRAYS)


def test_a_file_system_without_permissions(path, monkeypatch):
    save(path, HEADER, ARRAYS)

    def refuse(*_args):
        raise PermissionError

    monkeypatch.setattr(os, "chmod", refuse)
    save(path, {"nit": 4}, ARRAYS)
    assert_equal(load(path), {"nit": 4}, ARRAYS)


def test_an_interrupt_between_two_arrays(path, monkeypatch):
    save(path, HEADER, ARRAYS)
    original, calls = zipfile.ZipFile.open, []

    def interrupted(self, *args, **kwargs):
        calls.append(args)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(zipfile.ZipFile, "open", interrupted)
        with pytest.raises(KeyboardInterrupt):
            save(path, {"nit": 4}, ARRAYS)
    assert len(calls) == 3
    assert os.listdir(path.parent) == [path.name]
    assert_equal(load(path), HEADER, ARRAYS)


# --- what is refused ------------------------------------------------------------------------------


def test_no_file(path, tmp_path):
    assert load(path) is None
    assert load(tmp_path / "absent" / "run.npz") is None


@pytest.mark.slow
def test_every_truncation_is_refused(path, tmp_path):
    content = written(HEADER, ARRAYS, tmp_path)
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(CheckpointError, match=ADVICE):
            load(path)
    path.write_bytes(content)
    assert_equal(load(path), HEADER, ARRAYS)


@pytest.mark.slow
@pytest.mark.parametrize("mask", [0x01, 0x08, 0x40, 0x80, 0xFF])
def test_every_damaged_byte_is_refused_or_does_no_harm(mask, path, tmp_path):
    content = written(HEADER, ARRAYS, tmp_path)
    refused = 0
    for place in range(len(content)):
        damaged = bytearray(content)
        damaged[place] ^= mask
        path.write_bytes(damaged)
        try:
            loaded = load(path)
        except CheckpointError:
            refused += 1
        else:
            assert_equal(loaded, HEADER, ARRAYS)
    assert refused > len(content) / 2


class Bomb:
    """Would make a file when unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def npy_of(thing):
    stream = io.BytesIO()
    np.save(stream, np.asarray([thing], dtype=object), allow_pickle=True)
    return stream.getvalue()


GOOD = {"format": "gdx.minimize", "version": 1, "header": {}, "arrays": ["x"]}
DISGUISES = {
    "raw": pickle.dumps,
    "npy": npy_of,
    "header": lambda bomb: as_npz_of(header=np.asarray([bomb], dtype=object)),
    "array": lambda bomb: as_npz(GOOD, np.asarray([bomb], dtype=object)),
}


@pytest.mark.parametrize("disguise", DISGUISES)
def test_nothing_is_unpickled(disguise, path, tmp_path):
    crater = tmp_path / "crater"
    path.write_bytes(DISGUISES[disguise](Bomb(crater)))
    with pytest.raises(CheckpointError, match=ADVICE):
        load(path)
    assert not crater.exists()


def test_the_bomb_is_real(tmp_path):
    crater = tmp_path / "crater"
    pickle.loads(pickle.dumps(Bomb(crater))).close()  # noqa: S301
    assert crater.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no checkpoint, or a damaged one"),
        (b"epoch,loss\n1,0.5\n", "is no checkpoint, or a damaged one"),
        (as_npz_of(weights=np.zeros(3)), "is no checkpoint, .*no item named 'header.npy'"),
        (as_npz([1, 2]), "is no checkpoint of gdx"),
        (as_npz(GOOD | {"format": "other"}, np.zeros(1)), "is no checkpoint of gdx"),
        (as_npz(GOOD | {"version": 0}, np.zeros(1)), "format: version 0, .*reads version 1"),
        (as_npz(GOOD | {"version": 2}), "is in another format: version 2, .*reads version 1"),
        (as_npz(GOOD), "damaged one .*arr_0"),
        (as_npz(GOOD | {"header": 3}, np.zeros(1)), "is no checkpoint, or a damaged one"),
        (as_npz({"format": "gdx.minimize"}), "is no checkpoint, or a damaged one"),
        (as_npz_of(header=np.frombuffer(b"{" * 100_000, np.uint8)), "or a damaged one"),
        (as_npz_of(header=np.frombuffer(b"\xff\xfe{", np.uint8)), "or a damaged one"),
    ],
)
def test_what_is_no_checkpoint(content, message, path):
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=message) as caught:
        load(path)
    assert repr(str(path)) in str(caught.value)
    assert str(caught.value).endswith(f"; {ADVICE}.")
    assert path.read_bytes() == content


def test_too_little_memory_is_not_the_file_s_fault(path, monkeypatch):
    save(path, HEADER, ARRAYS)

    def exhausted(*_args, **_kwargs):
        raise MemoryError

    monkeypatch.setattr(np.lib.format, "read_array", exhausted)
    with pytest.raises(MemoryError):
        load(path)


# --- another run ----------------------------------------------------------------------------------


def test_the_same_run(path):
    header = {"lr": 0.1, "shapes": [[2, 3]], "nan": [math.nan], "deep": {"a": 1, "b": 2}, "nit": 9}
    save(path, header, {})
    header, _ = load(path)
    expect(path, header, {})
    wanted = {"lr": 0.1, "shapes": ((2, 3),), "nan": (math.nan,), "deep": {"b": 2.0, "a": 1}}
    expect(path, header, wanted)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"lr": 0.2, "rule": "sgd"}, "its lr is 0.1, that of this run 0.2"),
        ({"lr": 0.1, "rule": "sgd", "dtypes": 1}, "its rule is 'adam', that of this run 'sgd'"),
        ({"dtypes": ("float64",)}, r"its dtypes is \['float32'\], that of this run \('float64',\)"),
        ({"momentum": 0.9}, "does not say its momentum, which is 0.9 in this run"),
        ({"momentum": None}, "does not say its momentum, which is None in this run"),
        ({"bound": 1.0}, "its bound is nan, that of this run 1.0"),
        ({"lr": math.nan}, "its lr is 0.1, that of this run nan"),
    ],
)
def test_another_run(wanted, message, path):
    header = {"lr": 0.1, "rule": "adam", "dtypes": ["float32"], "bound": math.nan}
    with pytest.raises(CheckpointError, match=message) as caught:
        expect(path, header, wanted)
    assert repr(str(path)) in str(caught.value)
    assert str(caught.value).endswith(f"; {ADVICE}.")


def test_what_cannot_be_compared(path):
    with pytest.raises(TypeError, match="rule must hold what JSON has"):
        expect(path, {"rule": "adam"}, {"rule": object()})


# --- places ---------------------------------------------------------------------------------------


def test_a_good_place_is_left_as_it_is(path):
    check_writable(path)
    assert os.listdir(path.parent) == []
    save(path, HEADER, ARRAYS)
    before = path.read_bytes(), path.stat()
    check_writable(path)
    assert os.listdir(path.parent) == [path.name]
    assert (path.read_bytes(), path.stat()) == before


def test_no_directory(tmp_path):
    with pytest.raises(FileNotFoundError, match="its directory does not exist; make it first"):
        check_writable(tmp_path / "absent" / "run.npz")
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="its directory does not exist"):
        check_writable(tmp_path / "file" / "run.npz")
    with pytest.raises(FileNotFoundError):
        save(tmp_path / "absent" / "run.npz", HEADER, ARRAYS)


@pytest.mark.parametrize("use", [check_writable, load, lambda p: save(p, HEADER, ARRAYS)])
def test_a_directory(use, tmp_path):
    with pytest.raises(IsADirectoryError, match="it is a directory; name a file in it") as caught:
        use(tmp_path)
    assert caught.value.filename == tmp_path
    assert os.listdir(tmp_path) == []


@posix
@pytest.mark.parametrize("use", [check_writable, load, lambda p: save(p, HEADER, ARRAYS)])
def test_a_pipe_is_not_replaced(use, path):
    os.mkfifo(path)
    with pytest.raises(OSError, match="it is a device, a pipe or a socket; name a file"):
        use(path)
    assert stat.S_ISFIFO(path.stat().st_mode)


@pytest.mark.parametrize("use", [check_writable, load, lambda p: save(p, HEADER, ARRAYS)])
@pytest.mark.parametrize("name", [b"run", 3, None])
def test_a_name_that_is_none(use, name):
    with pytest.raises(TypeError, match="path"):
        use(name)


@posix
def test_a_directory_that_cannot_be_written(tmp_path, monkeypatch):
    place = tmp_path / "place"
    place.mkdir()
    if os.geteuid():
        place.chmod(0o500)
    else:  # to root, permissions are nothing

        def refuse(file, *_args):
            raise PermissionError(13, "Permission denied", file)

        monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(PermissionError, match="no file can be made beside it .Permission denied"):
        check_writable(place / "run.npz")


def test_a_name_that_is_too_long(tmp_path):
    with pytest.raises(OSError, match="no file can be made beside it"):
        check_writable(tmp_path / ("x" * 250))


def test_a_file_that_is_read_only(path, monkeypatch):
    save(path, HEADER, ARRAYS)
    path.chmod(0o400)
    if os.name == "posix" and not os.geteuid():
        monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(PermissionError, match="it is read-only; make it writable"):
        check_writable(path)
    path.chmod(0o600)


@posix
@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_permissions_of_a_new_file_are_ordinary(umask, path, tmp_path):
    old = os.umask(umask)
    try:
        save(path, HEADER, ARRAYS)
        (tmp_path / "ordinary").write_text("")
    finally:
        os.umask(old)
    assert path.stat().st_mode == (tmp_path / "ordinary").stat().st_mode


@posix
def test_permissions_of_an_old_file_stay(path):
    save(path, HEADER, ARRAYS)
    path.chmod(0o640)
    save(path, HEADER, ARRAYS)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@posix
@pytest.mark.parametrize("exists", [True, False])
def test_the_target_of_a_link_is_replaced(exists, path, tmp_path):
    (tmp_path / "far").mkdir()
    target = tmp_path / "far" / "target.npz"
    if exists:
        save(target, {}, {})
    (tmp_path / "middle").symlink_to(pathlib.Path("far") / "target.npz")
    path.symlink_to("middle")
    check_writable(path)
    assert target.exists() == exists
    save(path, HEADER, ARRAYS)
    assert path.is_symlink()
    assert not target.is_symlink()
    assert_equal(load(target), HEADER, ARRAYS)
    assert_equal(load(path), HEADER, ARRAYS)
    assert os.listdir(target.parent) == [target.name]


# --- processes that are killed --------------------------------------------------------------------


def test_leftovers_go_when_they_are_old(path, tmp_path):
    day = 24 * 3600
    ages = {
        ".run.npz.0123456789abcdef.tmp": 2 * day,
        ".run.npz.0123456789abcdee.tmp": day / 2,  # its process may be at work
        ".other.npz.0123456789abcdef.tmp": 2 * day,
        ".run.npz.0123456789ABCDEF.tmp": 2 * day,
        ".run.npz.mine.tmp": 2 * day,
        "run.npz.0123456789abcdef.tmp": 2 * day,
        ".runxnpz.0123456789abcdef.tmp": 2 * day,
    }
    for name, age in ages.items():
        (tmp_path / name).write_text("half")
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    save(path, HEADER, ARRAYS)
    assert {*os.listdir(tmp_path)} == {*ages, "run.npz"} - {".run.npz.0123456789abcdef.tmp"}
    assert_equal(load(path), HEADER, ARRAYS)


def test_a_leftover_that_cannot_be_removed(path, tmp_path):
    leftover = tmp_path / ".run.npz.0123456789abcdef.tmp"
    leftover.mkdir()
    os.utime(leftover, (0, 0))
    save(path, HEADER, ARRAYS)
    assert_equal(load(path), HEADER, ARRAYS)


# One process imports gdx and makes the others, because an import takes longer than their lives.
# Each dies before another line of `save`, or before another call within the library it writes with.
KILLER = """
import os, shutil, signal, sys, zipfile
import numpy as np
from gdx.optimize.files import checkpoint

path = sys.argv[1]
STATES = [({"state": i}, {"x": np.full(500 + i, float(i))}) for i in range(2)]
LINES = {checkpoint.__file__: "line", zipfile.__file__: "call"}

def die_before(step):
    def look(frame, event, _):
        nonlocal step
        if event == LINES.get(frame.f_code.co_filename):
            step -= 1
            if step < 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return look

    sys.settrace(look)

before = path + ".before"
checkpoint.save(before, *STATES[0])
found, leftovers = [], []
while True:
    shutil.copy(before, path)
    child = os.fork()
    if not child:
        die_before(len(found))
        checkpoint.save(path, *STATES[1])
        os._exit(0)
    _, status = os.waitpid(child, 0)
    header, arrays = checkpoint.load(path)
    state = header["state"]
    assert header == STATES[state][0]
    assert arrays.keys() == {"x"}
    np.testing.assert_array_equal(arrays["x"], STATES[state][1]["x"], strict=True)
    if not os.WIFSIGNALED(status):
        assert os.waitstatus_to_exitcode(status) == 0
        break
    found.append(state)
    folder = os.path.dirname(path)
    left = [os.path.join(folder, name) for name in os.listdir(folder)]
    for name in left:
        if name not in (path, before):
            leftovers.append(os.path.basename(name))
            os.unlink(name)
print(*found)
print(*leftovers)
"""


@pytest.mark.slow
@posix
def test_a_killed_process_leaves_the_old_file_or_the_new(path):
    done = subprocess.run(
        [sys.executable, "-c", KILLER, str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found, leftovers = map(str.split, done.stdout.splitlines())
    assert found == sorted(found)
    assert min(found.count("0"), found.count("1")) >= 5
    assert len(leftovers) > 5  # of those that died while they wrote
    assert all(re.fullmatch(r"\.run\.npz\.[0-9a-f]{16}\.tmp", name) for name in leftovers)
    save(path, HEADER, ARRAYS)
    assert_equal(load(path), HEADER, ARRAYS)


def test_two_processes_that_save_at_once(path):
    writer = (
        "import sys, numpy as np\n"
        "from gdx.optimize.files.checkpoint import save\n"
        "for i in range(50): save(sys.argv[1], {'by': sys.argv[2]}, {'x': np.full(999, i)})\n"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", writer, str(path), name]) for name in ("a", "b")
    ]
    while any(writer.poll() is None for writer in writers):
        loaded = load(path)
        assert loaded is None or len({*loaded[1]["x"].tolist()}) == 1
        time.sleep(0.001)
    assert [writer.wait() for writer in writers] == [0, 0]
    assert os.listdir(path.parent) == [path.name]
