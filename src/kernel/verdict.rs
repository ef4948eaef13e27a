//! How a check of the world ends.

/// A check is well only where everything was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Everything was looked at, and nothing is wrong.
    Well,
    /// Nothing is wrong where it was looked, and some could not be looked at.
    NotSeen { unseen: usize },
    /// Something is wrong.
    Faulty {
        faults: usize,
        /// How many could not be looked at.
        unseen: usize,
    },
}

impl Verdict {
    /// Of what was found, and of what could not be looked at.
    #[must_use]
    pub fn of(faults: usize, unseen: usize) -> Self {
        match (faults, unseen) {
            (0, 0) => Self::Well,
            (0, unseen) => Self::NotSeen { unseen },
            (faults, unseen) => Self::Faulty { faults, unseen },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Verdict;

    #[test]
    fn what_could_not_be_looked_at_is_not_well() {
        assert_eq!(Verdict::of(0, 0), Verdict::Well);
        assert_eq!(Verdict::of(0, 1), Verdict::NotSeen { unseen: 1 });
        assert_eq!(Verdict::of(2, 1), Verdict::Faulty { faults: 2, unseen: 1 });
    }
}
