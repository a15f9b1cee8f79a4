/** What a set holds, in words. */
import type { SetReply } from '../control/types.js';

export function countText({ prefixes, families }: SetReply): string {
  return `${families.map((family) => `${prefixes[family]} IPv${family}`).join(' and ')} prefixes`;
}
