"""A model for the Hugging Face hub: its folder with a generated card, and the upload of that folder."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from jointwise.errors import CheckpointError, writing
from jointwise.evaluation.results import read_results
from jointwise.inference.hub_card import write_card
from jointwise.training.checkpoint import read_json
from jointwise.training.costs import Made
from jointwise.training.hub import import_hub
from jointwise.training.model_folder import copy_model, load_card, model_folder

OWNER = "OWNER"  # in a card that is written before it is known


def repository_of(folder: Path) -> str:
    """The repository that is meant by a folder: of an owner who is still to be filled in, with the folder's name.

    >>> repository_of(Path("out/my gestures"))
    'OWNER/my-gestures'
    """
    return f"{OWNER}/{re.sub(r'[^A-Za-z0-9_.-]+', '-', folder.resolve().name).strip('-.') or 'model'}"


def write_hub_folder(run: Path, folder: Path, repository: str | None = None) -> Path:
    """Writes a model folder with a card, README.md, as the Hugging Face hub takes it.

    Args:
        run: The run folder, the model folder, or the name or address of a model. A run tells more: its results, its
            command and its costs.
        folder: A folder that does not exist yet, or is empty.
        repository: `owner/name` that the model will have on the hub; None: `repository_of(folder)`.

    Returns:
        The folder.

    Raises:
        CheckpointError: There is no model.
        ConfigError: The folder is a file, or is not empty.
        StorageError: It cannot be written.
    """
    text = _card_text(model_folder(run), repository or repository_of(folder))
    copy_model(run, folder)
    with writing(folder):
        (folder / "README.md").write_text(text, encoding="utf-8")
    return folder


def _card_text(model: Path, repository: str) -> str:
    """The card of a model folder, with what the run knows that it lies in."""
    run = model.parent
    made = dict(read_json(run / "run.json", Made)) if model.name == "model" and (run / "run.json").is_file() else {}
    results = read_results(run / "results") if made and (run / "results").is_dir() else []
    return write_card(load_card(model), repository, made, [result for result in results if "top1" in result["scores"]])


def push(run: Path, repository: str, private: bool) -> str:
    """Uploads a model to the hub, with a generated card.

    Args:
        run: As for `write_hub_folder`.
        repository: `owner/name`; made where it does not exist.
        private: Whether a new repository is private.

    Returns:
        The address of its page.

    Raises:
        CheckpointError: There is no model, or the hub refuses.
        ConfigError: huggingface_hub is not installed.
    """
    hub = import_hub("push_to_hub")
    with tempfile.TemporaryDirectory() as place:
        folder = write_hub_folder(run, Path(place) / "model", repository)
        try:
            page = hub.create_repo(repository, private=private, exist_ok=True)
            hub.upload_folder(repo_id=repository, folder_path=folder, commit_message="Model by jointwise")
        except Exception as error:  # also errors of its HTTP client, which it does not wrap
            reason = str(error).strip().partition("\n")[0]
            raise CheckpointError(
                f"{repository}: the hub did not take the model ({type(error).__name__}: {reason}). Log in with hf auth "
                "login, and name a repository that you may write to."
            ) from error
    return str(page)
