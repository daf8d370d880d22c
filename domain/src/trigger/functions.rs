//! The functions that rules have beside CEL's own: dates and ages, and official numbers: digits, and a SNILS with its check digits.

use std::sync::Arc;

use cel::{Context, ExecutionError, Value as CelValue};
use chrono::{Days, Months, NaiveDate};
use proofs::hash::sha256;

use crate::checks;

/// Their names.
pub(super) const OURS: [&str; 7] =
    ["age", "years_between", "days_between", "add_days", "add_months", "add_years", "snils"];
/// The function of provided bodies alone.
pub(super) const DIGITS: &str = "digits";

/// Most digits at once: as many as the longest official number has.
const DIGITS_MAX: i64 = 21;

/// What makes the digits of one provided entry differ from those of another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seed<'k> {
    /// The once-key.
    pub(super) key: &'k str,
    /// Which attempt it is: another one, when the number was taken.
    pub(super) attempt: u32,
}

/// Adds them to a context. `today` is the day of the evaluation.
pub(super) fn add(context: &mut Context<'_, '_>, today: NaiveDate, seed: Option<Seed<'_>>) {
    // No name of ours is one of CEL's own, which is all that adding can fail for.
    let _ = context.add_function("age", move |born: Arc<String>| years("age", &born, Some(today)));
    let _ = context.add_function("years_between", |from: Arc<String>, to: Arc<String>| {
        years("years_between", &from, day("years_between", &to).ok())
    });
    let _ = context.add_function("days_between", |from: Arc<String>, to: Arc<String>| {
        let (from, to) = (day("days_between", &from)?, day("days_between", &to)?);
        Ok::<i64, ExecutionError>((to - from).num_days())
    });
    let _ = context.add_function("add_days", |from: Arc<String>, amount: i64| {
        text(shifted("add_days", &from, amount, |from, amount, forwards| {
            let days = Days::new(u64::from(amount));
            if forwards { from.checked_add_days(days) } else { from.checked_sub_days(days) }
        }))
    });
    let _ = context.add_function("add_months", |from: Arc<String>, amount: i64| {
        text(shifted("add_months", &from, amount, months))
    });
    let _ = context.add_function("add_years", |from: Arc<String>, amount: i64| {
        text(shifted("add_years", &from, amount, |from, amount, forwards| {
            months(from, amount.checked_mul(12)?, forwards)
        }))
    });
    let _ = context.add_function("snils", |nine: Arc<String>| text(snils(&nine)));
    if let Some(seed) = seed {
        let (key, attempt) = (seed.key.to_owned(), seed.attempt);
        let _ = context.add_function(DIGITS, move |count: i64| text(digits(&key, attempt, count)));
    }
}

fn text(result: Result<String, ExecutionError>) -> Result<CelValue, ExecutionError> {
    result.map(CelValue::from)
}

/// The day that a text writes: a date, or a moment, of which the day in UTC.
fn day(function: &str, text: &str) -> Result<NaiveDate, ExecutionError> {
    let date = if text.len() > 10 && text.as_bytes()[10] == b'T' { &text[..10] } else { text };
    // The text may be personal data, and is not repeated.
    checks::date(date).map_err(|_| ExecutionError::function_error(function, NOT_A_DATE))
}

/// What is said of a text that is no date.
pub(super) const NOT_A_DATE: &str = "a date is written YYYY-MM-DD";

fn years(function: &str, from: &str, to: Option<NaiveDate>) -> Result<i64, ExecutionError> {
    let from = day(function, from)?;
    let to = to.ok_or_else(|| ExecutionError::function_error(function, NOT_A_DATE))?;
    Ok(match to.years_since(from) {
        Some(years) => i64::from(years),
        None => -i64::from(from.years_since(to).unwrap_or_default()),
    })
}

fn months(from: NaiveDate, amount: u32, forwards: bool) -> Option<NaiveDate> {
    let months = Months::new(amount);
    if forwards { from.checked_add_months(months) } else { from.checked_sub_months(months) }
}

fn shifted(
    function: &str,
    from: &str,
    amount: i64,
    shift: impl Fn(NaiveDate, u32, bool) -> Option<NaiveDate>,
) -> Result<String, ExecutionError> {
    let from = day(function, from)?;
    let shifted = u32::try_from(amount.unsigned_abs()).ok().and_then(|by| shift(from, by, amount >= 0));
    // Only years of four digits are written as dates are.
    shifted
        .map(|day| day.to_string())
        .filter(|text| text.len() == 10)
        .ok_or_else(|| ExecutionError::function_error(function, "the date is beyond the calendar"))
}

/// The SNILS that begins with these nine digits: with its check digits, as `112-233-445 95`.
fn snils(nine: &str) -> Result<String, ExecutionError> {
    let is_nine = nine.len() == 9 && nine.bytes().all(|byte| byte.is_ascii_digit());
    let number: u32 = nine.parse().ok().filter(|_| is_nine).ok_or_else(|| {
        // The digits may be somebody's number, and are not repeated.
        ExecutionError::function_error("snils", "takes the first nine digits")
    })?;
    Ok(format!("{}-{}-{} {:02}", &nine[..3], &nine[3..6], &nine[6..], checks::snils_check(number)))
}

/// So many decimal digits, the same for the same key and attempt. A byte of 250 and above is passed over, so that no digit
/// is likelier than another.
fn digits(key: &str, attempt: u32, count: i64) -> Result<String, ExecutionError> {
    if !(1..=DIGITS_MAX).contains(&count) {
        return Err(ExecutionError::function_error(DIGITS, "gives 1 to 21 digits"));
    }
    let count = usize::try_from(count).unwrap_or_default();
    let mut text = String::with_capacity(count);
    for block in 0_u32.. {
        let hash = sha256(format!("reestr/digits/v1\n{key}\n{attempt}\n{block}").as_bytes());
        let fair = hash.as_bytes().iter().filter(|byte| **byte < 250);
        text.extend(fair.take(count - text.len()).map(|byte| char::from(b'0' + byte % 10)));
        if text.len() == count {
            break;
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_follow_from_key_and_attempt() {
        let one = digits("k", 0, 9).unwrap();
        assert_eq!(one, digits("k", 0, 9).unwrap());
        assert_ne!(one, digits("k", 1, 9).unwrap());
        assert_ne!(one, digits("l", 0, 9).unwrap());
        assert_eq!(digits("k", 0, 21).unwrap().len(), 21);
        assert!(digits("k", 0, 0).is_err() && digits("k", 0, 22).is_err());
    }

    #[test]
    fn a_snils_has_its_check_digits() {
        assert_eq!(snils("112233445"), Ok("112-233-445 95".to_owned()));
        let number = snils("000000001").unwrap();
        assert_eq!(number, "000-000-001 01");
        checks::snils_valid(&snils(&digits("k", 0, 9).unwrap()).unwrap()).unwrap();
        for wrong in ["11223344", "1122334455", "11223344ё", "+12233445"] {
            assert!(snils(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn dates_are_shifted_and_counted() {
        assert_eq!(day("f", "2024-02-29T10:00:00.000Z").unwrap().to_string(), "2024-02-29");
        assert!(day("f", "29.02.2024").is_err() && day("f", "ёёёёёёёёёёёё").is_err());
        assert_eq!(years("f", "2010-06-02", "2024-06-01".parse().ok()), Ok(13));
        assert_eq!(years("f", "2024-06-01", "2010-06-02".parse().ok()), Ok(-13));
        assert_eq!(shifted("f", "2024-01-31", 1, months), Ok("2024-02-29".to_owned()));
        assert!(shifted("f", "9999-12-31", 1, months).is_err());
        assert!(shifted("f", "2024-01-31", i64::MIN, months).is_err());
    }
}
