//! What helps whoever broke a clause: by which witness it is seen, what usually breaks it, and how that is mended in common
//! servers and languages. Texts only, one file per group; `hotspec explain` prints them.

mod availability;
mod descriptors;
mod drain;
mod failure;
mod idle;
mod in_flight;
mod keep_alive;
mod load;
mod process;
mod protocol;
mod repeat;

/// What helps whoever broke one clause.
#[derive(Clone, Copy, Debug)]
pub struct Advice {
    /// The clause's id.
    pub clause: &'static str,
    /// What hotspec looks at, and with which witness.
    pub seen: &'static str,
    /// What usually breaks it.
    pub breaks: &'static [&'static str],
    /// A server, language or library, and what to do there.
    pub mend: &'static [(&'static str, &'static str)],
}

/// All of it, group by group.
pub fn all() -> impl Iterator<Item = &'static Advice> {
    let groups = [
        availability::ADVICE,
        in_flight::ADVICE,
        keep_alive::ADVICE,
        idle::ADVICE,
        drain::ADVICE,
        process::ADVICE,
        descriptors::ADVICE,
        failure::ADVICE,
        protocol::ADVICE,
        repeat::ADVICE,
        load::ADVICE,
    ];
    groups.into_iter().flatten()
}

/// What there is for the clause with this id.
pub fn find(id: &str) -> Option<&'static Advice> {
    all().find(|advice| advice.clause == id)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::registry;
    use super::*;

    /// Of the groups that have any.
    #[test]
    fn every_built_clause_has_advice() {
        let covered: BTreeSet<&str> = all().filter_map(|advice| advice.clause.split('.').next()).collect();
        let built = registry::all().into_iter().filter(|clause| clause.judge.is_some());
        let owed = built.filter(|clause| covered.contains(clause.group())).map(|clause| clause.id);
        let without: Vec<&str> = owed.filter(|id| find(id).is_none()).collect();
        assert!(without.is_empty(), "write an entry in clause/advice/GROUP.rs for {without:?}");
    }

    #[test]
    fn advice_is_for_a_clause_that_there_is_and_there_is_one_for_each() {
        let mut seen = BTreeSet::new();
        for advice in all() {
            assert!(registry::find(advice.clause).is_some(), "{}: no such clause", advice.clause);
            assert!(seen.insert(advice.clause), "{}: twice", advice.clause);
        }
    }

    #[test]
    fn advice_says_something_and_in_whole_sentences() {
        for advice in all() {
            let id = advice.clause;
            assert!(!advice.breaks.is_empty() && !advice.mend.is_empty(), "{id}");
            let texts =
                advice.breaks.iter().chain([&advice.seen]).chain(advice.mend.iter().map(|(_, how)| how));
            for text in texts {
                assert!(text.len() > 12 && text.ends_with('.'), "{id}: {text}");
                assert!(!text.contains('\n') && !text.contains("  "), "{id}: {text}");
            }
            assert!(advice.mend.iter().all(|(place, _)| !place.is_empty()), "{id}");
        }
    }
}
