"""Owns: the small files in test/golden/files, made by the libraries that others make theirs with. Does not: say what they hold: test/data does.

    pip install numpy==2.4.6 pillow==13.0.0 pyarrow==26.0.1
    python scripts/golden/make_files.py

The same bytes each time, by the same versions.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageCms, ImageOps

FOLDER = Path(__file__).resolve().parents[2] / "test" / "golden" / "files"


def counting(*shape, dtype="uint8"):
    """0, 1, 2, … , 250, 0, … row-major."""
    return (np.arange(np.prod(shape)) % 251).astype(dtype).reshape(shape)


def numpy_files():
    small = {
        "x_train": counting(7, 3, 4),
        "y_train": np.array([0, 1, 2, 0, 1, 2, 2], "uint8"),
        "x_test": counting(3, 3, 4)[:, ::-1],
        "y_test": np.array([2, 1, 0], "uint8"),
    }
    np.savez(FOLDER / "stored.npz", **small)
    np.savez_compressed(FOLDER / "compressed.npz", **small)
    numbers = np.array([[0, 1], [2, 3], [100, 7]])
    np.savez(
        FOLDER / "types.npz",
        y=np.array([1, 0, 1]),
        **{f"{order}{kind}": numbers.astype(np.dtype(order + kind)) for kind in ("i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8") for order in "<>"},
        b1=numbers > 1,
        i1=-numbers.astype("i1"),
        half=np.array([[65504, -(2.0**-24)], [2.0**-14, 0.1], [-0.0, 1 / 3]], "f2"),
        wide=np.array([[2**31], [0], [1]]),
        nan=np.array([[0.0, 1], [2, np.nan], [3, 4]]),
        complex=np.ones((3, 2), "c8"),
        text=np.array(["a", "b", "c"]),
        objects=np.array([{}, {}, {}], object),
        dates=np.array(["2026-01-01"] * 3, "M8[D]"),
        records=np.zeros(3, [("a", "i4"), ("b", "f4")]),
        scalar=np.float32(1),
        longer=np.zeros((4, 2), "f4"),
    )
    cube = np.arange(24, dtype="i4").reshape(4, 2, 3)
    np.savez_compressed(FOLDER / "fortran.npz", x=np.asfortranarray(cube), y=np.arange(4, dtype="u1"), straight=cube)
    holes = np.arange(24, dtype="f4").reshape(4, 2, 3)
    holes[2, 1, 2] = np.nan
    np.savez(FOLDER / "holes.npz", straight=holes, slanted=np.asfortranarray(holes), y=np.arange(4, dtype="u1"))
    for major in (1, 2, 3):
        with open(FOLDER / f"version_{major}.npy", "wb") as file:
            np.lib.format.write_array(file, np.arange(6, dtype="f4").reshape(3, 2), version=(major, 0))


def parquet_files():
    columns = {
        "length": pa.array([1.5, 2.25, -3.0, 0.1, 1e-3], pa.float64()),
        "width": pa.array([1, 2, 3, 4, -5], pa.int64()),
        "flag": pa.array([True, False, True, True, False]),
        "small": pa.array([0, 1, 255, 3, 4], pa.uint8()),
        "half": pa.array(np.array([0.5, 1, 2, 3, 4], "f2")),
        "pixels": pa.array([[i, i + 1, i + 2] for i in range(5)], pa.list_(pa.int16())),
        "kind": pa.array(["dog", "cat", "dog", "eel", "cat"]).dictionary_encode(),
        "label": pa.array([0, 1, 0, 2, 1], pa.int32()),
        "ragged": pa.array([[1.0], [1.0, 2.0], [], [3.0], [4.0]]),
        "gone": pa.array([[1.0, 2.0], [1.0, 2.0], None, [3.0, 4.0], [4.0, 5.0]]),
        "holes": pa.array([1, 2, None, 4, 5], pa.int32()),
        "far": pa.array([1, 2**53 + 1, 3, 4, 5], pa.int64()),
        "when": pa.array([0, 1, 2, 3, 4], pa.timestamp("us")),
        "day": pa.array([0, 1, 2, 3, 4], pa.date32()),
        "raw": pa.array([b"a", b"b", b"c", b"d", b"e"]),
        "record": pa.array([{"a": 1}] * 5),
        "deep": pa.array([[[1]]] * 5),
        "price": pa.array([1, 2, 3, 4, 5], pa.decimal128(9, 2)),
    }
    table = pa.table(columns)
    pq.write_table(table, FOLDER / "columns.parquet", row_group_size=2)
    two = [pa.array([1.0, 2.0]), pa.array([5.0, 6.0]), pa.array([0, 1])]
    pq.write_table(pa.Table.from_arrays(two, ["a", "a", "label"]), FOLDER / "twice.parquet")
    # As pandas writes a DataFrame of the rows 7 and 9.
    rows = pa.table({"a": [1.5, 3.5], "b": [2.5, 4.5], "label": [0, 1], "__index_level_0__": [7, 9]})
    pandas = {"pandas": '{"index_columns": ["__index_level_0__"]}'}
    pq.write_table(rows.replace_schema_metadata(pandas), FOLDER / "index.parquet")
    for compression in ("none", "gzip", "zstd", "brotli", "lz4"):
        pq.write_table(table.select(["length", "label"]), FOLDER / f"{compression}.parquet", compression=compression)


def odd_profile():
    """sRGB with red and blue exchanged: whoever applies it changes nearly every pixel."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile.replace(b"rXYZ", b"~~~~").replace(b"bXYZ", b"rXYZ").replace(b"~~~~", b"bXYZ")


def pictures():
    folder = FOLDER / "pictures"
    folder.mkdir(exist_ok=True)
    draws = np.random.Generator(np.random.PCG64(1))
    noise = draws.integers(0, 256, (17, 23, 4), dtype=np.uint8)
    rows, columns = np.mgrid[0:17, 0:23]
    smooth = np.stack([rows * 14, columns * 11, (rows + columns) * 6], -1).astype(np.uint8)
    color, picture = Image.fromarray(noise[..., :3]), Image.fromarray(smooth)
    turned = Image.Exif()
    turned[0x0112] = 6
    files = {
        "rgb.png": (color, {}),
        "gray.png": (Image.fromarray(noise[..., 0]), {}),
        "gray16.png": (Image.fromarray(noise[..., 0].astype(np.uint16) * 256 + noise[..., 1]), {}),
        "rgba.png": (Image.fromarray(noise), {}),
        "la.png": (Image.fromarray(noise[..., :2], "LA"), {}),
        "palette.png": (picture.quantize(16), {}),
        "bits.png": (Image.fromarray(noise[..., 0] > 128), {}),
        "profile.png": (color, {"icc_profile": odd_profile()}),
        "full.jpg": (picture, {"quality": 90, "subsampling": 0}),
        "half.jpg": (picture, {"quality": 50, "subsampling": 2}),
        "progressive.jpg": (color, {"quality": 80, "progressive": True}),
        "gray.jpg": (picture.convert("L"), {"quality": 80}),
        "profile.jpg": (picture, {"quality": 90, "icc_profile": odd_profile()}),
        "turned.jpg": (picture, {"quality": 90, "exif": turned}),
        "lossless.webp": (color, {"lossless": True}),
        "lossy.webp": (picture, {"quality": 80}),
        "picture.tiff": (color, {}),
        "picture.gif": (picture.quantize(16), {}),
        "cmyk.jpg": (picture.convert("CMYK"), {}),
    }
    pixels = {}
    for name, (image, options) in files.items():
        image.save(folder / name, **options)
        if name == "cmyk.jpg":
            continue
        read = Image.open(folder / name)
        if name == "gray16.png":
            pixels[f"{name} gray"] = np.asarray(read)
            pixels[f"{name} gray 5x7"] = np.asarray(read.resize((7, 5), Image.BILINEAR))
            continue
        pixels[f"{name} rgb"] = np.asarray(read.convert("RGB"))
        pixels[f"{name} gray"] = np.asarray(read.convert("L"))
    for name in ("rgb.png", "full.jpg"):
        read = Image.open(folder / name).convert("RGB")
        for height, width in ((5, 7), (31, 40), (17, 40), (8, 8), (40, 8)):
            pixels[f"{name} stretch {height}x{width}"] = np.asarray(read.resize((width, height), Image.BILINEAR))
            pixels[f"{name} crop {height}x{width}"] = np.asarray(ImageOps.fit(read, (width, height), Image.BILINEAR))
    np.savez_compressed(FOLDER / "pixels.npz", **pixels)
    whole = (folder / "full.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) * 2 // 3])
    (folder / "text.png").write_text("no picture\n")


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    numpy_files()
    parquet_files()
    pictures()
