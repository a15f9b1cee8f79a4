/** Ports of which netmill takes chosen queues, and the flows that come to them. */
import type { PortConfig, Router } from '../../dsl/model.js';
import { inside } from '../../dsl/origin.js';
import type { Diagnostic } from '../diagnostics/diagnostic.js';
import { hardwareFlows, whyNotFlow } from '../flows.js';
import { limits } from './limits.js';
import { splitSpec } from './ports.js';
import { error } from './report.js';

export function checkFlows(router: Router): readonly Diagnostic[] {
  return router.ports.flatMap((port) => [...checkQueues(port), ...checkFlowsOf(port)]);
}

function checkQueues(port: PortConfig): readonly Diagnostic[] {
  const place = inside(port.origin, 'queues');
  if (port.queues === undefined)
    return port.flows.length === 0
      ? []
      : [
          error(
            'NM4022',
            inside(port.origin, 'flows'),
            `'${port.name}' does not say where its flows come to`,
            {
              expected: 'queues: the receive queues of the device that netmill takes',
              fix: 'add queues: [1], or leave flows out: then netmill takes all that comes in.',
            },
          ),
        ];
  if (splitSpec(port.spec).kind !== 'xdp')
    return [
      error('NM4022', place, `'${port.name}' cannot leave queues to the kernel`, {
        expected: "queues of an 'xdp:' port; one of netmap's is 'netmap:ix0-2/R'",
        got: `'${port.spec}'`,
      }),
    ];
  if (port.queues.length <= limits.rings) return [];
  return [
    error('NM4015', place, `'${port.name}' takes too many queues`, {
      expected: `at most ${limits.rings}`,
      got: `${port.queues.length}`,
    }),
  ];
}

function checkFlowsOf(port: PortConfig): readonly Diagnostic[] {
  const wrong = port.flows.flatMap((flow): readonly Diagnostic[] => {
    const why = whyNotFlow(flow);
    if (why !== undefined)
      return [
        error('NM4022', flow.origin, `no device can tell such packets from others: ${why}`, {
          expected: 'prefixes, protocols, and TCP or UDP ports one by one',
          fix: 'choose more than is wanted: the `in` ACL judges what comes.',
        }),
      ];
    if (flow.queue === undefined || port.queues === undefined || port.queues.includes(flow.queue)) return [];
    return [
      error('NM4022', inside(flow.origin, 'queue'), `netmill does not take queue ${flow.queue}`, {
        expected: `one of ${port.queues.join(', ')}`,
        got: `${flow.queue}`,
      }),
    ];
  });
  if (wrong.length > 0 || port.queues === undefined) return wrong;
  const needed = hardwareFlows(port).length;
  if (needed <= limits.flows) return [];
  return [
    error(
      'NM4015',
      inside(port.origin, 'flows'),
      `the flows of '${port.name}' need too many filters of the device`,
      {
        expected: `at most ${limits.flows}: one for each prefix, family, protocol and port`,
        got: `${needed}`,
      },
    ),
  ];
}
