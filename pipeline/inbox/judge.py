"""A tree against the types of a manifest: every fault at once, each at its place.

Owns the walk over `msgspec.inspect` types; it knows no field by name. What passes is handed to
`msgspec.convert`, which has the last word. Never raises for any tree.
"""

import re
from collections.abc import Callable, Iterable
from collections.abc import Mapping as Words
from typing import Any

from msgspec import inspect

from pipeline.inbox import record, say
from pipeline.inbox.build import MOST_FINDINGS
from pipeline.inbox.nearest import did_you_mean
from pipeline.inbox.record import BAD, Bad
from pipeline.inbox.tree import Finding, Mapping, Mark, Node, Path, Scalar, Sequence


class Judge:
    """Walks one document; `findings` fills up to `MOST_FINDINGS`.

    `needed` names top-level fields that must be there although their type does not say so, each
    with the reason as it stands after "a job needs a name".
    """

    def __init__(self, needed: Words[str, str]) -> None:
        self.needed = needed
        self.kinds: Words[str, inspect.StructType] = {}
        self.findings: list[Finding] = []
        self._examples: dict[Path, str] = {}

    def walk(self, node: Node, type_: inspect.Type, path: Path = ()) -> Any:
        """The value of `node` as builtins, without the parts that have findings, or `BAD`."""
        match type_:
            case inspect.Metadata(type=inner, extra_json_schema=schema, extra=extra):
                if schema is not None and "examples" in schema:
                    self._examples.setdefault(path, say.example(schema["examples"][0]))
                if isinstance(inner, inspect.StrType):
                    return self._text(node, inner, path, extra or {})
                return self.walk(node, inner, path)
            case inspect.UnionType():
                return self._union(node, type_, path)
            case inspect.StructType():
                return record.struct(self, node, type_, path)
            case inspect.StrType():
                return self._text(node, type_, path, {})
            case inspect.IntType() | inspect.FloatType():
                return self._number(node, type_, path)
            case inspect.LiteralType(values=values):
                return self._choice(node, values, type_, path)
            case inspect.EnumType(cls=cls):
                return self._choice(node, [member.value for member in cls], type_, path)
            case inspect.CollectionType() | inspect.TupleType():
                return self._list(node, type_, path)
            case inspect.DictType():
                return self._dict(node, type_, path)
            case inspect.BoolType() | inspect.NoneType() if not _fits(node, type_):
                return self.mistyped(node, type_, path)
            case _:
                return plain(node)

    def find(self, mark: Mark, message: str, hint: Callable[[], str] | str = "") -> Bad:
        """Adds a finding while there is room; a hint that takes time is asked for only then."""
        if not self.full:
            text = hint if isinstance(hint, str) else hint()
            self.findings.append(Finding(mark=mark, message=message, hint=text))
        return BAD

    @property
    def full(self) -> bool:
        """Whether no more findings are taken."""
        return len(self.findings) >= MOST_FINDINGS

    def mistyped(self, node: Node, type_: inspect.Type, path: Path) -> Bad:
        """Says that a value has the wrong type."""
        name = say.label(path)
        field = str(path[-1]) if path and isinstance(path[-1], str) else ""
        way_out = say.way_out(node, type_, field, self._examples.get(path, ""))
        if isinstance(node, Scalar) and node.value is None:
            return self.find(node.mark, f"{name} is empty", way_out)
        message = f"{name} must be {say.kind(type_)}, not {say.value(node)}"
        return self.find(node.mark, message, way_out)

    def _text(
        self, node: Node, type_: inspect.StrType, path: Path, extra: Words[str, Any]
    ) -> str | Bad:
        if type_.pattern is not None and not _is_nothing(node):
            return self._patterned(node, type_.pattern, path, extra)
        if not (isinstance(node, Scalar) and isinstance(node.value, str)):
            return self.mistyped(node, type_, path)
        text = node.value
        if not self._sized(node, len(text), type_, path, "characters"):
            return BAD
        return text

    def _patterned(self, node: Node, pattern: str, path: Path, extra: Words[str, Any]) -> str | Bad:
        """A text of a certain form, or what it should look like."""
        if (
            isinstance(node, Scalar)
            and isinstance(node.value, str)
            and _matches(pattern, node.value)
        ):
            return node.value
        tidy = _tidy(node)
        best = tidy if _matches(pattern, tidy) else extra.get("way", "")
        wanted = extra.get("wanted", f"like {pattern}")
        message = f"{say.label(path)} must be {wanted}, not {say.value(node)}"
        return self.find(node.mark, message, f"write it like this: {best}" if best else "")

    def _number(
        self, node: Node, type_: inspect.IntType | inspect.FloatType, path: Path
    ) -> float | Bad:
        if not _fits(node, type_):
            return self.mistyped(node, type_, path)
        value = plain(node)
        if (
            (type_.ge is None or value >= type_.ge)
            and (type_.gt is None or value > type_.gt)
            and (type_.le is None or value <= type_.le)
            and (type_.lt is None or value < type_.lt)
            and (type_.multiple_of is None or value % type_.multiple_of == 0)
        ):
            return float(value) if isinstance(type_, inspect.FloatType) else int(value)
        bound = type_.ge if type_.ge is not None and value < type_.ge else type_.le
        return self.find(
            node.mark,
            f"{say.label(path)} must be {say.bounds(type_)}, not {say.value(node)}",
            "" if bound is None else f"the nearest is {say.number(bound)}",
        )

    def _choice(self, node: Node, values: Iterable[Any], type_: inspect.Type, path: Path) -> Any:
        known = [str(value) for value in values]
        if not isinstance(node, Scalar) or node.value is None:
            return self.mistyped(node, type_, path)
        if node.value in values:
            return node.value
        written = node.text
        return self.find(
            node.mark,
            f"{say.label(path)} {say.quoted(written)} is not known",
            lambda: did_you_mean(written, known) or f"known are {', '.join(known)}",
        )

    def _list(
        self, node: Node, type_: inspect.CollectionType | inspect.TupleType, path: Path
    ) -> list[Any] | Bad:
        if not isinstance(node, Sequence):
            return self.mistyped(node, type_, path)
        count = len(node.items)
        if isinstance(type_, inspect.TupleType):
            types = type_.item_types
            if count != len(types):
                message = f"{say.label(path)} must have {len(types)} items, not {count}"
                return self.find(node.mark, message)
        else:
            if not self._sized(node, count, type_, path, "items"):
                return BAD
            types = (type_.item_type,) * count
        pairs = zip(node.items, types, strict=True)
        built = [self.walk(item, each, (*path, at)) for at, (item, each) in enumerate(pairs)]
        return [item for item in built if item is not BAD]

    def _dict(self, node: Node, type_: inspect.DictType, path: Path) -> dict[str, Any] | Bad:
        if not isinstance(node, Mapping):
            return self.mistyped(node, type_, path)
        if not self._sized(node, len(node.entries), type_, path, "entries"):
            return BAD
        built = {}
        for key, entry in node.entries.items():
            name = self.walk(Scalar(mark=entry.mark, value=key, text=key), type_.key_type, path)
            item = self.walk(entry.node, type_.value_type, (*path, key))
            if name is not BAD and item is not BAD:
                built[name] = item
        return built

    def _sized(
        self,
        node: Node,
        size: int,
        type_: inspect.StrType | inspect.CollectionType | inspect.DictType,
        path: Path,
        unit: str,
    ) -> bool:
        mark, name = node.mark, say.label(path)
        if type_.min_length is not None and size < type_.min_length:
            example = self._examples.get(path, "")
            such_as = f", such as {example}" if example else ""
            if not size:
                self.find(mark, f"{name} is empty", f"write something{such_as}, or take it away")
            else:
                message = f"{name} has {size} {unit}, and {type_.min_length} is the least"
                self.find(mark, message, f"write more{such_as}")
            return False
        if type_.max_length is not None and size > type_.max_length:
            message = f"{name} has {size:,} {unit}, and {type_.max_length:,} is the most"
            self.find(mark, message, "shorten it")
            return False
        return True

    def _union(self, node: Node, type_: inspect.UnionType, path: Path) -> Any:
        structs = [each for each in type_.types if isinstance(each, inspect.StructType)]
        if isinstance(node, Mapping) and len(structs) > 1:
            return record.tagged(self, node, structs, path)
        if _is_blank(node) and not (len(path) == 1 and path[0] in self.needed):
            return self.mistyped(node, type_, path)
        fitting = [each for each in type_.types if _fits(node, each)]
        if not fitting:
            alone = [each for each in type_.types if not isinstance(each, inspect.NoneType)]
            return (
                self.walk(node, alone[0], path)
                if len(alone) == 1
                else (self.mistyped(node, type_, path))
            )
        for each in fitting[:-1]:
            attempt = Judge({})
            value = attempt.walk(node, each, path)
            if not attempt.findings:
                return value
        return self.walk(node, fitting[-1], path)


def plain(node: Node) -> Any:
    """A tree as builtins."""
    match node:
        case Scalar(value=value):
            return value
        case Sequence(items=items):
            return [plain(item) for item in items]
        case Mapping(entries=entries):
            return {key: plain(entry.node) for key, entry in entries.items()}


def _fits(node: Node, type_: inspect.Type) -> bool:
    """Whether a node has the shape of a type; what it holds is another question."""
    match type_:
        case inspect.Metadata(type=inner):
            return _fits(node, inner)
        case inspect.UnionType(types=types):
            return any(_fits(node, each) for each in types)
        case inspect.DictType() | inspect.StructType():
            return isinstance(node, Mapping)
        case inspect.CollectionType() | inspect.TupleType():
            return isinstance(node, Sequence)
        case inspect.AnyType():
            return True
    if not isinstance(node, Scalar):
        return False
    value = node.value
    match type_:
        case inspect.NoneType():
            return value is None
        case inspect.BoolType():
            return isinstance(value, bool)
        case inspect.IntType():
            return isinstance(value, int) and not isinstance(value, bool)
        case inspect.FloatType():
            return isinstance(value, (int, float)) and not isinstance(value, bool)
        case _:
            return value is not None


def _is_nothing(node: Node) -> bool:
    return isinstance(node, Scalar) and node.value is None


def _is_blank(node: Node) -> bool:
    """Whether nothing is written at all, which says less than a null does."""
    return _is_nothing(node) and isinstance(node, Scalar) and not node.text


def _tidy(node: Node) -> str:
    """What somebody may have meant who wrote `832 X 1216 px` or `[832, 1216]`."""
    texts = node.items if isinstance(node, Sequence) else (node,)
    text = "x".join(each.text for each in texts if isinstance(each, Scalar))
    plain = text.replace(" ", "").lower().replace("*", "x").replace("×", "x").replace("px", "")
    return re.sub(r"(?<![0-9])0+(?=[0-9])", "", plain)


def _matches(pattern: str, text: str) -> bool:
    return re.search(pattern, text) is not None
