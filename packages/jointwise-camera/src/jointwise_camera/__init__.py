"""MediaPipe Pose for the browser, as files: what the live page of jointwise finds a body with."""

from pathlib import Path

__all__ = ["FILES", "NAMES"]

FILES = Path(__file__).parent / "files"  # the folder they lie in
NAMES = (
    "pose.js",
    "pose_landmark_lite.tflite",
    "pose_solution_packed_assets.data",
    "pose_solution_packed_assets_loader.js",
    "pose_solution_simd_wasm_bin.js",
    "pose_solution_simd_wasm_bin.wasm",
    "pose_solution_wasm_bin.js",
    "pose_solution_wasm_bin.wasm",
    "pose_web.binarypb",
)
