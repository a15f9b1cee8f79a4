import { existsSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { Command, Option, UsageError } from 'clipanion';
import { toJson } from '../../codegen/diagnostics/json.js';
import type { Draft } from '../../codegen/formats/draft.js';
import { parseVlanDevice, type VlanDevices } from '../../codegen/formats/faces.js';
import { aclPathOf, type Read, readNetmapRt, type Source } from '../../codegen/formats/netmap-rt/read.js';
import { readNftables } from '../../codegen/formats/nftables/read.js';

import { parseFields, presetFields } from '../../dsl/formats/netmap-rt-acl.js';
import { MillError } from '../errors.js';
import { exits } from '../exit-codes.js';
import { makeWritable } from '../folders.js';
import { writeNamed } from '../write-named.js';
import { categories, NetmillCommand } from './command.js';
import { definitionFiles, includeFrom, sourceOf } from './import-aerleon.js';
import { refusalText } from './refusal-text.js';
import { plural } from './text.js';
import { readToday, todayOption } from './today.js';

const formats = ['netmap-rt', 'nftables', 'aerleon'] as const;
type Format = (typeof formats)[number];

export class ImportCommand extends NetmillCommand {
  static override paths = [['import']];
  static override usage = Command.Usage({
    category: categories.policy,
    description: 'make a policy from the configuration of another router',
    details:
      'What the source leaves open stands as an assumption at the head of the policy, or is refused. Nothing is skipped or widened: exit code 65 when a line cannot be taken over. Needs no daemon and no root.',
    examples: [
      [
        'netmap-rt, its ACL file and the order of its fields',
        '$0 import --from netmap-rt netmap-rt.conf netmap-rt-acl.conf --fields netmap-rt -o edge.ts',
      ],
      [
        'What nftables does with forwarded packets',
        '$0 import --from nftables ruleset.json --interface eth1 --interface eth2 -o edge.ts',
      ],
      [
        "Aerleon's or Capirca's policies, as they are for one of their targets",
        '$0 import --from aerleon edge.yaml --definitions def/ --target juniper --interface eth1 --interface eth2 --attach edge-in=eth1:in -o edge.ts',
      ],
      ['With VLAN devices', '$0 import --from netmap-rt netmap-rt.conf --vlan vlan101=ix0:101 -o edge.ts'],
    ],
  });

  from = Option.String('--from', { description: `of what: ${formats.join(', ')}; must be said` });
  files = Option.Rest({ name: 'FILE', required: 1 });
  out = Option.String('-o,--out', { description: 'write the policy to this file, which must not exist' });
  name = Option.String('--name', { description: 'name of the router; else that of the first file' });
  fields = Option.String('--fields', {
    description: `what the fields of an ACL line are: netmap-rt is '${presetFields}'`,
  });
  default = Option.String('--default', {
    description:
      'what becomes of packets that no line takes: allow or deny; allow when not said, for aerleon as its target has it',
  });
  neighbourDiscovery = Option.String('--neighbour-discovery', 'explicit', {
    description: 'explicit (when not said): the lines decide about it too; builtin: it passes before them',
  });
  portLines = Option.String('--port-lines', {
    description: 'what a line takes that names a port with VLANs and no VLAN: all, or what is untagged',
  });
  vlans = Option.Array('--vlan', [], { description: 'what a VLAN device is: vlan101=ix0:101' });

  interfaces = Option.Array('--interface', [], {
    description: 'nftables, aerleon: a device that the router is to have; name each',
  });
  forward = Option.String('--forward', 'out', {
    description:
      'nftables: as what a chain of hook forward is taken: out (when not said), exactly, or in, as a judge of all that comes in',
  });

  runTimeSets = Option.Array('--run-time-set', [], {
    description:
      'nftables: a set of addresses that is to change at run time (netmill set), as empty ones do; all: each that is not constant',
  });

  definitions = Option.Array('--definitions', [], {
    description: 'aerleon: a file of networks and services, or a directory of them',
  });
  target = Option.String('--target', {
    description: 'aerleon: the target whose filters are taken, such as juniper; else the only one',
  });
  attach = Option.Array('--attach', [], {
    description:
      'aerleon: where a filter judges: edge-in=eth1:in; when not said, the only one judges all that comes in',
  });
  today = todayOption();

  /** Those that are read on the way. */
  private readonly included: Source[] = [];

  async run(): Promise<number> {
    const format = formats.find((one) => one === this.from);
    if (this.from === undefined)
      throw new UsageError(`say of what the files are: --from ${formats.join(', ')}`);
    if (format === undefined) throw new UsageError(`netmill reads ${formats.join(', ')}, not '${this.from}'`);
    if (this.out !== undefined && existsSync(this.out))
      throw new MillError('usage', `${this.out} exists`, 'name another file, or remove it');
    const sources = format === 'netmap-rt' ? this.sources() : this.files.map(sourceOf);
    const read = await this.read(format, sources);
    if (!read.ok) return this.refuse(read.problems, [...sources, ...this.included]);
    return await this.finish(read.value);
  }

  private sources(): readonly Source[] {
    const sources = this.files.map(sourceOf);
    const named = aclPathOf(sources[0]!);
    if (sources.length > 1 || named === undefined) return sources;
    const beside = join(dirname(this.files[0]!), basename(named));
    const found = [resolve(dirname(this.files[0]!), named), beside].find((path) => existsSync(path));
    if (found === undefined)
      throw new MillError(
        'not-found',
        `${this.files[0]} names the ACL file ${named}, which is not here`,
        'name the ACL file after the configuration, or delete acl_conf if there is none',
      );
    this.progress(`ACLs from ${relative(process.cwd(), found)}`);
    return [...sources, sourceOf(found)];
  }

  private async read(format: Format, sources: readonly Source[]): Promise<Read<Draft>> {
    if (format === 'netmap-rt') return this.readNetmapRt(sources);
    if (format === 'aerleon') return await this.readAerleon(sources);
    if (sources.length !== 1) throw new UsageError('one file: what `nft -j list ruleset` prints');
    return readNftables(sources[0]!, {
      name: this.name ?? nameOf(sources[0]!.file),
      interfaces: this.interfaces,
      vlans: this.vlanDevices(),
      forward: oneOf('--forward', this.forward, ['out', 'in']),
      runTimeSets: this.runTimeSets,
    });
  }

  private async readAerleon(sources: readonly Source[]): Promise<Read<Draft>> {
    const { parseAttachment, readAerleon } = await import('../../codegen/formats/aerleon/read.js');
    const attached = this.attach.map(parseAttachment);
    for (const one of attached) if (typeof one === 'string') throw new UsageError(`--attach: ${one}`);
    const definitions = definitionFiles(this.definitions);
    this.included.push(...definitions);
    return readAerleon(sources, {
      name: this.name ?? nameOf(sources[0]!.file),
      interfaces: this.interfaces,
      vlans: this.vlanDevices(),
      definitions,
      include: includeFrom(this.included),
      ...(this.target !== undefined && { target: this.target }),
      attached: attached.filter((one) => typeof one !== 'string'),
      ...(this.default !== undefined && { default: this.endOfLists() }),
      neighbourDiscovery: this.discovery(),
      today: readToday(this.today).today ?? new Date().toISOString().slice(0, 10),
    });
  }

  private endOfLists(): 'allow' | 'deny' {
    return oneOf('--default', this.default ?? 'allow', ['allow', 'deny']);
  }

  private discovery(): 'explicit' | 'builtin' {
    return oneOf('--neighbour-discovery', this.neighbourDiscovery, ['explicit', 'builtin']);
  }

  private vlanDevices(): VlanDevices {
    const vlans = this.vlans.map(parseVlanDevice);
    for (const vlan of vlans) if (typeof vlan === 'string') throw new UsageError(`--vlan: ${vlan}`);
    return new Map(vlans.filter((vlan) => typeof vlan !== 'string'));
  }

  private readNetmapRt([conf, ...acls]: readonly Source[]): Read<Draft> {
    const fields = this.fields === undefined ? undefined : parseFields(this.fields);
    if (typeof fields === 'string') throw new UsageError(`--fields: ${fields}`);
    return readNetmapRt(conf!, acls, {
      name: this.name ?? nameOf(conf!.file),
      ...(fields && { fields }),
      default: this.endOfLists(),
      neighbourDiscovery: this.discovery(),
      ...(this.portLines !== undefined && {
        portLines: oneOf('--port-lines', this.portLines, ['all', 'untagged']),
      }),
      vlans: this.vlanDevices(),
    });
  }

  private refuse(
    problems: Extract<Read<Draft>, { ok: false }>['problems'],
    sources: readonly Source[],
  ): number {
    const { diagnostics, text } = refusalText(
      problems,
      this.from === 'nftables' ? [] : sources,
      this.context.stderr,
    );
    if (this.json) this.print(JSON.stringify({ ok: false, diagnostics: toJson(diagnostics) }, null, 2));
    else this.context.stderr.write(`${text}\n`);
    return exits.data;
  }

  /** The text is checked before anybody gets it: what is no policy is told as if it were one of the operator's. */
  private async finish(draft: Draft): Promise<number> {
    const { finishImport } = await import('../../codegen/formats/finish.js');
    const { renderText } = await import('../../codegen/diagnostics/text.js');
    const file = basename(this.out ?? `${draft.router}.ts`);
    const { text, files, result } = await finishImport(draft, file);
    if (!result.ok) {
      if (this.json) {
        this.print(JSON.stringify({ ok: false, diagnostics: toJson(result.diagnostics) }, null, 2));
        return exits.data;
      }
      const shown = { root: process.cwd(), files: result.files, colour: false };
      const discovery = result.diagnostics.some((one) => one.code === 'NM3024');
      throw new MillError(
        'policy',
        `what ${draft.sources} says makes no policy that netmill would build: nothing is written`,
        discovery
          ? '--neighbour-discovery builtin lets Neighbour Discovery pass before the first line'
          : 'correct what is to be imported',
        renderText(result.diagnostics, shown),
      );
    }
    const { warnings } = result.policy;
    const beside = files.map((one) => ({ ...one, path: join(dirname(this.out ?? ''), one.name) }));
    if (this.out !== undefined) {
      const there = beside.find((one) => existsSync(one.path));
      if (there) throw new MillError('usage', `${there.path} exists`, 'name another directory, or remove it');
      const fix = 'name another file: -o FILE';
      makeWritable(dirname(resolve(this.out)), 'the directory', fix);
      for (const one of [...beside, { path: this.out, text }]) writeNamed(one.path, one.text, fix, 'wx');
    } else if (beside.length > 0 && !this.json)
      throw new UsageError(
        `the policy reads ${beside.map((one) => one.name).join(', ')}: name its file with -o`,
      );
    if (this.json) {
      const written =
        this.out === undefined
          ? { policy: text, ...(files.length > 0 && { sets: files }) }
          : { file: resolve(this.out), sets: beside.map((one) => resolve(one.path)) };
      const { assumptions } = draft;
      this.print(
        JSON.stringify({ ok: true, ...written, assumptions, diagnostics: toJson(warnings) }, null, 2),
      );
    } else if (this.out === undefined) this.print(text);
    else
      this.print(
        `${this.out}: ${plural(result.policy.router.interfaces.length, 'interface')}, ${summary(draft, warnings.length)}`,
      );
    return exits.ok;
  }
}

function summary({ assumptions, lists, fragments }: Draft, warnings: number): string {
  const entries = [...fragments.flatMap((one) => one.entries), ...lists.flatMap((one) => one.parts)];
  const rules = entries.filter((one) => one.kind === 'rule').length;
  const more = warnings === 0 ? '' : `; ${plural(warnings, 'warning')}: see netmill check`;
  return `${plural(rules, 'rule')}; ${plural(assumptions.length, 'assumption')} ${assumptions.length === 1 ? 'stands' : 'stand'} at its head${more}`;
}

/** A router's name begins with a letter and has letters, digits, hyphens and underscores. */
function nameOf(file: string): string {
  const word = basename(file)
    .replace(/\.[^.]*$/, '')
    .replace(/[^A-Za-z0-9_-]/g, '-');
  return /^[A-Za-z]/.test(word) ? word.slice(0, 60) : `router-${word}`.slice(0, 60);
}

function oneOf<T extends string>(option: string, value: string, choices: readonly T[]): T {
  const found = choices.find((one) => one === value);
  if (found === undefined)
    throw new UsageError(`${option}: expected ${choices.join(' or ')}, got '${value}'`);
  return found;
}
