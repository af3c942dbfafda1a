import ipaddr from 'ipaddr.js';

/** Ranges of addresses in CIDR notation, as text. */

/** The widest that may be somebody's own: 16 million addresses, or a provider's allocation. */
const PREFIX_MIN = { ipv4: 8, ipv6: 19 } as const;

/** Whether it is a range that names itself: no bit set after its prefix. */
export function isPlainCidr(range: string): boolean {
  if (!ipaddr.isValidCIDR(range) || !/^[0-9a-f.:]+\/\d+$/i.test(range)) return false;
  const [address, prefix] = ipaddr.parseCIDR(range);
  const network =
    address.kind() === 'ipv4' ? ipaddr.IPv4.networkAddressFromCIDR(range) : ipaddr.IPv6.networkAddressFromCIDR(range);
  const isFourParts = address.kind() === 'ipv6' || /^\d+(\.\d+){3}\//.test(range);
  return isFourParts && prefix >= 0 && network.toString() === address.toString();
}

/** Whether it is so wide that it cannot be the addresses of the people who use the fleet. */
export function isOpenToAll(range: string): boolean {
  const [address, prefix] = ipaddr.parseCIDR(range);
  return prefix < PREFIX_MIN[address.kind()];
}
