import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Command, Option, UsageError } from 'clipanion';
import { type PacketPoint, pointOf } from '../../codegen/analysis/packet.js';
import { packetText } from '../../codegen/analysis/packet-text.js';
import type { CheckedPolicy } from '../../codegen/checked.js';
import { renderText } from '../../codegen/diagnostics/text.js';
import { type Explanation, explain, explainOut } from '../../codegen/explain/explain.js';
import { received } from '../../codegen/explain/frames.js';
import { seenIn, withMembers } from '../../codegen/explain/members.js';
import { readPcap } from '../../codegen/explain/pcap.js';
import { readPacket } from '../../codegen/explain/read-packet.js';
import type { Ir, IrInterface } from '../../codegen/ir.js';
import { tagsOf } from '../../codegen/tags.js';
import { MillError } from '../errors.js';
import { exits } from '../exit-codes.js';
import { categories, NetmillCommand } from './command.js';
import { type Explained, explainedLine, explanationText } from './explain-text.js';
import { aPolicy, requireFile } from './files.js';
import { withContents } from './set-contents.js';

export class ExplainCommand extends NetmillCommand {
  static override paths = [['explain']];
  static override usage = Command.Usage({
    category: categories.policy,
    description:
      'show the way of a packet through a policy: every line that was tried, and why it did not take it',
    details: 'Needs no daemon. Neighbours and the routes of the kernel are not known here: see `route get`.',
    examples: [
      ['A packet', "$0 explain routers/edge1.ts 'in wan tcp 9.9.9.9:1234 > 203.0.113.10:443 syn'"],
      [
        'A source that a set would hold',
        "$0 explain routers/edge1.ts 'in wan tcp 9.9.9.9:1234 > 203.0.113.10:443 syn' --set blocked=9.9.9.0/24",
      ],
      ['A capture from port wan', '$0 explain routers/edge1.ts --pcap wan.pcap --in wan'],
    ],
  });

  policy = Option.String({ name: 'POLICY' });
  packet = Option.String({ name: 'PACKET', required: false });
  pcap = Option.String('--pcap', {
    description: 'explain every frame of a capture, a line each (all of it with -v)',
  });
  sets = Option.Array('--set', [], {
    description:
      'NAME=FILE or NAME=PREFIX,…: what a set that changes at run time holds; else what its own file says',
  });
  in = Option.String('--in', {
    description: 'interface, or port of a capture, when the packet does not say it',
  });

  async run(): Promise<number> {
    if ((this.packet === undefined) === (this.pcap === undefined))
      throw new UsageError('give a packet, or --pcap FILE');
    const { lower } = await import('../../codegen/lower.js');
    const ir = withContents(lower(await this.load()), this.sets);
    const all = this.pcap === undefined ? [this.one(ir, this.packet!)] : this.capture(ir, this.pcap);
    if (this.json) this.print(JSON.stringify(this.pcap === undefined ? all[0] : all, null, 2));
    else if (this.pcap === undefined || this.verbose) this.print(all.map(explanationText).join('\n'));
    else this.print(all.map(explainedLine).join('\n'));
    return exits.ok;
  }

  private async load(): Promise<CheckedPolicy> {
    const { loadAndCheck } = await import('../../codegen/front.js');
    const result = await loadAndCheck(requireFile(resolve(this.policy), aPolicy), { expired: 'warning' });
    if (result.ok) return result.policy;
    const details = renderText(result.diagnostics, { root: result.root, files: result.files, colour: false });
    throw new MillError('policy', `${this.policy} is refused`, 'correct the policy', details);
  }

  private one(ir: Ir, text: string): Explained {
    const read = readPacket(text);
    if ('expected' in read)
      throw new MillError(
        'usage',
        `the packet is not understood: expected ${read.expected}, got ${read.got}`,
        'see netmill explain --help',
      );
    const out = read.out === undefined ? undefined : this.face(ir, read.out);
    const name = read.interface ?? this.in;
    if (out && name === undefined) {
      const known = this.known(ir, read.packet);
      return { packet: packetText(read.packet), ...explainOut(known, out, seenIn(known, read.packet)) };
    }
    const iface = this.face(ir, name);
    const vlan = tagsOf(iface.encapsulation).at(-1)?.vid ?? 0;
    const packet = { ...read.packet, fields: { ...read.packet.fields, vlan } };
    const known = this.known(ir, packet);
    return { packet: packetText(packet), ...explain(known, iface, seenIn(known, packet), out) };
  }

  private known(ir: Ir, packet: PacketPoint): Ir {
    try {
      return withMembers(ir, packet);
    } catch (error) {
      throw new MillError('usage', (error as Error).message, 'name one behind from-set or to-set');
    }
  }

  private face(ir: Ir, name: string | undefined): IrInterface {
    const found = ir.interfaces.find((one) => one.name === name);
    if (found) return found;
    const names = ir.interfaces.map((one) => one.name).join(', ');
    throw new MillError(
      'usage',
      `expected an interface (${names}), got ${name === undefined ? 'none' : `'${name}'`}`,
      "begin the packet with 'in IFACE'",
    );
  }

  private capture(ir: Ir, file: string): readonly Explained[] {
    const port = ir.ports.find((one) => one.name === (this.in ?? ir.ports[0]?.name));
    if (port === undefined) {
      const names = ir.ports.map((one) => one.name).join(', ');
      throw new MillError(
        'usage',
        `expected the port where it was captured (${names}), got '${this.in}'`,
        'name it: --in PORT; its VLANs are told from the tags',
      );
    }
    let frames: ReturnType<typeof readPcap>;
    try {
      frames = readPcap(readFileSync(requireFile(resolve(file))));
    } catch (error) {
      if (error instanceof MillError) throw error;
      throw new MillError('usage', `${file}: ${(error as Error).message}`, 'write it with tcpdump -w');
    }
    return frames.map(({ number, bytes, length }): Explained => {
      const got = received(port, bytes, ir.contents);
      const cut = bytes.length < length ? ' (captured in part)' : '';
      if (got.kind === 'other') return { number, packet: `${got.what}${cut}` };
      const way: Explanation = explain(ir, got.iface, got.seen);
      return { number, packet: `${packetText(pointOf(got.seen))}${cut}`, ...way };
    });
  }
}
