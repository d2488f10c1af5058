//! Time zones by name, as the core takes them: the moments at which their clocks are moved.

use jiff::{Timestamp, tz::TimeZone};
use skep_core::{spec::Zone, time::Time};

/// From here on changes are written down; what is before no budget asks for. Fixed, so that a name always reads
/// the same.
const FROM: i64 = 1_704_067_200; // 2024
/// Up to here: a swarm that is older keeps the last offset.
const TO: i64 = 2_366_841_600; // 2045

/// A name that is no time zone's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ZoneFault {
    /// Nobody knows it.
    #[error("there is no time zone {0:?}")]
    Unknown(String),
    /// The machine does not say.
    #[error("this machine does not say in which time zone it is")]
    NoLocal,
}

impl ZoneFault {
    /// What to do.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            ZoneFault::Unknown(name) => {
                let known: Vec<String> =
                    jiff::tz::db().available().map(|n| n.to_string()).collect();
                match crate::nearest(name, known.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean {near:?}?"),
                    None => "write \"UTC\", \"local\", or a name such as \"Europe/Berlin\"".into(),
                }
            }
            ZoneFault::NoLocal => "name it, such as \"Europe/Berlin\", or set TZ".into(),
        }
    }
}

/// The zone of a name; `local` is the machine's.
///
/// # Errors
/// A name that is no zone's.
pub fn zone(name: &str) -> Result<Zone, ZoneFault> {
    if matches!(name, "UTC" | "utc" | "Z") {
        return Ok(Zone::default());
    }
    let zone = if name == "local" {
        TimeZone::try_system().map_err(|_| ZoneFault::NoLocal)?
    } else {
        TimeZone::get(name).map_err(|_| ZoneFault::Unknown(name.into()))?
    };
    let name = zone.iana_name().ok_or(ZoneFault::NoLocal)?.to_string();
    if name == "UTC" {
        return Ok(Zone::default());
    }
    let second = |n| Timestamp::from_second(n).unwrap_or(Timestamp::UNIX_EPOCH);
    let (from, to) = (second(FROM), second(TO));
    let changes = zone
        .following(from)
        .take_while(|change| change.timestamp() < to);
    let changes = changes.map(|change| {
        let at = u64::try_from(change.timestamp().as_millisecond()).unwrap_or_default();
        (Time(at), change.offset().seconds())
    });
    Ok(Zone {
        first: zone.to_offset(from).seconds(),
        changes: changes.collect(),
        name,
    })
}

/// A day by its number since 1970, as people write it.
#[must_use]
pub fn day(number: i64) -> String {
    let noon = Timestamp::from_second(number.saturating_mul(86_400).saturating_add(43_200));
    let noon = noon.unwrap_or(Timestamp::UNIX_EPOCH);
    TimeZone::UTC.to_datetime(noon).date().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: A-1, S-7
    #[test]
    fn days_and_nights_of_real_zones_follow_their_clocks() {
        let hours = |from: Time, to: Time| to.since(from).0 / 3_600_000;
        for (name, moment, day, night) in [
            // Forward in March, back in October.
            ("Europe/Berlin", "2026-03-29T04:00:00Z", 23, 7),
            ("Europe/Berlin", "2026-10-25T04:00:00Z", 25, 9),
            ("America/New_York", "2026-03-08T08:00:00Z", 23, 7),
            ("Australia/Lord_Howe", "2026-10-03T18:00:00Z", 23, 7),
            ("Asia/Kathmandu", "2026-06-01T00:00:00Z", 24, 8),
            ("UTC", "2026-06-01T00:00:00Z", 24, 8),
        ] {
            let zone = zone(name).unwrap();
            let at: Timestamp = moment.parse().unwrap();
            let at = Time(u64::try_from(at.as_millisecond()).unwrap());
            let span = zone.day(at);
            let nights = zone.night(at).or_else(|| zone.night(span.from)).unwrap();
            assert_eq!(
                (hours(span.from, span.to), hours(nights.from, nights.to)),
                (day, night),
                "{name}"
            );
        }
    }

    // proves: A-1
    #[test]
    fn the_core_reads_the_clock_as_the_zone_database_does() {
        let names = [
            "Europe/Berlin",
            "America/New_York",
            "America/Havana",
            "Africa/Casablanca",
            "Africa/Cairo",
            "Asia/Gaza",
            "Pacific/Chatham",
            "Atlantic/Azores",
            "America/Sao_Paulo",
        ];
        for name in names {
            let (own, theirs) = (zone(name).unwrap(), TimeZone::get(name).unwrap());
            for hour in 0..24 * 366 * 3 {
                let at = FROM + hour * 3_600 + 7;
                let shown = theirs.to_datetime(Timestamp::from_second(at).unwrap());
                let number = own.day_number(Time(u64::try_from(at).unwrap() * 1000));
                assert_eq!(day(number), shown.date().to_string(), "{name} {at}");
                let night = own.night(Time(u64::try_from(at).unwrap() * 1000)).is_some();
                let dark = shown.hour() >= 23 || shown.hour() < 7;
                assert_eq!(night, dark, "{name} {shown}");
            }
        }
    }

    #[test]
    fn a_name_that_is_no_zone_is_refused_with_the_nearest_one() {
        let fault = zone("Europe/Berlim").unwrap_err();
        assert!(fault.hint().contains("Europe/Berlin"), "{}", fault.hint());
        assert!(zone("").is_err());
    }
}
