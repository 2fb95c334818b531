"""The shape of the package: floors, no circles, short files, few names at the top, no code run from data."""

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import jointwise

ROOT = Path(jointwise.__file__).parent
# A file imports only its own floor or lower ones. A new room is added here, between what it uses and what uses it.
FLOORS = (
    "errors",
    "data",
    "config",
    "model",
    "training",
    "evaluation",
    "stages",
    "inference",
    "report",
    "serve",
    "bench",
    "cli",
)
MOST_NAMES = 12  # at the top of the package, besides dunder files
MOST_LINES = 400  # of a file
# pickle runs code when it is read; torchvision and timm break beside the CPU wheel of torch; Lightning is heavy
FORBIDDEN = {"pickle", "cPickle", "dill", "joblib", "timm", "torchvision", "lightning", "pytorch_lightning"}
# the one exception: it subclasses the unpickler so that a pickle can name nothing but containers and plain arrays
MAY_PICKLE = "data/formats/restricted_pickle.py"
MAY_TORCH_LOAD = "stages/foreign_checkpoint.py"  # others' checkpoints are pickles; weights_only keeps code out of them
# files of model/ that read settings or clips, and so may objectives; all others know tensors only
BUILDERS = {"build", "classifier", "ema", "objective", "parts", "size"}
FILES = {path.relative_to(ROOT).as_posix(): path for path in sorted(ROOT.rglob("*.py"))}


def module_of(name: str) -> str:
    """data/store/reader.py -> jointwise.data.store.reader; data/__init__.py -> jointwise.data."""
    return ".".join(["jointwise", *name.removesuffix(".py").split("/")]).removesuffix(".__init__")


MODULES = {module_of(name): name for name in FILES}


@cache
def tree(name: str) -> ast.Module:
    return ast.parse(FILES[name].read_text("utf-8"))


def is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def walk(node: ast.AST, types: bool) -> Iterator[ast.AST]:
    """All nodes below; those for the type checker only where `types`."""
    for child in ast.iter_child_nodes(node):
        if types or not is_for_types(child):
            yield child
            yield from walk(child, types)


def imports(name: str) -> Iterator[tuple[int, str]]:
    """(line, full name) of the modules a file imports, inside functions too."""
    for node in walk(tree(name), types=name != "__init__.py"):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}:{node.lineno}: a relative import. Write the full name of the module."
            for alias in node.names:  # `from jointwise.data import augment` imports a file, others a name
                inner = f"{node.module}.{alias.name}"
                yield node.lineno, inner if inner in MODULES else str(node.module)


def own_imports(name: str) -> Iterator[tuple[int, str]]:
    return ((line, module) for line, module in imports(name) if module.split(".")[0] == "jointwise")


def room(module: str) -> str:
    """jointwise.data.store -> data; jointwise itself -> errors, the lowest: it holds the version and nothing else."""
    return [*module.split("."), "errors"][1]


def test_a_file_imports_its_own_floor_or_lower_ones() -> None:
    rooms = {path.stem for path in ROOT.iterdir() if path.suffix in ("", ".py") and not path.name.startswith("_")}
    assert rooms == set(FLOORS), "the rooms of src/jointwise and FLOORS in this file differ: give a new room its floor"
    wrong = [
        f"{name}:{line} ({room(module_of(name))}) imports {module}, which lies above. Move it down."
        for name in FILES
        if name not in ("__init__.py", "__main__.py")
        for line, module in own_imports(name)
        if FLOORS.index(room(module)) > FLOORS.index(room(module_of(name)))
    ]
    assert not wrong, "\n" + "\n".join(wrong)


def test_no_import_runs_in_a_circle() -> None:
    graph = {module: {found for _, found in own_imports(name)} - {"jointwise"} for module, name in MODULES.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError("these import each other: " + " -> ".join(error.args[1])) from error


def test_the_top_has_few_names_and_no_file_is_long() -> None:
    names = {path.name for path in ROOT.iterdir() if not path.name.startswith("__")} - {"py.typed"}
    assert len(names) <= MOST_NAMES, sorted(names)
    lines = {name: len(path.read_text("utf-8").splitlines()) for name, path in FILES.items()}
    assert not {name: count for name, count in lines.items() if count > MOST_LINES}


def test_no_file_runs_code_from_data_or_takes_a_library_we_do_without() -> None:
    wrong = []
    for name in FILES:
        allowed = {"pickle"} if name == MAY_PICKLE else set()
        wrong += [
            f"{name}:{line} imports {module}"
            for line, module in imports(name)
            if module.split(".")[0] in FORBIDDEN - allowed
        ]
        for node in walk(tree(name), types=True):
            text = ast.unparse(node) if isinstance(node, ast.Attribute | ast.Call | ast.keyword) else ""
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "pickle":
                if node.attr not in ("Unpickler", "UnpicklingError"):
                    wrong.append(f"{name}:{node.lineno} {text}")
            elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("torch.load", "torch.save"):
                if not (name == MAY_TORCH_LOAD and "weights_only=True" in text):
                    wrong.append(f"{name}:{node.lineno} {text}")
            elif isinstance(node, ast.keyword) and node.arg == "allow_pickle" and ast.unparse(node.value) != "False":
                wrong.append(f"{name}:{node.value.lineno} {text}")
    assert not wrong, "\n" + "\n".join(wrong)


def test_networks_know_no_files_and_no_settings() -> None:
    for name in FILES:
        is_objective = "jointwise.model.objective" in {module for _, module in own_imports(name)}
        if name.startswith("model/") and Path(name).stem not in BUILDERS and not is_objective:
            foreign = [(line, module) for line, module in own_imports(name) if room(module) != "model"]
            assert not foreign, f"{name}: {foreign}. A file that reads settings or clips is named in BUILDERS."


def test_importing_the_package_imports_nothing_heavy() -> None:
    assert {module for _, module in imports("__init__.py")} <= {
        "__future__",
        "importlib",
        "importlib.metadata",
        "typing",
    }
