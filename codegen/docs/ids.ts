/** Addresses within a page: of lists, rules, and what rules name. */
import type { Acl, Pbr } from '../../dsl/model.js';

export function predicateId(name: string): string {
  return `predicate-${idText(name)}`;
}

export function netId(name: string): string {
  return `net-${idText(name)}`;
}

export function setId(name: string): string {
  return `set-${idText(name)}`;
}

export function serviceId(name: string): string {
  return `service-${idText(name)}`;
}

export function listId({ kind, name }: Pick<Acl | Pbr, 'kind' | 'name'>): string {
  return `${kind}-${idText(name)}`;
}

/** Of letters, digits, dashes and underscores; distinct texts stay distinct. */
export function idText(text: string): string {
  return text.replace(/[^A-Za-z0-9-]/g, (letter) => `_${letter.codePointAt(0)!.toString(16)}`);
}
