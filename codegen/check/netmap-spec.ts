/** Specs of netmap ports: netmap(4) and its library's notation, and `~` for a single receive queue. */

/** How a netmap port is written, without `netmap:`. Monitors are of whole interfaces, and `R` of one queue. */
export const netmapPattern =
  /^(?:[A-Za-z0-9_.-]{1,15}(?:[\^*+]?(?:\/x+)?|[-~]\d{1,4}(?:\/[xR]+)?|(?:[*+]|(?<!-\d{1,4}))\/x*[rtz][xrtz]*)|(?:vale[A-Za-z0-9_.-]*:)?[A-Za-z0-9_.-]{1,30}(?:[{}][A-Za-z0-9_.-]+)?)$/;

/**
 * The kernel's device that a netmap port stands for: of all its rings, one pair, or a receive queue.
 * @param rest `ix0-2/R` of `netmap:ix0-2/R`
 * @returns undefined for host rings, monitors, VALE ports and pipes, which are no device of the kernel
 */
export function netmapDevice(rest: string): string | undefined {
  const found = /^([A-Za-z0-9_.-]+?)(?:[*+]|[-~]\d{1,4})?(?:\/[xR]+)?$/.exec(rest);
  return found?.[1];
}

/**
 * The device whose host rings a netmap port needs for itself: those of the device that it stands for, or `ix0^`.
 * @param rest as of netmapDevice
 */
export function netmapHostRings(rest: string): string | undefined {
  return netmapDevice(rest) ?? /^([A-Za-z0-9_.-]+)\^(?:\/x+)?$/.exec(rest)?.[1];
}
