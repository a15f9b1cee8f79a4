/** A draft as TypeScript: what an operator would have written, with the comments of the source. */
import type { Offload } from '../../dsl/model.js';
import {
  array,
  type Code,
  call,
  calledNames,
  commentText,
  type Item,
  list,
  object,
  printStatements,
  property,
  quote,
  type Statement,
} from './code.js';
import type { Commented, Draft, DraftFace, DraftList, DraftPort, DraftRule, Waivers } from './draft.js';
import { writeEntries, writeObject } from './write-rules.js';

export interface Written {
  readonly text: string;
  /** 1-based line on which a rule begins. */
  readonly lines: ReadonlyMap<DraftRule, number>;
}

export function writePolicy(draft: Draft, waivers: Waivers = new Map()): Written {
  const { objects, fragments, lists, settings } = draft;
  const body: readonly Statement[] = [
    ...(draft.comments.length > 0 ? [{ above: draft.comments }] : []),
    ...objects.map(writeObject),
    ...(settings.offloads ? [writeOffloads(settings.offloads)] : []),
    ...fragments.map(({ name, entries }) => ({
      before: `const ${name} = `,
      code: array(writeEntries(entries, waivers)),
    })),
    ...lists.map((one) => writeList(one, waivers)),
    writeRouter(draft),
  ];
  const names = [...new Set(body.flatMap(({ code }) => (code ? calledNames(code) : [])))].sort();
  const imports = { before: 'import ', code: object(list(names)), behind: ` from 'netmill'` };
  const { text, lines } = printStatements([imports, ...body]);
  const before = writeHead(draft);
  const shift = before.split('\n').length - 1;
  return {
    text: before + text,
    lines: new Map([...lines].map(([rule, at]) => [rule as DraftRule, at + shift])),
  };
}

const widest = 106;

function writeHead({ sources, assumptions }: Draft): string {
  const sentences = [
    `Imported from ${sources}.`,
    ...(assumptions.length > 0 ? ['', 'What is not said there was taken to be so:'] : []),
    ...assumptions.map((one) => `- ${one}`),
  ];
  const lines = sentences.flatMap((one) => wrapped(commentText(one), one.startsWith('- ') ? '  ' : ''));
  return `/**\n${lines.map((line) => ` * ${line}`.trimEnd()).join('\n')}\n */\n`;
}

function wrapped(text: string, indent: string): readonly string[] {
  const lines: string[] = [''];
  for (const word of text.split(' ')) {
    const longer = lines.at(-1) === '' ? word : `${lines.at(-1)} ${word}`;
    if (longer.length <= widest || lines.at(-1) === '') lines[lines.length - 1] = longer;
    else lines.push(`${indent}${word}`);
  }
  return lines;
}

function writeOffloads({ value, above, after }: Commented<readonly Offload[]>): Statement {
  return {
    above: [...above, ...(after === undefined ? [] : [after])],
    before: 'const offloads = ',
    code: object(list([property('off', array(list(value.map(quote))))])),
    behind: ' as const',
  };
}

function writeList(one: DraftList, waivers: Waivers): Statement {
  const options = [
    property('default', quote(one.default)),
    ...(one.neighbourDiscovery === 'explicit' ? [property('neighbourDiscovery', quote('explicit'))] : []),
  ];
  return {
    above: one.comments,
    before: `export const ${one.constant} = `,
    code: call('acl', quote(one.name), object(list(options)), array(writeEntries(one.parts, waivers))),
  };
}

function writeRouter({ router, ports, settings }: Draft): Statement {
  const spec: Item[] = [
    {
      code: property(
        'interfaces',
        object(ports.value.map((port) => ({ code: writePort(port, settings.offloads !== undefined) }))),
      ),
      above: ports.above,
      ...(ports.after !== undefined && { after: ports.after }),
    },
  ];
  const section = (name: string, items: readonly (readonly Item[])[]) => {
    if (items.flat().length > 0) spec.push({ code: property(name, object(items.flat())) });
  };
  section('engine', [item('lookup', settings.lookup, quote), item('events', settings.events, quote)]);
  section('daemon', [
    item('pidfile', settings.pidfile, quote),
    item('socket', settings.socket, (path) => object(list([property('path', quote(path))]))),
    item('maxClients', settings.maxClients, String),
    item('routeDumpFile', settings.routeDumpFile, quote),
    item('arpMaxTries', settings.arpMaxTries, String),
  ]);
  return { before: 'export default ', code: call('router', quote(router), object(spec)) };
}

function item<T>(key: string, given: Commented<T> | undefined, write: (value: T) => Code): readonly Item[] {
  if (given === undefined) return [];
  const { value, above, after } = given;
  return [{ code: property(key, write(value)), above, ...(after !== undefined && { after }) }];
}

function writePort(port: DraftPort, offloads: boolean): Code {
  const untagged = port.faces.find((face) => face.vlan === undefined);
  const tagged = port.faces.filter((face) => face.vlan !== undefined);
  const vlans = tagged.map((face) =>
    property(face.name, object(list([`id: ${face.vlan}`, ...writeFace(face)]))),
  );
  return property(
    port.name,
    object(
      list([
        property('port', quote(port.spec)),
        ...(offloads ? ['offloads'] : []),
        ...(untagged ? writeFace(untagged) : []),
        // Beside VLANs, an interface of which nothing is said is none.
        ...(untagged && writeFace(untagged).length === 0 && tagged.length > 0 ? ["host: 'auto'"] : []),
        ...(port.fallback ? [property('fallback', quote(port.fallback))] : []),
        ...(vlans.length > 0 ? [property('vlans', object(list(vlans)))] : []),
      ]),
    ),
  );
}

function writeFace(face: DraftFace): readonly Code[] {
  return [
    ...(face.in === undefined ? [] : [property('in', face.in)]),
    ...(face.out === undefined ? [] : [property('out', face.out)]),
  ];
}
