//! Least squares, with intervals for what has not been seen yet.
//!
//! A calibration has a handful of boots, so the quantiles are those of Student's distribution and
//! the interval is one of a single further observation: it is wider than that of the mean by the
//! scatter of one, and grows where a question lies away from what was seen.
//!
//! Source: any textbook, such as Draper and Smith, *Applied Regression Analysis*, third edition,
//! 1998, sections 5.1 and 3.1 (prediction of a single further observation).

/// A line, plane or more, fitted.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    /// A coefficient for each column.
    pub coefficients: Vec<f64>,
    /// The standard deviation of the residuals; 0 where there are no more rows than columns.
    pub scatter: f64,
    /// How many rows more than columns there are.
    pub freedom: usize,
    /// The inverse of the normal equations' matrix.
    inverse: Vec<Vec<f64>>,
}

impl Fit {
    /// Fits `y` as sums of columns, each row of `x` with its coefficients. `None` where the
    /// columns cannot be told apart, or there are fewer rows than columns.
    #[must_use]
    pub fn of(x: &[Vec<f64>], y: &[f64]) -> Option<Self> {
        let columns = x.first()?.len();
        if x.len() != y.len() || x.len() < columns || x.iter().any(|row| row.len() != columns) {
            return None;
        }
        // Columns of bytes and of ones differ by nine orders of magnitude: each is scaled to 1.
        let largest = |column: usize| x.iter().map(|row| row[column].abs()).fold(0.0, f64::max);
        let scales: Vec<f64> = (0..columns).map(largest).collect();
        if scales.iter().any(|scale| !scale.is_normal()) {
            return None;
        }
        let scaled: Vec<Vec<f64>> = x
            .iter()
            .map(|row| row.iter().zip(&scales).map(|(v, s)| v / s).collect())
            .collect();
        let product = |a: usize, b: usize| scaled.iter().map(|row| row[a] * row[b]).sum::<f64>();
        let normal: Vec<Vec<f64>> = (0..columns)
            .map(|a| (0..columns).map(|b| product(a, b)).collect())
            .collect();
        let mut inverse = inverse(normal)?;
        let against: Vec<f64> = (0..columns)
            .map(|a| scaled.iter().zip(y).map(|(row, y)| row[a] * y).sum())
            .collect();
        let coefficients: Vec<f64> = (0..columns)
            .map(|a| dot(&inverse[a], &against) / scales[a])
            .collect();
        for (a, row) in inverse.iter_mut().enumerate() {
            for (b, cell) in row.iter_mut().enumerate() {
                *cell /= scales[a] * scales[b];
            }
        }
        let squares: f64 = x
            .iter()
            .zip(y)
            .map(|(row, y)| (y - dot(row, &coefficients)).powi(2))
            .sum();
        let freedom = x.len() - columns;
        let scatter = match freedom {
            0 => 0.0,
            freedom => (squares / freedom as f64).sqrt(),
        };
        Some(Self {
            coefficients,
            scatter,
            freedom,
            inverse,
        })
    }

    /// The same with what is known of the scatter beforehand, as if `freedom` more observations had
    /// shown `scatter`: two or three residuals alone say next to nothing of it.
    ///
    /// Source: Gelman et al., *Bayesian Data Analysis*, third edition, 2013, section 2.6 (the
    /// scaled inverse chi-square prior of a variance).
    #[must_use]
    pub fn tempered(mut self, scatter: f64, freedom: usize) -> Self {
        let squares = |scatter: f64, freedom: usize| freedom as f64 * scatter * scatter;
        let together = self.freedom + freedom;
        if together > 0 {
            let sum = squares(self.scatter, self.freedom) + squares(scatter, freedom);
            self.scatter = (sum / together as f64).sqrt();
            self.freedom = together;
        }
        self
    }

    /// What is expected of a row.
    #[must_use]
    pub fn at(&self, row: &[f64]) -> f64 {
        dot(row, &self.coefficients)
    }

    /// How far from it a single further observation lies in at most 10 of 100 cases.
    #[must_use]
    pub fn reach(&self, row: &[f64]) -> f64 {
        self.quantile() * self.scatter * (1.0 + self.leverage(row)).sqrt()
    }

    /// How far the mean of many lies from it in at most 10 of 100 cases.
    #[must_use]
    pub fn reach_of_mean(&self, row: &[f64]) -> f64 {
        self.quantile() * self.scatter * self.leverage(row).sqrt()
    }

    /// By how many standard deviations.
    #[must_use]
    pub fn quantile(&self) -> f64 {
        student_95(self.freedom)
    }

    fn leverage(&self, row: &[f64]) -> f64 {
        let through: f64 = self
            .inverse
            .iter()
            .zip(row)
            .map(|(line, x)| x * dot(line, row))
            .sum();
        through.max(0.0)
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// By Gauss and Jordan, with the largest pivot. `None` of a matrix that has none.
fn inverse(mut matrix: Vec<Vec<f64>>) -> Option<Vec<Vec<f64>>> {
    let size = matrix.len();
    for (at, row) in matrix.iter_mut().enumerate() {
        row.extend((0..size).map(|column| f64::from(u8::from(column == at))));
    }
    for column in 0..size {
        let pivot = (column..size).max_by(|a, b| {
            matrix[*a][column]
                .abs()
                .total_cmp(&matrix[*b][column].abs())
        })?;
        if matrix[pivot][column].abs() < 1e-12 {
            return None;
        }
        matrix.swap(column, pivot);
        let by = matrix[column][column];
        matrix[column].iter_mut().for_each(|cell| *cell /= by);
        let pivot = matrix[column].clone();
        for (at, row) in matrix.iter_mut().enumerate() {
            let times = row[column];
            if at != column {
                row.iter_mut()
                    .zip(&pivot)
                    .for_each(|(cell, p)| *cell -= times * p);
            }
        }
    }
    Some(matrix.into_iter().map(|row| row[size..].to_vec()).collect())
}

/// The 95 % quantile of Student's distribution, for so many degrees of freedom; that of the
/// normal distribution beyond the table. Without any, nothing can be said: that of one.
///
/// Source: Abramowitz and Stegun, *Handbook of Mathematical Functions*, table 26.10.
#[must_use]
pub fn student_95(freedom: usize) -> f64 {
    const TABLE: [f64; 20] = [
        6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833, 1.812, 1.796, 1.782, 1.771,
        1.761, 1.753, 1.746, 1.740, 1.734, 1.729, 1.725,
    ];
    match freedom {
        0 => TABLE[0],
        freedom => TABLE.get(freedom - 1).copied().unwrap_or(1.7),
    }
}

/// The mean of `samples` and how far a single further one lies from it in at most 10 of 100 cases.
/// `None` of fewer than two.
#[must_use]
pub fn single(samples: &[f64]) -> Option<(f64, f64)> {
    let fit = Fit::of(&vec![vec![1.0]; samples.len()], samples)?;
    (samples.len() > 1).then(|| (fit.coefficients[0], fit.reach(&[1.0])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::random::Random;

    #[test]
    fn a_plane_without_scatter_is_found_whatever_its_units() {
        let rows: Vec<Vec<f64>> = [(1e8, 0.0), (5e8, 0.0), (1e8, 2e7), (3e8, 1e7)]
            .map(|(a, b)| vec![1.0, a, b])
            .into();
        let y: Vec<f64> = rows
            .iter()
            .map(|r| 1.5 + 2e-9 * r[1] + 3e-8 * r[2])
            .collect();
        let fit = Fit::of(&rows, &y).unwrap();
        let expected = [1.5, 2e-9, 3e-8];
        for (found, expected) in fit.coefficients.iter().zip(expected) {
            assert!(
                (found / expected - 1.0).abs() < 1e-9,
                "{found} and not {expected}"
            );
        }
        assert!(fit.scatter < 1e-9 && fit.freedom == 1);
    }

    #[test]
    fn columns_that_cannot_be_told_apart_have_no_fit() {
        assert_eq!(
            Fit::of(&[vec![1.0, 2.0], vec![1.0, 2.0]], &[1.0, 2.0]),
            None
        );
        assert_eq!(Fit::of(&[vec![1.0, 2.0]], &[1.0]), None);
        assert_eq!(Fit::of(&[], &[]), None);
        assert_eq!(Fit::of(&[vec![0.0], vec![0.0]], &[1.0, 2.0]), None);
    }

    /// The interval is held to what it claims: of a single further observation, 90 in 100.
    #[test]
    fn nine_of_ten_further_observations_lie_within_reach() {
        let mut random = Random::seeded(11);
        let mut held = 0;
        const TRIALS: u32 = 4000;
        for _ in 0..TRIALS {
            let rows: Vec<Vec<f64>> = [128.0, 128.0, 128.0, 512.0, 512.0]
                .map(|x| vec![1.0, x])
                .into();
            let mut seen = |x: f64| 2.0 + 0.001 * x + 0.1 * random.normal();
            let y: Vec<f64> = rows.iter().map(|row| seen(row[1])).collect();
            let fit = Fit::of(&rows, &y).unwrap();
            let next = [1.0, 384.0];
            let off = (seen(384.0) - fit.at(&next)).abs();
            held += u32::from(off <= fit.reach(&next));
        }
        let share = f64::from(held) / f64::from(TRIALS);
        assert!((share - 0.9).abs() < 0.015, "{share}");
    }

    #[test]
    fn what_is_known_beforehand_counts_as_so_many_observations() {
        let fit = Fit::of(&vec![vec![1.0]; 3], &[1.0, 2.0, 3.0]).unwrap();
        assert_eq!((fit.scatter, fit.freedom), (1.0, 2));
        let tempered = fit.clone().tempered(0.5, 2);
        assert_eq!(tempered.freedom, 4);
        assert!((tempered.scatter - 0.625f64.sqrt()).abs() < 1e-12);
        assert_eq!(tempered.coefficients, fit.coefficients);
        assert!(tempered.reach(&[1.0]) < fit.reach(&[1.0]));
    }

    #[test]
    fn of_one_sample_nothing_is_said_of_the_next() {
        assert_eq!(single(&[1.0]), None);
        let (mean, reach) = single(&[1.0, 3.0]).unwrap();
        assert_eq!(mean, 2.0);
        assert!((reach - 6.314 * 2f64.sqrt() * 1.5f64.sqrt()).abs() < 1e-9);
    }
}
