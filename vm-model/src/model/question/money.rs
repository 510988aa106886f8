//! What one costs in money.

use super::{Density, Kind};
use crate::error::Result;
use crate::model::answer::{Outcome, Question, Values};
use crate::model::money::{Host, of_one};
use crate::model::parameters::Unit;
use crate::model::units::{Money as Amount, Seconds, Watts};

/// What one costs for a time, on a host that holds as many as fit, or a given number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Money {
    /// What is on the host, and how many fit.
    pub density: Density,
    /// How many there are, where that is given.
    pub count: Option<u32>,
    /// For how long the host is used before another is bought, in seconds.
    pub life: f64,
    /// For how long one runs, in seconds.
    pub time: f64,
}

impl Question for Money {
    fn what(&self) -> String {
        let one = match self.density.each.kind {
            Kind::Vm => "a guest",
            Kind::Container => "a container",
            Kind::Process => "a process",
        };
        let hours = self.time / 3600.0;
        format!("what {one} costs in {hours:.0} hours")
    }

    fn unit(&self) -> Unit {
        Unit::Money
    }

    fn outcome(&self, values: &Values<'_>) -> Result<Outcome> {
        let (count, unrounded, notes) = match self.count {
            Some(count) => (
                f64::from(count),
                None,
                vec![format!("shared by {count} on the host")],
            ),
            None => {
                let fit = self.density.outcome(values)?;
                let mut notes = vec![format!("shared by the {} that fit", fit.value)];
                notes.extend(fit.notes);
                (fit.value, fit.unrounded, notes)
            }
        };
        // Clamped to what a count can be.
        #[allow(clippy::cast_sign_loss, clippy::cast_possible_truncation)]
        let count = count.clamp(0.0, f64::from(u32::MAX)) as u32;
        let host = Host {
            capital: Amount(values.get("money.capital")?),
            life: Seconds(self.life),
            power: Watts(values.get("money.power")?),
            energy: Amount(values.get("money.energy")?),
        };
        let time = Seconds(self.time);
        let all = of_one(&host, 1, time).map_or(f64::INFINITY, |cost| cost.0);
        let cost = |host: &Host| of_one(host, count, time).map_or(f64::INFINITY, |cost| cost.0);
        let bought = Host {
            power: Watts(0.0),
            ..host
        };
        let fed = Host {
            capital: Amount(0.0),
            ..host
        };
        Ok(Outcome {
            value: cost(&host),
            terms: vec![
                ("the host's price", cost(&bought)),
                ("its energy", cost(&fed)),
            ],
            notes,
            unrounded: unrounded.map(|count| all / count),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Each;
    use super::super::tests::exact;
    use super::*;
    use crate::model::answer::answer;

    #[test]
    fn the_host_is_shared_by_those_that_fit() {
        let values = exact(&[
            ("container.memory", 100.0),
            ("host.memory", 1000.0),
            ("money.capital", 8760.0),
            ("money.power", 500.0),
            ("money.energy", 0.3),
        ]);
        let density = Density::of(Each {
            kind: Kind::Container,
            ..Each::default()
        });
        let hour = 3600.0;
        let of = |count| {
            let question = Money {
                density,
                count,
                life: hour * 24.0 * 365.0,
                time: hour,
            };
            answer(&question, &values, 1).unwrap()
        };
        // A percent more of memory is that much more to share by, if not one more.
        let memory = of(None).sensitivity;
        let memory = memory.iter().find(|one| one.name == "host.memory").unwrap();
        assert!(
            (memory.elasticity.unwrap() + 1.0).abs() < 1e-9,
            "{memory:?}"
        );
        // One of capital, and half a kilowatt-hour, shared by the ten that fit.
        assert!((of(None).value - 0.115).abs() < 1e-12);
        assert!((of(Some(23)).value - 1.15 / 23.0).abs() < 1e-12);
        let nobodys = of(Some(0));
        assert!(nobodys.value.is_infinite());
        assert!(nobodys.terms.iter().all(|term| term.value.is_infinite()));
    }
}
