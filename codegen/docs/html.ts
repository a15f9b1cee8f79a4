/** A page as one HTML file that needs nothing else: no script, no font, no request. Light and dark as the reader has it. */
import { xml as escaped } from '../report/junit.js';
import type { Block, Cell, Page, Row, Section, Span } from './blocks.js';
import { toSvg } from './svg.js';

const style = `
:root { color-scheme: light dark; --back: #fff; --text: #1d2330; --soft: #5d6678; --line: #dde1e8; --shade: #f5f6f9;
  --link: #1a5fb4; --good: #1c7c3c; --bad: #b3261e; --way: #8a4baf; --warn: #8a5a00; --mark: #fff6d6; }
@media (prefers-color-scheme: dark) { :root { --back: #14171d; --text: #e4e7ee; --soft: #9aa3b5; --line: #2d333f;
  --shade: #1b1f27; --link: #7fb2f5; --good: #6fce8c; --bad: #f28b82; --way: #cf9bef; --warn: #e5b567; --mark: #33301f; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2.5rem 1.5rem 5rem; max-width: 100rem; background: var(--back); color: var(--text);
  font: 15px/1.55 system-ui, sans-serif; }
h1 { font-size: 1.9rem; margin: 0; } h2 { margin: 2.6rem 0 .8rem; } h3 { margin: 2rem 0 .4rem; }
h2, h3 { scroll-margin-top: 1rem; } h2 a, h3 a { color: inherit; }
main > h2:first-child { margin-top: 1rem; }
p { margin: .4rem 0; color: var(--soft); overflow-wrap: anywhere; }
a { color: var(--link); text-decoration: none; } a:hover { text-decoration: underline; }
nav { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; margin: 1rem 0; padding: .6rem 0; border-block: 1px solid var(--line); }
nav .under { display: none; }
code, pre { font: .88em/1.5 ui-monospace, monospace; }
pre { padding: .8rem 1rem; background: var(--shade); border-radius: 6px; overflow-x: auto; }
.facts { display: flex; flex-wrap: wrap; gap: .8rem; margin: 0 0 1.4rem; }
.facts a { color: var(--soft); background: var(--shade); border: 1px solid var(--line); border-radius: 8px; padding: .45rem 1rem; }
.facts b { color: var(--text); font-size: 1.3em; margin-right: .3em; }
.wide { overflow-x: auto; margin: .8rem 0; }
table { border-collapse: collapse; width: 100%; }
th { text-align: left; font-weight: 600; color: var(--soft); font-size: .85em; }
th, td { padding: .42rem .8rem .42rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td:first-child, th:first-child { padding-left: .5rem; }
td:first-child a { color: inherit; }
td:last-child { white-space: nowrap; color: var(--soft); font-size: .92em; }
tbody tr:hover td { background: var(--shade); } tr:target td { background: var(--mark); }
tr { scroll-margin-top: 30vh; }
i { font-style: normal; color: var(--soft); }
.builtin { opacity: .65; }
.allow strong, .deny strong, .reject strong, .nexthop strong { display: inline-block; min-width: 4.6em; text-align: center; border: 1px solid;
  border-radius: 99px; font-size: .85em; line-height: 1.5; }
.allow strong { color: var(--good); } .deny strong, .reject strong, .error td:nth-child(2) { color: var(--bad); }
.nexthop strong { color: var(--way); } .warning td:nth-child(2) { color: var(--warn); }
svg { max-width: none; } svg text { font: 12px ui-monospace, monospace; fill: var(--soft); }
svg .name { font-weight: 700; fill: var(--text); } svg rect { fill: var(--shade); stroke: var(--line); } svg a text { fill: var(--link); }
svg .port rect { stroke: var(--link); } svg .way rect { stroke: var(--way); }
svg path { fill: none; stroke: var(--soft); } svg .diverts, svg .leaves { stroke: var(--way); stroke-dasharray: 5 4; }
@media (min-width: 72rem) {
  body { display: grid; grid-template-columns: 14rem minmax(0, 1fr); column-gap: 3rem; }
  header { grid-column: 1 / -1; }
  nav { position: sticky; top: 1.5rem; align-self: start; flex-flow: column; max-height: calc(100vh - 3rem); overflow-y: auto; border: 0; }
  nav .under { display: block; padding-left: 1rem; font-size: .92em; overflow-wrap: anywhere; }
}
@media (max-width: 44rem) {
  body { padding: 1.5rem 1rem 3rem; }
  thead { display: none; } tr { display: block; padding: .6rem 0; border-bottom: 1px solid var(--line); }
  td, td:first-child { display: flex; gap: .7rem; padding: .12rem .4rem; border: 0; } td:empty { display: none; }
  td::before { content: attr(data-label); flex: 0 0 5.5rem; color: var(--soft); font-size: .85em; }
  td > span { min-width: 0; overflow-wrap: anywhere; }
}
@media print { nav { display: none; } body { display: block; } }
`.trim();

export function toHtml(page: Page): string {
  const links = page.sections.map(
    ({ id, title, level }) => `<a href="#${id}"${level === 3 ? ' class="under"' : ''}>${escaped(title)}</a>`,
  );
  return `${[
    '<!doctype html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>${escaped(page.title)}</title>`,
    `<style>\n${style}\n</style>`,
    '</head>',
    '<body>',
    '<header>',
    `<h1>${escaped(page.title)}</h1>`,
    `<p>${cellHtml(page.about)}</p>`,
    '</header>',
    `<nav>${links.join('')}</nav>`,
    '<main>',
    ...page.sections.flatMap(sectionHtml),
    '</main>',
    '</body>',
    '</html>',
  ].join('\n')}\n`;
}

function sectionHtml({ id, title, level, blocks }: Section): readonly string[] {
  const head = `<a href="#${id}">${escaped(title)}</a>`;
  return [`<h${level} id="${id}">${head}</h${level}>`, ...blocks.map(blockHtml)];
}

function blockHtml(block: Block): string {
  switch (block.kind) {
    case 'text':
      return `<p>${cellHtml(block.spans)}</p>`;
    case 'code':
      return `<pre><code>${escaped(block.text)}</code></pre>`;
    case 'picture':
      return `<div class="wide">${toSvg(block.picture)}</div>`;
    case 'facts': {
      const facts = block.facts.map(
        ({ count, word, to }) => `<a href="#${to}"><b>${count}</b>${escaped(word)}</a>`,
      );
      return `<div class="facts">${facts.join('')}</div>`;
    }
    case 'table': {
      const head = block.columns.map((one) => `<th>${escaped(one)}</th>`).join('');
      const rows = block.rows.map((row) => rowHtml(row, block.columns));
      return `<div class="wide"><table>\n<thead><tr>${head}</tr></thead>\n<tbody>\n${rows.join('\n')}\n</tbody>\n</table></div>`;
    }
  }
}

/** On a narrow screen a row is a card, and each cell says what it is. */
function rowHtml({ id, tone, cells }: Row, columns: readonly string[]): string {
  const about = `${id === undefined ? '' : ` id="${id}"`}${tone === undefined ? '' : ` class="${escaped(tone)}"`}`;
  const inner = cells.map((cell, i) => {
    const own = cellHtml(cell);
    const html = i === 0 && id !== undefined && own !== '' ? `<a href="#${id}">${own}</a>` : own;
    return `<td data-label="${escaped(columns[i] ?? '')}">${html === '' ? '' : `<span>${html}</span>`}</td>`;
  });
  return `<tr${about}>${inner.join('')}</tr>`;
}

function cellHtml(cell: Cell): string {
  return cell.map(spanHtml).join('');
}

function spanHtml(span: Span): string {
  if (typeof span === 'string') return escaped(span);
  if ('strong' in span) return `<strong>${escaped(span.strong)}</strong>`;
  if ('word' in span) return `<i>${escaped(span.word)}</i>`;
  if ('link' in span) return `<a href="#${span.to}">${escaped(span.link)}</a>`;
  const code = `<code>${escaped(span.code)}</code>`;
  return span.to === undefined ? code : `<a href="#${span.to}">${code}</a>`;
}
