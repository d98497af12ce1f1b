"""The worker process of SUPIR: a program for the Python (3.8 or newer) of its checkout, not a module of this package.

It reads one line of JSON that describes what to load, then one line per image. It writes {"ready"}, {"step": n}, {"done"} or
{"failed": why} to standard output, one line each. The output of SUPIR itself is redirected to standard error.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

_FILES = {
    "SDXL_CKPT": ("sd_xl_base*.safetensors",),
    "SUPIR_CKPT_Q": ("*v0Q*.safetensors", "*v0Q*.ckpt"),
    "SUPIR_CKPT_F": ("*v0F*.safetensors", "*v0F*.ckpt"),
}
"""Name in SUPIR's options file -> patterns of the file names."""


def main() -> None:
    """Serve until standard input ends."""
    output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def send(**message: Any) -> None:
        output.write(json.dumps(message) + "\n")
        output.flush()

    start = json.loads(sys.stdin.readline())
    sys.path.insert(0, start["home"])
    try:
        model = _loaded(start)
    except Exception as exc:
        send(failed=_why(exc))
        raise
    send(ready=True)
    for line in sys.stdin:
        try:
            _draw(model, json.loads(line), send)
            send(done=True)
        except Exception as exc:
            traceback.print_exc()
            send(failed=_why(exc))
            _free()


def _free() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _loaded(start: dict[str, Any]) -> Any:
    util: Any = importlib.import_module("SUPIR.util")
    options = Path(start["home"]) / "options" / "SUPIR_v0.yaml"
    own = _with_weights(options, Path(start["weights"])) if start["weights"] else None
    try:
        model = util.create_SUPIR_model(str(own or options), SUPIR_sign=start["sign"])
    finally:
        if own is not None:
            shutil.rmtree(own.parent)
    where = _device()
    if where == "cuda":
        model = model.half()
    if start["tiled"] and hasattr(model, "init_tile_vae"):
        model.init_tile_vae(encoder_tile_size=512, decoder_tile_size=64)
    model = model.to(where)
    model.ae_dtype = util.convert_dtype("bf16")
    model.model.dtype = util.convert_dtype("fp16" if where == "cuda" else "fp32")
    return model


def _with_weights(options: Path, weights: Path) -> Path:
    """Return a copy of the options file with the paths of the files in `weights`, in a folder of its own.

    The name of the folder is one that the server removes when it starts, should this process be killed.
    """
    omegaconf: Any = importlib.import_module("omegaconf")
    config = omegaconf.OmegaConf.load(str(options))
    for name, patterns in _FILES.items():
        found = [file for pattern in patterns for file in sorted(weights.glob(pattern))]
        if not found and name == "SDXL_CKPT":
            raise FileNotFoundError(f"No {patterns[0]} in {weights}.")
        if found:
            config[name] = str(found[0])
    copy = Path(tempfile.mkdtemp(prefix="sr_demo_supir_")) / options.name
    copy.write_text(omegaconf.OmegaConf.to_yaml(config), encoding="utf-8")
    return copy


def _draw(model: Any, request: dict[str, Any], send: Any) -> None:
    import numpy as np
    import torch

    given, made = request.pop("given"), request.pop("made")
    steps = 0

    def count(*_: Any) -> None:
        nonlocal steps
        steps += 1
        send(step=steps)

    # Called once in each step, with the conditional and unconditional batch together.
    hook = model.denoiser.register_forward_hook(count)
    try:
        image = torch.from_numpy(np.load(given)).permute(2, 0, 1)[None].float() * 2 - 1
        with torch.no_grad():
            result = model.batchify_sample(image.to(_device()), **request)
    finally:
        hook.remove()
    np.save(made, ((result[0].float().permute(1, 2, 0) + 1) / 2).cpu().numpy())


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _why(exc: Exception) -> str:
    if type(exc).__name__ in ("OutOfMemoryError", "MemoryError") or "DefaultCPUAllocator" in str(exc):
        return "memory"
    return f"{type(exc).__name__}: {exc}"[:300]


if __name__ == "__main__":
    main()
