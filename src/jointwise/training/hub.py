"""Models on the Hugging Face hub: their addresses `hf://owner/name[@revision]`, and the download of a model folder."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from jointwise.errors import CheckpointError, ConfigError
from jointwise.training.checkpoint import read_json

EXTRA = "hub"
MODEL_FILES = ("*.json", "*.safetensors", "*.npy", "*.npz")  # nothing in a model folder is a pickle
CARD = "config.json"
_ADDRESS = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+)(@(?P<revision>[^@\s]+))?")


def hub_address(path: Path) -> str | None:
    """What follows `hf://` in the address of a model on the hub.

    Args:
        path: A folder or an address; of two slashes a Path keeps one.

    Returns:
        `owner/name` or `owner/name@revision`; None for a folder.

    >>> hub_address(Path("hf://owner/name@v1")), hub_address(Path("runs/demo"))
    ('owner/name@v1', None)
    """
    text = path.as_posix()
    return text.removeprefix("hf:").lstrip("/") if text.startswith("hf:/") else None


def import_hub(what: str) -> ModuleType:
    """The library huggingface_hub.

    Args:
        what: What it is needed for, for the message.

    Raises:
        ConfigError: It is not installed.
    """
    try:
        import huggingface_hub
    except ImportError as error:
        raise ConfigError(f"{what} needs huggingface_hub: pip install 'jointwise[{EXTRA}]'") from error
    return huggingface_hub


@cache
def open_hub(address: str) -> Path:
    """Downloads a model from the hub, or finds it among the files that were downloaded before.

    One process asks once, so all that it reads is of one revision. Files that do not belong to a model folder are left.

    Args:
        address: What `hub_address` returns.

    Returns:
        The model folder, in the cache of huggingface_hub.

    Raises:
        ConfigError: The address is none, or huggingface_hub is not installed.
        CheckpointError: There is no such model, or it cannot be downloaded.
    """
    match = _ADDRESS.fullmatch(address)
    if match is None:
        raise ConfigError(f"hf://{address}: not an address. Write hf://owner/name, or hf://owner/name@revision.")
    repository, revision = match["repository"], match["revision"]
    card = _download(address, repository, revision, (CARD,)) / CARD
    content: Any = read_json(card) if card.is_file() else {}
    if not isinstance(content, dict) or not {"format", "kind", "skeleton"} <= content.keys():
        raise CheckpointError(
            f"hf://{address}: not a jointwise model, as its {CARD} "
            f"{'is another program’s' if card.is_file() else 'is missing'}. Check the name."
        )
    return _download(address, repository, card.parent.name, MODEL_FILES)  # the same commit


def _download(address: str, repository: str, revision: str | None, files: tuple[str, ...]) -> Path:
    """Some files of a repository. Raises CheckpointError with what to do where that fails."""
    hub = import_hub(f"hf://{address}:")
    from huggingface_hub import errors

    try:
        return Path(hub.snapshot_download(repository, revision=revision, allow_patterns=list(files)))
    except errors.GatedRepoError as error:
        told = "its owner grants access one by one. Ask for it on its page, then log in: hf auth login"
        cause: Exception = error
    except errors.RepositoryNotFoundError as error:
        told = "no such repository on the hub, or a private one. Check the name, or log in: hf auth login"
        cause = error
    except errors.RevisionNotFoundError as error:
        told = f"the repository has no revision '{revision}'. Check the branch, tag or commit after the @."
        cause = error
    except errors.HFValidationError as error:
        told = f"not the name of a repository ({_first_line(error)})."
        cause = error
    except Exception as error:  # without network: errors of its HTTP client, which it does not wrap, among others
        told = f"not downloaded before, and the hub cannot be reached ({_first_line(error)}). Try again with a network."
        cause = error
    raise CheckpointError(f"hf://{address}: {told}") from cause


def _first_line(error: Exception) -> str:
    """Class and first line of an error."""
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0].rstrip('.')}"
