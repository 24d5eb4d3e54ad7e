"""Hostile inputs, made from a seed: HDF5 files, checkpoints, pictures, notebooks. Each yields (what, bytes)."""

import hashlib
import io
import json
import random
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import h5py
import numpy as np
from PIL import Image

Inputs = Iterator[tuple[str, bytes]]
LEAK = "/etc/passwd"  # what a file may try to have read


def damaged(content: bytes, chance: random.Random) -> bytes:
    """Bytes changed, cut, doubled or set to what often means something."""
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 5, 40))):
        place = chance.randrange(max(1, len(changed)))
        way = chance.randrange(6)
        if way == 0 and changed:
            changed[place:place + 1] = bytes([chance.randrange(256)])
        elif way == 1:
            changed[place:place + 4] = struct.pack("<I", chance.choice((0, 1, 2**31 - 1, 2**32 - 1, 2**16)))
        elif way == 2:
            changed[place:place + 8] = struct.pack("<Q", chance.choice((0, 2**63, 2**64 - 1, 2**40, len(content))))
        elif way == 3:
            del changed[place:place + chance.randrange(1, 60)]
        elif way == 4:
            changed[place:place] = changed[place:place + chance.randrange(1, 60)]
        else:
            changed[place:place + chance.randrange(1, 20)] = bytes(chance.randrange(1, 20))
    return bytes(changed if chance.random() < 0.9 else changed[:chance.randrange(len(changed) + 1)])


# ------------------------------------------------------------------------------------------------------ HDF5 files

IMAGES = np.random.RandomState(0).randint(0, 256, (6, 8, 8, 3)).astype(np.uint8)
LABELS = np.array([0, 1, 0, 1, 1, 0])


def hdf5(change: Callable[[Any], None] = lambda file: None, packed: bool = False, **options: Any) -> bytes:
    """A small data file, changed."""
    memory = io.BytesIO()
    with h5py.File(memory, "w", **options) as file:
        for part, m in (("train", 6), ("test", 3)):
            how: dict[str, Any] = {"chunks": (2, 8, 8, 3), "compression": "gzip", "shuffle": True} if packed else {}
            file.create_dataset(f"{part}_set_x", data=IMAGES[:m], **how)
            file[f"{part}_set_y"] = LABELS[:m]
        file["list_classes"] = np.array([b"non-cat", b"cat"])
        change(file)
    return memory.getvalue()


def replaced(name: str, make: Callable[[Any, str], Any]) -> Callable[[Any], None]:
    def change(file: Any) -> None:
        del file[name]
        make(file, name)
    return change


def _virtual(source: str, shape: tuple[int, ...]) -> Callable[[Any, str], Any]:
    def make(file: Any, name: str) -> None:
        layout = h5py.VirtualLayout(shape, "u1")
        layout[...] = h5py.VirtualSource(source, name, shape=shape)
        file.create_virtual_dataset(name, layout)
    return make


def _filtered(number: int) -> Callable[[Any, str], Any]:
    def make(file: Any, name: str) -> None:
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk(IMAGES.shape)
        plist.set_filter(number, h5py.h5z.FLAG_OPTIONAL, ())
        space = h5py.h5s.create_simple(IMAGES.shape)
        h5py.Dataset(h5py.h5d.create(file.id, name.encode(), h5py.h5t.NATIVE_UINT8, space, plist))[...] = IMAGES
    return make


def _written(content: bytes) -> Callable[[Any, str], Any]:
    def make(file: Any, name: str) -> None:
        made = file.create_dataset(name, IMAGES.shape, dtype="u1", chunks=IMAGES.shape, compression="gzip")
        made.id.write_direct_chunk((0, 0, 0, 0), content)
    return make


def _link(link: Any) -> Callable[[Any, str], Any]:
    return lambda file, name: file.__setitem__(name, link)


def _dataset(*shape: Any, **how: Any) -> Callable[[Any, str], Any]:
    return lambda file, name: file.create_dataset(name, *shape, **how)


WAYS: dict[str, Callable[[Any, str], Any]] = {
    "external storage": _dataset((6, 8, 8, 3), dtype="u1", external=[(LEAK, 0, 1152)]),
    "texts in external storage": _dataset((2,), dtype="S30", external=[(LEAK, 0, 60)]),
    "a device as storage": _dataset((6,), dtype="u1", external=[("/dev/zero", 0, 6)]),
    "an external link": _link(h5py.ExternalLink(LEAK, "/x")),
    "a link to itself": lambda file, name: file.__setitem__(name, h5py.SoftLink("/" + name)),
    "a link to another": _link(h5py.SoftLink("/test_set_y")),
    "virtual": _virtual(LEAK, (6, 8, 8, 3)), "virtual, of itself": _virtual(".", (6, 8, 8, 3)),
    "10^12 virtual": _virtual(LEAK, (10**6, 1000, 1000, 3)),
    "10^12": _dataset((10**6, 1000, 1000, 3), dtype="u1", chunks=(1, 100, 100, 3)),
    "3 GB of nothing": _dataset((10**5, 100, 100, 3), dtype="u1", chunks=(100, 100, 100, 3), compression="gzip"),
    "one image of 1.2 GB": _dataset((1, 20000, 20000, 3), dtype="u1", chunks=(1, 1000, 1000, 3), compression="gzip"),
    "chunks of 4 GB": _dataset((6, 8, 8, 3), dtype="u1", maxshape=(None,) * 4, chunks=(1000, 1000, 1000, 4)),
    "texts of 2 GB": _dataset((2,), dtype="S2000000000", chunks=(1,)),
    "10^8 texts": _dataset((10**8,), dtype=h5py.string_dtype(), chunks=(10**5,)),
    "200 MB from a chunk": _written(zlib.compress(bytes(200 << 20), 1)), "no zlib": _written(b"garbage"),
    "a filter of others": _filtered(32001), "no filter": _filtered(65000),
    "a group": lambda file, name: file.create_group(name), "a type": _link(np.dtype("u1")),
    "a reference": _dataset((6,), dtype=h5py.ref_dtype), "lists": _dataset((6,), dtype=h5py.vlen_dtype(np.uint8)),
    "empty": _dataset(data=h5py.Empty("u1")), "a number": _dataset(data=np.uint8(1)), "a text": _dataset(data="text"),
    "nothing": _dataset((0, 8, 8, 3), dtype="u1"), "records": _dataset(data=np.zeros(6, [("a", "i4"), ("b", "f8")])),
    "opaque": _dataset(data=np.zeros(6, "V3")), "complex": _dataset(data=np.zeros((6, 8, 8, 3), "c16")),
    "NaN": _dataset(data=np.full((6, 8, 8, 3), np.nan)), "2^63": _dataset(data=np.full(6, 2**63, "u8")),
    "escapes": _dataset(data=np.array([b"\x1b[31mred", b"[red]cat[/]"])), "no UTF-8": _dataset(data=[b"\xff", b"x"]),
    "32 axes": _dataset(data=np.zeros((1,) * 32, "u1")),
}


def data_files(chance: random.Random) -> Inputs:
    """Each way for each dataset, then damage without end."""
    names = ("train_set_x", "train_set_y", "test_set_x", "list_classes")
    for way, make in WAYS.items():
        for name in names:
            try:
                yield f"{name}: {way}", hdf5(replaced(name, make))
            except (TypeError, ValueError, OSError, KeyError):
                continue  # this way is none for this dataset
    bases = [hdf5(), hdf5(packed=True), hdf5(packed=True, libver="latest"), hdf5(userblock_size=512)]
    while True:
        yield "damaged", damaged(chance.choice(bases), chance)


# ----------------------------------------------------------------------------------------------------- checkpoints

VALUES: tuple[Any, ...] = (None, True, -1, 0, 10**9, 10**30, 1.5, float("nan"), "x", "\x1b[31m", [], [[]], {}, {"a": 1},
                           [10**6, 10**6], ["W1"], "x" * 5000)


def sealed(content: bytes, header: Callable[[str], bytes], size: int) -> bytes:
    """With the sha256 that belongs to it, as somebody who means harm would write it."""
    return header(hashlib.sha256(content[size:]).hexdigest()) + content[size:]


def checkpoints(chance: random.Random, whole: bytes, header: Callable[[str], bytes], size: int) -> Inputs:
    """Of a whole checkpoint: other values in it, damage under a new seal, damage."""
    memory = io.BytesIO(whole)
    with h5py.File(memory, "r") as file:
        texts = {name: json.loads(file.attrs[name]) for name in file.attrs}
    while True:
        way = chance.random()
        if way < 0.4:
            yield "damaged", damaged(whole, chance)
        elif way < 0.6:
            yield "damaged and sealed", sealed(damaged(whole, chance), header, size)
        else:
            memory = io.BytesIO(whole)
            with h5py.File(memory, "r+") as file:
                name = chance.choice([*texts])
                value = json.loads(json.dumps(texts[name]))
                inside = value
                while isinstance(inside, dict) and inside and chance.random() < 0.8:
                    key = chance.choice([*inside])
                    if not isinstance(inside[key], dict) or chance.random() < 0.3:
                        inside[key] = chance.choice(VALUES)
                        break
                    inside = inside[key]
                else:
                    value = chance.choice(VALUES)
                file.attrs[name] = np.bytes_(json.dumps(value))
                if chance.random() < 0.3:
                    way_in = chance.choice([*WAYS])
                    try:
                        replaced(chance.choice([f"parameters/{one}" for one in file["parameters"]]), WAYS[way_in])(file)
                    except (TypeError, ValueError, OSError, KeyError):
                        pass
            yield f"{name} is {str(value)[:60]}", sealed(memory.getvalue(), header, size)


# -------------------------------------------------------------------------------------------------------- pictures


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, colour: int = 2, bits: int = 8, content: bytes = b"", more: bytes = b"") -> bytes:
    head = struct.pack(">IIBBBBB", width % 2**32, height % 2**32, bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + more + _chunk(b"IDAT", content) + _chunk(b"IEND", b"")


def pictures(chance: random.Random) -> Inputs:
    squeezed = zlib.compress(bytes(10**6))
    for side in (6000, 9400, 13000, 50000, 2**31 - 1):
        for colour, bits in ((0, 1), (0, 16), (2, 8), (2, 16), (3, 8), (6, 16)):
            yield f"{side} squared", png(side, side, colour, bits, squeezed)
    bomb = zlib.compress(bytes(50 << 20))
    yield "a text of 50 MB", png(3, 3, more=_chunk(b"zTXt", b"k\0\0" + bomb))
    yield "a profile of 50 MB", png(3, 3, more=_chunk(b"iCCP", b"k\0\0" + bomb))
    yield "PostScript", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n%%EndComments\n{ } loop\n%%EOF\n"
    yield "SVG", b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    yield "XBM", b"#define im_width 60000\n#define im_height 60000\nstatic char im_bits[] = {\n0x00 };\n"
    yield "PPM", b"P6\n999999999 999999999\n255\n"
    yield "PDF", b"%PDF-1.4\n%%EOF"
    bases = []
    image = Image.fromarray(IMAGES[0].repeat(3, axis=0).repeat(3, axis=1))
    for kind, mode in (("PNG", "RGB"), ("PNG", "RGBA"), ("PNG", "P"), ("PNG", "I;16"), ("JPEG", "RGB"),
                       ("JPEG", "CMYK"), ("GIF", "P"), ("BMP", "RGB"), ("TIFF", "RGB"), ("TIFF", "F"),
                       ("WEBP", "RGB"), ("ICO", "RGBA")):
        memory = io.BytesIO()
        (image.convert("L").convert("I").convert("I;16") if mode == "I;16" else image.convert(mode)).save(memory, kind)
        bases.append(memory.getvalue())
    memory = io.BytesIO()
    image.save(memory, "TIFF", compression="tiff_lzw")
    bases.append(memory.getvalue())
    while True:
        yield "damaged", damaged(chance.choice(bases), chance)


# ----------------------------------------------------------------------------------------- notebooks and homework

CODE = ("import numpy as np\n\n\ndef sigmoid(z):\n    return 1 / (1 + np.exp(-z))\n\n\ndef propagate(w, b, X, Y):\n"
        "    A = sigmoid(w.T @ X + b)\n    return {'dw': X @ (A - Y).T, 'db': np.sum(A - Y)}, 0.0\n")
ODD: tuple[Any, ...] = (None, 5, -1.5, True, "", "x", [], [[]], ["a", 1], {}, {"a": 1}, "\ud800", "\x1b[31m", "%%bash",
                        "!x")


def notebooks(chance: random.Random) -> Inputs:
    """Notebooks with something else in some place, or nested, or with long numbers; damaged ones; damaged code."""
    for deep in (1000, 10**5):
        yield "nested", b'{"cells": ' + b"[" * deep + b"]" * deep + b"}"
        yield "a long number", b'{"cells": [' + b"9" * deep + b"]}"
        for source in ("(" * deep + "1" + ")" * deep, "x = " + "-" * deep + "1", "x" * deep, "a." * deep + "b"):
            yield "nested code", json.dumps({"cells": [{"cell_type": "code", "source": source}]}).encode()
    while True:
        cell: Any = {"cell_type": "code", "source": CODE.splitlines(True), "metadata": {}, "outputs": []}
        notebook: Any = {"cells": [dict(cell), dict(cell)], "metadata": {}, "nbformat": 4}
        way = chance.random()
        if way < 0.4:
            chance.choice(notebook["cells"])[chance.choice([*cell])] = chance.choice(ODD)
        elif way < 0.6:
            notebook[chance.choice(("cells", "worksheets"))] = chance.choice((*ODD, [chance.choice(ODD)]))
        text = json.dumps(notebook).encode()
        yield "notebook", damaged(text, chance) if way > 0.6 else text


def programs(chance: random.Random) -> Inputs:
    while True:
        yield "damaged code", damaged(CODE.encode(), chance)
