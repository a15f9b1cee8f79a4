/** Names in C, taken from the policy's own names: stable when something else is inserted, unique, never a keyword. */
import { createHash } from 'node:crypto';

export function hash(text: string, digits: number): string {
  return createHash('sha256').update(text).digest('hex').slice(0, digits);
}

/** Lower-case words joined by underscores. */
export function words(name: string): string {
  return name
    .replace(/[^A-Za-z0-9]+/g, '_')
    .replace(/^_+|_+$/g, '')
    .toLowerCase();
}

/** customerNets → customer_nets */
export function snake(name: string): string {
  return words(name.replace(/([a-z0-9])([A-Z])/g, '$1_$2'));
}

/** At most so many characters; a longer name keeps its beginning and gets a hash of the whole. */
export function shorten(name: string, most: number): string {
  return name.length <= most ? name : `${name.slice(0, most - 5).replace(/_+$/, '')}_${hash(name, 4)}`;
}

/** Gives each key a name that no other key has: a taken one gets a hash of its key. */
export class Namer {
  readonly #taken = new Map<string, string>();

  name(wanted: string, key: string): string {
    const owner = this.#taken.get(wanted);
    if (owner === undefined || owner === key) {
      this.#taken.set(wanted, key);
      return wanted;
    }
    return this.name(`${wanted}_${hash(key, 4)}`, key);
  }
}
