"""The pages a person sees: the offer, the examples, the keyboard, the phone, dark and light."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page

from telltale.serve.server import ServerThread
from widget.harness import CANVAS, HELPERS, ROOT, SCRIPT, WIDGET, show, told, wait_connected, watch

pytestmark = pytest.mark.browser

EXAMPLES = sorted(path.name for path in (WIDGET / "examples").glob("*.html"))


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_works_as_it_lies_there(page: Page, server: ServerThread, name: str) -> None:
    page.goto(f"{server.url}/widget/examples/{name}")
    wait_connected(page)
    if name == "video.html":
        page.click("#camera")
    else:
        page.wait_for_function("widget().rate === 0 || widget().shadowRoot.querySelector('[data-state=on]')")
        page.click("#lamps button")
    page.wait_for_function("widget().shadowRoot.querySelector('.row:not([data-state=none])')")
    assert set(told(page)) <= {"on", "off", "unsure"}
    if name == "events.html":
        page.wait_for_selector("#heard >> text=event: left went from")
    if name == "local.html":
        assert "largest difference" in page.inner_text("#report")
    assert page.locator("tell-tale [role=alert]").is_hidden()


def test_every_example_is_offered_and_documented() -> None:
    index = (WIDGET / "index.html").read_text(encoding="utf-8")
    docs = (ROOT / "docs" / "widget.md").read_text(encoding="utf-8")
    for name in EXAMPLES:
        assert f"examples/{name}" in index
        assert f"examples/{name}" in docs


def test_every_attribute_event_and_error_is_documented() -> None:
    source = (WIDGET / "tell-tale.js").read_text(encoding="utf-8")
    docs = (ROOT / "docs" / "widget.md").read_text(encoding="utf-8")
    attributes = set(re.findall(r'(?:[gs]etAttribute|hasAttribute|#number)\(\s*"([a-z-]+)"', source))
    attributes |= set(re.findall(r":host\(\[([a-z]+)", source)) - {"hidden"}
    used = {name for name in attributes if not name.startswith("aria-")} - {"role", "class", "d"}
    assert {"host", "for", "mode", "rate", "position", "theme"} <= used
    assert [name for name in sorted(used) if f"`{name}`" not in docs] == []
    events = set(re.findall(r'#emit\("([a-z]+)"', source))
    assert [name for name in sorted(events) if f"`tell-tale-{name}`" not in docs] == []
    codes = set(re.findall(r'new WidgetError\(\s*"([a-z-]+)"', source))
    assert [code for code in sorted(codes) if f"`{code}`" not in docs] == []


def test_a_picture_file_can_be_tried(page: Page, server: ServerThread) -> None:
    page.goto(server.url + "/widget/")
    wait_connected(page)
    picture = page.evaluate("""async () => {
      const canvas = Object.assign(document.createElement("canvas"), {width: 90, height: 60});
      const context = canvas.getContext("2d");
      context.fillStyle = "#fff";
      context.fillRect(0, 0, 30, 60);
      const blob = await new Promise((resolve) => canvas.toBlob(resolve));
      return Array.from(new Uint8Array(await blob.arrayBuffer()));
    }""")
    page.set_input_files("#file", {"name": "a.png", "mimeType": "image/png", "buffer": bytes(picture)})
    page.wait_for_selector("text=90 × 60 pixels")
    assert page.locator("text=90 × 60 pixels").is_visible()
    page.set_input_files("#file", {"name": "b.png", "mimeType": "image/png", "buffer": b"no picture"})
    page.wait_for_selector("text=cannot show this file")


def test_everything_is_reached_by_keyboard(page: Page, server: ServerThread) -> None:
    show(page, server, SCRIPT + CANVAS + "<tell-tale></tell-tale>")
    focused = "(({ariaLabel, textContent}) => ariaLabel || textContent)(widget().shadowRoot.activeElement)"
    page.keyboard.press("Tab")
    assert page.evaluate(focused) == "telltale: move with the arrow keys"
    before = page.evaluate("widget().getBoundingClientRect().left")
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("widget().getBoundingClientRect().left") == pytest.approx(before - 16, abs=1)
    page.keyboard.press("Tab")
    assert page.evaluate(focused) == "Fold the panel"
    page.keyboard.press("Enter")
    assert page.locator("tell-tale .body").is_hidden()
    page.keyboard.press("Space")
    assert page.locator("tell-tale .body").is_visible()
    page.keyboard.press("Tab")
    assert page.evaluate(focused) == "Connect"
    ring = "getComputedStyle(widget().shadowRoot.activeElement)"
    assert page.evaluate(f"[{ring}.outlineStyle, {ring}.outlineWidth]") == ["solid", "2px"]
    page.keyboard.press("Enter")
    wait_connected(page)
    assert page.evaluate(focused) == "Connect"  # not thrown out of the panel by its own button
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate(focused) == "Capture"
    page.keyboard.press("Enter")
    page.wait_for_function("widget().shadowRoot.querySelector('[data-state=on]')")
    reached = set()
    for _ in range(6):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("widget().shadowRoot.activeElement?.localName"))
    assert {"select", "summary"} <= reached


def test_changes_are_said_to_screen_readers(page: Page, server: ServerThread) -> None:
    show(page, server, SCRIPT + CANVAS + "<tell-tale autoconnect></tell-tale>")
    wait_connected(page)
    live = page.locator("tell-tale [role=status]")
    assert live.get_attribute("aria-live") == "polite"
    assert live.inner_text().startswith("Connected")
    page.evaluate("widget().capture()")
    assert live.inner_text() == "left on; right unsure"
    assert page.get_by_role("meter", name="middle").get_attribute("aria-valuenow") == "2"


@pytest.mark.parametrize("path", ["", *(f"examples/{name}" for name in EXAMPLES)])
def test_a_phone_shows_all_of_it_without_scrolling_sideways(
    browser: Browser, server: ServerThread, complaints: list[str], path: str
) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    watch(page, complaints)
    page.add_init_script(HELPERS)
    page.goto(f"{server.url}/widget/{path}")
    wait_connected(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    left, right, top, bottom = page.evaluate(
        "(({left, right, top, bottom}) => [left, right, top, bottom])(widget().getBoundingClientRect())"
    )
    assert left >= 0
    assert right <= 390
    if path != "examples/events.html":
        assert top >= 0
        assert bottom <= 844
    heights = page.eval_on_selector_all("tell-tale .actions button", "list => list.map(b => b.offsetHeight)")
    assert min(heights) >= 44
    page.close()
    assert complaints == []


def test_dark_and_light_follow_the_person_and_the_attribute(page: Page, server: ServerThread) -> None:
    show(page, server, SCRIPT + CANVAS + "<tell-tale autoconnect></tell-tale>")
    wait_connected(page)
    shade = "getComputedStyle(widget().shadowRoot.querySelector('.panel')).backgroundColor"
    page.emulate_media(color_scheme="light")
    light = page.evaluate(shade)
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(shade)
    assert light != dark
    page.evaluate("widget().setAttribute('theme', 'light')")
    assert page.evaluate(shade) == light


def test_words_stand_out_from_their_ground(page: Page, server: ServerThread) -> None:
    """WCAG 2.2, 1.4.3: at least 4.5 to 1 for every text of the panel, dark and light."""
    show(page, server, SCRIPT + CANVAS + "<tell-tale autoconnect></tell-tale>")
    wait_connected(page)
    page.evaluate("widget().capture()")
    ratios = """() => {
      const parse = (text) => (text.match(/[\\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
      const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
      const of = (c) => {
        const [r, g, b] = c.slice(0, 3).map((v) => linear(v / 255));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const out = [];
      const texts = ".title,.link b,.link span,.name,.word,.prob,dt,dd,.field span,summary,.note";
      const buttons = "button:not([aria-disabled=true]):not(.grip)";
      for (const e of widget().shadowRoot.querySelectorAll(`${texts},${buttons}`)) {
        if (!e.offsetParent || !e.textContent.trim()) continue;
        let ground = e;
        while (ground && (parse(getComputedStyle(ground).backgroundColor)[3] ?? 1) === 0) ground = ground.parentElement;
        const [a, b] = [of(parse(getComputedStyle(e).color)), of(parse(getComputedStyle(ground).backgroundColor))];
        out.push([e.className || e.localName, e.textContent.trim(), (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)]);
      }
      return out;
    }"""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        measured = page.evaluate(ratios)
        assert len(measured) > 20
        assert [entry for entry in measured if entry[2] < 4.5] == []


def test_the_panel_is_dragged_and_stays_in_the_window(page: Page, server: ServerThread) -> None:
    show(page, server, SCRIPT + CANVAS + "<tell-tale></tell-tale>")
    box = page.locator("tell-tale .grip").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 40, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(-300, -300, steps=4)
    page.mouse.up()
    assert page.evaluate("(({x, y}) => [x, y])(widget().getBoundingClientRect())") == [0, 0]
    page.evaluate("widget().setAttribute('collapsed', '')")
    assert page.locator("tell-tale .body").is_hidden()
