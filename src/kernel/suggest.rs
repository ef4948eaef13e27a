//! The nearest right word to a wrong one.

/// The candidate nearest to `word`, if one is near enough to be what was meant.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// How many slips lead from one word to another, where they are few enough that the other may be
/// meant: two letters swapped are one slip, a word cut short is none, and of short words one at most.
#[must_use]
pub fn distance(word: &str, candidate: &str) -> Option<usize> {
    let length = word.chars().count();
    if length >= 3 && candidate.starts_with(word) {
        return Some(1);
    }
    let most = match length {
        0..=2 => 0,
        3..=4 => 1,
        _ => 2,
    };
    Some(strsim::osa_distance(word, candidate)).filter(|distance| *distance <= most)
}

/// The name that a slip of a role, a group or a context may have meant: few letters off, whatever their
/// case, and with the same number in it.
#[must_use]
pub fn alike<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let near = |candidate: &str| {
        distance(&lower, &candidate.to_lowercase()).filter(|_| digits(word) == digits(candidate))
    };
    let found = candidates.into_iter().filter_map(|candidate| Some((near(candidate)?, candidate)));
    found.min_by_key(|(slips, _)| *slips).map(|(_, candidate)| candidate)
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// A name that is one slip away from another, of things that are told apart by their names: never one
/// that differs in a digit, which numbers another thing.
#[must_use]
pub fn one_slip_away<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let number = digits(word);
    candidates
        .into_iter()
        .find(|candidate| strsim::osa_distance(word, candidate) == 1 && digits(candidate) == number)
}

/// The address nearest to `address`: both what is before the `@` and what follows it must be near.
/// The domain alone, which a company's people share, makes nobody alike.
#[must_use]
pub fn nearest_email<'a>(address: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let parts = |text: &str| {
        let text = text.to_lowercase();
        text.rsplit_once('@').map_or((text.clone(), String::new()), |(to, at)| (to.to_owned(), at.to_owned()))
    };
    let (local, domain) = parts(address);
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let (other, place) = parts(candidate);
            // Another person is not to be taken for the one that was meant.
            let slips = strsim::osa_distance(&local, &other) + strsim::osa_distance(&domain, &place);
            let most = if local.chars().count() < 4 { 1 } else { 2 };
            (slips <= most && digits(&local) == digits(&other)).then_some((slips, candidate))
        })
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::{alike, distance, nearest, nearest_email, one_slip_away};

    #[test]
    fn an_address_is_guessed_by_the_person_and_not_by_the_domain_they_share() {
        let people = ["ann@acme.example", "carl@acme.example", "karla@birch.example"];
        assert_eq!(nearest_email("karl@acme.example", people), Some("carl@acme.example"));
        assert_eq!(nearest_email("ann@acne.example", people), Some("ann@acme.example"));
        assert_eq!(nearest_email("zoe@acme.example", people), None);
        assert_eq!(nearest_email("bob@acme.example", ["rob2@acme.example", "deb@acme.example"]), None);
        assert_eq!(nearest_email("clerk17@acme.example", ["clerk18@acme.example"]), None);
    }

    #[test]
    fn a_tenant_is_alike_by_one_slip_and_never_by_its_number() {
        assert_eq!(one_slip_away("amce", ["acme", "apex"]), Some("acme"));
        assert_eq!(one_slip_away("acm", ["acme"]), Some("acme"));
        assert_eq!(one_slip_away("cust-001", ["cust-100", "cust-002", "cust-0011"]), None);
        assert_eq!(one_slip_away("birch", ["beech"]), None);
    }

    #[test]
    fn a_context_is_alike_by_few_letters_and_never_by_its_number() {
        assert_eq!(alike("prd", ["prod", "eu1"]), Some("prod"));
        assert_eq!(alike("manger", ["Admin", "Manager"]), Some("Manager"));
        assert_eq!(alike("eu2", ["eu1", "eu12"]), None);
        assert_eq!(alike("test", ["prod"]), None);
    }

    #[test]
    fn few_slips_are_near_and_fewer_in_a_short_word() {
        assert_eq!(distance("crate", "create"), Some(1));
        assert_eq!(distance("ren", "rename"), Some(1));
        assert_eq!(distance("serve", "store"), None);
        assert_eq!(distance("rm", "run"), None);
        assert_eq!(distance("usage", "update"), None);
    }

    #[test]
    fn a_slip_is_recognised_and_a_stranger_is_not() {
        assert_eq!(nearest("endpont", ["endpoint", "region"]), Some("endpoint"));
        assert_eq!(nearest("zzz", ["endpoint", "region"]), None);
    }
}
