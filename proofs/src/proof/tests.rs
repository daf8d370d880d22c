use proptest::prelude::*;

use super::*;
use crate::hash::EMPTY_ROOT;

#[test]
fn a_malformed_proof_is_refused() {
    use TlogProofError as E;
    let refuse = |text: &str| text.parse::<TlogProof>().expect_err("refused");
    let v = FIRST_LINE;
    assert_eq!(refuse(""), E::Version);
    assert_eq!(refuse(v), E::Version);
    assert_eq!(refuse("c2sp.org/tlog-proof@v2\nindex 0\n\nc"), E::Version);
    assert_eq!(refuse(&format!("{v}\r\nindex 0\n\nc")), E::Version);
    assert_eq!(refuse(&format!("{v}\nextra A\nindex 0\n\nc")), E::Extra);
    assert_eq!(refuse(&format!("{v}\nextra AA==")), E::Extra);
    assert_eq!(refuse(&format!("{v}\nindex 0\nextra AA==\n\nc")), E::Path);
    for index in ["", "-1", "+1", "00", "01", "1 ", "0x1", "18446744073709551616"] {
        assert_eq!(refuse(&format!("{v}\nindex {index}\n\nc")), E::Index, "{index}");
    }
    assert_eq!(refuse(&format!("{v}\nextra \n\nc")), E::Index);
    assert_eq!(refuse(&format!("{v}\nindex 0\n")), E::Path);
    assert_eq!(refuse(&format!("{v}\nindex 0\n{EMPTY_ROOT}\n")), E::Path);
    assert_eq!(refuse(&format!("{v}\nindex 0\n{EMPTY_ROOT} \n\nc")), E::Path);
    assert_eq!(refuse(&format!("{v}\nindex 0\nAA==\n\nc")), E::Path);
    let line = format!("{EMPTY_ROOT}\n");
    assert_eq!(refuse(&format!("{v}\nindex 0\n{}\nc", line.repeat(64))), E::Path);
    assert_eq!(format!("{v}\nindex 0\n{}\nc", line.repeat(63)).parse::<TlogProof>().unwrap().path.len(), 63);
    assert_eq!(refuse(&"x".repeat(PROOF_BYTES_MAX + 1)), E::TooLong);
}

proptest! {
    #[test]
    fn there_and_back(
        index in any::<u64>(),
        extra in prop::option::of(prop::collection::vec(any::<u8>(), 0..40)),
        path in prop::collection::vec(any::<[u8; 32]>().prop_map(Hash), 0..63),
        checkpoint in any::<String>(),
    ) {
        let proof = TlogProof { index, extra, path, checkpoint };
        prop_assert_eq!(proof.to_string().parse(), Ok(proof));
    }

    #[test]
    fn no_input_panics(text in any::<String>(), rest in "(index |extra |[0-9]{1,3}|=|\n){0,12}") {
        let _ = (text.parse::<TlogProof>(), format!("{FIRST_LINE}\n{rest}").parse::<TlogProof>());
    }
}
