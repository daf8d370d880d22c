use proptest::prelude::*;

use super::*;

/// Examples that the agencies and reference works publish, and ones computed by hand from the algorithms.
#[test]
fn published_numbers_are_valid() {
    for snils in ["112-233-445 95", "11223344595", "087-654-303 00", "001-001-998 77", "00100199800"] {
        assert_eq!(snils_valid(snils), Ok(()), "{snils}");
    }
    for inn in ["7707083893", "7830002293", "500100732259", "7700000016", "770000000082"] {
        assert_eq!(inn_valid(inn), Ok(()), "{inn}");
    }
    for ogrn in ["1027700132195", "1037739010891", "304500116000157", "1027700000019"] {
        assert_eq!(ogrn_valid(ogrn), Ok(()), "{ogrn}");
    }
    assert_eq!(phone_valid("+79161234567"), Ok(()));
    for date in ["2024-02-29", "1900-01-01", "2000-02-29", "2025-12-31"] {
        assert_eq!(date_valid(date), Ok(()), "{date}");
    }
}

#[test]
fn wrong_numbers_are_refused_with_the_rule_they_break() {
    use CheckError as E;
    for (check, text, error) in [
        (snils_valid as fn(&str) -> _, "112-233-445 96", E::SnilsCheck),
        (snils_valid, "", E::SnilsForm),
        (snils_valid, "112 233 445 95", E::SnilsForm),
        (snils_valid, "112-233-44595", E::SnilsForm),
        (snils_valid, "112-233-445-95", E::SnilsForm),
        (snils_valid, "2233445566", E::SnilsForm),
        (snils_valid, "1122334459５", E::SnilsForm),
        (snils_valid, "000-000-000 00", E::SnilsForm),
        (inn_valid, "7707083894", E::InnOrganisationCheck),
        (inn_valid, "500100732258", E::InnPersonCheck),
        (inn_valid, "500100732249", E::InnPersonCheck),
        (inn_valid, "77070838930", E::InnForm),
        (inn_valid, "770708389a", E::InnForm),
        (inn_valid, "0000000000", E::InnOrganisationForm),
        (inn_valid, "000000000000", E::InnPersonForm),
        (inn_person_valid, "7707083893", E::InnPersonForm),
        (inn_organisation_valid, "500100732259", E::InnOrganisationForm),
        (ogrn_valid, "1027700132196", E::OgrnCheck),
        (ogrn_valid, "304500116000158", E::OgrnCheck),
        (ogrn_valid, "10277001321955", E::OgrnForm),
        (ogrn_valid, "0000000000000", E::OgrnForm),
        (ogrn_valid, "+027700132195", E::OgrnForm),
        (phone_valid, "89037654321", E::Phone),
        (phone_valid, "+7903765432", E::Phone),
        (phone_valid, "+7 916 123 45 67", E::Phone),
        (phone_valid, "+19161234567", E::Phone),
        (date_valid, "2023-02-29", E::DateUnknown),
        (date_valid, "1900-02-29", E::DateUnknown),
        (date_valid, "2024-13-01", E::DateUnknown),
        (date_valid, "2024-00-10", E::DateUnknown),
        (date_valid, "2024-4-1", E::DateForm),
        (date_valid, "01.04.2024", E::DateForm),
        (date_valid, "2024-04-01T00:00:00Z", E::DateForm),
        (date_valid, "+024-04-01", E::DateForm),
    ] {
        assert_eq!(check(text), Err(error), "{text}");
        assert!(text.is_empty() || !error.to_string().contains(text), "{error} repeats what was given");
    }
}

/// The number with the digit at `at` replaced by another.
fn changed(number: &str, at: usize, shift: u8) -> String {
    let mut bytes = number.as_bytes().to_vec();
    bytes[at] = b'0' + (bytes[at] - b'0' + shift) % 10;
    String::from_utf8(bytes).unwrap()
}

proptest! {
    #[test]
    fn a_snils_has_one_pair_of_check_digits(first in 1_001_999_u32..=999_999_999, check in 0_u32..100) {
        let snils = format!("{first:09}{check:02}");
        prop_assert_eq!(snils_valid(&snils).is_ok(), check == snils_check(first));
    }

    /// The weights are 9 to 1 and the modulus 101, so that one wrong digit always changes the remainder. Only the remainders
    /// 100 and 0 are written alike, and only between these can a wrong digit hide.
    #[test]
    fn one_wrong_digit_of_a_snils_is_caught(first in 100_000_000_u32..=999_999_999, at in 0_usize..11, shift in 1_u8..10) {
        let snils = format!("{first:09}{:02}", snils_check(first));
        prop_assert_eq!(snils_valid(&snils), Ok(()));
        let wrong = changed(&snils, at, shift);
        let is_ambiguous = at < 9 && snils_check(first) == 0 && snils_check(wrong[..9].parse().unwrap()) == 0;
        let is_unchecked = wrong[..9].parse::<u32>().unwrap() <= SNILS_WITHOUT_CHECK_MAX;
        prop_assert!(is_ambiguous || is_unchecked || snils_valid(&wrong).is_err());
    }

    /// No weight is a multiple of 11, so that one wrong digit always changes the remainder. Only the remainders 10 and 0 are
    /// written alike.
    #[test]
    fn one_wrong_digit_of_an_organisations_inn_is_caught(first in proptest::array::uniform9(0_u32..10), at in 0_usize..10, shift in 1_u8..10) {
        prop_assume!(first != [0; 9]);
        let digits: String = first.iter().map(ToString::to_string).collect();
        let inn = format!("{digits}{}", inn_organisation_check(first));
        prop_assert_eq!(inn_valid(&inn), Ok(()));
        let wrong = changed(&inn, at, shift);
        let mut other = first;
        if at < 9 {
            other[at] = (other[at] + u32::from(shift)) % 10;
        }
        let is_ambiguous = at < 9 && inn_organisation_check(first) == 0 && inn_organisation_check(other) == 0;
        prop_assert!(is_ambiguous || inn_valid(&wrong).is_err());
    }

    #[test]
    fn one_wrong_digit_of_a_persons_inn_is_caught(first in proptest::array::uniform10(0_u32..10), at in 0_usize..12, shift in 1_u8..10) {
        prop_assume!(first != [0; 10]);
        let digits: String = first.iter().map(ToString::to_string).collect();
        let [eleventh, twelfth] = inn_person_check(first);
        let inn = format!("{digits}{eleventh}{twelfth}");
        prop_assert_eq!(inn_valid(&inn), Ok(()));
        let mut other = first;
        if at < 10 {
            other[at] = (other[at] + u32::from(shift)) % 10;
        }
        let is_ambiguous = inn_person_check(other) == inn_person_check(first) && at < 10;
        prop_assert!(is_ambiguous || inn_valid(&changed(&inn, at, shift)).is_err());
        // Two check digits leave little room: both would have to be 0 by way of 10.
        prop_assert!(!is_ambiguous || inn_person_check(first).contains(&0));
    }

    #[test]
    fn an_ogrn_has_one_check_digit(first in 100_000_000_000_u64..=999_999_999_999, last in 0_u64..10) {
        prop_assert_eq!(ogrn_valid(&format!("{first}{last}")).is_ok(), last == first % 11 % 10);
    }

    #[test]
    fn any_text_gives_an_answer(text in "\\PC{0,20}") {
        for (_, check) in FORMATS {
            let _ = check(&text);
        }
    }
}
