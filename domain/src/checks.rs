//! Checks of Russian identifiers. Each error says what a right one looks like, and never repeats what was given.

use chrono::NaiveDate;

/// Why an identifier is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// A SNILS is not written as one.
    #[error("a SNILS is 11 digits, as 112-233-445 95 or 11223344595")]
    SnilsForm,
    /// The last two digits of a SNILS do not follow from the first nine.
    #[error(
        "the check digits of the SNILS (the last two) do not match its first nine digits: one of the digits is wrong"
    )]
    SnilsCheck,
    /// An INN is not written as one.
    #[error("an INN is 12 digits for a person and 10 digits for an organisation, without spaces")]
    InnForm,
    /// A person's INN is not written as one.
    #[error("an INN of a person is 12 digits, without spaces")]
    InnPersonForm,
    /// An organisation's INN is not written as one.
    #[error("an INN of an organisation is 10 digits, without spaces")]
    InnOrganisationForm,
    /// The check digits of a person's INN do not match.
    #[error(
        "the check digits of the INN (the last two) do not match its first ten digits: one of the digits is wrong"
    )]
    InnPersonCheck,
    /// The check digit of an organisation's INN does not match.
    #[error(
        "the check digit of the INN (the last one) does not match its first nine digits: one of the digits is wrong"
    )]
    InnOrganisationCheck,
    /// An OGRN is not written as one.
    #[error("an OGRN is 13 digits, and that of a sole trader (OGRNIP) 15 digits, without spaces")]
    OgrnForm,
    /// The check digit of an OGRN does not match.
    #[error(
        "the check digit of the OGRN (the last one) does not match the digits before it: one of the digits is wrong"
    )]
    OgrnCheck,
    /// A telephone number is not in the one form.
    #[error("a telephone number is written +7 and 10 digits without spaces or brackets, as +79161234567")]
    Phone,
    /// A date is not in the one form.
    #[error("a date is written YYYY-MM-DD")]
    DateForm,
    /// There is no such day.
    #[error("there is no such date in the calendar")]
    DateUnknown,
}

/// A named format that a body's schema may ask for, with its check.
pub type Format = (&'static str, fn(&str) -> Result<(), CheckError>);

/// The formats that a definition's schemas may name besides those of JSON Schema.
pub const FORMATS: [Format; 7] = [
    ("snils", snils_valid),
    ("inn", inn_valid),
    ("inn-person", inn_person_valid),
    ("inn-organisation", inn_organisation_valid),
    ("ogrn", ogrn_valid),
    ("phone-ru", phone_valid),
    ("date", date_valid),
];

/// The highest number that was given out before SNILS had check digits: 001-001-998.
const SNILS_WITHOUT_CHECK_MAX: u32 = 1_001_998;

/// Check digits of a SNILS from its first nine digits: their sum weighted 9 to 1, modulo 101, where 100 is written 00.
pub fn snils_check(first_nine: u32) -> u32 {
    let (mut sum, mut rest) = (0, first_nine);
    for weight in 1..=9 {
        sum += rest % 10 * weight;
        rest /= 10;
    }
    sum % 101 % 100
}

/// A SNILS: `112-233-445 95` or 11 digits; the last two digits follow from the first nine, where they are above 001-001-998.
pub fn snils_valid(text: &str) -> Result<(), CheckError> {
    let digits: String = match text.as_bytes() {
        [_, _, _, b'-', _, _, _, b'-', _, _, _, b' ', _, _] => {
            text.chars().filter(|c| !matches!(c, '-' | ' ')).collect()
        }
        _ => text.to_owned(),
    };
    let digits = digits_of::<11>(&digits).ok_or(CheckError::SnilsForm)?;
    let number = digits[..9].iter().fold(0, |number, digit| number * 10 + digit);
    if number == 0 {
        return Err(CheckError::SnilsForm);
    }
    if number <= SNILS_WITHOUT_CHECK_MAX || snils_check(number) == digits[9] * 10 + digits[10] {
        Ok(())
    } else {
        Err(CheckError::SnilsCheck)
    }
}

/// One check digit of an INN: the weighted sum modulo 11, modulo 10.
fn inn_digit(digits: &[u32], weights: &[u32]) -> u32 {
    digits.iter().zip(weights).map(|(digit, weight)| digit * weight).sum::<u32>() % 11 % 10
}

/// Weights of the digits before the one that is checked, the last nine, ten or eleven of them.
const INN_WEIGHTS: [u32; 11] = [3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8];

/// Check digit of an organisation's INN from its first nine digits.
pub fn inn_organisation_check(first_nine: [u32; 9]) -> u32 {
    inn_digit(&first_nine, &INN_WEIGHTS[2..])
}

/// Both check digits of a person's INN from its first ten digits.
pub fn inn_person_check(first_ten: [u32; 10]) -> [u32; 2] {
    let eleventh = inn_digit(&first_ten, &INN_WEIGHTS[1..]);
    let mut eleven = [eleventh; 11];
    eleven[..10].copy_from_slice(&first_ten);
    [eleventh, inn_digit(&eleven, &INN_WEIGHTS)]
}

/// An INN of a person (12 digits) or of an organisation (10).
pub fn inn_valid(text: &str) -> Result<(), CheckError> {
    match text.len() {
        10 if digits_of::<10>(text).is_some() => inn_organisation_valid(text),
        12 if digits_of::<12>(text).is_some() => inn_person_valid(text),
        _ => Err(CheckError::InnForm),
    }
}

/// An INN of a person: 12 digits, the last two follow from the others.
pub fn inn_person_valid(text: &str) -> Result<(), CheckError> {
    let digits = digits_of::<12>(text).ok_or(CheckError::InnPersonForm)?;
    let mut first_ten = [0; 10];
    first_ten.copy_from_slice(&digits[..10]);
    if digits == [0; 12] {
        Err(CheckError::InnPersonForm)
    } else if inn_person_check(first_ten) == digits[10..] {
        Ok(())
    } else {
        Err(CheckError::InnPersonCheck)
    }
}

/// An INN of an organisation: 10 digits, the last follows from the others.
pub fn inn_organisation_valid(text: &str) -> Result<(), CheckError> {
    let digits = digits_of::<10>(text).ok_or(CheckError::InnOrganisationForm)?;
    let mut first_nine = [0; 9];
    first_nine.copy_from_slice(&digits[..9]);
    if digits == [0; 10] {
        Err(CheckError::InnOrganisationForm)
    } else if inn_organisation_check(first_nine) == digits[9] {
        Ok(())
    } else {
        Err(CheckError::InnOrganisationCheck)
    }
}

/// Check digit of an OGRN (12 digits before it) or an OGRNIP (14): the number modulo 11 or 13, modulo 10.
pub fn ogrn_check(digits_before: u64, sole_trader: bool) -> u64 {
    digits_before % if sole_trader { 13 } else { 11 } % 10
}

/// An OGRN (13 digits) or an OGRNIP (15): the last digit follows from the number before it.
pub fn ogrn_valid(text: &str) -> Result<(), CheckError> {
    let is_digits = text.bytes().all(|b| b.is_ascii_digit());
    let sole_trader = match text.len() {
        13 if is_digits => false,
        15 if is_digits => true,
        _ => return Err(CheckError::OgrnForm),
    };
    let number: u64 = text.parse().map_err(|_| CheckError::OgrnForm)?;
    if number == 0 {
        Err(CheckError::OgrnForm)
    } else if ogrn_check(number / 10, sole_trader) == number % 10 {
        Ok(())
    } else {
        Err(CheckError::OgrnCheck)
    }
}

/// A telephone number: `+7` and 10 digits.
pub fn phone_valid(text: &str) -> Result<(), CheckError> {
    text.strip_prefix("+7").and_then(digits_of::<10>).map(|_| ()).ok_or(CheckError::Phone)
}

/// A date that exists, written `YYYY-MM-DD`.
pub fn date_valid(text: &str) -> Result<(), CheckError> {
    date(text).map(|_| ())
}

/// The date that the text writes, as `YYYY-MM-DD`.
pub fn date(text: &str) -> Result<NaiveDate, CheckError> {
    let is_form = text.len() == 10
        && text
            .bytes()
            .enumerate()
            .all(|(at, b)| if matches!(at, 4 | 7) { b == b'-' } else { b.is_ascii_digit() });
    if !is_form {
        return Err(CheckError::DateForm);
    }
    let number = |part: &str| part.parse().map_err(|_| CheckError::DateForm);
    let year = text[..4].parse().map_err(|_| CheckError::DateForm)?;
    NaiveDate::from_ymd_opt(year, number(&text[5..7])?, number(&text[8..])?).ok_or(CheckError::DateUnknown)
}

/// Exactly `N` ASCII digits.
fn digits_of<const N: usize>(text: &str) -> Option<[u32; N]> {
    let bytes: &[u8; N] = text.as_bytes().try_into().ok()?;
    bytes.iter().all(u8::is_ascii_digit).then(|| bytes.map(|b| u32::from(b - b'0')))
}

#[cfg(test)]
mod tests;
