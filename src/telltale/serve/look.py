"""How the server's own pages look: one style sheet, dark and light, no outside address. Knows nothing of their text."""

from __future__ import annotations

import html

STYLE = """
:root { color-scheme: light dark; --ink: #16202b; --quiet: #5a6876; --paper: #f6f7f9; --card: #fff; --line: #dde2e8;
  --accent: #0b6bcb; --on: #1a8754; --off: #8b97a3; --unsure: #b8740a; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6ebf0; --quiet: #98a5b3; --paper: #11161c; --card: #1a2129;
  --line: #2c3641; --accent: #6db3ff; --on: #4cc38a; --off: #7d8996; --unsure: #f0b04a; --bad: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 2.5rem 1.25rem 4rem; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, sans-serif; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 .4rem; letter-spacing: -.02em; }
h2 { margin: 2.6rem 0 .6rem; font-size: 1.3rem; } h3 { margin: 0 0 .3rem; font-size: 1rem; }
a { color: var(--accent); } p { margin: .3rem 0 .8rem; } .quiet { color: var(--quiet); font-size: .92rem; }
code, pre, .mono { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: .88em; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: 8px;
  padding: .8rem 1rem; overflow-x: auto; }
.cards { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); margin: 1.6rem 0; }
.card, section.box { background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  padding: 1.1rem 1.2rem; }
.card { display: block; color: inherit; text-decoration: none; } .card b { display: block; font-size: 1.1rem; }
.card:hover, .card:focus-visible { border-color: var(--accent); } .card span { color: var(--quiet); font-size: .92rem; }
section.box { margin: .8rem 0; }
.chips { list-style: none; display: flex; flex-wrap: wrap; gap: .5rem; padding: 0; margin: .4rem 0 .8rem; }
.chips li { background: var(--card); border: 1px solid var(--line); border-radius: 99px; padding: .15rem .8rem; }
.status { width: 5rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .92rem; }
.fields { table-layout: fixed; min-width: 34rem; } .fields th:nth-child(1) { width: 11rem; }
.fields th:nth-child(2) { width: 13rem; }
th, td { text-align: left; padding: .35rem .8rem .35rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--quiet); font-weight: 600; }
.verb { display: inline-block; min-width: 3.4rem; text-align: center; border-radius: 6px; padding: .05rem .5rem;
  margin-right: .5rem; color: #fff; background: #3d6e99; font-size: .82rem; font-weight: 700; }
.verb.post { background: #23764e; } .verb.ws { background: #7a4fa3; }
input, button { font: inherit; color: inherit; } button { background: var(--accent); color: var(--paper); border: 0;
  border-radius: 8px; padding: .45rem 1.1rem; font-weight: 600; cursor: pointer; }
.on { color: var(--on); } .off { color: var(--off); } .unsure { color: var(--unsure); } .bad { color: var(--bad); }
.state { font-weight: 700; } .bar { width: 100%; min-width: 6rem; height: .6rem; accent-color: var(--accent); }
"""


def page(title: str, body: str) -> str:
    """A whole document. title: plain text; body: HTML, already escaped."""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(title)}</title><link rel="icon" href="data:,"><style>{STYLE}</style></head>
<body>{body}</body></html>
"""
