/**
 * Predicate expressions as C. Operations are total and free of side effects, so a long one is cut into named parts
 * and statements, each within the width of a line.
 */
import type { IrPredicate } from '../ir.js';
import { setKey } from '../optimise/predicate.js';
import type { BoolExpr, Compare, FlagField, NumberExpr, NumberField } from '../predicate/expr.js';
import { unreachable } from '../unreachable.js';
import { memberCall, setCall } from './addresses.js';
import { tab, width } from './text.js';

const fields: Readonly<Record<NumberField, string>> = {
  len: 'p->ip_len',
  ttl: 'mill_ttl(p)',
  dscp: 'mill_dscp(p)',
  proto: 'p->proto',
  family: 'p->family',
  sport: 'p->sport',
  dport: 'p->dport',
  icmpType: 'p->icmp_type',
  icmpCode: 'p->icmp_code',
  vlan: 'p->vlan',
  pcp: 'mill_pcp(p)',
};

/** As parse.h has them. */
export const protocolNames: ReadonlyMap<number, string> = new Map([
  [1, 'MILL_ICMP'],
  [2, 'MILL_IGMP'],
  [6, 'MILL_TCP'],
  [17, 'MILL_UDP'],
  [58, 'MILL_ICMPV6'],
  [89, 'MILL_OSPF'],
  [103, 'MILL_PIM'],
  [112, 'MILL_VRRP'],
]);

const opposite: Readonly<Record<Compare, Compare>> = {
  '==': '!=',
  '!=': '==',
  '<': '>=',
  '>=': '<',
  '>': '<=',
  '<=': '>',
};

const everyBit = 2 ** 48 - 1;
const flagBit = (flag: FlagField) => `MILL_TCP_${flag.toUpperCase()}`;

/** The body of a function that returns the predicate's truth. */
export function predicateBody(predicate: IrPredicate): readonly string[] {
  const printer = new Printer(predicate);
  printer.statements(predicate.expr);
  return printer.lines;
}

class Printer {
  readonly lines: string[] = [];
  readonly #predicate: IrPredicate;
  #parts = 0;

  constructor(predicate: IrPredicate) {
    this.#predicate = predicate;
  }

  statements(expr: BoolExpr): void {
    const whole = this.print(expr);
    if (this.fits(`return ${whole};`)) {
      this.lines.push(`return ${whole};`);
      return;
    }
    if (expr.kind !== 'and' && expr.kind !== 'or') {
      this.lines.push(`return ${this.short(expr, 60)};`);
      return;
    }
    const operands = flatten(expr, expr.kind);
    for (const operand of operands.slice(0, -1)) {
      const test = this.short(expr.kind === 'and' ? { kind: 'not', of: operand } : operand, 90);
      this.lines.push(`if (${test})`, `\treturn ${expr.kind === 'or'};`);
    }
    this.statements(operands.at(-1)!);
  }

  fits(text: string): boolean {
    return tab + text.length <= width;
  }

  /** At most `room` characters: what is longer becomes a part with a name. */
  short(expr: BoolExpr, room: number): string {
    const text = this.print(expr);
    if (text.length <= room) return text;
    const name = `part${++this.#parts}`;
    const value = this.cut(expr);
    this.lines.push(`const bool ${name} = ${value};`);
    return name;
  }

  cut(expr: BoolExpr): string {
    switch (expr.kind) {
      case 'not':
        return `!${this.short(expr.of, 12)}`;
      case 'and':
      case 'or':
        return [expr.left, expr.right]
          .map((one) =>
            one.kind === expr.kind || !isJunction(one) ? this.short(one, 34) : this.shortJunction(one),
          )
          .join(expr.kind === 'and' ? ' && ' : ' || ');
      case 'compare':
        return `${this.shortNumber(expr.left, 38)} ${expr.op} ${this.shortNumber(expr.right, 38)}`;
      default:
        return this.print(expr);
    }
  }

  /** Of the other kind than the expression it stands in. */
  shortJunction(expr: BoolExpr): string {
    const text = this.short(expr, 34);
    return text.startsWith('part') ? text : `(${text})`;
  }

  shortNumber(expr: NumberExpr, room: number): string {
    const text = this.number(expr, true);
    if (text.length <= room) return text;
    if (expr.kind !== 'arithmetic') return text;
    const name = `part${++this.#parts}`;
    const left = this.shortNumber(expr.left, 38);
    const right = this.shortNumber(expr.right, 38);
    this.lines.push(`const uint32_t ${name} = ${left} ${expr.op} ${right};`);
    return name;
  }

  /** Parenthesized wherever it stands inside another expression. */
  print(expr: BoolExpr): string {
    switch (expr.kind) {
      case 'constant':
        return `${expr.value}`;
      case 'not':
        return this.negated(expr.of);
      case 'and':
      case 'or':
        return flatten(expr, expr.kind)
          .map((one) => this.inside(one))
          .join(expr.kind === 'and' ? ' && ' : ' || ');
      case 'compare':
        return this.compare(expr.op, expr.left, expr.right);
      case 'tcpFlag':
        return `(p->tcp_flags & ${flagBit(expr.flag)}) != 0`;
      case 'fragment':
        return 'p->fragment';
      case 'laterFragment':
        return 'p->later_fragment';
      case 'transport':
        return 'p->l4 == MILL_L4_READ';
      case 'mac':
        return this.mac(expr, '==');
      case 'within':
        return setCall(this.#predicate.sets.get(setKey(expr.prefixes))!, expr.field);
      case 'member':
        return memberCall(this.#predicate.members.get(expr.set)!, this.#predicate.family!, expr.field);
      default:
        return unreachable(expr);
    }
  }

  inside(expr: BoolExpr): string {
    const text = this.print(expr);
    return expr.kind === 'and' || expr.kind === 'or' ? `(${text})` : text;
  }

  negated(expr: BoolExpr): string {
    switch (expr.kind) {
      case 'not':
        return this.print(expr.of);
      case 'compare':
        return this.compare(opposite[expr.op], expr.left, expr.right);
      case 'tcpFlag':
        return `(p->tcp_flags & ${flagBit(expr.flag)}) == 0`;
      case 'transport':
        return 'p->l4 != MILL_L4_READ';
      case 'mac':
        return this.mac(expr, '!=');
      case 'and':
      case 'or':
        return `!(${this.print(expr)})`;
      default:
        return `!${this.print(expr)}`;
    }
  }

  mac({ field, mask, value }: Extract<BoolExpr, { kind: 'mac' }>, op: '==' | '!='): string {
    const address = field === 'fromMac' ? 'mill_from_mac(p)' : 'mill_to_mac(p)';
    const hex = (bits: number) => `0x${bits.toString(16).padStart(12, '0')}`;
    return mask === everyBit
      ? `${address} ${op} ${hex(value)}`
      : `(${address} & ${hex(mask)}) ${op} ${hex(value)}`;
  }

  compare(op: Compare, left: NumberExpr, right: NumberExpr): string {
    const protocol = left.kind === 'field' && left.field === 'proto' && right.kind === 'number';
    const name = protocol && (op === '==' || op === '!=') ? protocolNames.get(right.value) : undefined;
    if (name !== undefined) return `p->proto ${op} ${name}`;
    const wide = left.kind === 'arithmetic' || right.kind === 'arithmetic';
    return `${this.number(left, wide)} ${op} ${this.number(right, wide)}`;
  }

  /** `wide`: as an unsigned 32-bit number, so that C's promotion to int never takes part. */
  number(expr: NumberExpr, wide: boolean): string {
    switch (expr.kind) {
      case 'number':
        return wide ? `${expr.value}u` : `${expr.value}`;
      case 'field':
        return wide ? `(uint32_t)${fields[expr.field]}` : fields[expr.field];
      case 'arithmetic':
        return `(${this.number(expr.left, true)} ${expr.op} ${this.number(expr.right, true)})`;
      default:
        return unreachable(expr);
    }
  }
}

function isJunction(expr: BoolExpr): boolean {
  return expr.kind === 'and' || expr.kind === 'or';
}

function flatten(expr: BoolExpr, kind: 'and' | 'or'): readonly BoolExpr[] {
  return expr.kind === kind ? [...flatten(expr.left, kind), ...flatten(expr.right, kind)] : [expr];
}
