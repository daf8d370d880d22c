//! Ed25519: RFC 8032's vectors, Wycheproof's, and what batches of signatures are known to disagree about.

use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use ed25519_dalek::{Signature, Verifier as _, VerifyingKey};
use proofs::key::{KeyError, PrivateKey, PublicKey};
use serde::Deserialize;
use sha2::{Digest, Sha512};

use crate::{read, unhex, unhex_array};

/// RFC 8032 section 7.1, but for TEST 1024: seed, key, message, signature.
const RFC8032: [[&str; 4]; 4] = [
    [
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ],
    [
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ],
    [
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ],
    [
        "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
    ],
];

#[test]
fn rfc_8032() {
    for [seed, key, message, signature] in RFC8032 {
        let private = PrivateKey::from_seed(&unhex_array(seed));
        let (message, signature) = (unhex(message), unhex_array(signature));
        assert_eq!(private.public(), PublicKey::from_bytes(&unhex_array(key)).expect("a key"));
        assert_eq!(private.sign(&message), signature);
        assert!(private.public().verify(&message, &signature));
        assert!(!private.public().verify(b"another", &signature));
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wycheproof {
    number_of_tests: usize,
    test_groups: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    public_key: Key,
    tests: Vec<Case>,
}

#[derive(Deserialize)]
struct Key {
    pk: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    tc_id: u32,
    comment: String,
    msg: String,
    sig: String,
    result: String,
}

#[test]
fn wycheproof() {
    let file: Wycheproof = serde_json::from_slice(&read("wycheproof/ed25519_test.json")).expect("vectors");
    let mut run = 0;
    for group in &file.test_groups {
        let key = PublicKey::from_bytes(&unhex_array(&group.public_key.pk)).expect("a key");
        for case in &group.tests {
            // A signature of another length does not get as far as the key: the types keep it out.
            let verified =
                unhex(&case.sig).try_into().is_ok_and(|signature| key.verify(&unhex(&case.msg), &signature));
            assert_eq!(verified, case.result == "valid", "{}: {}", case.tc_id, case.comment);
            run += 1;
        }
    }
    assert_eq!((run, file.number_of_tests), (151, 151));
}

/// The order of the curve's main group, which S must be below (RFC 8032 section 5.1).
const ORDER: &str = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";

#[test]
fn an_s_that_is_not_reduced_is_refused() {
    let private = PrivateKey::from_seed(&[7; 32]);
    let mut signature = private.sign(b"message");
    assert!(private.public().verify(b"message", &signature));
    let mut carry = 0;
    for (byte, add) in signature[32..].iter_mut().zip(unhex(ORDER)) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    assert_eq!(carry, 0);
    assert!(!private.public().verify(b"message", &signature));
}

/// All eight points of small order, in canonical form, and the non-canonical forms that there are of them.
#[test]
fn keys_of_small_order_and_other_encodings_are_refused() {
    let small = [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    ];
    for key in small {
        assert_eq!(PublicKey::from_bytes(&unhex_array(key)), Err(KeyError::SmallOrder), "{key}");
    }
    // x = 0 with its sign bit set: curve25519-dalek reads the first, if at all, as a point of small order.
    for key in [
        "0100000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    ] {
        let error = PublicKey::from_bytes(&unhex_array(key)).expect_err("refused");
        assert!(matches!(error, KeyError::SmallOrder | KeyError::NotAPoint), "{error}");
    }
    // y from 2^255 - 19 up to 2^255 - 1, with either sign.
    for low in 0xed..=0xff_u8 {
        for high in [0x7f, 0xff] {
            let mut key = [0xff; 32];
            (key[0], key[31]) = (low, high);
            assert_eq!(PublicKey::from_bytes(&key), Err(KeyError::NotCanonical));
        }
    }
    let off_curve = "0200000000000000000000000000000000000000000000000000000000000000";
    assert_eq!(PublicKey::from_bytes(&unhex_array(off_curve)), Err(KeyError::NotAPoint));
}

/// A signer may add a point of order 2 to its R. The equation with a cofactor then holds, and a batch's equation holds for
/// every second batch. One rule for all: refused.
#[test]
fn an_r_with_a_part_of_small_order_is_refused() {
    let order_two =
        CompressedEdwardsY(unhex_array("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"));
    let order_two = order_two.decompress().expect("a point");
    let (secret, nonce) = (Scalar::from(0x1234_5678_9abc_u64), Scalar::from(0xfeed_beef_u64));
    let key_point = EdwardsPoint::mul_base(&secret);
    let key = PublicKey::from_bytes(&key_point.compress().to_bytes()).expect("a key");
    let r_point = EdwardsPoint::mul_base(&nonce) + order_two;
    let r = r_point.compress().to_bytes();
    let hash = Sha512::new().chain_update(r).chain_update(key.as_bytes()).chain_update(b"message").finalize();
    let challenge = Scalar::from_bytes_mod_order_wide(&hash.into());
    let s = nonce + challenge * secret;

    let rest = EdwardsPoint::mul_base(&s) - challenge * key_point - r_point;
    assert_eq!(rest + rest, EdwardsPoint::default(), "twice the equation holds");
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&r);
    signature[32..].copy_from_slice(s.as_bytes());
    assert!(!key.verify(b"message", &signature));
}

/// With a part of small order in its key, a signer can make signatures whose R is any of the eight points of small order. The
/// equation holds, and the library's plain check takes them. Both strict checks refuse: the library's, and ours by the bytes of R.
#[test]
fn an_r_of_small_order_is_refused() {
    let secret = Scalar::from(0x1234_5678_9abc_u64);
    let key_point = EdwardsPoint::mul_base(&secret) + EIGHT_TORSION[1];
    let encoded = key_point.compress().to_bytes();
    let key = PublicKey::from_bytes(&encoded).expect("a key");
    let library = VerifyingKey::from_bytes(&encoded).expect("a key");
    for r_point in EIGHT_TORSION {
        let r = r_point.compress().to_bytes();
        // One message in eight fits.
        let made = (0..1_000_u32).find_map(|n| {
            let message = n.to_be_bytes();
            let hash = Sha512::new().chain_update(r).chain_update(encoded).chain_update(message).finalize();
            let s = Scalar::from_bytes_mod_order_wide(&hash.into()) * secret;
            let signature = [r, s.to_bytes()].concat().try_into().expect("64 bytes");
            library.verify(&message, &Signature::from_bytes(&signature)).ok().map(|()| (message, signature))
        });
        let (message, signature) = made.expect("a signature");
        assert!(library.verify_strict(&message, &Signature::from_bytes(&signature)).is_err());
        assert!(!key.verify(&message, &signature));
    }
}
