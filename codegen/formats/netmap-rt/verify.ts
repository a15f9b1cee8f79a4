/** What was exported is read back and compared with the policy, exactly, for all packets. */
import type { Problem, Router } from '../../../dsl/model.js';
import { packetText } from '../../analysis/packet-text.js';
import type { CheckedPolicy } from '../../checked.js';
import { lower } from '../../lower.js';
import { bothHave, packetChanges, type Way } from '../../plan/packet-changes.js';
import { deviceOf } from './export.js';

/** Nothing: import(export(policy)) does the same with every packet. */
export function differences(policy: CheckedPolicy, back: CheckedPolicy): readonly Problem[] {
  const [here, there] = [policy, back].map((one) => lower({ ...one, router: byDevice(one.router) }));
  const { changes, undecided } = packetChanges(here!, there!);
  const { origin } = policy.router;
  const code = 'NM6005';
  const fix = 'change the policy so that both do the same.';
  const other = bothHave(here!, there!).length !== here!.interfaces.length;
  return [
    ...(other ? [{ code, origin, message: 'the files would have other interfaces', fix }] : []),
    ...undecided.map((one) => ({
      code,
      origin,
      message: `whether the files mean the same for IPv${one.family} on ${one.interface} was not decided: too many rules meet`,
      fix: 'make the lists simpler.',
    })),
    ...changes.map(({ from, to, example, interface: name }) => ({
      code,
      origin: from.rule === undefined || from.rule === 'hidden' ? origin : from.rule.origin,
      message: `netmap-rt would do otherwise with: in ${name} ${packetText(example)}`,
      expected: wayText(from),
      got: wayText(to),
      fix,
    })),
  ];
}

function wayText({ fate }: Way): string {
  return fate.kind === 'diverted' ? `via ${fate.gateway}` : fate.kind;
}

/** Interfaces by the names that the devices have there. */
function byDevice(router: Router): Router {
  return {
    ...router,
    interfaces: router.interfaces.map((face) => ({ ...face, name: deviceOf(router, face) })),
  };
}
