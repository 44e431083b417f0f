"""Style and script of the report page: small, so that the page needs nothing from elsewhere."""

CSS = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --wrong: #e61e1e; }
* { box-sizing: border-box; }
body { font: 16px/1.45 system-ui, sans-serif; margin: 0 auto; max-width: 72rem; padding: 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); text-align: right; }
th:first-child, td:first-child { text-align: left; }
#classes td { white-space: nowrap; }
th button { all: unset; cursor: pointer; font-weight: 600; }
th button::after { content: ' \\2195'; opacity: .4; }
th[aria-sort=ascending] button::after { content: ' \\2191'; opacity: 1; }
th[aria-sort=descending] button::after { content: ' \\2193'; opacity: 1; }
th button:focus-visible, select:focus-visible { outline: 2px solid #4a90d9; }
.swatch { display: inline-block; width: .9em; height: .9em; margin-right: .4em;
  border: 1px solid var(--line); vertical-align: -.1em; }
.better { color: #1a7f37; } .worse { color: var(--wrong); }
.confusion td { min-width: 3rem; text-align: center; }
.confusion th { font-weight: 400; white-space: nowrap; }
figure.exhibit { margin: 1rem 0; padding: .6rem; border: 1px solid var(--line);
  border-radius: .4rem; }
figure.exhibit figcaption { font-weight: 600; overflow-wrap: anywhere; }
.panels { display: grid; grid-template-columns: repeat(auto-fit, minmax(14rem, 1fr));
  gap: .5rem; margin-top: .5rem; }
.panels div { font-size: .85rem; } .panels img { width: 100%; display: block; }
label { display: inline-block; margin: 0 1rem .5rem 0; } select { font: inherit; }
svg text { fill: currentColor; font: 12px system-ui, sans-serif; }
pre { overflow-x: auto; background: var(--soft); padding: .6rem; font-size: .85rem; }
"""

SCRIPT = """
'use strict';
const number = text => { const n = parseFloat(text); return Number.isNaN(n) ? -Infinity : n; };
document.querySelectorAll('table.sortable').forEach(table => {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  heads.forEach((head, column) => head.querySelector('button').addEventListener('click', () => {
    const down = head.getAttribute('aria-sort') !== 'descending' && column > 0 ||
      head.getAttribute('aria-sort') === 'ascending';
    heads.forEach(other => other.removeAttribute('aria-sort'));
    head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
    const value = row => row.cells[column].dataset.value ?? row.cells[column].textContent;
    [...body.rows].sort((a, b) => {
      const order = column ? number(value(a)) - number(value(b)) :
        value(a).localeCompare(value(b));
      return down ? -order : order;
    }).forEach(row => body.append(row));
  }));
});
const by = document.getElementById('by'), first = document.getElementById('first');
const show = () => {
  const gallery = document.getElementById('gallery'), key = by.value;
  [...gallery.children].map(one => [JSON.parse(one.dataset.scores)[key], one])
    .sort(([a], [b]) => (a === null) - (b === null) ||
      (first.value === 'worst' ? a - b : b - a))
    .forEach(([score, one]) => {
      one.hidden = score === null;
      one.querySelector('.shown').textContent = score === null ? '' : score.toFixed(3);
      gallery.append(one);
    });
};
if (by) { by.addEventListener('change', show); first.addEventListener('change', show); show(); }
document.documentElement.dataset.ready = 'yes';
"""
