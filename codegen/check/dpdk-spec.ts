/** Specs of DPDK ports: DPDK's devargs, a device and `key=value` pairs, and netmill's own key `rings`. */

/** How a DPDK port is written, without `dpdk:`; of rings a port has 1 to 16. */
export const dpdkPattern =
  /^(?!.*,rings=(?!(?:[1-9]|1[0-6])(?:,|$)))[A-Za-z0-9][A-Za-z0-9_.:-]*(?:,[^\s,=]+(?:=[^\s,]*)?)*$/;

/** The largest MTU of a DPDK port: MILL_MTU_JUMBO of runtime/engine/region.h. */
export const dpdkMtu = 3360;

/**
 * What DPDK knows the device by, whatever else is asked of it.
 * @param rest `net_tap0,iface=t0` of `dpdk:net_tap0,iface=t0`
 */
export function dpdkDevice(rest: string): string {
  return rest.split(',')[0]!.replace(/^(?:vdev|pci):/, '');
}

/**
 * The kernel's device beside which a DPDK port stands: it gets a copy of each packet that comes there, and the kernel has it, too.
 * @param rest as for dpdkDevice
 */
export function dpdkBesideKernel(rest: string): string | undefined {
  if (!/^net_(?:af_packet|pcap)\d*$/.test(dpdkDevice(rest))) return undefined;
  return /,(?:rx_)?iface(?:_in)?=([^\s,]+)/.exec(rest)?.[1];
}
