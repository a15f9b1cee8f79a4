/** ACL lines of netmap-rt as rules of one list. */
import {
  type AclFields,
  type NetmapRtRule,
  parseFields,
  parseNetmapRtAcl,
} from '../formats/netmap-rt-acl.js';
import type { Action, Origin, Prefix, ServiceMatch } from '../model.js';
import { netsOf } from '../nets.js';
import { inside } from '../origin.js';
import { note, show } from '../problems.js';
import { type RuleDraft, ruleAt } from '../rules.js';
import { serviceAt } from '../service.js';

export interface NetmapRtOptions {
  readonly format: 'netmap-rt';
  /** What a line's fields are, as `netmill import --fields` has it: `'netmap-rt'`, or their names between semicolons. */
  readonly fields?: string;
  /** The interface for which the list is: lines for others are left out. Without it, a line that names one is refused. */
  readonly interface?: string;
  /** The VLAN for which the list is, in the same way. */
  readonly vlan?: number;
}

export function netmapRtRules(
  file: string,
  text: string,
  options: NetmapRtOptions,
  at: Origin,
): readonly RuleDraft[] {
  const fields = fieldsOf(options, at);
  if (fields === null) return [];
  const { entries, problems } = parseNetmapRtAcl(file, text, fields);
  for (const { code, origin, message, ...more } of problems) note(code, origin, message, more);
  return entries.flatMap((entry) =>
    entry.kind === 'rule' && isMeant(entry, options, file) ? [ruleOf(entry, file)] : [],
  );
}

/** Undefined: they are not named; null: wrongly. */
function fieldsOf({ fields }: NetmapRtOptions, at: Origin): AclFields | undefined | null {
  if (fields === undefined) return undefined;
  const read = typeof fields === 'string' ? parseFields(fields) : 'they are not text';
  if (typeof read !== 'string') return read;
  note('NM4014', inside(at, 'fields'), `${show(fields)} does not name fields: ${read}`, {
    expected: "'netmap-rt', or names between semicolons",
    got: show(fields),
  });
  return null;
}

/** What a list is for is the interface's own matter here, so a line must not say more than the list. */
function isMeant(rule: NetmapRtRule, options: NetmapRtOptions, file: string): boolean {
  for (const key of ['interface', 'vlan'] as const) {
    const said = rule[key];
    if (said === undefined) continue;
    if (options[key] === undefined)
      note('NM3030', { file, line: rule.line, column: said.column }, `this line is for one ${key}`, {
        got: show(said.value),
        fix: `say for which ${key} the list is: rulesFromFile(…, { ${key}: … }).`,
      });
    if (options[key] !== said.value) return false;
  }
  return true;
}

function ruleOf(rule: NetmapRtRule, file: string): RuleDraft {
  const origin = { file, line: rule.line, column: 1 };
  const nets = (one: { readonly value: Prefix; readonly column: number }) =>
    netsOf([one.value], { ...origin, column: one.column });
  const service = serviceOf(rule);
  const action: Action =
    rule.action.kind === 'nexthop'
      ? { kind: 'nexthop', gateways: [{ ...rule.action.gateway, weight: 1, choice: 0 }], orDrop: false }
      : rule.action;
  const draft = ruleAt(
    action,
    {
      ...(rule.source && { from: nets(rule.source) }),
      ...(rule.destination && { to: nets(rule.destination) }),
      ...(service && { service: serviceAt([service], origin) }),
    },
    origin,
  );
  const logged = rule.log ? draft.log() : draft;
  return rule.comment === undefined ? logged : logged.why(rule.comment);
}

const everyPort = { from: 0, to: 65535 } as const;

function serviceOf({ protocol, sourcePort, destinationPort }: NetmapRtRule): ServiceMatch | undefined {
  if (protocol === undefined) return undefined;
  if (protocol.value !== 6 && protocol.value !== 17) return { l4: 'ip', protocols: [protocol.value] };
  return {
    l4: protocol.value === 6 ? 'tcp' : 'udp',
    dports: [destinationPort?.value ?? everyPort],
    ...(sourcePort && { sports: [sourcePort.value] }),
  };
}
