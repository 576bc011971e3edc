"""From the parser's events to a tree: counts first, then builds, one open node at a time.

Owns duplicate keys, merge keys, tags, anchors and the limits on depth, values, text and aliases.
A limit stops the file (`LimitError`); anything else becomes a finding of its document, and
reading goes on.
"""

from msgspec import Struct, structs
from yaml.events import Event, MappingStartEvent, ScalarEvent, SequenceStartEvent

from pipeline.inbox import scalar
from pipeline.inbox.scalar import Value
from pipeline.inbox.tree import Entry, Finding, Mapping, Mark, Node, Scalar, Sequence, Tree

MOST_FINDINGS = 100
"""Of one document; what is wrong a hundred times is wrong once."""
LONGEST_KEY = 200
_COLLECTION_TAGS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")


class LimitError(Exception):
    """Reading cannot go on."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


class _Open(Struct, kw_only=True):
    """A list or mapping whose end has not come; `weight` (values), `length` (characters) and
    `height` count all it stands for."""

    mark: Mark
    anchor: str | None
    mapping: bool
    items: list[Node] = []
    entries: dict[str, Entry] = {}
    key: tuple[str, Mark] | None = None
    awaits_value: bool = False
    weight: int = 1
    length: int = 0
    height: int = 1


class _Anchored(Struct, frozen=True):
    node: Node
    weight: int
    length: int
    height: int


def mark_of(event: Event) -> Mark:
    """Where an event begins."""
    start = event.start_mark
    return Mark(start.line + 1, start.column + 1) if start is not None else Mark(1, 1)


class Builder:
    """Takes the events of a stream one by one; the limits hold for the whole stream."""

    def __init__(self, *, deepest: int, most_nodes: int, most_aliases: int, most_text: int) -> None:
        self._deepest, self._most_nodes, self._most_aliases = deepest, most_nodes, most_aliases
        self._most_text = most_text
        self._nodes = self._aliases = self._text = 0
        self.begin()

    def begin(self) -> None:
        """A document starts; anchors end with their document."""
        self._open: list[_Open] = []
        self._anchors: dict[str, _Anchored] = {}
        self._findings: list[Finding] = []
        self._root: Node | None = None

    def end(self) -> Tree | None:
        """The document that ends here, or None if it holds nothing."""
        root = self._root
        if root is None or (isinstance(root, Scalar) and root.value is None and root.text == ""):
            return None
        return Tree(root=root, findings=tuple(self._findings[:MOST_FINDINGS]))

    def open(self, event: MappingStartEvent | SequenceStartEvent) -> None:
        """A list or mapping begins."""
        mark = mark_of(event)
        self._count(mark, 1, 0, 1)
        if event.tag is not None and event.tag not in ("!", *_COLLECTION_TAGS):
            shown = scalar.shown(event.tag)
            self._find(mark, f"the tag {shown} means nothing here", scalar.way_past(event.tag))
        self._open.append(
            _Open(mark=mark, anchor=event.anchor, mapping=isinstance(event, MappingStartEvent))
        )

    def close(self) -> None:
        """The innermost list or mapping ends."""
        done = self._open.pop()
        node: Node = (
            Mapping(mark=done.mark, entries=done.entries)
            if done.mapping
            else Sequence(mark=done.mark, items=tuple(done.items))
        )
        if done.anchor is not None:
            self._anchors[done.anchor] = _Anchored(node, done.weight, done.length, done.height)
        self._add(node, done.weight, done.length, done.height)

    def scalar(self, event: ScalarEvent) -> None:
        """A single value or key."""
        mark = mark_of(event)
        length = len(event.value)
        self._count(mark, 1, length, 0)
        if self._is_key() and event.implicit[0] and event.value == "<<":
            self._find(
                mark,
                "merge keys (<<) are not read",
                "write the fields out, or give a whole value an anchor (&name) and use *name",
            )
        node = Scalar(mark=mark, value=self._value(event, mark), text=event.value)
        if event.anchor is not None:
            self._anchors[event.anchor] = _Anchored(node, 1, length, 0)
        self._add(node, 1, length, 0)

    def alias(self, anchor: str, mark: Mark) -> None:
        """`*anchor`: all that the anchor stands for, once more."""
        self._aliases += 1
        if self._aliases > self._most_aliases:
            raise LimitError(
                Finding(
                    mark=mark,
                    message=f"the file has more than {self._most_aliases} aliases",
                    hint="write some of the values out",
                )
            )
        known = self._anchors.get(anchor)
        if known is None:
            within = any(frame.anchor == anchor for frame in self._open)
            why = "it stands inside what it repeats" if within else f"no &{anchor} stands before it"
            self._find(mark, f"*{anchor} repeats nothing: {why}", "put text with * in quotes")
            known = _Anchored(Scalar(mark=mark, value=None, text=f"*{anchor}"), 1, 0, 0)
        self._count(mark, known.weight, known.length, known.height)
        node = structs.replace(known.node, mark=mark)
        self._add(node, known.weight, known.length, known.height)

    def _value(self, event: ScalarEvent, mark: Mark) -> Value:
        if found := scalar.unwritable(event.value):
            code = f"U+{ord(found.group()):04X}"
            self._find(
                mark, f"the control character {code} may not stand in a manifest", "take it away"
            )
            return scalar.unwritable_replaced(event.value)
        try:
            if event.tag is not None:
                return scalar.tagged(event.tag, event.value)
            return scalar.resolve(event.value) if event.implicit[0] else event.value
        except scalar.RefusedError as refused:
            if not self._is_key():
                self._find(mark, *refused.args)
            return event.value

    def _is_key(self) -> bool:
        return bool(self._open) and self._open[-1].mapping and not self._open[-1].awaits_value

    def _add(self, node: Node, weight: int, length: int, height: int) -> None:
        if not self._open:
            self._root = node
            return
        parent = self._open[-1]
        parent.weight += weight
        parent.length += length
        parent.height = max(parent.height, height + 1)
        if not parent.mapping:
            parent.items.append(node)
        elif parent.awaits_value:
            parent.awaits_value = False
            if parent.key is not None:
                key, mark = parent.key
                parent.entries[key] = Entry(mark=mark, node=node)
        else:
            parent.awaits_value = True
            parent.key = self._key(parent, node)

    def _key(self, parent: _Open, node: Node) -> tuple[str, Mark] | None:
        """The key that `node` makes, or None after saying why it makes none."""
        if not isinstance(node, Scalar):
            self._find(
                node.mark,
                "a key must be a single word, not a list or mapping",
                "put text with {, [ or ? in quotes",
            )
        elif not node.text:
            self._find(node.mark, "a key is missing before ':'", "write it as 'key: value'")
        elif len(node.text) > LONGEST_KEY:
            self._find(node.mark, f"a key has more than {LONGEST_KEY} characters", "shorten it")
        elif node.text in parent.entries:
            first = parent.entries[node.text].mark
            self._find(
                node.mark,
                f"{node.text} is here twice: first in line {first.line}, column {first.column}",
                self._keep_one(parent, node.text),
            )
        elif node.text != "<<":
            return node.text, node.mark
        return None

    def _keep_one(self, parent: _Open, key: str) -> str:
        """What to do about a key that is there twice; where the first one of a document comes
        again, another document probably begins."""
        if len(self._open) == 1 and key == next(iter(parent.entries)):
            return "keep one of the two, or put '---' above the document that begins here"
        return "keep one of the two"

    def _count(self, mark: Mark, nodes: int, length: int, height: int) -> None:
        self._nodes += nodes
        self._text += length
        if self._text > self._most_text:
            raise LimitError(
                Finding(
                    mark=mark,
                    message=f"the file has more than {self._most_text:,} characters, aliases "
                    "counted with all they repeat",
                    hint="split it into several files",
                )
            )
        if self._nodes > self._most_nodes:
            raise LimitError(
                Finding(
                    mark=mark,
                    message=f"the file has more than {self._most_nodes:,} values, aliases counted "
                    "with all they repeat",
                    hint="split it into several files",
                )
            )
        if len(self._open) + height > self._deepest:
            raise LimitError(
                Finding(
                    mark=mark,
                    message=f"this is nested more than {self._deepest} levels deep",
                    hint="put it into fewer levels, or text with [ or { in quotes",
                )
            )

    def _find(self, mark: Mark, message: str, hint: str) -> None:
        if len(self._findings) < MOST_FINDINGS:
            self._findings.append(Finding(mark=mark, message=message, hint=hint))
