"""Build the documentation site: `python docs/build.py [FOLDER]`, into `site/` where no folder is given.

Sphinx reads Markdown from one folder, so what the site shows is gathered first: the README, the pages beside this
file, and one page for each rule, made of its docstring, its fixtures, its witness and the verdicts on its findings.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path

from sphinx.cmd.build import main as sphinx

from bglint.report.precision import precision
from bglint.rule import Rule, registry

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
_LINK = re.compile(r"(?<!!)\[([^]]+)\]\(([^)#:]+)\)")
_CONTENTS = """
```{{toctree}}
:hidden:
{options}
{pages}
```
"""


def build(site: Path) -> int:
    """Write the site; a link that leads nowhere and any other warning makes the exit code 1."""
    with tempfile.TemporaryDirectory() as folder:
        gather(Path(folder))
        options = ["--fail-on-warning", "--keep-going", "--quiet", "--builder=dirhtml", f"--conf-dir={DOCS}"]
        return sphinx([*options, f"--doctree-dir={folder}/.doctrees", folder, str(site)])


def gather(folder: Path) -> None:
    """All Markdown and pictures of the site, in one folder."""
    pages = sorted(path.stem for path in DOCS.glob("*.md"))
    for path in (*DOCS.glob("*.md"), *DOCS.glob("*.svg"), *DOCS.glob("*.json")):
        shutil.copy(path, folder)
    for name in pages:
        text = (folder / f"{name}.md").read_text("utf-8")
        (folder / f"{name}.md").write_text(_LINK.sub(_within_the_site, text), "utf-8")
    (folder / "index.md").write_text(_home() + _contents("rules/index", *pages), "utf-8")
    _write_rules(folder / "rules")


def _home() -> str:
    text = (ROOT / "README.md").read_text("utf-8").replace("docs/finding.svg", "finding.svg")
    text = re.sub(r"^\| (BG\d{3}) \|", r"| [\1](rules/\1.md) |", text, flags=re.MULTILINE)
    return _LINK.sub(_within_the_site, text)


def _within_the_site(link: re.Match[str]) -> str:
    """A link to a page stays one; the text of a link to anything else in the repository stands alone."""
    text, target = link.groups()
    name = target.removeprefix("docs/")
    stays = name.startswith("rules/") or ("/" not in name and (DOCS / name).is_file())
    return f"[{text}]({name})" if stays else text


def _contents(*pages: str, options: str = "") -> str:
    return _CONTENTS.format(options=options, pages="\n".join(pages))


def _write_rules(folder: Path) -> None:
    folder.mkdir()
    rules = registry()
    for code, rule in rules.items():
        (folder / f"{code}.md").write_text("\n\n".join(rule_page(rule)) + "\n", "utf-8")
    rows = [
        f"| [{rule.code}]({rule.code}.md) | {rule.name} | {rule.level} | {rule.fixable} |"
        for rule in rules.values()
    ]
    table = "\n".join(["| Code | Name | Level | Fix |", "| --- | --- | --- | --- |", *rows])
    (folder / "index.md").write_text(f"# Rules\n\n{table}\n{_contents(*rules)}", "utf-8")


def rule_page(rule: Rule) -> Iterator[str]:
    """The parts of a rule's page, in order."""
    stem = f"{rule.code.lower()}_{rule.name.replace('-', '_')}"
    folder = ROOT / "fixtures" / stem
    fixable = f", {rule.fixable} fix" if rule.fixable else ""
    yield f"# {rule.code} {rule.name}"
    yield f"*{rule.level}{fixable}*"
    yield rule.doc
    yield from _witness(folder)
    yield "## Precision"
    yield precision(rule.code)
    yield from _apps("Apps in which it is found", folder, "bad_*")
    yield from _apps("Apps in which nothing is found", folder, "good_*")


def _witness(folder: Path) -> Iterator[str]:
    text = (folder / "witness.py").read_text("utf-8")
    if "async def harm(" in text:
        yield "In a checkout of bglint this command runs the apps below under the installed FastAPI, and the witness says"
        yield f"whether the harm shows:\n\n```console\npytest tests/test_witness.py -k {folder.name}\n```"
    else:
        yield "No run of an app shows this. The test only makes sure that the framework still has these lines:"
    yield _listing("witness.py", text)


def _apps(title: str, folder: Path, pattern: str) -> Iterator[str]:
    yield f"## {title}"
    yield "Each is linted in the tests: `expect` stands where the finding must be, `via` on the other lines of its path."
    words = dict(re.findall(r"^(\w+)\n((?: .*\n)*)", (folder / "said.txt").read_text("utf-8"), re.MULTILINE))
    for app in sorted(path for path in folder.glob(pattern) if ".fixed" not in path.name):
        files = sorted(app.rglob("*.py")) if app.is_dir() else [app]
        for path in files:
            yield _listing(path.relative_to(folder).as_posix(), path.read_text("utf-8"))
        if app.stem in words:
            yield f"```text\n{textwrap.dedent(words[app.stem]).rstrip()}\n```"


def _listing(name: str, source: str) -> str:
    return (
        f"<details><summary><code>{name}</code></summary>\n\n```python\n{source.rstrip()}\n```\n\n</details>"
    )


if __name__ == "__main__":
    sys.exit(build(Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "site")))
