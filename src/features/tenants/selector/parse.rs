//! Reads a selector.

use std::str::FromStr;

use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, Duration, OffsetDateTime};

use super::{Condition, KEYS, Moment, Pattern, Selector, SelectorError, SuspensionField, TextField};
use crate::features::tenants::model::TenantState;
use crate::infra::db::like_literal;
use crate::kernel::label::Label;
use crate::kernel::word::require_lower_case;
use crate::kernel::{Word, span, suggest};

/// What marks a label's key.
const LABEL: &str = "label.";
/// Other words for keys: what JSON, and other tools, call them.
const ALIASES: [(&str, &str); 6] = [
    ("modules", "module"),
    ("status", "state"),
    ("created_at", "created"),
    ("suspended_at", "suspended"),
    ("by", "suspended_by"),
    ("suspension_reason", "reason"),
];
/// How a value is compared.
const OPERATORS: [&str; 6] = ["!=", "<=", ">=", "=", "<", ">"];

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let conditions = split(text, ',').into_iter().map(|part| condition(part.trim()));
        Ok(Self { conditions: conditions.collect::<Result<_, _>>()? })
    }
}

/// Parts between separators, of which a backslash takes the meaning away.
fn split(text: &str, separator: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (at, c) in text.char_indices() {
        if c == separator && !escaped {
            parts.push(&text[start..at]);
            start = at + c.len_utf8();
        }
        escaped = c == '\\' && !escaped;
    }
    parts.push(&text[start..]);
    parts
}

fn unescaped(text: &str) -> String {
    let mut chars = text.chars();
    let mut plain = String::with_capacity(text.len());
    while let Some(c) = chars.next() {
        plain.push(if c == '\\' { chars.next().unwrap_or(c) } else { c });
    }
    plain
}

fn condition(text: &str) -> Result<Condition, SelectorError> {
    if text.is_empty() {
        return Err(SelectorError::Empty);
    }
    if let Some(key) = text.strip_prefix('!') {
        return presence(key, true);
    }
    // An operator's first character is part of no key.
    let Some(at) = text.find(['!', '=', '<', '>']) else { return presence(text, false) };
    let (key, rest) = text.split_at(at);
    let Some(operator) = OPERATORS.into_iter().find(|operator| rest.starts_with(operator)) else {
        return Err(unknown(text));
    };
    let (key, value) = (key.trim(), rest[operator.len()..].trim());
    let key = ALIASES.into_iter().find(|(alias, _)| *alias == key).map_or(key, |(_, key)| key);
    match key {
        "state" => states(equal(key, operator)?, value),
        "cluster" => texts(TextField::Cluster, key, operator, value),
        "store" => texts(TextField::Store, key, operator, value),
        "slug" => texts(TextField::Slug, key, operator, value),
        "name" => texts(TextField::Name, key, operator, value),
        "tier" => texts(TextField::Tier, key, operator, value),
        "segment" => texts(TextField::Segment, key, operator, value),
        "business_type" => texts(TextField::BusinessType, key, operator, value),
        "module" => modules(equal(key, operator)?, value),
        "created" => {
            let (not, from, before) = moments("created", operator, value)?;
            Ok(Condition::Created { not, from, before })
        }
        "suspended" => {
            let (not, from, before) = moments("suspended", operator, value)?;
            Ok(Condition::Suspended { not, from, before })
        }
        "reason" => suspension(SuspensionField::Reason, key, operator, value),
        "suspended_by" => suspension(SuspensionField::By, key, operator, value),
        _ => label(key, operator, value),
    }
}

/// `label.KEY`, or `!label.KEY`.
fn presence(text: &str, not: bool) -> Result<Condition, SelectorError> {
    match text.trim().strip_prefix(LABEL) {
        Some(key) => Ok(Condition::Present { key: Label::new(key, "")?.key, not }),
        None if KEYS.contains(&text) => Err(SelectorError::NoValue(text.to_owned())),
        None => Err(unknown(text)),
    }
}

/// Whether the operator is `!=`, of those that only compare.
fn equal(key: &str, operator: &'static str) -> Result<bool, SelectorError> {
    match operator {
        "=" => Ok(false),
        "!=" => Ok(true),
        _ => Err(SelectorError::Operator { key: key.to_owned(), operator, allowed: "= and !=" }),
    }
}

fn states(not: bool, value: &str) -> Result<Condition, SelectorError> {
    let state = |word: &str| {
        TenantState::ALL.into_iter().find(|state| state.as_str() == word).ok_or_else(|| {
            SelectorError::State {
                word: word.to_owned(),
                nearest: suggest::nearest(&word.to_lowercase(), TenantState::ALL.map(TenantState::as_str)),
            }
        })
    };
    let any = split(value, '|').into_iter().map(state).collect::<Result<_, _>>()?;
    Ok(Condition::State { not, any })
}

fn modules(not: bool, value: &str) -> Result<Condition, SelectorError> {
    let any = split(value, '|').into_iter().map(str::parse).collect::<Result<_, _>>()?;
    Ok(Condition::Module { not, any })
}

fn texts(
    field: TextField,
    key: &str,
    operator: &'static str,
    value: &str,
) -> Result<Condition, SelectorError> {
    let not = equal(key, operator)?;
    let any = patterns(key, value)?;
    if field != TextField::Name {
        for part in split(value, '|') {
            fits(field, part)?;
        }
    }
    Ok(Condition::Text { field, not, any })
}

/// Requires that a text can be found in a field whose words and names are in lower case.
fn fits(field: TextField, text: &str) -> Result<(), SelectorError> {
    match field {
        TextField::Tier | TextField::Segment | TextField::BusinessType if split(text, '*').len() == 1 => {
            unescaped(text).parse::<Word>()?;
        }
        _ => require_lower_case(text)?,
    }
    Ok(())
}

fn suspension(
    field: SuspensionField,
    key: &str,
    operator: &'static str,
    value: &str,
) -> Result<Condition, SelectorError> {
    let not = equal(key, operator)?;
    Ok(Condition::Suspension { field, not, any: patterns(key, value)? })
}

fn patterns(key: &str, value: &str) -> Result<Vec<Pattern>, SelectorError> {
    let parts = split(value, '|');
    if parts.iter().any(|part| part.is_empty()) {
        return Err(SelectorError::NoValue(key.to_owned()));
    }
    Ok(parts.into_iter().map(pattern).collect())
}

/// A text in which `*` stands for any characters.
fn pattern(text: &str) -> Pattern {
    let pieces = split(text, '*');
    if pieces.len() == 1 {
        return Pattern::Exact(unescaped(text));
    }
    let pieces: Vec<_> = pieces.into_iter().map(|piece| like_literal(&unescaped(piece))).collect();
    Pattern::Like(pieces.join("%"))
}

fn label(key: &str, operator: &'static str, value: &str) -> Result<Condition, SelectorError> {
    let (name, shorthand) = match key.strip_prefix(LABEL) {
        Some(name) => (name, false),
        // Only what can find too little may be short: a slip in `!=` would find too much.
        None if operator == "=" && nearly_marked(key).is_none() && Label::new(key, "").is_ok() => (key, true),
        None => return Err(unknown(key)),
    };
    let not = equal(key, operator)?;
    let any = split(value, '|').into_iter().map(|value| Label::new(name, &unescaped(value)));
    let any = any.map(|label| label.map(|label| label.value)).collect::<Result<_, _>>()?;
    Ok(Condition::Label { key: name.to_owned(), not, any, shorthand })
}

/// `lable.tier` and the like, put right.
fn nearly_marked(key: &str) -> Option<String> {
    let (mark, name) = key.split_once('.')?;
    suggest::nearest(mark, ["label"]).map(|_| format!("{LABEL}{name}"))
}

/// The key that is nearest to a word, if one is near.
pub(super) fn nearest_key(word: &str) -> Option<&'static str> {
    suggest::nearest(&word.to_lowercase(), KEYS)
}

fn unknown(key: &str) -> SelectorError {
    let own = nearest_key(key).map(str::to_owned);
    let label = Label::new(key, "").ok().map(|label| format!("{LABEL}{}", label.key));
    let nearest = match nearly_marked(key) {
        Some(marked) => vec![marked],
        None => own.into_iter().chain(label).collect(),
    };
    SelectorError::Key { key: key.to_owned(), nearest }
}

/// A comparison with a time. A date is the whole day in UTC; an age is the moment so long ago.
fn moments(key: &'static str, operator: &'static str, value: &str) -> Result<Span, SelectorError> {
    let (begin, end) = moment(value).ok_or_else(|| SelectorError::Time(value.to_owned()))?;
    let is_age = matches!(begin, Moment::Ago(_));
    let (not, from, before) = match operator {
        "<" => (false, None, Some(begin)),
        "<=" => (false, None, Some(end)),
        ">" => (false, Some(end), None),
        ">=" => (false, Some(begin), None),
        _ if is_age => {
            return Err(SelectorError::Operator {
                key: key.to_owned(),
                operator,
                allowed: "<, <=, > and >= where it is compared with an age",
            });
        }
        _ => (operator == "!=", Some(begin), Some(end)),
    };
    Ok((not, from, before))
}

/// Whether what lies outside is meant, the first moment, and the one after the last.
type Span = (bool, Option<Moment>, Option<Moment>);

/// Where a time begins, and where it is over: a day, a second, or the moment so long ago.
fn moment(value: &str) -> Option<(Moment, Moment)> {
    if let Ok(date) = Date::parse(value, format_description!("[year]-[month]-[day]")) {
        let next = date.next_day()?;
        let midnight = |date: Date| Moment::At(date.midnight().assume_utc());
        return Some((midnight(date), midnight(next)));
    }
    if let Ok(time) = OffsetDateTime::parse(value, &Rfc3339) {
        // Times are shown in whole seconds.
        let begin = time.replace_nanosecond(0).ok()?;
        return Some((Moment::At(begin), Moment::At(begin.checked_add(Duration::SECOND)?)));
    }
    let age = span::parse(value, std::time::Duration::ZERO..=span::LONGEST).ok()?;
    let ago = Moment::Ago(i64::try_from(age.as_secs()).ok()?);
    Some((ago, ago))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Condition {
        let mut selector: Selector = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(selector.conditions.len(), 1, "{text}");
        selector.conditions.remove(0)
    }

    fn error(text: &str) -> SelectorError {
        match text.parse::<Selector>() {
            Ok(selector) => panic!("{text} is {selector:?}"),
            Err(error) => error,
        }
    }

    fn hint(text: &str) -> String {
        crate::kernel::Failure::hints(&error(text)).into_iter().map(|hint| hint.text).collect()
    }

    #[test]
    fn each_key_has_its_condition() {
        use TenantState::{Active, Deleting};
        assert_eq!(
            one("state=active|deleting"),
            Condition::State { not: false, any: vec![Active, Deleting] }
        );
        assert_eq!(one("status != active"), Condition::State { not: true, any: vec![Active] });
        let cluster = |not| Condition::Text {
            field: TextField::Cluster,
            not,
            any: vec![Pattern::Exact("eu1".to_owned())],
        };
        assert_eq!((one("cluster=eu1"), one("cluster!=eu1")), (cluster(false), cluster(true)));
        assert_eq!(
            one("slug=ac*_\\*|b"),
            Condition::Text {
                field: TextField::Slug,
                not: false,
                any: vec![Pattern::Like("ac%\\_*".to_owned()), Pattern::Exact("b".to_owned())],
            }
        );
        assert_eq!(one("label.tier"), Condition::Present { key: "tier".to_owned(), not: false });
        assert_eq!(one("!label.tier"), Condition::Present { key: "tier".to_owned(), not: true });
    }

    #[test]
    fn a_label_may_be_short_only_where_a_slip_finds_too_little() {
        let label = |shorthand| Condition::Label {
            key: "plan".to_owned(),
            not: false,
            any: vec!["a=b".to_owned(), "c,d".to_owned(), String::new()],
            shorthand,
        };
        assert_eq!(one("plan=a=b|c\\,d|"), label(true));
        assert_eq!(one("label.plan=a=b|c\\,d|"), label(false));
        assert_eq!(hint("plan!=gold"), "did you mean label.plan?");
        assert_eq!(hint("clustr!=eu1"), "did you mean cluster or label.clustr?");
        assert_eq!(hint("lable.tier=gold"), "did you mean label.tier?");
        assert_eq!(hint("State=active"), "did you mean state?");
        assert_eq!(hint("slog"), "did you mean slug or label.slog?");
        assert_eq!(hint("state=actve"), "did you mean active?");
        assert_eq!(hint("state=ACTIVE"), "did you mean active?");
        assert_eq!(hint("tier=gold|Silver"), "did you mean silver?");
        assert_eq!(hint("module!=CRM"), "did you mean crm?");
        assert_eq!(hint("cluster=EU*"), "did you mean eu*?");
        let selector: Selector = "clster=eu1,plan=gold,label.stat=x".parse().unwrap();
        assert_eq!(selector.suspects(), [("clster", "cluster")]);
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        assert_eq!(error(""), SelectorError::Empty);
        assert_eq!(error("state=active,"), SelectorError::Empty);
        assert_eq!(error("cluster"), SelectorError::NoValue("cluster".to_owned()));
        assert_eq!(error("slug="), SelectorError::NoValue("slug".to_owned()));
        assert_eq!(error("slug=a||b"), SelectorError::NoValue("slug".to_owned()));
        for text in ["cluster<eu1", "state>active", "label.tier<1", "created=7d"] {
            assert!(matches!(error(text), SelectorError::Operator { .. }), "{text}");
        }
        for text in
            ["created<soon", "created<7", "created<-7d", "created>2026-02-30", "created<", "created>7é"]
        {
            assert!(matches!(error(text), SelectorError::Time(_)), "{text}");
        }
        assert!(matches!(error("label.=x"), SelectorError::Label(_)));
        assert!(matches!(error("!state=active"), SelectorError::Key { .. }));
        assert!(matches!(error("!"), SelectorError::Key { .. }));
        assert!(matches!(error("a!b"), SelectorError::Key { .. }));
    }

    #[test]
    fn a_date_is_its_whole_day_and_an_age_is_a_moment() {
        let at = |text: &str| Some(Moment::At(OffsetDateTime::parse(text, &Rfc3339).unwrap()));
        let created = |not, from, before| Condition::Created { not, from, before };
        let (begin, end) = (at("2026-01-31T00:00:00Z"), at("2026-02-01T00:00:00Z"));
        assert_eq!(one("created=2026-01-31"), created(false, begin, end));
        assert_eq!(one("created!=2026-01-31"), created(true, begin, end));
        assert_eq!(one("created<2026-01-31"), created(false, None, begin));
        assert_eq!(one("created<=2026-01-31"), created(false, None, end));
        assert_eq!(one("created>2026-01-31"), created(false, end, None));
        assert_eq!(one("created>=2026-01-31T01:00:00+01:00"), created(false, begin, None));
        assert_eq!(one("created_at>7d"), created(false, Some(Moment::Ago(604_800)), None));
    }

    #[test]
    fn only_a_question_for_the_gone_finds_them() {
        let leaves_out = |text: &str| text.parse::<Selector>().unwrap().leaves_out_deleted();
        assert!(leaves_out("state!=active"));
        assert!(leaves_out("state!=deleted"));
        assert!(!leaves_out("state=active|deleted"));
    }
}
