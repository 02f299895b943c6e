"""The ways to use the widget: script tag, module, bookmark, console; and what it leaves behind when it goes."""

from __future__ import annotations

import json
from urllib.parse import unquote

import httpx
import pytest
from playwright.sync_api import Browser, Page

from telltale.serve.server import ServerThread
from widget.harness import CANVAS, NAMES, SCRIPT, WIDGET, PlainServer, press, show, told, wait_connected

pytestmark = pytest.mark.browser


def paste(page: Page, text: str) -> None:
    """What the console of the developer tools does with a line."""
    answer = page.context.new_cdp_session(page).send("Runtime.evaluate", {"expression": text, "userGesture": True})
    assert "exceptionDetails" not in answer, answer


def test_a_script_tag_and_an_element_are_all_it_takes(page: Page, server: ServerThread) -> None:
    show(page, server, SCRIPT + CANVAS + "<tell-tale autoconnect></tell-tale>")
    wait_connected(page)
    press(page, "Capture")
    page.wait_for_function("widget().shadowRoot.querySelector('[data-state=on]')")
    assert told(page) == ["on", "off", "unsure"]


def test_a_script_behind_the_element_takes_it_up(page: Page, server: ServerThread) -> None:
    script = f'<script src="{server.url}/widget/tell-tale.js"></script>'
    with PlainServer(WIDGET, body=CANVAS + "<tell-tale autoconnect></tell-tale>" + script) as other:
        page.goto(other.url())
        wait_connected(page)
        assert page.locator("tell-tale .link").inner_text() == f"Connected to ws://127.0.0.1:{server.port}"


def test_a_module_connects_to_where_it_was_loaded_from(page: Page, server: ServerThread) -> None:
    script = f'<script type="module" src="{server.url}/widget/tell-tale.js"></script>'
    with PlainServer(WIDGET, body=CANVAS + script + "<tell-tale autoconnect></tell-tale>") as other:
        page.goto(other.url())
        wait_connected(page)
        assert page.locator("tell-tale .link").inner_text() == f"Connected to ws://127.0.0.1:{server.port}"


def test_pasted_into_a_console_it_adds_itself_once(page: Page, server: ServerThread) -> None:
    show(page, server, CANVAS)
    source = (WIDGET / "tell-tale.js").read_text(encoding="utf-8")
    paste(page, source)
    wait_connected(page)
    paste(page, source)
    assert page.locator("tell-tale").count() == 1
    press(page, "Capture")
    page.wait_for_function("widget().shadowRoot.querySelector('[data-state=on]')")
    page.evaluate("widget().remove()")
    paste(page, source)
    wait_connected(page)


@pytest.fixture(scope="module")
def bookmarks(browser: Browser, server: ServerThread) -> list[str]:
    """What the widget's own page offers to drag."""
    page = browser.new_page()
    page.goto(server.url + "/widget/")
    page.wait_for_selector("html[data-ready]")
    links: list[str] = page.eval_on_selector_all("#bookmark, #bookmark-whole", "list => list.map(a => a.href)")
    page.close()
    return links


@pytest.mark.parametrize("which", [0, 1])
def test_a_bookmark_adds_the_widget_to_any_page_once(
    page: Page, server: ServerThread, bookmarks: list[str], which: int
) -> None:
    with PlainServer(WIDGET, body=CANVAS) as other:
        page.goto(other.url())
        for _ in range(2):
            page.evaluate("address => void (location.href = address)", bookmarks[which])
            wait_connected(page)
        assert page.locator("tell-tale").count() == 1
        assert str(server.port) in page.locator("tell-tale .link").inner_text()


def test_a_page_that_refuses_foreign_scripts_takes_the_whole_bookmark(
    page: Page, server: ServerThread, bookmarks: list[str]
) -> None:
    policy = f"default-src 'self'; connect-src {server.ws_url}; script-src 'self'; require-trusted-types-for 'script'"
    with PlainServer(WIDGET, body=CANVAS, policy=policy) as other:
        page.goto(other.url())
        paste(page, unquote(bookmarks[1].removeprefix("javascript:")))
        wait_connected(page)
        assert page.locator("tell-tale .link").inner_text() == f"Connected to ws://127.0.0.1:{server.port}"


def test_the_page_offers_what_to_copy(page: Page, server: ServerThread) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(server.url + "/widget/")
    page.wait_for_selector("html[data-ready]")
    page.click("[data-copy=whole]")
    page.wait_for_selector("text=Copied")
    text = page.evaluate("navigator.clipboard.readText()")
    assert text.startswith(f"window.CUSTOM_WS_HOST ??= {json.dumps(f'ws://127.0.0.1:{server.port}')};")
    assert (WIDGET / "tell-tale.js").read_text(encoding="utf-8") in text
    assert server.url + "/widget/tell-tale.js" in page.inner_text("#tag")


def test_removing_the_element_releases_everything(page: Page, server: ServerThread) -> None:
    page.add_init_script("""
      globalThis.timers = new Set();
      const [set, clear] = [setInterval, clearInterval];
      globalThis.setInterval = (...given) => { const id = set(...given); timers.add(id); return id; };
      globalThis.clearInterval = (id) => { timers.delete(id); clear(id); };
    """)
    show(page, server, SCRIPT + CANVAS + '<tell-tale autoconnect rate="20"></tell-tale>')
    wait_connected(page)
    page.evaluate("once('tell-tale-result')")
    assert httpx.get(server.url + "/healthz").json()["connections"] == 1
    page.evaluate("globalThis.heard = 0; globalThis.gone = widget(); gone.remove()")
    page.evaluate(
        "for (const n of ['result', 'state', 'error']) gone.addEventListener('tell-tale-' + n, () => heard++)"
    )
    page.wait_for_timeout(400)
    page.evaluate("document.querySelector('canvas').click()")
    page.wait_for_timeout(200)
    assert page.evaluate("heard") == 0
    assert page.evaluate("timers.size") == 0
    assert page.evaluate("gone.shadowRoot.childElementCount") == 0
    assert httpx.get(server.url + "/healthz").json()["connections"] == 0
    page.evaluate("document.body.append(gone)")
    wait_connected(page)
    assert page.locator("tell-tale .row").count() == len(NAMES)
