/** Numbers that look random and are the same at every build: mulberry32. */

export interface Random {
  /** A whole number from 0 to below `n`. */
  readonly below: (n: number) => number;
  readonly pick: <T>(from: readonly T[]) => T;
  /** True once in `n` times. */
  readonly once: (n: number) => boolean;
  readonly bits: (count: number) => bigint;
}

export function randomOf(seed: number): Random {
  let state = seed | 0;
  const below = (n: number): number => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return Math.floor((((x ^ (x >>> 14)) >>> 0) / 2 ** 32) * n);
  };
  return {
    below,
    pick: (list) => list[below(list.length)]!,
    once: (n) => below(n) === 0,
    bits: (count) => {
      let value = 0n;
      for (let have = 0; have < count; have += 32) value = (value << 32n) | BigInt(below(2 ** 32));
      return value & ((1n << BigInt(count)) - 1n);
    },
  };
}
