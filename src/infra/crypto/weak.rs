//! Public keys that are well formed and prove nothing, or less than they should: whoever knows how
//! makes signatures for them that verify.

/// Fewest and most bits of an RSA modulus (NIST SP 800-131A, section 3; what AWS-LC verifies with).
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;
/// Most bytes of an RSA exponent: as many as other libraries take.
const MAX_EXPONENT: usize = 8;

/// Both signs of these are the eight points of Edwards25519 whose order divides eight: the
/// y-coordinates 0, 1, p - 1, and those of order eight, little-endian. A signature of zeros verifies
/// for such a key (RFC 8032, section 5.1.7, checks none of this).
const SMALL_ORDER: [[u8; 32]; 5] = [
    [0; 32],
    ends(1, 0, 0),
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5,
        0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a,
        0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
    ends(0xec, 0xff, 0x7f),
];

/// The field's prime, 2^255 - 19, little-endian.
const PRIME: [u8; 32] = ends(0xed, 0xff, 0x7f);

const fn ends(first: u8, between: u8, last: u8) -> [u8; 32] {
    let mut bytes = [between; 32];
    bytes[0] = first;
    bytes[31] = last;
    bytes
}

/// Whether an Ed25519 key is of small order, or not written in its one way.
pub(super) fn is_weak_ed25519(key: &[u8]) -> bool {
    let Ok(mut y) = <[u8; 32]>::try_from(key) else { return true };
    y[31] &= 0x7f;
    let below = y.iter().rev().lt(PRIME.iter().rev());
    !below || SMALL_ORDER.contains(&y)
}

/// Whether an RSA key is too short, too long, or none that anybody makes honestly: both numbers are odd,
/// and the exponent is at least three.
pub(super) fn is_weak_rsa(modulus: &[u8], exponent: &[u8]) -> bool {
    let (Some(first), Some(last)) = (modulus.first(), modulus.last()) else { return true };
    let (Some(high), Some(low)) = (exponent.first(), exponent.last()) else { return true };
    let bits = (modulus.len() * 8).saturating_sub(first.leading_zeros() as usize);
    // RFC 7518, section 6.3.1: no zero byte stands in front.
    *first == 0
        || *high == 0
        || !RSA_BITS.contains(&bits)
        || last % 2 == 0
        || low % 2 == 0
        || exponent.len() > MAX_EXPONENT
        || exponent == [1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fourteen_ways_to_write_a_point_of_small_order_are_refused() {
        let mut written: Vec<[u8; 32]> = SMALL_ORDER.to_vec();
        // p and p + 1 stand for 0 and 1 once more.
        written.extend([ends(0xed, 0xff, 0x7f), ends(0xee, 0xff, 0x7f)]);
        for low in &written {
            let mut high = *low;
            high[31] |= 0x80;
            assert!(is_weak_ed25519(low) && is_weak_ed25519(&high), "{low:02x?}");
        }
        assert_eq!(written.len() * 2, 14);
    }

    #[test]
    fn an_ed25519_key_is_written_in_one_way() {
        for first in 0xed..=0xff {
            assert!(is_weak_ed25519(&ends(first, 0xff, 0x7f)) && is_weak_ed25519(&ends(first, 0xff, 0xff)));
        }
        assert!(is_weak_ed25519(&[9; 31]) && is_weak_ed25519(&[9; 33]) && is_weak_ed25519(&[]));
        assert!(!is_weak_ed25519(&[9; 32]) && !is_weak_ed25519(&ends(0xeb, 0xff, 0x7f)));
    }

    #[test]
    fn an_rsa_key_has_a_size_and_an_exponent_that_are_made_honestly() {
        let modulus = |bytes: usize| [&[0x80][..], &vec![0; bytes - 2], &[1]].concat();
        let (good, three, usual) = (modulus(256), [3], [1, 0, 1]);
        assert!(!is_weak_rsa(&good, &three) && !is_weak_rsa(&modulus(1024), &usual));
        let mut even = good.clone();
        even[255] = 2;
        let mut short = good.clone();
        short[0] = 0x7f;
        let padded = [&[0][..], &good].concat();
        for weak in [&modulus(128), &modulus(255), &modulus(1025), &even, &short, &padded, &vec![]] {
            assert!(is_weak_rsa(weak, &usual), "{}", weak.len());
        }
        for exponent in [&[][..], &[0], &[1], &[2], &[0, 3], &[1, 0, 0], &[1; 9]] {
            assert!(is_weak_rsa(&good, exponent), "{exponent:?}");
        }
    }
}
