"""Enlarge a picture with the exported network beside this file. Needs only numpy and onnxruntime.

    python NAME_run.py picture.png result.png

The network is NAME.onnx in the same folder (or NAME.xml, then openvino is needed instead of onnxruntime). Pictures are
PNG with 8 bits per channel, or .npy arrays (height, width, 3), uint8 or float32 in 0..1. From Python:
`enlarge(array, *load(path))`. Large pictures are cut into tiles by the rule that is stored in the network's file.
"""

import json
import struct
import sys
import zlib
from collections.abc import Callable
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Run = Callable[[Array], Array]
Rule = dict[str, Any]


def load(path: Path) -> tuple[Run, Rule]:
    """Load a network: return a function (1, 3, H, W) -> (1, 3, H * scale, W * scale), and its tiling rule."""
    if path.suffix == ".xml":
        import openvino

        core = openvino.Core()
        model = core.read_model(path)
        stored = model.get_rt_info(["sr_demo", "rule"]).astype(str)
        # Without this hint some processors compute in bf16, which rounds to 8 bits.
        compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        return lambda x: np.asarray(compiled(x)[0], np.float32), json.loads(stored)
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    stored = session.get_modelmeta().custom_metadata_map["rule"]
    return lambda x: np.asarray(session.run(None, {"lr": x})[0], np.float32), json.loads(stored)


def enlarge(image: NDArray[Any], run: Run, rule: Rule, side: int = 256) -> Array:
    """Upscale an image in tiles.

    Args:
        image: (H, W, 3), uint8 or float in 0..1.
        run: the network.
        rule: its tiling rule.
        side: largest side of a tile.

    Returns:
        (H * scale, W * scale, 3) float32 in 0..1.
    """
    lr = image.astype(np.float32) / (255 if image.dtype == np.uint8 else 1)
    scale, blend = int(rule["scale"]), int(rule["blend"])
    height, width = lr.shape[:2]
    out = np.zeros((height * scale, width * scale, 3), np.float32)
    side = min(side, int(rule["largest"]), int(rule["seen"]) - 2 * int(rule["halo"]))
    for top, bottom, row_low, row_high in spans(height, side, rule):
        for left, right, low, high in spans(width, side, rule):
            part = lr[row_low:row_high, low:high].transpose(2, 0, 1)[None]
            tile = run(np.ascontiguousarray(part))[0].transpose(1, 2, 0)
            rows = weights(top, bottom, row_low, row_high, height, blend, scale)
            columns = weights(left, right, low, high, width, blend, scale)
            target = out[row_low * scale : row_high * scale, low * scale : high * scale]
            target += tile * (rows[:, None] * columns[None, :])[..., None]
    return np.clip(out, 0, 1)


def spans(length: int, side: int, rule: Rule) -> list[tuple[int, int, int, int]]:
    """Divide `length` into the fewest even parts: [start, stop) of each, and [low, high) of the part with its halo."""
    multiple, halo = int(rule["multiple_of"]), int(rule["halo"])
    step = max(side // multiple, 1) * multiple
    count = ceil(length / step)
    even = ceil(ceil(length / count) / multiple) * multiple
    starts = range(0, length, even)
    return [(s, min(s + even, length), max(s - halo, 0), min(s + even + halo, length)) for s in starts]


def weights(start: int, stop: int, low: int, high: int, length: int, blend: int, scale: int) -> Array:
    """Return the weight of each row (or column) of a tile: 1 inside, 0 in the halo, a cosine over 2 * `blend` between."""
    x = (np.arange(low * scale, high * scale) + 0.5) / scale
    weight = np.ones_like(x)
    for border, sign in ((start, 1), (stop, -1)):
        if 0 < border < length:
            if blend:
                t = np.clip(sign * (x - border) / blend, -1, 1)
                weight *= np.sin(np.pi / 4 * (1 + t)) ** 2
            else:
                weight *= sign * (x - border) > 0
    return weight.astype(np.float32)


def read(path: Path) -> NDArray[Any]:
    """Read a PNG or .npy file as (H, W, 3)."""
    if path.suffix.lower() == ".npy":
        array = np.load(path)
        if array.ndim != 3 or array.shape[2] != 3 or array.dtype not in (np.uint8, np.float32, np.float64):
            sys.exit(f"{path} is not (height, width, 3), uint8 or float, but {array.shape}, {array.dtype}.")
        return array
    content, place, packed, palette, header = path.read_bytes(), 8, b"", b"", b""
    if content[:8] != b"\x89PNG\r\n\x1a\n":
        sys.exit(f"{path} is neither PNG nor .npy. Convert it first.")
    while place < len(content):
        size, kind = struct.unpack(">I4s", content[place : place + 8])
        data = content[place + 8 : place + 8 + size]
        header, palette = (data if kind == b"IHDR" else header), (data if kind == b"PLTE" else palette)
        packed += data if kind == b"IDAT" else b""
        place += size + 12
    width, height, bits, colours, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    if bits != 8 or interlaced:
        sys.exit(f"{path} has {bits} bits per channel or is interlaced. Save it as plain 8-bit PNG, or as .npy.")
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colours]
    samples = unfiltered(zlib.decompress(packed), height, width, channels)
    if colours == 3:
        return np.frombuffer(palette, np.uint8).reshape(-1, 3)[samples[..., 0]]
    if channels in (2, 4):
        sys.stderr.write("Transparency is ignored.\n")
    return samples[..., :3] if channels >= 3 else np.repeat(samples[..., :1], 3, axis=2)


def unfiltered(data: bytes, height: int, width: int, channels: int) -> NDArray[np.uint8]:
    """Undo PNG's row filters (PNG specification, section 9)."""
    lines = np.frombuffer(data, np.uint8).reshape(height, width * channels + 1)
    above = np.zeros(width * channels, np.uint8)
    rows: list[NDArray[np.uint8]] = []
    for line in lines:
        kind, row = int(line[0]), line[1:].copy()
        if kind == 1:
            row = np.cumsum(row.reshape(width, channels), axis=0, dtype=np.uint8).reshape(-1)
        elif kind == 2:
            row += above
        elif kind in (3, 4):
            before, over, now = [0] * channels, above.tolist(), row.tolist()
            for i, value in enumerate(now):
                a, b = (now[i - channels] if i >= channels else 0), over[i]
                c = over[i - channels] if i >= channels else before[0]
                now[i] = (value + ((a + b) // 2 if kind == 3 else paeth(a, b, c))) & 255
            row = np.array(now, np.uint8)
        rows.append(row)
        above = row
    return np.stack(rows).reshape(height, width, channels)


def paeth(a: int, b: int, c: int) -> int:
    """Return the one of a (left), b (above) and c (above left) that is nearest to a + b - c."""
    p = a + b - c
    return min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]


def write(path: Path, image: Array) -> None:
    """Write (H, W, 3) float in 0..1 as .npy, or rounded as 8-bit PNG."""
    if path.suffix.lower() == ".npy":
        with path.open("wb") as file:  # np.save would append .npy to a name that ends in .NPY
            np.save(file, image)
        return
    height, width = image.shape[:2]
    samples = np.rint(image * 255).astype(np.uint8).reshape(height, -1)
    lines = np.concatenate([np.zeros((height, 1), np.uint8), samples], axis=1)
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(lines.tobytes(), 6)),
        (b"IEND", b""),
    ]
    chunks = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))


def main() -> None:
    """Run the command line."""
    if len(sys.argv) != 3:
        sys.exit(f"usage: python {Path(__file__).name} picture.png result.png")
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    stem = Path(__file__).stem.removesuffix("_run")
    networks = [Path(__file__).with_name(stem + suffix) for suffix in (".onnx", ".xml")]
    network = next((path for path in networks if path.exists()), None)
    if network is None:
        sys.exit(f"{networks[0]} is missing: keep it in the folder of this program.")
    if target.suffix.lower() not in (".png", ".npy"):
        sys.exit(f"{target} is neither .png nor .npy: choose such a name for the result.")
    try:
        image = read(source)
    except (OSError, ValueError, LookupError, struct.error, zlib.error) as exc:
        sys.exit(f"{source} cannot be read ({exc}).")
    loaded = load(network)
    try:
        result = enlarge(image, *loaded)
    except Exception as exc:  # each runtime has its own kinds, such as for a picture that is too small
        sys.exit(f"{source} cannot be enlarged ({exc}).")
    try:
        write(target, result)
    except OSError as exc:
        sys.exit(f"{target} cannot be written ({exc.strerror}).")


if __name__ == "__main__":
    main()
