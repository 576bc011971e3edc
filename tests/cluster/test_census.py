"""Where stations can be: for each GPU, or on CPUs for each node, one by a name of its own."""

from typing import Any

from pipeline.cluster.census import Slot, name_of, slots


def node(name: str, *, alive: bool = True, **resources: float) -> dict[str, Any]:
    """As `ray.nodes()` has it."""
    return {
        "NodeID": f"id-{name}", "Alive": alive, "NodeManagerHostname": name,
        "NodeManagerAddress": "10.0.0.1", "Resources": resources,
    }  # fmt: skip


NODES = [
    node("head", CPU=0.0), node("big", CPU=8.0, GPU=2.0), node("small", CPU=2.0, GPU=1.0),
    node("plain", CPU=4.0), node("gone", alive=False, CPU=4.0, GPU=4.0),
]  # fmt: skip


def test_each_gpu_of_a_living_node_has_one() -> None:
    found = [(slot.host, slot.gpu, slot.gpus) for slot in slots(NODES, "cuda")]
    assert found == [("big", 0, 2), ("big", 1, 2), ("small", 0, 1)]
    assert slots(NODES, "auto") == slots(NODES, "cuda")


def test_on_cpus_each_node_that_has_some_has_one() -> None:
    assert [slot.host for slot in slots(NODES, "cpu")] == ["big", "small", "plain"]


def test_names_are_hosts_with_a_number_where_there_are_several() -> None:
    assert name_of(Slot(node="a", host="box"), ()) == "box"
    assert name_of(Slot(node="a", host="box", gpu=0, gpus=1), ()) == "box"
    assert name_of(Slot(node="a", host="box", gpu=1, gpus=2), ()) == "box.1"
    assert name_of(Slot(node="b", host="box"), {"box", "box-2"}) == "box-3"


def test_a_name_can_stand_in_an_address_of_the_page() -> None:
    (slot,) = slots([node("a b/c:d_é", CPU=1.0)], "cpu")
    assert slot.host == "a-b-c-d"
    (slot,) = slots([node("", CPU=1.0)], "cpu")
    assert slot.host == "10.0.0.1"
