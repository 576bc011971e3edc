"""The fields of manifests as a person reads of them, from the types alone.

Owns what the schema, `anime explain` and the tables of examples/README.md have in common. Nothing
is said of a field here that does not stand where it is declared (`pipeline.core.manifest`).
"""

from collections.abc import Iterator
from typing import Any

import yaml
from msgspec import NODEFAULT, Struct, inspect

from pipeline.core.manifest import Character, Job, Project
from pipeline.inbox import say

KINDS: dict[str, type[Struct]] = {"project": Project, "character": Character, "job": Job}

EXACT = 2**53 - 1
"""The largest whole number that every reader of JSON has; as a bound it means none."""


class Field(Struct, frozen=True, kw_only=True):
    """One field of a kind; `path` is `defaults.steps`, `holder` the type it is declared in.

    `value` is what may be written, `limits` the same in short or '' where it goes without saying,
    `absent` what holds if it is left out (`required` if it may not be), `example` a value that is
    right, or `NODEFAULT` if nobody wrote one. `inside` are the fields of a mapping of fields.
    """

    kind: str
    holder: str
    path: str
    meaning: str
    value: str
    limits: str
    absent: str
    example: Any
    inside: tuple["Field", ...] = ()

    @property
    def line(self) -> str:
        """The example as it stands in a manifest, a line or several."""
        name = self.path.rpartition(".")[2]
        return written({name: self.example})


def fields(kind: str) -> tuple[Field, ...]:
    """The fields of a kind, in the order of their declaration."""
    return tuple(_fields(kind, KINDS[kind], ""))


def every_field() -> Iterator[Field]:
    """All fields of all kinds, those inside others too."""
    for kind in KINDS:
        for each in fields(kind):
            yield from (each, *each.inside)


def meaning_of(kind: str) -> str:
    """What a manifest of this kind is."""
    return " ".join((KINDS[kind].__doc__ or "").split())


def written(value: dict[str, Any]) -> str:
    """A mapping as a person would write it, without a newline at the end."""
    return "\n".join(f"{key}: {_flow(each)}" for key, each in value.items())


def _flow(value: Any) -> str:
    """A value on one line; YAML's own writer is asked for it, since it knows what needs quotes."""
    text: str = yaml.safe_dump(
        value, default_flow_style=True, allow_unicode=True, sort_keys=False, width=2**16
    )
    return text.removesuffix("\n").removesuffix("\n...")


def _fields(kind: str, cls: type[Struct], above: str) -> Iterator[Field]:
    info = inspect.type_info(cls)
    assert isinstance(info, inspect.StructType)
    for each in info.fields:
        meta = each.type if isinstance(each.type, inspect.Metadata) else None
        schema = (meta.extra_json_schema or {}) if meta else {}
        type_ = plain(each.type)
        path = f"{above}{each.encode_name}"
        deeper = _struct_in(type_)
        yield Field(
            kind=kind,
            holder=cls.__name__,
            path=path,
            meaning=schema.get("description", ""),
            value=_value(each.type),
            limits=_limits(type_),
            absent=_absent(each, (meta.extra or {}) if meta else {}),
            example=next(iter(schema.get("examples", ())), NODEFAULT),
            inside=tuple(_fields(kind, deeper, f"{path}.")) if deeper else (),
        )


def plain(type_: inspect.Type) -> inspect.Type:
    """A type without what is said of it, and without None if something else is left."""
    match type_:
        case inspect.Metadata(type=inner):
            return plain(inner)
        case inspect.UnionType(types=types):
            left = [each for each in types if not isinstance(each, inspect.NoneType)]
            return plain(left[0]) if len(left) == 1 else inspect.UnionType(tuple(left))
        case _:
            return type_


def _struct_in(type_: inspect.Type) -> type[Struct] | None:
    """The mapping of fields that a value is, or that its items are."""
    match plain(type_):
        case inspect.StructType(cls=cls):
            return cls
        case inspect.CollectionType(item_type=item):
            return _struct_in(item)
        case inspect.DictType(value_type=value):
            return _struct_in(value)
        case inspect.UnionType(types=types):
            return next((found for each in types if (found := _struct_in(each))), None)
        case _:
            return None


def _absent(field: inspect.Field, extra: dict[str, Any]) -> str:
    """What holds if the field is left out."""
    if field.required:
        return "required"
    if "absent" in extra:
        return str(extra["absent"])
    default = field.default if field.default is not NODEFAULT else None
    match default:
        case bool():
            return "true" if default else "false"
        case int() | float():
            return say.number(default)
        case _:
            return "nothing"


def _value(type_: inspect.Type) -> str:
    """What may be written, as a person says it."""
    match type_:
        case inspect.Metadata(type=inner, extra=extra):
            return str(extra["wanted"]) if extra and "wanted" in extra else _value(inner)
        case inspect.UnionType(types=types):
            left = [each for each in types if not isinstance(each, inspect.NoneType)]
            return say.either(_value(each) for each in left)
        case inspect.StrType(max_length=most):
            return "text" if most is None else f"text of at most {most:,} characters"
        case inspect.LiteralType(values=values):
            return f"one of {', '.join(map(str, values))}"
        case inspect.EnumType(cls=cls):
            return f"one of {', '.join(str(member.value) for member in cls)}"
        case inspect.IntType() | inspect.FloatType():
            return f"{say.kind(type_)} {say.bounds(type_)}".rstrip()
        case inspect.CollectionType(max_length=most):
            return say.kind(type_) if most is None else f"a list of at most {most}"
        case _:
            return say.kind(type_)


def _limits(type_: inspect.Type) -> str:
    """The range or the choice in few words, in Markdown."""
    match type_:
        case inspect.LiteralType(values=values):
            return ", ".join(f"`{value}`" for value in values)
        case inspect.EnumType(cls=cls):
            return ", ".join(f"`{member.value}`" for member in cls)
        case inspect.IntType(ge=int() as least, le=int() as most) if most >= EXACT:
            return f"{least} or more"
        case inspect.IntType(ge=int() | float() as least, le=int() | float() as most):
            return f"{say.number(least)} to {say.number(most)}"
        case inspect.FloatType(ge=int() | float() as least, le=int() | float() as most):
            return f"{say.number(least)} to {say.number(most)}"
        case inspect.CollectionType(max_length=int() as most):
            return f"at most {most}"
        case _:
            return ""
