"""The live page: a camera in the browser. The files that find a body in a picture are the package jointwise-camera."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from fastapi import FastAPI, HTTPException
from fastapi.responses import FileResponse

PAGE = Path(__file__).parent / "static" / "live.html"
HOW_TO_GET = (
    "The package jointwise-camera is not installed: make camera, in a checkout of jointwise, builds it; "
    "then pip install dist/jointwise_camera-*.whl"
)
# As the policy of all pages, and WebAssembly may run: MediaPipe is compiled to it. Text that is made into code may not.
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
KINDS = {".js": "text/javascript", ".wasm": "application/wasm"}


def camera_files() -> dict[str, Path]:
    """The files of the package jointwise-camera, by name; none where it is not installed."""
    if find_spec("jointwise_camera") is None:
        return {}
    folder = Path(import_module("jointwise_camera").FILES)
    return {path.name: path for path in folder.iterdir()} if folder.is_dir() else {}


def add_camera(app: FastAPI) -> None:
    """Adds the page `/live`, and `/camera/NAME`, the files that it needs.

    Args:
        app: Gets them.
    """
    files = camera_files()

    @app.get("/live", include_in_schema=False)
    def live() -> FileResponse:
        headers = {"content-security-policy": POLICY, "permissions-policy": "camera=(self), microphone=()"}
        return FileResponse(PAGE, media_type="text/html", headers=headers)

    @app.get("/camera/{name}", include_in_schema=False)
    def file(name: str) -> FileResponse:
        if not files:
            raise HTTPException(404, HOW_TO_GET)
        if name not in files:
            raise HTTPException(404, f"no file '{name}'.")
        return FileResponse(files[name], media_type=KINDS.get(files[name].suffix, "application/octet-stream"))
