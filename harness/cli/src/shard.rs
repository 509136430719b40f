//! A part of a run, for machines that share it: whole scenarios in their order, so that the parts' reports, one after the
//! other, are the run's.

use std::str::FromStr;

use scandrill_engine::Planned;

/// The part `number` of `of`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// From 1.
    number: usize,
    of: usize,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers =
            text.split_once('/').and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
        match numbers {
            Some((number, of)) if (1..=of).contains(&number) => Ok(Self { number, of }),
            Some(_) | None => Err("a part is written as 2/3: the second of three".to_owned()),
        }
    }
}

impl Shard {
    /// The cases of this part. A scenario's cases stay together, as its claim is judged by all of them.
    pub fn of(self, planned: Vec<Planned>) -> Vec<Planned> {
        let names: Vec<String> = planned.iter().map(|one| one.case.scenario.name.clone()).collect();
        let wanted = self.wanted(&names);
        planned.into_iter().zip(wanted).filter_map(|(one, wanted)| wanted.then_some(one)).collect()
    }

    /// Which cases belong to it, by the names of their scenarios: about as many for each part.
    fn wanted(self, scenarios: &[String]) -> Vec<bool> {
        let mut part = 1;
        let mut wanted = Vec::with_capacity(scenarios.len());
        for (index, scenario) in scenarios.iter().enumerate() {
            if index == 0 || *scenario != scenarios[index - 1] {
                part = 1 + index * self.of / scenarios.len();
            }
            wanted.push(part == self.number);
        }
        wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_is_in_one_part_beside_its_scenario_s_others() {
        let scenarios: Vec<String> = (0..40).map(|index| format!("scenario-{}", index / 4)).collect();
        let parts: Vec<Vec<bool>> =
            (1..=3).map(|number| Shard { number, of: 3 }.wanted(&scenarios)).collect();
        for index in 0..40 {
            assert_eq!(parts.iter().filter(|part| part[index]).count(), 1);
            assert!(parts.iter().all(|part| part[index] == part[index / 4 * 4]));
        }
        let sizes: Vec<usize> =
            parts.iter().map(|part| part.iter().filter(|wanted| **wanted).count()).collect();
        assert_eq!(sizes, [16, 12, 12]);
    }

    #[test]
    fn a_part_is_read_as_it_is_written() {
        assert_eq!("2/3".parse(), Ok(Shard { number: 2, of: 3 }));
        for wrong in ["0/3", "4/3", "2", "a/b", "1/0", ""] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }
}
