import { Command, Option, UsageError } from 'clipanion';
import { categories, NetmillCommand } from './command.js';
import { destinationOf } from './destination.js';

export class RouteAddCommand extends NetmillCommand {
  static override paths = [['route', 'add']];
  static override usage = Command.Usage({
    category: categories.routes,
    description: "add a route to netmill alone; the kernel's tables stay as they are",
    details:
      'It wins over the same prefix of the kernel, and lasts until it is deleted: `route` shows it as `proto netmill`, a restarted netmilld has it again, and a new device of the same name takes it over. Where the gateway is, all other routes say, but those of `route add`; it is looked up again whenever those change; while there is no way to it, the route waits. (It is kept in the run directory, which most systems empty at boot.)',
    examples: [
      ['By a gateway', '$0 route add 203.0.113.0/24 198.51.100.1'],
      ['The default route', '$0 route add default 198.51.100.1'],
      ['Directly on an interface', '$0 route add 10.99.0.0/16 --iface lan.office'],
      ['By a gateway on it', '$0 route add 2001:db8:7::/48 fe80::1 --iface lan.office'],
    ],
  });

  destination = Option.String({ name: 'DEST' });
  gateway = Option.String({ name: 'GATEWAY', required: false });
  iface = Option.String('--iface', {
    description: 'on this interface: where the gateway is, or, without one, the network itself',
  });

  six = Option.Boolean('-6', false, { description: '`default` is of IPv6, also without an IPv6 gateway' });

  async run(): Promise<number> {
    const { gateway, iface } = this;
    const prefix = destinationOf(this.destination, this.six, gateway);
    if (gateway === undefined && iface === undefined)
      throw new UsageError('expected a gateway, or --iface IF, or both');
    const reply = await this.ask<{ added: string; inForce: boolean }>({
      op: 'route.add',
      prefix,
      ...(gateway !== undefined && { gateway }),
      ...(iface !== undefined && { iface }),
    });
    return this.show(reply, ({ added, inForce }) => {
      const way = [gateway && `via ${gateway}`, iface && `on ${iface}`].filter(Boolean).join(' ');
      return `added ${added} ${way}${inForce ? '' : '; not in force: there is no way to the gateway'}`;
    });
  }
}
