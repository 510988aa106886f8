//! What a guest costs in money: its part of a host's price and of what that draws.

use super::units::{Money, Seconds, Watts};

/// A joule's share of a kilowatt-hour.
const KILOWATT_HOUR: f64 = 3.6e6;

/// A host, bought once and fed always.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Host {
    /// Its price.
    pub capital: Money,
    /// How long it is used.
    pub life: Seconds,
    /// What it draws, with its cooling.
    pub power: Watts,
    /// The price of a kilowatt-hour.
    pub energy: Money,
}

/// What one of `density` guests on it costs for `time`; nothing can be said of none.
#[must_use]
pub fn of_one(host: &Host, density: u32, time: Seconds) -> Option<Money> {
    if density == 0 || host.life <= Seconds(0.0) {
        return None;
    }
    let capital = host.capital * (time / host.life);
    let energy = host.energy * (host.power.0 * time.0 / KILOWATT_HOUR);
    Some((capital + energy) / f64::from(density))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_price_and_the_energy_are_shared_by_those_on_it() {
        let hour = Seconds(3600.0);
        let host = Host {
            capital: Money(8760.0),
            life: hour * (24.0 * 365.0),
            power: Watts(500.0),
            energy: Money(0.3),
        };
        // One of capital, and half a kilowatt-hour, for an hour of all of it.
        assert_eq!(of_one(&host, 1, hour), Some(Money(1.15)));
        assert_eq!(of_one(&host, 23, hour), Some(Money(1.15 / 23.0)));
        assert_eq!(of_one(&host, 0, hour), None);
    }
}
