use proptest::prelude::*;

use super::*;

#[test]
fn the_ends_of_time() {
    assert_eq!(Timestamp::MIN.to_string(), "0000-01-01T00:00:00.000Z");
    assert_eq!(Timestamp::MAX.to_string(), "9999-12-31T23:59:59.999Z");
    assert_eq!(Timestamp::from_millis(0).to_string(), "1970-01-01T00:00:00.000Z");
    assert_eq!(Timestamp::from_millis(-1).to_string(), "1969-12-31T23:59:59.999Z");
    assert_eq!(Timestamp::from_millis(i64::MIN), Timestamp::MIN);
    assert_eq!(Timestamp::from_millis(i64::MAX), Timestamp::MAX);
    assert_eq!(Timestamp::try_from(i64::MAX), Err(TimeError));
    assert_eq!(Timestamp::MAX.plus_millis(i64::MAX), Timestamp::MAX);
}

#[test]
fn a_day_begins_at_midnight() {
    let noon: Timestamp = "2024-02-29T12:00:00.001Z".parse().unwrap();
    assert_eq!(noon.date().to_string(), "2024-02-29");
    assert_eq!(Timestamp::from_date(noon.date()).to_string(), "2024-02-29T00:00:00.000Z");
}

proptest! {
    #[test]
    fn there_and_back(millis in Timestamp::MIN.0..=Timestamp::MAX.0) {
        let moment = Timestamp::try_from(millis).unwrap();
        prop_assert_eq!(moment.to_string().len(), LENGTH);
        prop_assert_eq!(moment.to_string().parse(), Ok(moment));
        prop_assert_eq!(moment.to_string(), moment.datetime().and_utc().format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string());
    }

    #[test]
    fn what_is_read_is_written_the_same(text in "[0-9]{4}-[0-1][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9]\\.[0-9]{3}Z") {
        if let Ok(moment) = text.parse::<Timestamp>() {
            prop_assert_eq!(moment.to_string(), text);
        }
    }

    #[test]
    fn no_input_panics(text in any::<String>(), bytes in prop::collection::vec(any::<char>(), 24)) {
        let _ = (text.parse::<Timestamp>(), bytes.iter().collect::<String>().parse::<Timestamp>());
    }
}
