/** Names of other formats as names of constants. */

export const reserved =
  'acl allow deny hosts icmp reject set mac nets nexthop pbr predicate proto router service tcp udp offloads filter forward incoming everywhere in default new delete class function var let const export import return if else for while do switch case break continue this null true false void typeof with yield try catch throw finally super enum extends static public private protected interface package implements await eval arguments'.split(
    ' ',
  );

/** `my-set` as `mySet`; of names that are taken, with a number. */
export function constantName(name: string, taken: Set<string>): string {
  const [first = '', ...more] = name.split(/[^A-Za-z0-9]+/).filter((word) => word !== '');
  const word =
    first.charAt(0).toLowerCase() +
    first.slice(1) +
    more.map((one) => one.charAt(0).toUpperCase() + one.slice(1)).join('');
  const base = /^[A-Za-z]/.test(word) ? word : `set${word}`;
  let free = base;
  for (let number = 2; taken.has(free); number++) free = `${base}${number}`;
  taken.add(free);
  return free;
}
