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
            let (a, b) = (strsim::jaro_winkler(&local, &other), strsim::jaro_winkler(&domain, &place));
            (a > 0.75 && b > 0.75).then_some((a + b, candidate))
        })
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::{nearest, nearest_email};

    #[test]
    fn an_address_is_guessed_by_the_person_and_not_by_the_domain_they_share() {
        let people = ["ann@acme.example", "carl@acme.example", "karla@birch.example"];
        assert_eq!(nearest_email("karl@acme.example", people), Some("carl@acme.example"));
        assert_eq!(nearest_email("ann@acne.example", people), Some("ann@acme.example"));
        assert_eq!(nearest_email("zoe@acme.example", people), None);
    }

    #[test]
    fn a_slip_is_recognised_and_a_stranger_is_not() {
        assert_eq!(nearest("endpont", ["endpoint", "region"]), Some("endpoint"));
        assert_eq!(nearest("zzz", ["endpoint", "region"]), None);
    }
}
