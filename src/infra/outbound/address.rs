//! Which IP addresses are global: those of the Internet, and nobody's own network.
//!
//! Sources: IANA's registries of special-purpose addresses for IPv4 and IPv6 (RFC 6890, RFC 8190), as of 2026.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Networks of IPv4 that are not global, each with the bits of its prefix. 192.0.0.9 and 192.0.0.10 are global by the
/// registry, but are answered by whatever is nearest: they are left out with the rest of theirs.
const SPECIAL_V4: [(Ipv4Addr, u32); 16] = [
    // "This network" (RFC 791).
    (Ipv4Addr::UNSPECIFIED, 8),
    // Private (RFC 1918).
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    // Between a provider and its customers (RFC 6598).
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    // Loopback (RFC 1122).
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    // Link-local (RFC 3927): clouds tell machines their secrets there.
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    // Protocols (RFC 6890).
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    // Documentation (RFC 5737).
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    // Relays of 6to4, given up (RFC 7526).
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    // Measurements (RFC 2544).
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    // Multicast (RFC 5771).
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    // Kept back, and broadcast (RFC 1112, RFC 919).
    (Ipv4Addr::new(240, 0, 0, 0), 4),
    // Global by its number, but within Azure the host of a virtual machine, which tells it of itself.
    (Ipv4Addr::new(168, 63, 129, 16), 32),
];

/// What is global in IPv6 (RFC 4291, section 2.4): all else is special, or nobody's yet.
const GLOBAL_V6: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// Networks in it that are not global.
const SPECIAL_V6: [(Ipv6Addr, u32); 3] = [
    // Protocols (RFC 2928); Teredo is in it (RFC 4380).
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    // Documentation (RFC 3849, RFC 9637).
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// What is global all the same among the protocols' (2001::/23).
const PROTOCOLS_GLOBAL: [(Ipv6Addr, u32); 4] = [
    // AMT (RFC 7450), AS112 (RFC 7535).
    (Ipv6Addr::new(0x2001, 3, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2001, 4, 0x112, 0, 0, 0, 0, 0), 48),
    // ORCHIDv2 (RFC 7343), drone remote identification (RFC 9374).
    (Ipv6Addr::new(0x2001, 0x20, 0, 0, 0, 0, 0, 0), 28),
    (Ipv6Addr::new(0x2001, 0x30, 0, 0, 0, 0, 0, 0), 28),
];

/// What leads to an IPv4 address through a translator (RFC 6052): the last four bytes say which.
const TRANSLATED: (Ipv6Addr, u32) = (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);
/// 6to4 (RFC 3056): the four bytes after the prefix say which IPv4 address is the gateway.
const SIX_TO_FOUR: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16);

/// The address that a socket is opened to: one of IPv4 in the clothes of IPv6 (RFC 4291, section 2.5.5.2) is one of
/// IPv4.
pub(super) fn meant(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}

/// Whether an address is global.
pub(super) fn is_global(ip: IpAddr) -> bool {
    match meant(ip) {
        IpAddr::V4(ip) => !SPECIAL_V4.iter().any(|net| holds_v4(*net, ip)),
        IpAddr::V6(ip) => is_global_v6(ip),
    }
}

fn is_global_v6(ip: Ipv6Addr) -> bool {
    let bytes = ip.octets();
    let inner = |at: usize| IpAddr::V4(Ipv4Addr::new(bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]));
    if holds_v6(TRANSLATED, ip) {
        return is_global(inner(12));
    }
    if holds_v6(SIX_TO_FOUR, ip) {
        return is_global(inner(2));
    }
    let special = SPECIAL_V6.iter().any(|net| holds_v6(*net, ip))
        && !PROTOCOLS_GLOBAL.iter().any(|net| holds_v6(*net, ip));
    holds_v6(GLOBAL_V6, ip) && !special
}

fn holds_v4((net, bits): (Ipv4Addr, u32), ip: Ipv4Addr) -> bool {
    net.to_bits() >> (32 - bits) == ip.to_bits() >> (32 - bits)
}

fn holds_v6((net, bits): (Ipv6Addr, u32), ip: Ipv6Addr) -> bool {
    net.to_bits() >> (128 - bits) == ip.to_bits() >> (128 - bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_internet_are_global() {
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "191.255.255.255",
            "192.0.1.0",
            "192.0.3.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "198.51.99.255",
            "198.51.101.0",
            "203.0.112.255",
            "203.0.114.0",
            "223.255.255.255",
            "168.63.129.15",
            "2606:4700::1111",
            "2a00:1450:4001::1",
            "2001:4860:4860::8888",
            "2001:200::1",
            "2001:3::1",
            "2001:4:112::1",
            "2001:20::1",
            "2001:30::1",
            "2001:db7::1",
            "2001:db9::1",
            "2003::1",
            "3ffe::1",
            "64:ff9b::8.8.8.8",
            "2002:808:808::1",
            "::ffff:8.8.8.8",
        ] {
            assert!(is_global(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn each_end_of_each_special_network_is_not_global() {
        for (net, bits) in SPECIAL_V4 {
            let first = net.to_bits();
            let last = first | u32::MAX.checked_shr(bits).unwrap_or(0);
            for ip in [first, first + u32::from(bits < 32), last, first | ((last - first) / 2)] {
                let ip = Ipv4Addr::from_bits(ip);
                let [a, b, c, d] = ip.octets().map(u16::from);
                let forms = [
                    IpAddr::V4(ip),
                    IpAddr::V6(ip.to_ipv6_mapped()),
                    IpAddr::V6(Ipv6Addr::new(0, 0, 0, 0, 0, 0, a << 8 | b, c << 8 | d)),
                    IpAddr::V6(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, a << 8 | b, c << 8 | d)),
                    IpAddr::V6(Ipv6Addr::new(0x2002, a << 8 | b, c << 8 | d, 0, 0, 0, 0, 1)),
                ];
                for form in forms {
                    assert!(!is_global(form), "{form}");
                }
            }
        }
    }

    #[test]
    fn special_addresses_of_ipv6_are_not_global() {
        for text in [
            "::",
            "::1",
            "::8.8.8.8",
            "::ffff:0:8.8.8.8",
            "64:ff9b:1::1",
            "64:ff9b:1::8.8.8.8",
            "100::1",
            "100:0:0:1::1",
            "1fff::1",
            "2001::1",
            "2001:0:ffff::1",
            "2001:1::1",
            "2001:2::1",
            "2001:10::1",
            "2001:1ff:ffff::1",
            "2001:db8::1",
            "2001:db8:ffff::1",
            "3fff::1",
            "3fff:fff:ffff::1",
            "4000::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fdff::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff00::1",
            "ff02::1",
            "ff0e::1",
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        ] {
            assert!(!is_global(text.parse().unwrap()), "{text}");
        }
    }
}
