"""A file imports only its own or lower floors; a new file has to be given a floor here."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import jointwise

ROOT = Path(jointwise.__file__).parent
FLOORS: tuple[str, ...] = (
    "errors skeletons sequence randomness __init__",
    "formats datasets synthetic cleaning prepare shards store store_writer clips augment",
    "nn methods",
    "config settings distributed build optim precision checkpoint fit network_size runs model provenance labelled "
    "scale examples imports",
    "metrics results groups grid findings completion_table table pages protocols pretrain viewer report bench",
    "recognizer demo stages comparison arguments chosen company printing data_commands cli __main__",
)
FLOOR = {name: floor for floor, names in enumerate(FLOORS) for name in names.split()}
# pickle runs code when it is read; torchvision and timm break beside the CPU wheel of torch; Lightning is heavy
FORBIDDEN = {"pickle", "cPickle", "dill", "joblib", "timm", "torchvision", "lightning", "pytorch_lightning"}
# the one exception: it subclasses the unpickler so that a pickle can name nothing but containers and plain arrays
MAY_PICKLE = "datasets/restricted_pickle.py"
MAY_TORCH_LOAD = "imports/foreign.py"  # the checkpoints of others are pickles; weights_only keeps code out of them
FILES = {str(path.relative_to(ROOT)): path for path in sorted(ROOT.rglob("*.py"))}


def part(module: str) -> str:
    """jointwise.nn.blocks -> nn; jointwise -> __init__."""
    return [*module.split("."), "__init__"][1]


def is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def walk(node: ast.AST, types: bool) -> Iterator[ast.AST]:
    """All nodes below; those for the type checker only where `types`."""
    for child in ast.iter_child_nodes(node):
        if types or not is_for_types(child):
            yield child
            yield from walk(child, types)


def imports(path: Path) -> set[str]:
    """Full names of the modules a file imports, inside functions too."""
    found: set[str] = set()
    for node in walk(ast.parse(path.read_text()), types=path != ROOT / "__init__.py"):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            assert node.module is not None
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            # `from jointwise import augment` imports a file, `from jointwise.errors import unknown` a name
            found |= inner if node.module == "jointwise" else {node.module}
    return found


@pytest.mark.parametrize("name", FILES)
def test_a_file_imports_its_own_or_lower_floors_only(name: str) -> None:
    own = name.removesuffix(".py").split("/")[0]
    assert own in FLOOR, f"{name} has no floor yet: give '{own}' one in tests/test_floors.py"
    for module in imports(FILES[name]):
        if module.split(".")[0] == "jointwise":
            other = part(module) if part(module) in FLOOR else "__init__"  # jointwise.__version__ lives there
            assert FLOOR[other] <= FLOOR[own], f"{name} (floor {FLOOR[own]}) imports {module} (floor {FLOOR[other]})"


@pytest.mark.parametrize("name", FILES)
def test_no_file_imports_pickle_or_a_library_we_do_without(name: str) -> None:
    allowed = {"pickle"} if name == MAY_PICKLE else set()
    assert {module.split(".")[0] for module in imports(FILES[name])} & FORBIDDEN == allowed


@pytest.mark.parametrize("name", FILES)
def test_nobody_unpickles_but_by_the_restricted_unpickler(name: str) -> None:
    for node in walk(ast.parse(FILES[name].read_text()), types=True):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "pickle":
            assert node.attr in ("Unpickler", "UnpicklingError"), f"{name}:{node.lineno} pickle.{node.attr}"


@pytest.mark.parametrize("name", FILES)
def test_no_file_loads_what_may_hold_a_pickle(name: str) -> None:
    for node in walk(ast.parse(FILES[name].read_text()), types=True):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if not (name == MAY_TORCH_LOAD and called == "torch.load" and "weights_only=True" in ast.unparse(node)):
                assert called not in ("torch.load", "torch.save"), f"{name}:{node.lineno} {called}"
            pickles = [k for k in node.keywords if k.arg == "allow_pickle" and ast.unparse(k.value) != "False"]
            assert not pickles, f"{name}:{node.lineno} allow_pickle"


def test_tensors_know_no_files_and_no_config() -> None:
    for name, path in FILES.items():
        if name.startswith("nn/"):
            lower = {part(module) for module in imports(path) if module.startswith("jointwise")}
            assert lower <= {"nn"}, name


def test_every_name_on_a_floor_is_a_file_or_folder() -> None:
    assert {name for name in FLOOR if not ((ROOT / name).is_dir() or (ROOT / f"{name}.py").is_file())} == set()


def test_importing_the_package_imports_nothing_heavy() -> None:
    assert imports(ROOT / "__init__.py") <= {"__future__", "importlib", "typing"}
