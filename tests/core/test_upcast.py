"""Lines of earlier versions are read as what they said then."""

from pipeline.core import events as e

RESOLVED = (
    '{"prompt":"1girl","negative":"","width":256,"height":256,"steps":15,"guidance":5.0,'
    '"sampler":"dpmpp_2m","schedule":"karras","model":"ab"}'
)


def test_a_take_of_the_first_version_has_the_same_inputs_for_all_its_pictures() -> None:
    line = (
        '{"seq":9,"at":"2026-01-01T00:00:00.000000Z","v":1,"type":"render_requested",'
        f'"job":"a/b","take":2,"reason":"edited","resolved":{RESOLVED},"digest":"d",'
        '"seeds":[7,8],"crc":"0"}'
    )
    event = e.decode(line.encode())
    assert isinstance(event, e.RenderRequested)
    assert (event.job, event.take, event.reason) == ("a/b", 2, "edited")
    assert [(cell.digest, cell.seed) for cell in event.cells] == [("d", 7), ("d", 8)]
    assert {cell.resolved.prompt for cell in event.cells} == {"1girl"}
    assert e.decode(b'{"type":"render_requested",' + e.encode(event)[1][1:]) == event
