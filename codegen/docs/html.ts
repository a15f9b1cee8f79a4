/** A page as one HTML file that needs nothing else: no script, no font, no request. Light and dark as the reader has it. */
import { xml as escaped } from '../report/junit.js';
import type { Block, Cell, Page, Section, Span } from './page.js';
import { toSvg } from './svg.js';

const style = `
:root { color-scheme: light dark; --back: #fff; --text: #1d2330; --soft: #5d6678; --line: #dde1e8; --shade: #f5f6f9;
  --link: #1a5fb4; --good: #1c7c3c; --bad: #b3261e; --way: #8a4baf; --warn: #8a5a00; }
@media (prefers-color-scheme: dark) { :root { --back: #14171d; --text: #e4e7ee; --soft: #9aa3b5; --line: #2d333f;
  --shade: #1b1f27; --link: #7fb2f5; --good: #6fce8c; --bad: #f28b82; --way: #cf9bef; --warn: #e5b567; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2.5rem 1.5rem 5rem; max-width: 78rem; background: var(--back); color: var(--text);
  font: 15px/1.55 system-ui, sans-serif; }
h1 { font-size: 1.9rem; margin: 0; } h2 { margin: 2.6rem 0 .8rem; } h3 { margin: 2rem 0 .4rem; }
h2, h3 { scroll-margin-top: 1rem; }
p { margin: .4rem 0; color: var(--soft); }
a { color: var(--link); text-decoration: none; } a:hover { text-decoration: underline; }
nav { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; margin: 1rem 0; padding: .6rem 0; border-block: 1px solid var(--line); }
code, pre { font: .88em/1.5 ui-monospace, monospace; }
pre { padding: .8rem 1rem; background: var(--shade); border-radius: 6px; overflow-x: auto; }
.wide { overflow-x: auto; margin: .8rem 0; }
table { border-collapse: collapse; width: 100%; }
th { text-align: left; font-weight: 600; color: var(--soft); font-size: .85em; }
th, td { padding: .42rem .8rem .42rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
tr:target td, tbody tr:hover td { background: var(--shade); }
.allow strong { color: var(--good); } .deny strong, .reject strong, .error td:nth-child(2) { color: var(--bad); }
.nexthop strong { color: var(--way); } .warning td:nth-child(2) { color: var(--warn); }
svg { max-width: none; } svg text { font: 12px ui-monospace, monospace; fill: var(--soft); }
svg .name { font-weight: 700; fill: var(--text); } svg rect { fill: var(--shade); stroke: var(--line); }
svg .port rect { stroke: var(--link); } svg .way rect { stroke: var(--way); }
svg path { fill: none; stroke: var(--soft); } svg .diverts, svg .leaves { stroke: var(--way); stroke-dasharray: 5 4; }
@media print { nav { display: none; } }
`.trim();

export function toHtml(page: Page): string {
  const links = page.sections.filter((one) => one.level === 2);
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
    `<h1>${escaped(page.title)}</h1>`,
    `<p>${cellHtml(page.about)}</p>`,
    `<nav>${links.map(({ id, title }) => `<a href="#${id}">${escaped(title)}</a>`).join('')}</nav>`,
    ...page.sections.flatMap(sectionHtml),
    '</body>',
    '</html>',
  ].join('\n')}\n`;
}

function sectionHtml({ id, title, level, blocks }: Section): readonly string[] {
  return [`<h${level} id="${id}">${escaped(title)}</h${level}>`, ...blocks.map(blockHtml)];
}

function blockHtml(block: Block): string {
  switch (block.kind) {
    case 'text':
      return `<p>${cellHtml(block.spans)}</p>`;
    case 'code':
      return `<pre><code>${escaped(block.text)}</code></pre>`;
    case 'picture':
      return `<div class="wide">${toSvg(block.picture)}</div>`;
    case 'table': {
      const head = block.columns.map((one) => `<th>${escaped(one)}</th>`).join('');
      const rows = block.rows.map(({ tone, cells }) => {
        const about = tone === undefined ? '' : ` class="${escaped(tone)}"`;
        return `<tr${about}>${cells.map((cell) => `<td>${cellHtml(cell)}</td>`).join('')}</tr>`;
      });
      return `<div class="wide"><table>\n<thead><tr>${head}</tr></thead>\n<tbody>\n${rows.join('\n')}\n</tbody>\n</table></div>`;
    }
  }
}

function cellHtml(cell: Cell): string {
  return cell.map(spanHtml).join('');
}

function spanHtml(span: Span): string {
  if (typeof span === 'string') return escaped(span);
  if ('strong' in span) return `<strong>${escaped(span.strong)}</strong>`;
  const code = `<code>${escaped(span.code)}</code>`;
  return span.to === undefined ? code : `<a href="#${span.to}">${code}</a>`;
}
