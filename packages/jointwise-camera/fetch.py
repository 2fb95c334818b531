"""Gets the files of MediaPipe Pose from npm, checks them, and lays those that are needed into the package."""

import base64
import hashlib
import runpy
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

PACKAGE = "@mediapipe/pose@0.5.1675469404"
SHA512 = "DFZsNWTsSphRIZppnUCuunzBiHP2FdJXR9ehc7mMi4KG+oPaOH0Em3d6kr7Py+TSyTXC1doH88KcF28k2sBxsQ=="  # of the archive
HERE = Path(__file__).parent
OWN = runpy.run_path(str(HERE / "src" / "jointwise_camera" / "__init__.py"))  # it is not installed yet


def main() -> None:
    """Lay the files into the package, unless they are there."""
    folder: Path = OWN["FILES"]
    names: tuple[str, ...] = OWN["NAMES"]
    if folder.is_dir() and {path.name for path in folder.iterdir()} == set(names):
        print(f"{folder} has the files already; delete it to get them again.")
        return
    with tempfile.TemporaryDirectory() as place:
        archive = check(download(Path(place)))
        unpacked = HERE / "files.part"
        shutil.rmtree(unpacked, ignore_errors=True)
        unpack(archive, unpacked, names)
    shutil.rmtree(folder, ignore_errors=True)
    unpacked.rename(folder)
    size = sum(path.stat().st_size for path in folder.iterdir())
    print(f"{folder}: {len(names)} files, {size / 1e6:.1f} MB, of {PACKAGE}")


def download(place: Path) -> Path:
    """The archive of the package, got by npm into a folder."""
    npm = shutil.which("npm")
    if npm is None:
        sys.exit("npm is needed to get MediaPipe Pose: install Node.js, then run this again.")
    done = subprocess.run(
        [npm, "pack", PACKAGE], cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    archives = list(place.glob("*.tgz"))
    if done.returncode or len(archives) != 1:
        sys.exit(f"npm could not get {PACKAGE}:\n{done.stderr.strip()}")
    return archives[0]


def check(archive: Path) -> Path:
    """The archive, if it is the one that was looked at when this was written."""
    found = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if found != SHA512:
        sys.exit(
            f"the archive of {PACKAGE} is not the one that is known.\nexpected sha512-{SHA512}\nfound    sha512-{found}"
        )
    return archive


def unpack(archive: Path, folder: Path, names: tuple[str, ...]) -> None:
    """Writes the named files of an archive into a new folder."""
    folder.mkdir()
    with tarfile.open(archive) as tar:
        for name in names:
            content = tar.extractfile(f"package/{name}")
            assert content is not None, f"{name} is no file in {archive}"
            (folder / name).write_bytes(content.read())


if __name__ == "__main__":
    main()
