/** Destinations as `ip route` takes them. */

/**
 * @param gateway tells the family of `default`, as `six` does; without either it is IPv4's
 * @returns a prefix, or what was given: netmilld says what is wrong with it
 */
export function destinationOf(text: string, six: boolean, gateway?: string): string {
  if (text !== 'default') return text;
  return six || gateway?.includes(':') ? '::/0' : '0.0.0.0/0';
}
