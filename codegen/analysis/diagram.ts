/**
 * Sets of bit strings as reduced, ordered, hash-consed decision diagrams (R. E. Bryant, "Graph-Based Algorithms for
 * Boolean Function Manipulation", IEEE Transactions on Computers C-35(8), 1986). A set is a number: `none`, `all`, or
 * the index of a node that tests one bit (its level) and goes on to two others. Equal sets are equal numbers.
 *
 * Nodes live in typed arrays. A table lives as long as one analysis; what single questions need besides is freed (scratch).
 */

/** A set: an index into the tables of the Diagrams that made it. */
export type Diagram = number;

export const none: Diagram = 0;
export const all: Diagram = 1;

/** Below every level that tests a bit. */
const leaf = 0xffff;
const firstCapacity = 1 << 14;
const largestCache = 1 << 20;
const mostNodes = 4_000_000;
/** Fewer nodes of questions than this stay: later ones may ask for the same sets. */
const idleNodes = 1_000_000;

const operations = { and: 1, or: 2, minus: 3, xor: 4 } as const;
type Operation = (typeof operations)[keyof typeof operations];

/** A set whose diagram would be too large: nothing is said about it. */
export class TooComplex extends Error {
  constructor(nodes: number) {
    super(`a set of packets needs more than ${nodes} nodes`);
  }
}

export class Diagrams {
  #level = new Uint16Array(firstCapacity);
  #low = new Int32Array(firstCapacity);
  #high = new Int32Array(firstCapacity);
  #density = new Float64Array(firstCapacity);
  #used = 2;
  #most = mostNodes;
  #room = mostNodes;
  /** Nodes from here on belong to questions alone. */
  #kept = 2;
  /** Open addressing over node numbers; 0 is free. At most half full. */
  #unique = new Int32Array(2 * firstCapacity);
  /** Results, direct mapped: a later one takes the place of an earlier one. Four words: operation, left, right, result. */
  #cache = new Int32Array(4 * firstCapacity);
  /** Sizes that were asked for, by width. */
  readonly #counts = new Map<number, Map<Diagram, bigint>>();

  constructor() {
    this.#level.fill(leaf, 0, 2);
    this.#density[all] = 1;
  }

  /** What `make` makes, of at most so many new nodes. @throws TooComplex */
  within<T>(nodes: number, make: () => T): T {
    const [most, room] = [this.#most, this.#room];
    this.#most = Math.min(most, this.#used + nodes);
    this.#room = nodes;
    try {
      return make();
    } finally {
      this.#most = most;
      this.#room = room;
    }
  }

  /** All sets that there are now outlive questions. */
  keep(): void {
    this.#kept = this.#used;
  }

  /**
   * An answer that has no set in it, found by at most so many new nodes. Sets that were made since `keep` do not outlive
   * it. @throws TooComplex
   */
  scratch<T>(nodes: number, ask: () => T): T {
    try {
      return this.within(nodes, ask);
    } finally {
      if (this.#used - this.#kept > idleNodes) this.#forget();
    }
  }

  /** Bit strings whose bit `level` is 0 and that are in `low`, or is 1 and that are in `high`. */
  node(level: number, low: Diagram, high: Diagram): Diagram {
    if (low === high) return low;
    const mask = this.#unique.length - 1;
    let slot = scatter(level, low, high) & mask;
    for (let found = this.#unique[slot]!; found !== 0; found = this.#unique[slot]!) {
      if (this.#level[found] === level && this.#low[found] === low && this.#high[found] === high)
        return found;
      slot = (slot + 1) & mask;
    }
    return this.#add(level, low, high, slot);
  }

  and(a: Diagram, b: Diagram): Diagram {
    if (a === none || b === none) return none;
    if (a === all || a === b) return b;
    if (b === all) return a;
    return a < b ? this.#apply(operations.and, a, b) : this.#apply(operations.and, b, a);
  }

  or(a: Diagram, b: Diagram): Diagram {
    if (a === all || b === all) return all;
    if (a === none || a === b) return b;
    if (b === none) return a;
    return a < b ? this.#apply(operations.or, a, b) : this.#apply(operations.or, b, a);
  }

  /** In `a` and not in `b`. */
  minus(a: Diagram, b: Diagram): Diagram {
    if (a === none || b === all || a === b) return none;
    return b === none ? a : this.#apply(operations.minus, a, b);
  }

  /** In one of both. */
  xor(a: Diagram, b: Diagram): Diagram {
    if (a === b) return none;
    if (a === none) return b;
    if (b === none) return a;
    return a < b ? this.#apply(operations.xor, a, b) : this.#apply(operations.xor, b, a);
  }

  not(a: Diagram): Diagram {
    return this.minus(all, a);
  }

  /** Where `condition` holds what is in `yes`, elsewhere what is in `no`. */
  choose(condition: Diagram, yes: Diagram, no: Diagram): Diagram {
    return this.or(this.and(condition, yes), this.minus(no, condition));
  }

  /** Share of all bit strings, 0 to 1; rounded, so never a proof of anything. */
  density(a: Diagram): number {
    return this.#density[a]!;
  }

  /** The level that it tests first; above every level for `none` and `all`. */
  level(a: Diagram): number {
    return this.#level[a]!;
  }

  child(a: Diagram, bit: boolean): Diagram {
    return bit ? this.#high[a]! : this.#low[a]!;
  }

  /** How many strings of `width` bits are in it. */
  count(a: Diagram, width: number): bigint {
    const known = this.#countsOf(width);
    const below = (one: Diagram): bigint => {
      if (one === none) return 0n;
      if (one === all) return 1n;
      const found = known.get(one);
      if (found !== undefined) return found;
      const sum =
        this.#weighted(one, this.#low[one]!, width, below) +
        this.#weighted(one, this.#high[one]!, width, below);
      known.set(one, sum);
      return sum;
    };
    return below(a) << BigInt(Math.min(this.#level[a]!, width));
  }

  #countsOf(width: number): Map<Diagram, bigint> {
    const known = this.#counts.get(width) ?? new Map<Diagram, bigint>();
    this.#counts.set(width, known);
    return known;
  }

  /** Strings below a branch, by the bits that it skips. */
  #weighted(parent: Diagram, branch: Diagram, width: number, below: (one: Diagram) => bigint): bigint {
    const skipped = Math.min(this.#level[branch]!, width) - this.#level[parent]! - 1;
    return below(branch) << BigInt(skipped);
  }

  #apply(operation: Operation, a: Diagram, b: Diagram): Diagram {
    const at = 4 * (scatter(operation, a, b) & (this.#cache.length / 4 - 1));
    const cache = this.#cache;
    if (cache[at] === operation && cache[at + 1] === a && cache[at + 2] === b) return cache[at + 3]!;
    const [la, lb] = [this.#level[a]!, this.#level[b]!];
    const level = la < lb ? la : lb;
    const low = this.#of(operation, la === level ? this.#low[a]! : a, lb === level ? this.#low[b]! : b);
    const high = this.#of(operation, la === level ? this.#high[a]! : a, lb === level ? this.#high[b]! : b);
    const result = this.node(level, low, high);
    // Not `cache`: it may have grown meanwhile.
    const now = 4 * (scatter(operation, a, b) & (this.#cache.length / 4 - 1));
    this.#cache[now] = operation;
    this.#cache[now + 1] = a;
    this.#cache[now + 2] = b;
    this.#cache[now + 3] = result;
    return result;
  }

  #of(operation: Operation, a: Diagram, b: Diagram): Diagram {
    if (operation === operations.and) return this.and(a, b);
    if (operation === operations.or) return this.or(a, b);
    return operation === operations.minus ? this.minus(a, b) : this.xor(a, b);
  }

  #add(level: number, low: Diagram, high: Diagram, slot: number): Diagram {
    if (this.#used >= this.#most) throw new TooComplex(this.#room);
    if (this.#used === this.#level.length) this.#grow();
    const added = this.#used++;
    this.#level[added] = level;
    this.#low[added] = low;
    this.#high[added] = high;
    this.#density[added] = (this.#density[low]! + this.#density[high]!) / 2;
    if (this.#unique[slot] === 0) this.#unique[slot] = added;
    if (2 * this.#used > this.#unique.length) this.#rehash();
    return added;
  }

  /** The last first: where a node was not found, probing went on by older ones alone, so none of them becomes lost. */
  #forget(): void {
    const mask = this.#unique.length - 1;
    for (let one = this.#used - 1; one >= this.#kept; one--) {
      let slot = scatter(this.#level[one]!, this.#low[one]!, this.#high[one]!) & mask;
      while (this.#unique[slot] !== one) slot = (slot + 1) & mask;
      this.#unique[slot] = 0;
    }
    this.#used = this.#kept;
    this.#cache.fill(0);
    this.#counts.clear();
  }

  #grow(): void {
    const capacity = 2 * this.#level.length;
    this.#level = copied(new Uint16Array(capacity), this.#level);
    this.#low = copied(new Int32Array(capacity), this.#low);
    this.#high = copied(new Int32Array(capacity), this.#high);
    this.#density = copied(new Float64Array(capacity), this.#density);
    if (4 * capacity <= 4 * largestCache) this.#cache = new Int32Array(4 * capacity);
  }

  #rehash(): void {
    this.#unique = new Int32Array(2 * this.#unique.length);
    const mask = this.#unique.length - 1;
    for (let one = 2; one < this.#used; one++) {
      let slot = scatter(this.#level[one]!, this.#low[one]!, this.#high[one]!) & mask;
      while (this.#unique[slot] !== 0) slot = (slot + 1) & mask;
      this.#unique[slot] = one;
    }
  }
}

function copied<T extends Uint16Array | Int32Array | Float64Array>(to: T, from: T): T {
  to.set(from);
  return to;
}

/** Three numbers as one, well mixed: multiplications by odd constants, then shifts (murmur's finaliser). */
function scatter(a: number, b: number, c: number): number {
  let mixed = Math.imul(a, 0x9e3779b1) ^ Math.imul(b, 0x85ebca6b) ^ Math.imul(c, 0xc2b2ae35);
  mixed ^= mixed >>> 15;
  mixed = Math.imul(mixed, 0x2c1b3c6d);
  return (mixed ^ (mixed >>> 13)) >>> 0;
}
