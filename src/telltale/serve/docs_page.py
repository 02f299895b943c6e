"""The /docs page, made from the OpenAPI description and the wire's types. Knows nothing of the server behind it.

FastAPI's own page loads its script from an outside address, which a server in a closed network has not.
"""

from __future__ import annotations

import html
from collections.abc import Mapping

from pydantic import BaseModel

from telltale.bundle.spec import BundleSpec
from telltale.serve.look import page
from telltale.serve.schema import (
    BoxBody,
    ErrorBody,
    EventBody,
    FrameBody,
    HelloBody,
    LocateReadingBody,
    MaskReadingBody,
    ReadingBody,
    RegionBody,
    StreamedBody,
    ToldBody,
)
from telltale.tasks.task import Json

SOCKET: tuple[tuple[str, type[BaseModel], str], ...] = (
    ("hello", HelloBody, "server to client, once, first"),
    ("frame", FrameBody, "client to server; or send the file's bytes as a binary message"),
    ("result", StreamedBody, "server to client, for the newest frame"),
    ("event", EventBody, "inside result.events"),
    ("error", ErrorBody, "server to client; the connection stays open"),
)

OPTIONAL = " <span class='quiet'>optional</span>"

TRY = """
const form = document.getElementById("try"), out = document.getElementById("answer");
function add(parent, tag, text, kind) {
  const node = parent.appendChild(document.createElement(tag));
  if (text !== undefined) node.textContent = text;
  if (kind) node.className = kind;
  return node;
}
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const file = form.elements.file.files[0];
  out.replaceChildren();
  if (!file) { add(out, "p", "Choose a picture first.", "bad"); return; }
  try {
    const response = await fetch("/api/tell", { method: "POST", body: file,
      headers: { "Content-Type": "application/octet-stream" } });
    const message = await response.json();
    if (message.type === "error") {
      add(out, "p", `${response.status} ${message.code}: ${message.message}`, "bad");
      return;
    }
    const table = add(out, "table");
    for (const [name, told] of Object.entries(message.result)) {
      const row = add(table, "tr");
      add(row, "td", name);
      add(row, "td", told.state ?? "", "state " + (told.state ?? ""));
      add(row, "td", told.prob?.toFixed(3) ?? "", "mono");
      const bar = add(add(row, "td"), "progress", undefined, "bar");
      bar.max = 1; bar.value = told.prob ?? 0; bar.setAttribute("aria-label", `${name}: probability`);
    }
    add(out, "p", `${message.size.join(" × ")} pixels, ${message.infer_ms.toFixed(1)} ms to tell`, "quiet");
    add(add(out, "details"), "summary", "JSON").after(Object.assign(document.createElement("pre"),
      { textContent: JSON.stringify(message, null, 2) }));
  } catch (error) { add(out, "p", `The server does not answer: ${error.message}`, "bad"); }
});
"""


def docs_page(openapi: Mapping[str, Json], spec: BundleSpec) -> str:
    """A whole document that asks no other address for anything."""
    routes = "".join(
        _route(verb, path, operation) for path, verbs in openapi["paths"].items() for verb, operation in verbs.items()
    )
    messages = "".join(_message(name, model, when) for name, model, when in SOCKET)
    body = f"""
<header><p class="quiet"><a href="/">telltale</a></p><h1>The interface</h1>
<p>{html.escape(openapi["info"]["description"])} Model <b>{html.escape(spec.name)}</b>, version
{html.escape(openapi["info"]["version"])} of telltale. For machines: <a href="/openapi.json">openapi.json</a>.</p>
</header>
<h2 id="try-it">Try it</h2>
<section class="box"><form id="try"><label>A picture
<input type="file" name="file" accept="image/jpeg,image/png,image/webp"></label> <button>Tell</button></form>
<div id="answer" class="wide" aria-live="polite"></div></section>
<pre>curl --data-binary @picture.jpg <span class="here">http://HOST</span>/api/tell
telltale send picture.jpg --host <span class="here">http://HOST</span></pre>
<h2 id="http">HTTP</h2>{routes}
<section class="box"><h3>The answer of /api/tell: <code>result</code></h3>{_fields(ToldBody)}</section>
<section class="box"><h3>One name's answer</h3>{_fields(ReadingBody)}</section>
<section class="box"><h3>One name's answer of a mask model</h3>{_fields(MaskReadingBody)}</section>
<section class="box"><h3>One region of a mask</h3>{_fields(RegionBody)}</section>
<section class="box"><h3>One name's answer of a model that locates</h3>{_fields(LocateReadingBody)}</section>
<section class="box"><h3>One thing that was located</h3>{_fields(BoxBody)}</section>
<h2 id="websocket">WebSocket</h2>
<section class="box"><h3><span class="verb ws">WS</span><code>/ws/infer</code></h3>
<p>Send frames as fast as you like, as binary JPEG, PNG or WebP files or as JSON. The newest frame is told, older ones
are dropped and counted. Each connection has its own smoothing.</p></section>{messages}
<script>
for (const node of document.querySelectorAll(".here")) node.textContent = location.origin;
{TRY}</script>"""
    return page("telltale: the interface", body)


def _route(verb: str, path: str, operation: Mapping[str, Json]) -> str:
    rows = "".join(
        f"<tr><td class='mono status'>{html.escape(status)}</td>"
        f"<td>{html.escape(answer.get('description', ''))}</td></tr>"
        for status, answer in operation.get("responses", {}).items()
    )
    kinds = ", ".join(operation.get("requestBody", {}).get("content", {}))
    takes = f"<p class='quiet'>Takes {html.escape(kinds)}.</p>" if kinds else ""
    return f"""<section class="box"><h3><span class="verb {html.escape(verb)}">{html.escape(verb.upper())}</span>
<code>{html.escape(path)}</code></h3><p>{html.escape(operation.get("summary", ""))}</p>{takes}
<div class="wide"><table>{rows}</table></div></section>"""


def _message(name: str, model: type[BaseModel], when: str) -> str:
    return f"""<section class="box"><h3><code>{name}</code></h3>
<p>{html.escape(model.__doc__ or "")} <span class="quiet">{html.escape(when)}</span></p>{_fields(model)}</section>"""


def _fields(model: type[BaseModel]) -> str:
    schema = model.model_json_schema(by_alias=True)
    required = set(schema.get("required", ()))
    rows = "".join(
        f"<tr><td><code>{html.escape(name)}</code>{'' if name in required else OPTIONAL}</td>"
        f"<td class='mono'>{html.escape(_kind(field))}</td><td>{html.escape(field.get('description', ''))}</td></tr>"
        for name, field in schema["properties"].items()
    )
    return f"<div class='wide'><table class='fields'><tr><th>field</th><th>type</th><th></th></tr>{rows}</table></div>"


def _kind(field: Mapping[str, Json]) -> str:
    """A JSON schema in a few words: `number or null`, `'on' or 'off'`, `{name: ReadingBody}`."""
    if "$ref" in field:
        return str(field["$ref"]).rpartition("/")[2].removesuffix("Body").lower()
    if "anyOf" in field:
        return " or ".join(_kind(option) for option in field["anyOf"])
    if "const" in field:
        return repr(field["const"])
    if "enum" in field:
        return " or ".join(repr(value) for value in field["enum"])
    if field.get("type") == "object" and "additionalProperties" in field:
        return f"{{name: {_kind(field['additionalProperties'])}}}"
    if "prefixItems" in field:
        return f"[{', '.join(_kind(item) for item in field['prefixItems'])}]"
    if field.get("type") == "array":
        return f"[{_kind(field['items'])}, ...]"
    return str(field.get("type", "any"))
