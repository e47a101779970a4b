"""How the HTML report looks: light and dark by the reader's own setting, on a phone, on paper; nothing is fetched."""

CSS = """\
:root {
  color-scheme: light dark;
  --ink: #1c2024;
  --soft: #5b636b;
  --line: #d8dde2;
  --paper: #ffffff;
  --tint: #f3f5f7;
  --good: #17693a;
  --open: #8a4b00;
  --accent: #1f5fa8;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #e6e9ec;
    --soft: #a3acb5;
    --line: #3a4148;
    --paper: #16191c;
    --tint: #20252a;
    --good: #6fd195;
    --open: #f0b35e;
    --accent: #8dbdf2;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0;
  background: var(--paper);
  color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
}
main { max-width: 54rem; margin: 0 auto; padding: 1rem 1rem 4rem; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0.4rem 0 0.8rem; }
h2 { font-size: 1.25rem; margin: 2.2rem 0 0.6rem; padding-top: 0.8rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.8rem 0 0.5rem; }
p { margin: 0.6rem 0; overflow-wrap: anywhere; }
.note, figcaption { color: var(--soft); font-size: 0.9rem; }
figcaption { line-height: 1.4; margin-top: 0.3rem; }
.warning { border-left: 4px solid var(--open); background: var(--tint); padding: 0.6rem 0.9rem; }
.verdict { border: 2px solid var(--open); border-radius: 6px; padding: 0.5rem 0.9rem; margin: 0 0 0.7rem; }
.verdict strong { color: var(--open); text-transform: uppercase; letter-spacing: 0.03em; margin-right: 0.4rem; }
.verdict.good { border-color: var(--good); }
.verdict.good strong { color: var(--good); }
.answers { margin: 0 0 0.8rem; }
.answers div { display: grid; grid-template-columns: 8rem 1fr; gap: 0 0.9rem; padding: 0.25rem 0; }
.answers dt { font-weight: 700; }
.answers dd { margin: 0; overflow-wrap: anywhere; line-height: 1.45; }
nav { display: flex; flex-wrap: wrap; gap: 0.2rem 1.1rem; font-size: 0.9rem; margin: 1.4rem 0 0; }
a { color: var(--accent); }
summary { cursor: pointer; color: var(--accent); padding: 0.3rem 0; }
details { margin: 0.6rem 0; }
figure { margin: 0.8rem 0; }
img {
  display: block;
  width: 100%;
  max-width: 46rem;
  height: auto;
  background: #fff;
  border: 1px solid var(--line);
  border-radius: 6px;
  padding: 4px;
}
.wide { overflow-x: auto; margin: 0.8rem 0; }
table { border-collapse: collapse; width: 100%; font-size: 0.92rem; }
th, td {
  text-align: left;
  vertical-align: top;
  padding: 0.35rem 0.7rem 0.35rem 0;
  border-bottom: 1px solid var(--line);
}
th { color: var(--soft); font-weight: 600; white-space: nowrap; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
pre { background: var(--tint); padding: 0.8rem; border-radius: 6px; overflow-x: auto; font-size: 0.88rem; }
.talk { display: grid; grid-template-columns: 1fr 1fr; gap: 0.6rem; }
.talk > div {
  background: var(--tint);
  border-radius: 6px;
  padding: 0.5rem 0.8rem;
  min-width: 0;
  border-left: 3px solid var(--line);
}
.talk .user { background: none; border: 1px solid var(--line); }
.talk .both { grid-column: 1 / -1; }
.talk .right { border-left-color: var(--accent); }
.talk b { font-size: 0.78rem; color: var(--soft); text-transform: uppercase; letter-spacing: 0.04em; }
.talk p { margin: 0.15rem 0 0; white-space: pre-wrap; unicode-bidi: isolate; font-size: 0.95rem; }
@media (max-width: 40rem) {
  .answers div, .talk { grid-template-columns: 1fr; }
  .talk .user { margin-top: 0.8rem; }
  figure { margin-left: -0.5rem; margin-right: -0.5rem; }
}
@media print {
  :root { --ink: #000; --soft: #444; --line: #bbb; --paper: #fff; --tint: #f6f6f6; --accent: #000; }
  body { font-size: 10.5pt; }
  main { max-width: none; padding: 0; }
  nav { display: none; }
  h2, h3, summary { break-after: avoid; }
  figure, tr, .verdict { break-inside: avoid; }
  .wide, pre { overflow: visible; }
  th { white-space: normal; }
  details::details-content { content-visibility: visible; height: auto; } /* what is folded is printed */
}
"""
