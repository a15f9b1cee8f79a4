/** Filters of Aerleon and Capirca as a draft: for one of their targets, on the interfaces where they are attached. */
import type { Problem } from '../../../dsl/model.js';
import { show } from '../../../dsl/problems.js';
import type { Draft } from '../draft.js';
import { type Face, noInterfaces, readFaces } from '../faces.js';
import { reserved } from '../names.js';
import type { Read, Source } from '../netmap-rt/read.js';
import { makePorts, mergedPorts } from '../ports.js';
import { byName, type Definition, type Definitions, readDefinitionsYaml } from './definitions.js';
import { readDefinitionsText } from './definitions-text.js';
import {
  type AerleonOptions,
  type Attachment,
  type Filter,
  generalName,
  listsOf,
  type Placed,
} from './filters.js';
import { makeObjects } from './objects.js';
import { readPolicyText } from './policy-text.js';
import { type Include, readPolicyYaml } from './policy-yaml.js';
import { attempt, type RawFilter, refuse } from './raw.js';
import { targetOf } from './targets.js';

/** @returns what is wrong, as a sentence, where the text is none */
export function parseAttachment(text: string): Attachment | string {
  const found = /^([^=]+)=([^=:]+):(in|out)$/.exec(text);
  if (found) return { filter: found[1]!, device: found[2]!, side: found[3] as 'in' | 'out' };
  return `${show(text)} does not say where a filter is attached: expected FILTER=DEVICE:in or FILTER=DEVICE:out, such as edge-inbound=eth1:in`;
}

export function readAerleon(sources: readonly Source[], options: AerleonOptions): Read<Draft> {
  const problems: Problem[] = [];
  const assumptions: string[] = [];
  const assume = (sentence: string) => {
    if (!assumptions.includes(sentence)) assumptions.push(sentence);
  };
  const raw = sources.flatMap((source) => readFilters(source, options.include, problems));
  const definitions = readDefinitions(options.definitions, problems);
  const devices = { value: options.interfaces.join(' '), line: 1, column: 1 };
  const read = readFaces(devices, '--interface', options.vlans);
  if (options.interfaces.length === 0)
    problems.push(noInterfaces({ file: '--interface', line: 1, column: 1 }));
  else problems.push(...read.problems);
  assumptions.push(...read.assumptions);
  if (problems.length > 0) return { ok: false, problems };
  const filters = attempt(problems, () => filtersOf(raw, options, problems, assume)) ?? [];
  const placed = attempt(problems, () => placesOf(filters, read.faces, options, assume)) ?? [];
  const taken = new Set(reserved);
  const generals = { in: generalName(placed, 'in', taken), out: generalName(placed, 'out', taken) };
  const objects = makeObjects(definitions, taken);
  const making = { definitions, objects, problems, assume };
  const made = (['in', 'out'] as const).map((side) => {
    const mine = placed.filter((one) => one.side === side);
    return listsOf(mine, side, generals[side], read.faces, options, making);
  });
  if (problems.length > 0) return { ok: false, problems };
  assume('A list that tests ports, flags or ICMP types drops packets that hide them.');
  const ports = mergedPorts(
    makePorts(read.faces, made[0]!.byDevice, 'in', assumptions),
    makePorts(read.faces, made[1]!.byDevice, 'out', []),
  );
  return {
    ok: true,
    value: {
      router: options.name,
      sources: [...sources, ...options.definitions].map((one) => one.file).join(', '),
      assumptions,
      comments: made.flatMap((one) => one.comments),
      objects: objects.made,
      fragments: made.flatMap((one) => one.fragments),
      lists: made.flatMap((one) => one.lists),
      ports: { value: ports, above: [] },
      settings: {},
    },
  };
}

function readFilters(source: Source, include: Include, problems: Problem[]): readonly RawFilter[] {
  const read = /\.(pol|inc)$/.test(source.file) ? readPolicyText : readPolicyYaml;
  return read(source, include, problems);
}

function readDefinitions(sources: readonly Source[], problems: Problem[]): Definitions {
  const all = sources.map((source): Partial<Record<keyof Definitions, readonly Definition[]>> => {
    if (source.file.endsWith('.net')) return { networks: readDefinitionsText(source, 'network', problems) };
    if (source.file.endsWith('.svc')) return { services: readDefinitionsText(source, 'service', problems) };
    return readDefinitionsYaml(source, problems);
  });
  const [networks, services] = (['networks', 'services'] as const).map((kind) =>
    byName(
      all.flatMap((one) => one[kind] ?? []),
      problems,
    ),
  );
  return { networks: networks!, services: services! };
}

/** Those of the target that is asked for. @throws Refused */
function filtersOf(
  raw: readonly RawFilter[],
  { target }: AerleonOptions,
  problems: Problem[],
  assume: (sentence: string) => void,
): readonly Filter[] {
  const names = [...new Set(raw.flatMap((one) => one.targets.map(({ name }) => name.text)))];
  const origin = raw[0]?.origin ?? { file: '--target', line: 1, column: 1 };
  const platform = target ?? (names.length === 1 ? names[0]! : undefined);
  if (platform === undefined || !names.includes(platform))
    return refuse(
      'NM6004',
      origin,
      platform === undefined
        ? 'for which of its targets the policy is to be read, is not said'
        : `no filter has the target ${show(platform)}`,
      {
        expected: names.map((one) => `--target ${one}`).join(', '),
        got: platform === undefined ? 'nothing about it' : `--target ${platform}`,
        fix: 'name the target whose filters are in use: families, terms and names depend on it.',
      },
    );
  assume(`Filters are those of target ${platform}.`);
  return raw.flatMap((one) => {
    const [other] = one.others;
    const found = attempt(problems, () => {
      if (other) refuse('NM6003', other.key.origin, `'${other.key.text}' of a header has no counterpart`);
      return targetOf(one, platform);
    });
    if (found) return [{ raw: one, target: found }];
    return [];
  });
}

/** @throws Refused */
function placesOf(
  filters: readonly Filter[],
  faces: readonly Face[],
  { attached }: AerleonOptions,
  assume: (sentence: string) => void,
): readonly Placed[] {
  const names = [...new Set(filters.map((one) => one.target.name))];
  const [first] = filters;
  if (!first) return [];
  if (attached.length === 0) {
    if (names.length > 1)
      refuse(
        'NM6004',
        first.raw.origin,
        `which of the filters ${names.join(', ')} is attached where, is not said`,
        {
          expected: names.map((one) => `--attach ${one}=DEVICE:in`).join(', or '),
          fix: 'say it for each filter that is in use.',
        },
      );
    assume(`Filter ${names[0]} judges what comes in, on all interfaces.`);
    return filters.map((one) => ({ ...one, side: 'in', faces }));
  }
  const origin = { file: '--attach', line: 1, column: 1 };
  for (const one of attached) {
    if (!names.includes(one.filter))
      refuse('NM6002', origin, `there is no filter ${show(one.filter)}`, {
        expected: names.join(', '),
        got: show(one.filter),
      });
    if (!faces.some((face) => face.device === one.device))
      refuse('NM6002', origin, `there is no interface ${show(one.device)}`, {
        expected: faces.map((face) => face.device).join(', '),
        got: show(one.device),
      });
  }
  const left = names.filter((name) => !attached.some((one) => one.filter === name));
  if (left.length > 0) assume(`Filters that are attached nowhere are left out: ${left.join(', ')}.`);
  return filters.flatMap((one) =>
    (['in', 'out'] as const).flatMap((side) => {
      const mine = attached.filter((other) => other.filter === one.target.name && other.side === side);
      const there = faces.filter((face) => mine.some((other) => other.device === face.device));
      return there.length > 0 ? [{ ...one, side, faces: there }] : [];
    }),
  );
}
