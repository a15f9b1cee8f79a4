/** A page as Markdown (CommonMark with the tables that GitHub has), its picture as a mermaid diagram. */
import type { Block, Cell, Page, Section, Span } from './blocks.js';
import type { Picture } from './picture.js';

export function toMarkdown(page: Page): string {
  const parts = [`# ${plain(page.title)}`, cellText(page.about), ...page.sections.flatMap(sectionLines)];
  return `${parts.join('\n\n')}\n`;
}

function sectionLines({ id, title, level, blocks }: Section): readonly string[] {
  return [`<a id="${id}"></a>`, `${'#'.repeat(level)} ${plain(title)}`, ...blocks.map(blockText)];
}

function blockText(block: Block): string {
  switch (block.kind) {
    case 'text':
      return cellText(block.spans);
    case 'code':
      return fenced('ts', block.text);
    case 'picture':
      return fenced('mermaid', mermaid(block.picture));
    case 'facts':
      return block.facts.map(({ count, word }) => `**${count}** ${word}`).join(' · ');
    case 'table':
      return [
        row(block.columns.map((one) => plain(one))),
        row(block.columns.map(() => '---')),
        ...block.rows.map(({ id, cells: [first = [], ...cells] }) =>
          row([`${id === undefined ? '' : `<a id="${id}"></a>`}${cellText(first)}`, ...cells.map(cellText)]),
        ),
      ].join('\n');
  }
}

/** A fence longer than any that the text has. */
function fenced(language: string, text: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}${language}\n${text}\n${fence}`;
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

function cellText(cell: Cell): string {
  return cell.map(spanText).join('');
}

function spanText(span: Span): string {
  if (typeof span === 'string') return plain(span);
  if ('strong' in span) return `**${plain(span.strong)}**`;
  if ('word' in span) return plain(span.word);
  if ('link' in span) return `[${plain(span.link)}](#${span.to})`;
  const text = `\`${span.code.replace(/[`\r\n]/g, ' ').replaceAll('|', '\\|')}\``;
  return span.to === undefined ? text : `[${text}](#${span.to})`;
}

function plain(text: string): string {
  return text.replace(/\s+/g, ' ').replace(/[\\`*_[\]<>|#&~]/g, (sign) => `\\${sign}`);
}

/** Quotes end a label of mermaid; entities are its own. */
function label(...lines: readonly string[]): string {
  const safe = (line: string) =>
    line.replace(/[&<>"#;]/g, (sign) => `#${sign.codePointAt(0)};`).replace(/[`\r\n]/g, ' ');
  return `"${lines
    .filter((line) => line !== '')
    .map(safe)
    .join('<br>')}"`;
}

function mermaid({ router, ports, ways }: Picture): string {
  const faces = ports.flatMap((port) => port.faces);
  const number = (name: string) => faces.findIndex((one) => one.name === name);
  return [
    'flowchart LR',
    `  r[${label(router)}]`,
    ...ports.flatMap((port, p) => [
      `  p${p}[${label(port.name, port.spec)}]`,
      ...port.faces.flatMap((face) => {
        const n = number(face.name);
        return [
          `  f${n}(${label(face.name, face.tags, ...face.addresses, ...face.lists.map((one) => one.text))})`,
          `  p${p} --- f${n} --- r`,
        ];
      }),
    ]),
    ...ways.flatMap((way, w) => [
      `  g${w}{{${label(way.gateway, `PBR ${way.list}`)}}}`,
      ...way.from.map((name) => `  f${number(name)} -.-> g${w}`),
      ...(way.by === undefined ? [] : [`  g${w} -.-> f${number(way.by)}`]),
    ]),
  ].join('\n');
}
