"""The page as the README shows it: the example production while the bundled model draws it.

`python -m tests.screenshots` runs the real program on a copy of the examples, opens its page in
Chromium, and writes examples/page-light.png and examples/page-dark.png. Nothing is made up for it.
"""

import io
import shutil
import socket
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from tests.processes import Program
from tests.server.conftest import BROWSERS

EXAMPLES = Path(__file__).parents[1] / "examples"
SIZE = (1280, 880)
MOST = 400_000
"""Bytes of one picture."""
DRAWN = 7
"""Pictures that are finished by then: a page with something on it, and more to come."""
PATIENCE = 400_000


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "inbox"
        shutil.copytree(EXAMPLES, root, ignore=shutil.ignore_patterns("*.png", ".pipeline"))
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = str(free.getsockname()[1])
        program = Program(root, "--port", port)
        try:
            program.until(lambda fact: True)
            shots = taken(f"http://127.0.0.1:{port}")
        finally:
            program.close()
    for scheme, shot in shots.items():
        (EXAMPLES / f"page-{scheme}.png").write_bytes(small(shot))


def taken(url: str) -> dict[str, bytes]:
    """The page in both schemes, in one moment of the run."""
    found = next(filter(None, map(shutil.which, BROWSERS)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found, args=["--no-sandbox", "--disable-background-networking"]
        )
        width, height = SIZE
        page = browser.new_page(viewport={"width": width, "height": height}, color_scheme="light")
        page.goto(url)
        busy(page)
        shots = {}
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            shots[scheme] = page.screenshot()
        browser.close()
    return shots


def busy(page: Page) -> None:
    """Wait until pictures are finished, and every worker shows one that emerges."""
    expect(page.locator("#latest .picture").nth(DRAWN - 1)).to_be_visible(timeout=PATIENCE)
    page.wait_for_function(
        """() => {
          const steps = [...document.querySelectorAll(".worker.drawing .steps")];
          const seen = document.querySelectorAll(".worker.drawing .preview:not([hidden])");
          return steps.length === 3 && seen.length === 3
            && [...document.querySelectorAll("#latest img")].every((image) => image.complete);
        }""",
        timeout=PATIENCE,
    )


def small(shot: bytes) -> bytes:
    """The same picture in at most `MOST` bytes, in fewer colours if it must be."""
    with Image.open(io.BytesIO(shot)) as picture:
        whole = picture.convert("RGB")
    # An octree keeps rare colours, such as the green that says that all is well.
    palette = whole.quantize(256, method=Image.Quantize.FASTOCTREE)
    for shown in (whole, whole.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)):
        stream = io.BytesIO()
        shown.save(stream, "PNG", optimize=True)
        if stream.tell() <= MOST:
            return stream.getvalue()
    raise ValueError(f"no {SIZE} picture of the page fits into {MOST} bytes")


if __name__ == "__main__":
    main()
