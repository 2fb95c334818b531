"""The command `jointwise`: reads arguments, calls the library, prints the outcome. Nothing else happens here."""

from __future__ import annotations

import argparse
import io
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import jointwise
from jointwise.cli import (
    calibrate_command,
    convert_command,
    data_commands,
    doctor_commands,
    enroll_command,
    export_command,
    layouts_command,
    model_commands,
    report_commands,
    runs_command,
    serve_command,
    stream_command,
    training_commands,
)
from jointwise.cli.arguments import LIST_SETTINGS, Parser, add_list_of_settings, describe_settings
from jointwise.cli.choose_config import check_values, named_in
from jointwise.cli.process_group import end_with_parent, process_group, started_by_torchrun
from jointwise.errors import ConfigError, JointwiseError, JointwiseWarning, printable, unknown

EXAMPLES = """examples:
  jointwise demo
  jointwise doctor gestures/      (what is in a file or folder, and what would spoil a training)
  jointwise prepare utd-mhad --root Skeleton/
  jointwise pretrain recommended --data utd-mhad
  jointwise finetune runs/utd-mhad/recommended/pretrain-seed0 --data utd-mhad --labels 0.1
  jointwise finetune supervised_segments --data utd-mhad --labels 0.1      (from random weights)
  jointwise evaluate RUN --protocol linear --data utd-mhad
  jointwise table --data utd-mhad --labels 0.1 1.0 --seeds 3      (all systems side by side)
  jointwise finetune base --data gestures/ --labels 5shot --unlabelled pseudo      (from the model in the package)
  jointwise predict RUN recording.mat
  jointwise enroll RUN "wave hello" one.mat two.mat      (a new action from one to five clips; nothing is trained)
  jointwise calibrate RUN --data utd-mhad      (probabilities to believe, and "none of these")
  jointwise stream RUN < frames.jsonl      (live: lines of JSON in, lines of JSON out)
  jointwise view recording.mat
  jointwise serve RUN      (a page to drop recordings into)
  jointwise convert results.json --out clips/   (any known file to jointwise's own .npz; jointwise formats lists them)
  jointwise convert recording.mat --to glb      (to open it in Blender)
  jointwise finetune supervised_segments --data gestures/      (a folder of your own: gestures/<class>/<recording>)
"""


@dataclass(frozen=True)
class Command:
    """One command.

    Args:
        run: What it does; the first line of its docstring is its help.
        add_arguments: Adds what it takes to its parser.
        many_processes: Whether torchrun may start it in several processes.
    """

    run: Callable[[argparse.Namespace], None]
    add_arguments: Callable[[Parser], None]
    many_processes: bool = False

    @property
    def help(self) -> str:
        """What it does, in a line."""
        return (self.run.__doc__ or "").partition("\n")[0]


COMMANDS = {
    "demo": Command(training_commands.demo, training_commands.add_demo_arguments),
    "datasets": Command(data_commands.datasets, data_commands.add_datasets_arguments),
    "doctor": Command(doctor_commands.doctor, doctor_commands.add_doctor_arguments),
    "init": Command(doctor_commands.init, doctor_commands.add_init_arguments),
    "layouts": Command(layouts_command.layouts, layouts_command.add_layouts_arguments),
    "prepare": Command(data_commands.prepare, data_commands.add_prepare_arguments),
    "join": Command(data_commands.join, data_commands.add_join_arguments),
    "pool": Command(data_commands.pool, data_commands.add_pool_arguments),
    "view": Command(data_commands.view, data_commands.add_view_arguments),
    "formats": Command(convert_command.formats, convert_command.add_formats_arguments),
    "convert": Command(convert_command.convert, convert_command.add_convert_arguments),
    "pretrain": Command(training_commands.pretrain, training_commands.add_pretrain_arguments, many_processes=True),
    "finetune": Command(training_commands.finetune, training_commands.add_finetune_arguments, many_processes=True),
    "evaluate": Command(training_commands.evaluate, training_commands.add_evaluate_arguments, many_processes=True),
    "calibrate": Command(calibrate_command.calibrate, calibrate_command.add_calibrate_arguments),
    "table": Command(report_commands.table, report_commands.add_table_arguments, many_processes=True),
    "runs": Command(runs_command.runs, runs_command.add_runs_arguments),
    "models": Command(model_commands.models, model_commands.add_models_arguments),
    "predict": Command(model_commands.predict, model_commands.add_predict_arguments),
    "stream": Command(stream_command.stream, stream_command.add_stream_arguments),
    "serve": Command(serve_command.serve, serve_command.add_serve_arguments),
    "export": Command(export_command.export, export_command.add_export_arguments),
    "enroll": Command(enroll_command.enroll, enroll_command.add_enroll_arguments),
    "import": Command(model_commands.import_, model_commands.add_import_arguments),
    "report": Command(report_commands.report, report_commands.add_report_arguments),
    "bench": Command(report_commands.bench, report_commands.add_bench_arguments),
}


def build_parser(command_name: str | None) -> tuple[Parser, Parser]:
    """The parser of the whole command line.

    Args:
        command_name: The command whose arguments are added; None: no command was given.

    Returns:
        The parser, and the one of that command (the same where there is none).
    """
    parser = Parser(
        prog="jointwise",
        description=jointwise.__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"jointwise {jointwise.__version__}")
    add_list_of_settings(parser)
    command_parser = parser
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=Parser)
    for name, command in COMMANDS.items():
        added = commands.add_parser(name, help=command.help, description=command.help)
        if name == command_name:
            command.add_arguments(added)
            command_parser = added
    return parser, command_parser


def run(arguments: list[str]) -> None:
    """Run one command.

    Args:
        arguments: The words after `jointwise`.

    Raises:
        JointwiseError: Anything that is wrong with it.
    """
    name = arguments[0] if arguments and not arguments[0].startswith("-") else None
    if name is not None and name not in COMMANDS:
        raise ConfigError(unknown("command", name, COMMANDS))
    if LIST_SETTINGS in arguments:
        print(describe_settings(*named_in(arguments)), end="")
        return
    parser, command_parser = build_parser(name)
    args, rest = parser.parse_known_args(arguments)
    if name is None:
        if rest:
            raise ConfigError(f"{rest[0]} without a command. Name one first: jointwise {next(iter(COMMANDS))} …")
        parser.print_help()
        return
    command_parser.check_rest(rest)
    command = COMMANDS[name]
    if started_by_torchrun() and not command.many_processes:
        raise ConfigError(f"{name} is done by one process. Call it without torchrun: jointwise {name}.")
    args.words = arguments
    check_values(args)
    command.run(args)


_format_any_warning = warnings.formatwarning


def _format_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """A JointwiseWarning as one line, like an error; any other warning in Python's own format."""
    if issubclass(category, JointwiseWarning):
        return f"jointwise: WARNING: {printable(str(message))}\n"
    return _format_any_warning(message, category, filename, lineno, line)


def main() -> None:
    """Entry point: an error is one message on stderr and exit status 1; a second Ctrl-C exits at once with 130."""
    warnings.formatwarning = _format_warning
    for stream in (sys.stdout, sys.stderr):  # names of files may be bytes that no encoding knows
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    end_with_parent()
    try:
        with process_group():
            run(sys.argv[1:])
    except JointwiseError as error:
        print(f"jointwise: {printable(str(error))}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output has gone
        sys.exit(0)
    except OSError as error:
        if error.filename is None:
            raise
        reason = f"{str(error.filename)[:300]}: {error.strerror}. Check the name and the permissions."
        print(f"jointwise: {printable(reason)}", file=sys.stderr)
        sys.exit(1)
