"""A file's bytes to manifests, or to everything that is wrong with it.

Owns what a file of one or several documents must hold as a whole. Never reads a file, and never
raises for any bytes.
"""

import re
from functools import cache
from typing import Any

import msgspec
from msgspec import Struct, inspect

from pipeline.core.adapters import AdapterFile, is_adapter_file
from pipeline.core.faults import faults
from pipeline.core.keys import (
    LONGEST_STEM,
    is_styles_file,
    is_wildcard_file,
    job_key,
    slug,
    stem_bytes,
)
from pipeline.core.manifest import Job, Manifest
from pipeline.core.pictured import PictureFile, is_picture_file
from pipeline.core.problem import Problem
from pipeline.core.styles import Style
from pipeline.inbox import say, texts, yaml
from pipeline.inbox.judge import Judge
from pipeline.inbox.record import BAD
from pipeline.inbox.tree import Finding, Mapping, Mark, Node, Path, Scalar, Tree, find

MOST_PROBLEMS = 100
"""Of one file; one more then says how many are left out."""
LONGEST_LINE = 120
"""Characters of a source line that a problem carries along."""
LONGEST_MESSAGE = 400

_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]"
)


class Document(Struct, frozen=True, kw_only=True):
    """A good document: the `index`th (from 0) of its file that is not empty, from `line` on."""

    index: int
    line: int
    manifest: Manifest
    root: Node


class Loaded(Struct, frozen=True, kw_only=True):
    """What a file says. Both are empty for a file without a document.

    `styles`, `wildcard`, `adapter` and `picture` are what such a file says. `several` is whether it
    holds more than one document, good or bad. `problems` are in the order of their places.
    """

    file: str
    documents: tuple[Document, ...] = ()
    problems: tuple[Problem, ...] = ()
    several: bool = False
    lines: tuple[str, ...] = ()
    styles: tuple[Style, ...] | None = None
    wildcard: tuple[str, ...] | None = None
    adapter: AdapterFile | None = None
    picture: PictureFile | None = None

    def problem(
        self, document: Document, path: Path, message: str, hint: str = ""
    ) -> Problem:  # fmt: skip
        """A problem that shows only when documents meet, at the value under `path`, or as near to
        it as the document goes."""
        finding = Finding(mark=find(document.root, path), message=message, hint=hint)
        return _problem(self.file, self.lines, finding)


def load(text: bytes, file: str) -> Loaded:
    """The documents of a file, each judged singly; `file` only names it in problems.

    If the YAML cannot be read to its end there are no documents, only problems. A file of styles
    or of a wildcard has those instead of documents. Of a file of weights the text is what
    `pipeline.adapters` says of it, in JSON, and of a picture what `pipeline.picture_files` does.
    """
    if is_picture_file(file):
        return Loaded(file=file, picture=msgspec.json.decode(text, type=PictureFile))
    if is_adapter_file(file):
        return Loaded(file=file, adapter=msgspec.json.decode(text, type=AdapterFile))
    if is_styles_file(file) or is_wildcard_file(file):
        return _load_text(text, file)
    read = yaml.read(text)
    several = len(read.documents) > 1 or (read.broken is not None and bool(read.documents))
    findings: list[Finding] = []
    documents: list[Document] = []
    seen: dict[tuple[str, ...], int] = {}
    for number, tree in enumerate(read.documents):
        manifest, faulty = _judged(tree, several)
        faulty += _again(tree.root, seen)
        if several and isinstance(manifest, Job):
            faulty += _overlong(file, manifest, tree.root)
        findings += faulty
        if manifest is not None and not faulty:
            documents.append(
                Document(index=number, line=tree.root.mark.line, manifest=manifest, root=tree.root)
            )
    if read.broken is not None:
        findings.append(read.broken)
    return Loaded(
        file=file,
        documents=() if read.broken else tuple(documents),
        problems=_problems(file, read.lines, findings),
        several=several,
        lines=read.lines,
    )


def _load_text(data: bytes, file: str) -> Loaded:
    lines = tuple(data.decode("utf-8-sig", "replace").splitlines())
    if is_styles_file(file):
        styles, findings = texts.styles_of(data, file)
        read = Loaded(file=file, styles=styles, lines=lines)
    else:
        wildcard, findings = texts.wildcard_of(data)
        read = Loaded(file=file, wildcard=wildcard, lines=lines)
    return msgspec.structs.replace(read, problems=_problems(file, lines, findings))


def _judged(tree: Tree, several: bool) -> tuple[Manifest | None, list[Finding]]:
    """A document's manifest as far as its good fields make one, and all that is wrong with it."""
    judge = Judge({"name": " in a file of several documents"} if several else {})
    found = list(tree.findings)
    if not isinstance(tree.root, Mapping):
        message = f"a manifest is a mapping of fields, not {say.value(tree.root)}"
        judge.find(tree.root.mark, message, "begin with a line 'kind: job'")
        return None, found + judge.findings
    built = judge.walk(tree.root, _manifest_type())
    # A number that could not be read must not also be called text.
    taken = {finding.mark for finding in found}
    found += [finding for finding in judge.findings if finding.mark not in taken]
    if built is BAD:
        return None, found
    try:
        manifest = msgspec.convert(built, Manifest)
    except msgspec.ValidationError as error:
        # What is missing or wrong is said already, unless a type checks more than we know of.
        if not found:
            found.append(_unforeseen(tree.root, str(error)))
        return None, found
    for fault in faults(manifest):
        # A fault of the whole may only follow from a field that is left out.
        if fault.path or not found:
            mark = find(tree.root, fault.path)
            found.append(Finding(mark=mark, message=fault.message, hint=fault.hint))
    return manifest, found


def _unforeseen(root: Node, message: str) -> Finding:
    words, _, place = message.partition(" - at `$")
    path = [int(step) if step.isdecimal() else step for step in re.findall(r"[\w-]+", place)]
    return Finding(mark=find(root, tuple(path)), message=words)


def _again(root: Node, seen: dict[tuple[str, ...], int]) -> list[Finding]:
    """Whether a document above has the same name; the first keeps it."""
    words = {field: _word(root, field) for field in ("kind", "project", "name")}
    if not words["kind"] or not words["name"]:
        return []
    if words["kind"] != "character":
        words["project"] = ""
    identity = (words["kind"], slug(words["project"]), slug(words["name"]))
    mark = find(root, ("name",))
    first = seen.setdefault(identity, mark.line)
    if first == mark.line:
        return []
    return [
        Finding(
            mark=mark,
            message=f"two documents of this file, lines {first} and {mark.line}, are the "
            f"{words['kind']} {say.quoted(words['name'])}",
            hint="give one of them another name",
        )
    ]


def _overlong(file: str, job: Job, root: Node) -> list[Finding]:
    """Whether a job's name, behind the file's, leaves no room in the names of its pictures."""
    length = stem_bytes(job_key(file, job.name, several=True))
    if length <= LONGEST_STEM:
        return []
    return [
        Finding(
            mark=find(root, ("name",)),
            message=f"with this name, its pictures' names would begin with {length} bytes, and "
            f"{LONGEST_STEM} is the most",
            hint="shorten it, or the file's name",
        )
    ]


def _word(root: Node, field: str) -> str:
    entry = root.entries.get(field) if isinstance(root, Mapping) else None
    value = entry.node.value if entry is not None and isinstance(entry.node, Scalar) else None
    return value if isinstance(value, str) else ""


def _problems(file: str, lines: tuple[str, ...], findings: list[Finding]) -> tuple[Problem, ...]:
    ordered = sorted(findings, key=lambda finding: finding.mark)
    problems = [_problem(file, lines, finding) for finding in ordered[:MOST_PROBLEMS]]
    if len(ordered) > MOST_PROBLEMS:
        left = f"{len(ordered) - MOST_PROBLEMS} or more problems follow"
        mark = ordered[MOST_PROBLEMS].mark
        problems.append(_problem(file, lines, Finding(mark=mark, message=left)))
    return tuple(problems)


def _problem(file: str, lines: tuple[str, ...], finding: Finding) -> Problem:
    finding = _commented(finding, lines)
    text, caret = "", 0
    if finding.mark.line <= len(lines):
        text, caret = _excerpt(lines[finding.mark.line - 1], finding.mark)
    return Problem(
        file=file,
        line=finding.mark.line,
        column=finding.mark.column,
        message=_visible(_cut(finding.message)),
        text=text,
        caret=caret,
        hint=_visible(_cut(finding.hint)),
    )


def _commented(finding: Finding, lines: tuple[str, ...]) -> Finding:
    """What is said to be empty may only look so: `prompt: #1 girl` has a comment."""
    mark = finding.mark
    if not finding.message.endswith(" is empty") or mark.line > len(lines):
        return finding
    if not lines[mark.line - 1][mark.column - 1 :].lstrip().startswith("#"):
        return finding
    hint = "what follows # is a comment; put text with # in quotes"
    return Finding(mark=mark, message=finding.message, hint=hint)


def _excerpt(line: str, mark: Mark) -> tuple[str, int]:
    """The part of a line around a place, and the place in it, from 1."""
    start = max(0, mark.column - LONGEST_LINE // 2) if len(line) > LONGEST_LINE else 0
    text, before = line[start : start + LONGEST_LINE], "…" if start else ""
    after = "…" if start + LONGEST_LINE < len(line) else ""
    return _visible(before + text + after), mark.column - start + len(before)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_MESSAGE else text[:LONGEST_MESSAGE] + "…"


def _visible(text: str) -> str:
    """Without what could steer a terminal or turn the reading order; a tab stays one."""
    return re.sub(
        r"[^\t\n -~\xa0-\u200a\u2010-\u2027\u202f-\u2065\u206a-\ud7ff\ue000-\U0010ffff]",
        "\ufffd",
        text,
    )


@cache
def _manifest_type() -> Any:
    return inspect.type_info(Manifest)
