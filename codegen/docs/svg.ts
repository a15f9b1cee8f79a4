/**
 * The picture of a router as SVG, in the colours of the page around it: ports on the left, the interfaces on each to the right of it,
 * and gateways of PBR at the far right, with a line from each interface that is asked and one to where the gateway is.
 */
import { xml } from '../report/junit.js';
import type { Face, FaceList, Picture } from './picture.js';

const letter = 7.3;
const line = 17;
const gap = 14;
const inside = 12;
const between = 70;

interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export function toSvg({ router, ports, ways }: Picture): string {
  const faces = ports.flatMap((port) => port.faces);
  const portWidth = widthOf(ports.flatMap(({ name, spec }) => [name, spec]));
  const faceWidth = widthOf(faces.flatMap(linesOf));
  const wayTexts = ways.map((way) => [way.gateway, `PBR ${way.list}`]);
  const wayWidth = widthOf(wayTexts.flat());
  const faceX = portWidth + between;
  const wayX = faceX + faceWidth + 2 * between;
  const parts: string[] = [];
  const places = new Map<string, Box>();
  let y = 1;
  for (const { name, spec, faces: own } of ports) {
    const top = y;
    for (const face of own) {
      const box = { x: faceX, y, width: faceWidth, height: heightOf(linesOf(face)) };
      places.set(face.name, box);
      parts.push(drawn('face', box, linesOf(face)));
      y += box.height + gap;
    }
    const box = { x: 1, y: top, width: portWidth, height: Math.max(heightOf([name, spec]), y - gap - top) };
    y = Math.max(y, top + box.height + gap);
    parts.push(drawn('port', box, [name, spec]));
    for (const face of own)
      parts.push(wire('wire', right(box, middle(places.get(face.name)!)), left(places.get(face.name)!)));
  }
  let wayY = 1;
  for (const [i, way] of ways.entries()) {
    const box = { x: wayX, y: wayY, width: wayWidth, height: heightOf(wayTexts[i]!) };
    wayY += box.height + gap;
    parts.push(drawn('way', box, wayTexts[i]!));
    for (const name of way.from) parts.push(wire('diverts', right(places.get(name)!), left(box, -5)));
    if (way.by !== undefined)
      parts.push(wire('leaves', left(box, 5), right(places.get(way.by)!, undefined, 6)));
  }
  const width = Math.ceil((ways.length > 0 ? wayX + wayWidth : faceX + faceWidth) + 1);
  const height = Math.ceil(Math.max(y, wayY));
  return [
    `<svg viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${xml(`Ports and interfaces of ${router}`)}">`,
    ...parts,
    '</svg>',
  ].join('\n');
}

type Line = string | FaceList;

function linesOf({ name, tags, addresses, lists }: Face): readonly Line[] {
  return [name, tags, ...addresses, ...lists];
}

function textOf(line: Line): string {
  return typeof line === 'string' ? line : line.text;
}

function widthOf(lines: readonly Line[]): number {
  return Math.ceil(Math.max(60, ...lines.map((one) => textOf(one).length * letter)) + 2 * inside);
}

function heightOf(texts: readonly Line[]): number {
  return texts.length * line + 2 * inside - 6;
}

function drawn(kind: string, { x, y, width, height }: Box, lines: readonly Line[]): string {
  const words = lines.map((one, i) => {
    const at = `x="${x + inside}" y="${y + inside + 10 + i * line}"`;
    const text = `<text ${at}${i === 0 ? ' class="name"' : ''}>${xml(textOf(one))}</text>`;
    return typeof one === 'string' ? text : `<a href="#${one.to}">${text}</a>`;
  });
  const box = `<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="6"/>`;
  return `<g class="${kind}">${box}${words.join('')}</g>`;
}

type Point = readonly [x: number, y: number];

function middle({ y, height }: Box): number {
  return y + height / 2;
}

function left(box: Box, down = 0): Point {
  return [box.x, middle(box) + down];
}

function right(box: Box, y = middle(box), down = 0): Point {
  return [box.x + box.width, y + down];
}

function wire(kind: string, [ax, ay]: Point, [bx, by]: Point): string {
  const bend = (ax + bx) / 2;
  return `<path class="${kind}" d="M${ax} ${ay} C${bend} ${ay} ${bend} ${by} ${bx} ${by}"/>`;
}
