/**
 * Ports by name: IANA's "Service Name and Transport Protocol Port Number Registry", the part that routers and firewalls meet.
 * A name that is used with one protocol alone is a name of that protocol alone.
 */
import type { PortRange } from './model.js';

const both = {
  echo: 7,
  discard: 9,
  daytime: 13,
  chargen: 19,
  ssh: 22,
  time: 37,
  domain: 53,
  http: 80,
  kerberos: 88,
  sunrpc: 111,
  ntp: 123,
  epmap: 135,
  'netbios-ns': 137,
  'netbios-dgm': 138,
  'netbios-ssn': 139,
  snmp: 161,
  snmptrap: 162,
  bgp: 179,
  ldap: 389,
  https: 443,
  'microsoft-ds': 445,
  kpasswd: 464,
  ldaps: 636,
  ldp: 646,
  'domain-s': 853,
  'ms-sql-s': 1433,
  'ms-sql-m': 1434,
  radius: 1812,
  'radius-acct': 1813,
  nfs: 2049,
  'gtp-control': 2123,
  'gtp-user': 2152,
  iscsi: 860,
  mysql: 3306,
  'ms-wbt-server': 3389,
  diameter: 3868,
  tacacs: 49,
  sip: 5060,
  sips: 5061,
  postgresql: 5432,
  stun: 3478,
  stuns: 5349,
  'http-alt': 8080,
} as const;

const tcpOnly = {
  'ftp-data': 20,
  ftp: 21,
  telnet: 23,
  smtp: 25,
  whois: 43,
  gopher: 70,
  finger: 79,
  pop3: 110,
  ident: 113,
  nntp: 119,
  imap: 143,
  nntps: 563,
  submissions: 465,
  submission: 587,
  exec: 512,
  login: 513,
  shell: 514,
  printer: 515,
  rtsp: 554,
  ipp: 631,
  msdp: 639,
  rsync: 873,
  ftps: 990,
  telnets: 992,
  imaps: 993,
  pop3s: 995,
  mqtt: 1883,
  nbd: 10809,
  'secure-mqtt': 8883,
  'syslog-tls': 6514,
  'netconf-ssh': 830,
  'rpki-rtr': 323,
  'rpki-rtr-tls': 324,
  bmp: 11019,
  redis: 6379,
  rfb: 5900,
} as const;

const udpOnly = {
  bootps: 67,
  bootpc: 68,
  tftp: 69,
  isakmp: 500,
  syslog: 514,
  rip: 520,
  ripng: 521,
  'dhcpv6-client': 546,
  'dhcpv6-server': 547,
  l2tp: 1701,
  ssdp: 1900,
  hsrp: 1985,
  ipfix: 4739,
  sflow: 6343,
  'ipsec-nat-t': 4500,
  mdns: 5353,
  llmnr: 5355,
  'bfd-control': 3784,
  'bfd-echo': 3785,
  'bfd-multi-ctl': 4784,
  vxlan: 4789,
  geneve: 6081,
  'gre-in-udp': 4754,
  mobileip: 434,
} as const;

type Both = keyof typeof both;
export type TcpPortName = Both | keyof typeof tcpOnly;
export type UdpPortName = Both | keyof typeof udpOnly;

export const portNumbers = {
  tcp: { ...both, ...tcpOnly },
  udp: { ...both, ...udpOnly },
} as const;

/** The port that has this name in the protocol. */
export function portByName(l4: 'tcp' | 'udp', name: string): number | undefined {
  const names: Readonly<Record<string, number>> = portNumbers[l4];
  return Object.hasOwn(names, name) ? names[name] : undefined;
}

/** `undefined`: neither a number, a range of numbers, nor a name of the protocol. Its order is not looked at. */
export function parsePorts(l4: 'tcp' | 'udp', text: string): PortRange | undefined {
  const named = portByName(l4, text);
  if (named !== undefined) return { from: named, to: named };
  const found = /^(\d{1,6})(?:-(\d{1,6}))?$/.exec(text);
  return found === null ? undefined : { from: Number(found[1]), to: Number(found[2] ?? found[1]) };
}
