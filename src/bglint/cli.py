"""Options in, exit code out."""

from __future__ import annotations

import gc
import io
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from bglint import __version__, completion, leaving
from bglint import config as configuration
from bglint.config import BASELINE, Config, ConfigError
from bglint.discover import PathError, decode, encoding_of, project_root
from bglint.lint import lint
from bglint.model import Report
from bglint.output import Output, outputs, wants_color, width, write
from bglint.progress import Progress
from bglint.report.safe import visible
from bglint.report.text import Look

if TYPE_CHECKING:
    from bglint.fix import Fixed
    from bglint.rule import Rule

FOUND, FAILED = 1, 2
EXAMPLES = """\
  bglint                       lint the current folder
  bglint app/ --strict         lint a folder, advice too
  bglint --fix                 apply the fixes that only remove the harm
  bglint explain BG201         why a finding matters and what to write instead
"""


_OWN_OPTIONS = ("--help", "-h", "--version")


class _Commands(click.Group):
    """A group whose first word may be left out: then it is `check`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        first_word_is_completed = ctx.resilient_parsing and not args
        if not first_word_is_completed and args[:1] not in [
            [word] for word in (*self.commands, *_OWN_OPTIONS)
        ]:
            args = ["check", *args]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The first word is a command, a path, or an option of `check`."""
        if incomplete.startswith("-"):
            return self.commands["check"].shell_complete(click.Context(self.commands["check"]), incomplete)
        return [*super().shell_complete(ctx, incomplete), CompletionItem(incomplete, type="file")]

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_usage("bglint", "[OPTIONS] [PATH...]  |  bglint COMMAND ...")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Examples"):
            formatter.write(EXAMPLES)
        check_ = self.commands["check"]
        records = [p.get_help_record(ctx) for p in check_.params if p.name in _ON_FIRST_SCREEN]
        with formatter.section("Options (all of them: bglint check --help)"):
            formatter.write_dl([record for record in records if record])
        self.format_commands(ctx, formatter)


_ON_FIRST_SCREEN = {
    "select", "ignore", "strict", "output_format", "fix", "diff", "baseline", "changed_since", "config", "verbose",
}  # fmt: skip


@click.group(
    cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="bglint", message="%(prog)s %(version)s")
def cli() -> None:
    """Find misuse of FastAPI and Starlette background tasks."""


def _listed(ctx: click.Context, param: click.Parameter, values: Sequence[str]) -> tuple[str, ...] | None:
    """`--select BG2,BG401 --select BG5` as one tuple; None where the option was not given."""
    return tuple(part for value in values for part in value.replace(",", " ").split()) or None


def _absolute(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    return os.path.abspath(value) if value else None


_COMPLETED = {"RULES": completion.rules, "FORMAT": completion.formats}


def _list_option(name: str, metavar: str, meaning: str) -> Callable[[Any], Any]:
    return click.option(
        name,
        multiple=True,
        metavar=metavar,
        callback=_listed,
        help=meaning,
        shell_complete=_COMPLETED[metavar],
    )


def _switch(*names: str, meaning: str) -> Callable[[Any], Any]:
    """A switch that leaves the configuration file's word alone where it is not given."""
    return click.option(*names, is_flag=True, default=None, help=meaning)


_PATHS = click.argument("paths", nargs=-1, type=click.Path(), metavar="[PATH]...")
_CONFIG = click.option("--config", "config_file", metavar="FILE", help="Read the options from this file.")
_COLOR = click.option(
    "--color",
    type=click.Choice(configuration.COLORS),
    default=None,
    help="Colours; auto, the default, asks the terminal.",
)
_SELECTION = (
    _list_option("--select", "RULES", "Rules to run: codes, prefixes (BG2) or names, with commas."),
    _list_option("--ignore", "RULES", "Rules not to run."),
    _list_option("--extend-select", "RULES", "Rules to run besides the selected ones."),
    _switch("--strict", meaning="Report advice, too."),
    _switch("--include-tests", meaning="Lint test code, too."),
    click.option("--fastapi-version", metavar="VERSION", help="Judge by this FastAPI version."),
    click.option("--starlette-version", metavar="VERSION", help="Judge by this Starlette version."),
    click.option("--queue", metavar="NAME", help="Recommend this task queue, not the one the project uses."),
    _CONFIG,
    click.option("--isolated", is_flag=True, help="Read no configuration file."),
)
_FORMATS = ", ".join(configuration.FORMATS)
_CHECK = (
    _PATHS,
    *_SELECTION,
    _list_option("--output-format", "FORMAT", f"{_FORMATS}; several at once as sarif:FILE."),
    click.option("--output-file", metavar="FILE", help="Write the report to a file."),
    _COLOR,
    _switch("--fix", meaning="Apply the safe fixes: the harm goes, nothing else changes."),
    _switch(
        "--unsafe-fixes", meaning="Apply those, too, that change more than the harm; see them with --diff."
    ),
    click.option("--diff", is_flag=True, help="Show what --fix would change, and change nothing."),
    click.option("--baseline", metavar="FILE", callback=_absolute, help="Report what is not in this file."),
    click.option("--no-baseline", is_flag=True, help="Report what is in the baseline, too."),
    click.option("--changed-since", metavar="REF", help="Report what touches lines changed since a commit."),
    click.option("--stdin-filename", metavar="PATH", help="Lint the standard input as this file."),
    click.option("-w", "--watch", is_flag=True, help="Lint again after each save."),
    click.option(
        "-j",
        "--jobs",
        metavar="N",
        type=click.IntRange(min=0),
        default=0,
        help="Processes at most; as many as pay if not given.",
    ),
    click.option("--no-cache", is_flag=True, help="Neither use nor keep what was found before."),
    click.option("--cache-dir", metavar="FOLDER", callback=_absolute, help="Keep what was found there."),
    _switch("--show-suppressed", meaning="List what is suppressed, and why."),
    _switch("--statistics", meaning="Count the findings by rule."),
    _switch("-v", "--verbose", meaning="List the tasks that could not be followed, and more."),
    _switch("-q", "--quiet", meaning="No summary."),
    _switch("--exit-zero", meaning="Exit with 0 even where something was found."),
)


def _with(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


# ------------------------------------------------------------------------ check


@cli.command()
@_with(*_CHECK)
@click.pass_context
def check(ctx: click.Context, /, paths: tuple[str, ...], **chosen: Any) -> None:
    """Lint files and folders. This is what bglint does where no command is written."""
    if chosen.pop("watch"):
        from bglint.watch import watch

        if chosen["stdin_filename"]:
            raise click.UsageError("--watch watches files, not the standard input.")
        leaving.stay()
        watch(project_root(paths or (".",)), lambda: _check(ctx, paths, chosen))
    else:
        _check(ctx, paths, chosen)


def _check(ctx: click.Context, paths: tuple[str, ...], chosen: Mapping[str, Any]) -> None:
    given = _standard_input(chosen)
    targets = tuple(given) or paths or (".",)
    config = _configured(targets, chosen)
    places = outputs(config.output_format, config.output_file)
    report, fixed = _lint(targets, config, given, chosen)
    if chosen["diff"]:
        _show_diff(fixed)
    else:
        _tell_fixed(fixed, places)
        _write(report, places, config)
    ctx.exit(_exit_code(report, fixed, config, chosen))


def _standard_input(chosen: Mapping[str, Any]) -> dict[str, bytes]:
    name = chosen["stdin_filename"]
    if name and (chosen["fix"] or chosen["unsafe_fixes"]) and not chosen["diff"]:
        raise click.UsageError("a fix has no file to write with --stdin-filename; use --diff.")
    return {_as_shown(name): sys.stdin.buffer.read()} if name else {}


def _as_shown(path: str) -> str:
    """The path as findings write it."""
    relative = os.path.relpath(path).replace(os.sep, "/")
    return os.path.abspath(path) if relative.startswith("../") else relative


def _configured(paths: Sequence[str], chosen: Mapping[str, Any]) -> Config:
    """The configuration file's options with the command line's over them."""
    config = Config() if chosen["isolated"] else _read_config(paths, chosen["config_file"])
    names = {option.name for option in fields(Config)}
    over = {name: value for name, value in chosen.items() if name in names and value is not None}
    if chosen.get("no_baseline"):
        over["baseline"] = ""
    if chosen.get("no_cache"):
        over["cache"] = False
    if chosen.get("unsafe_fixes"):
        over["fix"] = True
    if chosen.get("stdin_filename"):
        over["fix"] = False
    return replace(config, **over)


def _read_config(paths: Sequence[str], file: str | None) -> Config:
    if file is not None:
        return configuration.load(Path(), Path(file))
    return configuration.load(Path(os.path.commonpath([os.path.abspath(path) for path in paths])))


def _lint(
    paths: Sequence[str], config: Config, given: Mapping[str, bytes], chosen: Mapping[str, Any]
) -> tuple[Report, Fixed | None]:
    """The report, and what was changed on the way to it."""
    with Progress(not config.quiet) as progress:

        def again(texts: Mapping[str, str]) -> Report:
            edited = {path: text.encode(encoding_of(text.encode())) for path, text in texts.items()}
            contents, since = {**given, **edited}, chosen["changed_since"]
            return lint(
                paths, config, given=contents, since=since, progress=progress.step, cached=config.cache,
                jobs=chosen["jobs"],
            )  # fmt: skip

        if not (config.fix or chosen["diff"]):
            return again({}), None
        from bglint import fix

        unsaved = {name: decode(data) for name, data in given.items()}
        outcome = fix.until_stable(again, safe_only=not config.unsafe_fixes, given=unsaved)
    unwritten = () if chosen["diff"] else fix.write(outcome.fixed)
    problems = (*outcome.report.problems, *outcome.fixed.problems, *unwritten)
    return replace(outcome.report, problems=problems), outcome.fixed


def _show_diff(fixed: Fixed | None) -> None:
    from bglint import fix

    for path, text in sorted(fixed.texts.items() if fixed else ()):
        sys.stdout.write(fix.diff(fixed.before[path], text, path) if fixed else "")


def _tell_fixed(fixed: Fixed | None, places: Sequence[Output]) -> None:
    if fixed is None or not fixed.texts:
        return
    findings, files = (
        _count(len(things), noun) for things, noun in ((fixed.applied, "finding"), (fixed.texts, "file"))
    )
    click.echo(f"Fixed {findings} in {files}.", err=not _is_for_a_person(places))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _is_for_a_person(places: Sequence[Output]) -> bool:
    """Does the text report go to the standard output?"""
    return any(output.format == "text" and not output.file for output in places)


def _write(report: Report, places: Sequence[Output], config: Config) -> None:
    look = Look(
        color=wants_color(config.color, sys.stdout.isatty()),
        width=width(),
        verbose=config.verbose,
        quiet=config.quiet,
        show_suppressed=config.show_suppressed,
        statistics=config.statistics,
    )
    for output in places:
        write(report, output, look if not output.file else replace(look, color=config.color == "always"))
    if not _is_for_a_person(places):
        _tell_problems(report)


def _tell_problems(report: Report) -> None:
    """What went wrong must be seen where the report goes to a machine."""
    for problem in report.problems:
        place = (
            f"{problem.path}:{problem.line}: "
            if problem.line
            else f"{problem.path}: "
            if problem.path
            else ""
        )
        click.echo(f"bglint: {visible(place + problem.message)}", err=True)


def _exit_code(report: Report, fixed: Fixed | None, config: Config, chosen: Mapping[str, Any]) -> int:
    if report.problems:
        return FAILED
    found = fixed is not None and fixed.texts if chosen["diff"] else report.findings
    return FOUND if found and not config.exit_zero else 0


# --------------------------------------------------------------- other commands


@cli.command()
@click.argument("rule", shell_complete=completion.rules)
@_COLOR
def explain(rule: str, color: str | None) -> None:
    """Tell what a rule (code or name) means and what to write instead."""
    from bglint.report.pages import page

    click.echo(
        page(_rule_called(rule), wants_color(color or "auto", sys.stdout.isatty()), width()),
        nl=False,
        color=True,
    )


def _rule_called(word: str) -> Rule:
    from bglint.rule import registry

    rules = registry()
    for rule in rules.values():
        if word.upper() == rule.code or word.lower().replace("_", "-") == rule.name:
            return rule
    names = [*rules, *(rule.name for rule in rules.values())]
    raise click.UsageError(f'no rule is called "{word}"{configuration.suggest(word, names)}')


@cli.command()
@click.option("--output-format", "form", type=click.Choice(["text", "json"]), default="text")
@_COLOR
def rules(form: str, color: str | None) -> None:
    """List the rules."""
    from bglint.report import pages
    from bglint.rule import registry

    known = tuple(registry().values())
    if form == "json":
        click.echo(pages.as_json(known), nl=False)
    else:
        click.echo(
            pages.table(known, wants_color(color or "auto", sys.stdout.isatty()), width()),
            nl=False,
            color=True,
        )


@cli.command()
@_with(_PATHS, *_SELECTION)
@click.option(
    "--output-file", metavar="FILE", help=f"Where to write; {BASELINE} in the project's folder if not given."
)
@click.option("--update", is_flag=True, help="Only drop what is no longer found; add nothing.")
def baseline(paths: tuple[str, ...], output_file: str | None, update: bool, **chosen: Any) -> None:
    """Accept what is there: later runs report only what is new."""
    from bglint.record import record

    targets = paths or (".",)
    config = _configured(targets, chosen)
    report, words = record(targets, config, output_file, update)
    _tell_problems(report)
    click.echo(words)
    if report.problems:
        sys.exit(FAILED)


@cli.command()
@_with(_PATHS, *_SELECTION, _COLOR)
@click.option("--output-format", "form", type=click.Choice(["text", "mermaid", "json"]), default="text")
def tasks(paths: tuple[str, ...], form: str, **chosen: Any) -> None:
    """Show what runs after which response, where, and what it touches."""
    from bglint.report import tasks as drawn
    from bglint.taskmap import task_map

    targets = paths or (".",)
    config = _configured(targets, chosen)
    origins = task_map(targets, config)
    if form == "text":
        text = drawn.as_tree(origins, wants_color(config.color, sys.stdout.isatty()), width())
    else:
        text = drawn.as_json(origins) if form == "json" else drawn.as_mermaid(origins)
    click.echo(text, nl=False, color=True)


@cli.command()
@_with(_PATHS, _CONFIG, click.option("--cache-dir", metavar="FOLDER", callback=_absolute, help="The cache."))
def clean(paths: tuple[str, ...], **chosen: Any) -> None:
    """Remove what bglint keeps between runs."""
    from bglint import cache

    targets = paths or (".",)
    place = cache.folder(_configured(targets, {"isolated": False, **chosen}), Path(project_root(targets)))
    click.echo(f"Removed {place}." if cache.clean(place) else f"There is no cache in {place}.")


# ------------------------------------------------------------------- the program


def program() -> None:
    """`bglint` and `python -m bglint`: a process for one run."""
    leaving.begin()
    try:
        main()
    except SystemExit as end:
        leaving.leave(end.code if isinstance(end.code, int) else FAILED)


def main() -> None:
    """Run the command line; whatever goes wrong is one line on standard error and the exit code 2.

    A run makes millions of small objects that live to its end: looking for garbage among them took a third of it.
    """
    gc.disable()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(_run())


def _run() -> int:
    try:
        code = cli.main(prog_name="bglint", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.ClickException as error:
        return _complain(error.format_message())
    except (ConfigError, PathError) as error:
        return _complain(str(error))
    except (click.Abort, KeyboardInterrupt):
        return 130
    except BrokenPipeError:  # the reader, `head` perhaps, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FOUND


def _complain(message: str) -> int:
    click.echo(f"bglint: {' '.join(message.split())}", err=True)
    return FAILED
