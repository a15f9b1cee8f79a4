/** VALE switches of the kernel's netmap: what vale-ctl does. Needs no daemon. */
import { Command, Option } from 'clipanion';
import { answer } from '../traffic/tool.js';
import { configText, interfaceOf, pollingWords, portOf, switchOf } from '../traffic/vale.js';
import { categories, NetmillCommand } from './command.js';
import type { ValeDetached, ValeNamed } from './vale-reports.js';
import { attachedText, infoText, madeText, polledText, portsText } from './vale-text.js';

function usage(description: string, details: string, ...examples: readonly [string, string][]) {
  return Command.Usage({
    category: categories.traffic,
    description,
    details,
    examples: examples.map(([what, line]) => [what, line]),
  });
}

const about =
  "VALE is a learning switch in the kernel's netmap; it is there as long as it has ports. Ports are interfaces that are attached, and what programs open as `netmap:vale0:NAME`.";

abstract class ValeCommand extends NetmillCommand {
  protected async order<T>(words: readonly string[], text: (reply: T) => string): Promise<number> {
    return this.show(await answer<T>('vale', words), text);
  }
}

abstract class ValeMakingCommand extends ValeCommand {
  slots = Option.String('--slots', { description: 'slots of its rings: TX,RX, or one number for both' });
  rings = Option.String('--rings', { description: 'how many rings: TX,RX, or one number for both' });
  memory = Option.String('--memory', {
    description: "number of the memory that its buffers are in; `vale list` shows others'",
  });
}

export class ValeListCommand extends ValeCommand {
  static override paths = [['vale', 'list'], ['vale']];
  static override usage = usage('the ports of VALE switches', about, ['Of one switch', '$0 vale list vale0']);

  name = Option.String({ name: 'SWITCH', required: false });

  run(): Promise<number> {
    const name = this.name === undefined ? [] : [switchOf(this.name)];
    return this.order(['list', ...name], portsText);
  }
}

export class ValeInfoCommand extends ValeCommand {
  static override paths = [['vale', 'info']];
  static override usage = usage(
    'rings, slots and memory of whatever netmap can open',
    'Ports with the same memory exchange buffers; between others packets are copied.',
    ['An interface', '$0 vale info eth1'],
    ['A port of a switch', '$0 vale info vale0:eth1'],
  );

  name = Option.String({ name: 'NAME' });

  run(): Promise<number> {
    return this.order(['info', this.name], infoText);
  }
}

export class ValeAttachCommand extends ValeMakingCommand {
  static override paths = [['vale', 'attach']];
  static override usage = usage(
    'attach an interface, or a persistent VALE port, to a switch; `--host`: with its host stack',
    `${about} An attached device is the switch's: the kernel no longer sees what it receives, but with \`--host\`, which attaches its host stack as a port of its own.`,
    ['A device', '$0 vale attach vale0:eth1'],
    ['A device, with its host stack', '$0 vale attach vale0:eth1 --host'],
  );

  port = Option.String({ name: 'SWITCH:IF' });
  host = Option.Boolean('--host', false, { description: 'with its host stack' });

  run(): Promise<number> {
    const words = ['attach', portOf(this.port), this.host ? 'host' : 'nic', configText(this)];
    return this.order(words, attachedText);
  }
}

export class ValeDetachCommand extends ValeCommand {
  static override paths = [['vale', 'detach']];
  static override usage = usage(
    'take an interface out of a switch',
    'A device is the kernel’s again. One that is polled is refused until `vale poll --off`.',
    ['A device', '$0 vale detach vale0:eth1'],
  );

  port = Option.String({ name: 'SWITCH:IF' });

  run(): Promise<number> {
    return this.order<ValeDetached>(
      ['detach', portOf(this.port)],
      ({ name, index }) => `${name}: was port ${index}`,
    );
  }
}

export class ValeNewCommand extends ValeMakingCommand {
  static override paths = [['vale', 'new']];
  static override usage = usage(
    'make a persistent VALE port',
    'An interface that outlives programs: `ip link` shows it, `vale attach` gives it to a switch, and a program opens it as `netmap:SWITCH:IF`.',
    ['For a virtual machine', '$0 vale new vm1 --slots 1024 --rings 2'],
  );

  name = Option.String({ name: 'IF' });

  run(): Promise<number> {
    const words = ['new', interfaceOf(this.name), configText(this)];
    return this.order(words, madeText);
  }
}

export class ValeDeleteCommand extends ValeCommand {
  static override paths = [['vale', 'delete']];
  static override usage = usage(
    'delete a persistent VALE port',
    'Only what `vale new` has made, when it is attached nowhere and no program has it open.',
    ['What was made', '$0 vale delete vm1'],
  );

  name = Option.String({ name: 'IF' });

  run(): Promise<number> {
    return this.order<ValeNamed>(['delete', interfaceOf(this.name)], ({ name }) => `${name}: deleted`);
  }
}

export class ValePollCommand extends ValeCommand {
  static override paths = [['vale', 'poll']];
  static override usage = usage(
    'let cores of the kernel poll an attached device, in place of its interrupts',
    'With `--core` one core polls all of its rings; with `--cores` each ring is polled by the core of its number. At least one core of the machine must be left to others.',
    ['All rings, by core 3', '$0 vale poll vale0:eth1 --core 3'],
    ['Rings 0 and 1, by cores 0 and 1', '$0 vale poll vale0:eth1 --cores 0-1'],
    ['No longer', '$0 vale poll vale0:eth1 --off'],
  );

  port = Option.String({ name: 'SWITCH:IF' });
  core = Option.String('--core', { description: 'one core for all rings' });
  cores = Option.String('--cores', { description: 'FIRST-LAST: cores, and rings of the same numbers' });
  off = Option.Boolean('--off', false, { description: 'its interrupts again' });

  run(): Promise<number> {
    const port = portOf(this.port);
    if (this.off && this.core === undefined && this.cores === undefined)
      return this.order<ValeNamed>(['rest', port], ({ name }) => `${name}: no longer polled`);
    const words = pollingWords(this.off ? {} : this);
    return this.order(['poll', port, ...words], polledText);
  }
}

export const valeCommands = [
  ValeListCommand,
  ValeInfoCommand,
  ValeAttachCommand,
  ValeDetachCommand,
  ValeNewCommand,
  ValeDeleteCommand,
  ValePollCommand,
];
