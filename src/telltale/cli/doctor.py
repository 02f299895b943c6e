"""What this machine has of all that telltale can use. Knows where each part is had, and installs none."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sys
from dataclasses import dataclass

from telltale import pages
from telltale.errors import MissingPartError


@dataclass(frozen=True, slots=True)
class Part:
    """One thing looked for. `needed` parts make `telltale doctor` fail when missing."""

    name: str
    found: str | None
    use: str
    get: str
    needed: bool = False


PACKAGES = {
    "train": ("torch", "lightning_fabric", "tensorboard", "onnx", "onnxscript", "sklearn"),
    "collect": ("playwright",),
    "serve": ("fastapi", "uvicorn", "websockets", "prometheus_client", "python_multipart", "httpx", "cryptography"),
    "rtc": ("aiortc", "av"),
}
DISTRIBUTIONS = {
    "lightning_fabric": "lightning-fabric",
    "sklearn": "scikit-learn",
    "prometheus_client": "prometheus-client",
    "python_multipart": "python-multipart",
}


def examine() -> list[Part]:
    """Everything looked for, in the order shown. Loads nothing heavy."""
    parts = [
        Part(
            "python",
            platform.python_version() if sys.version_info >= (3, 11) else None,
            "everything",
            "install Python 3.11 or newer",
            True,
        ),
        Part("processor", f"{os.cpu_count()} cores, {platform.machine()}", "speed", ""),
    ]
    for package in ("numpy", "onnxruntime", "cv2", "PIL"):
        parts.append(_package(package, "telling", "pip install telltale-vision", needed=True))
    for extra, packages in PACKAGES.items():
        for package in packages:
            parts.append(_package(package, f"telltale {extra}", f"pip install 'telltale-vision[{extra}]'"))
    parts.append(
        Part(
            "pages",
            str(pages.web_root()) if pages.vendor_ready() else None,
            "the car page, the widget",
            "in a checkout: tools/setup.sh web (needs npm); a wheel holds them",
        )
    )
    parts.append(
        Part(
            "chromium",
            _chromium(),
            "telltale collect page",
            "apt install chromium, or set TELLTALE_CHROMIUM=/path/to/it",
        )
    )
    parts.append(Part("gpu", _gpu(), "faster training (optional)", "an NVIDIA driver and a CUDA build of torch 2.13.0"))
    for tool, package in (("arm-linux-gnueabihf-gcc", "gcc-arm-linux-gnueabihf"), ("qemu-arm", "qemu-user")):
        parts.append(Part(tool, shutil.which(tool), "building for ARMv7 cameras (optional)", f"apt install {package}"))
    return parts


def _package(module: str, use: str, get: str, needed: bool = False) -> Part:
    if importlib.util.find_spec(module) is None:
        return Part(module, None, use, get, needed)
    names = {"cv2": "opencv-python-headless", "PIL": "pillow", **DISTRIBUTIONS}
    try:
        version = importlib.metadata.version(names.get(module, module))
    except importlib.metadata.PackageNotFoundError:
        version = "present"
    return Part(module, version, use, get, needed)


def _chromium() -> str | None:
    """The one `collect` would start; not looked for where the packages of telltale itself are missing."""
    try:
        from telltale.collect.browser import find_chromium

        return find_chromium()
    except (ImportError, MissingPartError):
        return None


def _gpu() -> str | None:
    return shutil.which("nvidia-smi")
