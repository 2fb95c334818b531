"""Writes what jointwise is made of as CycloneDX 1.6: `python .ci/sbom.py [FILE]`, else dist/jointwise-VERSION.cdx.json.

From the lock: every package with its version, the platforms that it is for, the hashes of its files, and who needs it.
From the packages that are installed here: their licences. From NOTICE: what others wrote that lies in the package.
"""

import hashlib
import importlib.metadata
import re
import sys
import tomllib
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.model.license import License
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LOCK = (ROOT / "constraints.txt", ROOT / "constraints-torch.txt")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NOT_FOR_USERS = {"dev", "docs"}  # the extras with which jointwise is made
_PIN = re.compile(r"(?P<name>\S+)==(?P<version>\S+)(?: ; (?P<marker>.*?))? \\\n(?P<rest>(?:    .*\n)+)")
_VENDORED = re.compile(r"^(\S+)\.js (\S+) \(npm package `(\S+)`\)\nFiles: (\S+),", re.MULTILINE)


@dataclass(frozen=True)
class Pin:
    """One package of the lock, in one version.

    Args:
        name: Its name, as the registry writes it.
        version: Its version.
        marker: Where this version is installed, in the words of PEP 508; "" is everywhere.
        hashes: SHA-256 of each of its files, 64 hexadecimal digits.
        needed_by: The names of the packages of the lock that need it.
        asked_for: Whether pyproject.toml asks for it by itself.
    """

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]
    needed_by: frozenset[str]
    asked_for: bool


def read_lock(files: Iterable[Path] = LOCK) -> list[Pin]:
    """Every package of the lock, in the order of the files.

    Args:
        files: Files that `make lock` has written.
    """
    return [
        Pin(
            name=match["name"],
            version=match["version"],
            marker=match["marker"] or "",
            hashes=tuple(re.findall(r"--hash=sha256:([0-9a-f]{64})", match["rest"])),
            needed_by=frozenset(re.findall(r"^    #(?: via|  ) ([\w.-]+)$", match["rest"], re.MULTILINE)),
            asked_for=" (pyproject.toml)\n" in match["rest"],
        )
        for file in files
        for match in _PIN.finditer(file.read_text())
    ]


def asked_for(extras: Iterable[str]) -> set[str]:
    """The names of the packages that pyproject.toml asks for by itself under some extras.

    Args:
        extras: Names of extras.
    """
    lines = [line for extra in extras for line in PROJECT["optional-dependencies"][extra]]
    return {canonicalize_name(Requirement(line).name) for line in lines}


def with_their_needs(names: Iterable[str], pins: list[Pin]) -> set[str]:
    """Some packages of the lock, and all that these need.

    Args:
        names: Names of packages.
        pins: The lock.
    """
    found, new = set[str](), set(names)
    while new:
        found |= new
        new = {pin.name for pin in pins if pin.needed_by & new} - found
    return found


def licences(pin: Pin) -> list[License]:
    """The licences that a package says it has; none if this version is not installed here.

    Args:
        pin: The package.
    """
    try:
        metadata = importlib.metadata.metadata(pin.name)
    except importlib.metadata.PackageNotFoundError:
        return []
    if metadata["Version"].partition("+")[0] != pin.version:
        return []
    classifiers = metadata.get_all("Classifier", [])
    said = (
        metadata.get_all("License-Expression")
        or [line.rpartition(" :: ")[2] for line in classifiers if line.startswith("License :: OSI Approved :: ")]
        or [line for line in metadata.get_all("License", []) if line and "\n" not in line]  # else it is the whole text
    )
    return [LicenseFactory().make_from_string(line) for line in said]


def sha256(digest: str) -> HashType:
    """A SHA-256.

    Args:
        digest: 64 hexadecimal digits.
    """
    return HashType(alg=HashAlgorithm.SHA_256, content=digest)


def vendored(notice: str) -> list[Component]:
    """The packages of others whose files lie in this one.

    Args:
        notice: The text of NOTICE.
    """
    return [
        Component(
            name=package,
            version=version,
            bom_ref=f"pkg:npm/{package}@{version}",
            purl=PackageURL("npm", None, package, version),
            scope=ComponentScope.REQUIRED,
            licenses=[LicenseFactory().make_from_string("MIT")],
            properties=[Property(name="jointwise:file", value=file)],
            hashes=[sha256(hashlib.sha256((ROOT / file).read_bytes()).hexdigest())],
        )
        for _, version, package, file in _VENDORED.findall(notice)
    ]


def component(pin: Pin, scope: ComponentScope) -> Component:
    """One package of the lock as a component.

    Args:
        pin: The package.
        scope: For whom it is.
    """
    address = PackageURL("pypi", None, pin.name, pin.version)
    files = ExternalReference(
        type=ExternalReferenceType.DISTRIBUTION,
        url=XsUri(str(address)),
        comment="all files of this version; one of them is installed",
        hashes=[sha256(digest) for digest in pin.hashes],
    )
    return Component(
        name=pin.name,
        version=pin.version,
        bom_ref=str(address),
        purl=address,
        scope=scope,
        licenses=licences(pin),
        external_references=[files],
        properties=[Property(name="jointwise:marker", value=pin.marker)] if pin.marker else [],
    )


def components(pins: list[Pin]) -> dict[Pin, Component]:
    """Every package of the lock as a component: required by all users, optional with an extra, or for developers only.

    Args:
        pins: The lock.
    """
    users = with_their_needs({canonicalize_name(Requirement(line).name) for line in PROJECT["dependencies"]}, pins)
    extras = with_their_needs(asked_for(set(PROJECT["optional-dependencies"]) - NOT_FOR_USERS), pins)
    return {
        pin: component(
            pin,
            ComponentScope.REQUIRED
            if pin.name in users
            else ComponentScope.OPTIONAL
            if pin.name in extras
            else ComponentScope.EXCLUDED,
        )
        for pin in pins
    }


def bill() -> Bom:
    """The bill of materials of this version of jointwise."""
    parts = components(read_lock())
    inside = vendored((ROOT / "NOTICE").read_text())
    address = PackageURL("pypi", None, PROJECT["name"], PROJECT["version"])
    root = Component(
        name=PROJECT["name"],
        version=PROJECT["version"],
        type=ComponentType.LIBRARY,
        bom_ref=str(address),
        purl=address,
        licenses=[LicenseFactory().make_from_string(PROJECT["license"])],
        description=PROJECT["description"],
    )
    bom = Bom(
        components=[*parts.values(), *inside],
        metadata=BomMetaData(component=root),
        serial_number=uuid.uuid5(uuid.NAMESPACE_OID, PROJECT["version"] + "".join(file.read_text() for file in LOCK)),
    )
    bom.register_dependency(root, [*(part for pin, part in parts.items() if pin.asked_for), *inside])
    for pin, part in parts.items():
        bom.register_dependency(part, [other for need, other in parts.items() if pin.name in need.needed_by])
    return bom


def main() -> None:
    """Writes the bill, after a check against the schema of CycloneDX 1.6."""
    file = ROOT / "dist" / f"{PROJECT['name']}-{PROJECT['version']}.cdx.json"
    if sys.argv[1:]:
        file = Path(sys.argv[1])
    bom = bill()
    text = JsonV1Dot6(bom).output_as_string(indent=2)
    if fault := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        sys.exit(f"sbom: what was made is no CycloneDX 1.6: {fault}")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text + "\n")
    known = sum(bool(part.licenses) for part in bom.components)
    print(f"{file.name}: {len(bom.components)} components, {known} with a licence")


if __name__ == "__main__":
    main()
