//! Renders templates. Who writes one for a tenant is not trusted with the time and memory of the process: what a
//! template may say is a part of minijinja's language, and its steps, its source, its values and its output are bounded.
//! What is left takes a thread beside those that serve requests, and few such threads at a time.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, filters};
use serde_json::{Map, Value};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::error::TemplateError;
use super::model::{Part, Source};
use super::syntax;
use crate::kernel::suggest;

/// Most steps of one rendering: some thousand rows of a table.
const FUEL: u64 = 20_000;
/// How deep loops may call themselves.
const DEEPEST: usize = 50;
/// Most bytes of a part that is rendered.
const LONGEST_OUTPUT: usize = 256 * 1024;
/// Most characters of a subject.
const LONGEST_SUBJECT: usize = 200;
/// Most bytes of a list that is joined to one text.
const LONGEST_JOINED: usize = 16 * 1024;

/// Most bytes of the values of one rendering, as JSON.
const LONGEST_VALUES: usize = 64 * 1024;
/// How many threads render.
const AT_ONCE: usize = 2;
/// How long a rendering waits for its turn, and how long somebody waits for it after that.
const TURN_TIMEOUT: Duration = Duration::from_secs(10);
const RENDER_TIMEOUT: Duration = Duration::from_secs(5);

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// One line.
    pub subject: String,
    pub text: String,
    pub html: Option<String>,
}

/// Does work of this file on a thread of its own, which has ended when its fuel has, whoever waits for it.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, TemplateError> + Send + 'static,
) -> Result<T, TemplateError> {
    static TURNS: Semaphore = Semaphore::const_new(AT_ONCE);
    let Ok(Ok(turn)) = timeout(TURN_TIMEOUT, TURNS.acquire()).await else { return Err(TemplateError::Slow) };
    let work = tokio::task::spawn_blocking(move || {
        let done = work();
        drop(turn);
        done
    });
    match timeout(RENDER_TIMEOUT, work).await {
        Ok(Ok(done)) => done,
        Ok(Err(error)) if error.is_panic() => {
            let reason = "it cannot be rendered".to_owned();
            Err(TemplateError::Wrong { part: Part::Text, line: 1, reason })
        }
        _ => Err(TemplateError::Slow),
    }
}

/// Renders somebody's template beside the threads that serve requests.
pub(super) async fn render_aside(
    source: &Source,
    values: &Map<String, Value>,
) -> Result<Rendered, TemplateError> {
    let (source, values) = (source.clone(), values.clone());
    aside(move || render(&source, &values)).await
}

/// Checks templates against the same values, as [`check`] does, and gives what they say.
pub(super) async fn check_aside(
    sources: Vec<Source>,
    values: Map<String, Value>,
) -> Result<Vec<Rendered>, TemplateError> {
    aside(move || {
        let begun = Instant::now();
        let one = |source| {
            if begun.elapsed() > RENDER_TIMEOUT {
                return Err(TemplateError::Slow);
            }
            check(source, &values)
        };
        sources.iter().map(one).collect()
    })
    .await
}

/// Renders all parts of a template with these values.
pub(super) fn render(source: &Source, values: &Map<String, Value>) -> Result<Rendered, TemplateError> {
    require_short(values)?;
    let subject = part(Part::Subject, &source.subject, values)?;
    let subject = subject.trim();
    if subject.is_empty() || subject.chars().count() > LONGEST_SUBJECT || subject.contains(char::is_control) {
        return Err(TemplateError::Subject { most: LONGEST_SUBJECT });
    }
    let html = source.html.as_ref().map(|html| part(Part::Html, html, values)).transpose()?;
    Ok(Rendered { subject: subject.to_owned(), text: part(Part::Text, &source.text, values)?, html })
}

/// Checks a template against values that it will have the like of: everything that it names is among them, also in
/// branches that they do not take, and it can be rendered.
pub(super) fn check(source: &Source, sample: &Map<String, Value>) -> Result<Rendered, TemplateError> {
    require_short(sample)?;
    let known = names_of(sample);
    let parts = [(Part::Subject, Some(&source.subject)), (Part::Text, Some(&source.text))];
    for (of, text) in parts.into_iter().chain([(Part::Html, source.html.as_ref())]) {
        let Some(text) = text else { continue };
        syntax::check(of, text)?;
        let env = environment();
        let template = env.template_from_named_str(of.as_str(), text).map_err(|it| failure(of, &it))?;
        let mut used: Vec<String> = template.undeclared_variables(true).into_iter().collect();
        used.sort_unstable();
        if let Some(name) = used.into_iter().find(|name| !known.has(name)) {
            return Err(unknown(of, text, name, &known));
        }
    }
    render(source, sample)
}

fn require_short(values: &Map<String, Value>) -> Result<(), TemplateError> {
    let mut counted = Bounded { most: LONGEST_VALUES, ..Bounded::default() };
    match serde_json::to_writer(&mut counted, values) {
        Ok(()) => Ok(()),
        Err(_) => Err(TemplateError::LongValues { most: LONGEST_VALUES }),
    }
}

/// Names of values, and of those whose shape nobody knows: what is below them is looked at when it is rendered.
#[derive(Debug, Default)]
struct Names {
    all: BTreeSet<String>,
    shapeless: BTreeSet<String>,
}

impl Names {
    fn has(&self, name: &str) -> bool {
        let is_below =
            |above: &String| name.strip_prefix(above.as_str()).is_some_and(|it| it.starts_with('.'));
        self.all.contains(name) || self.shapeless.iter().any(is_below)
    }
}

fn unknown(of: Part, text: &str, name: String, known: &Names) -> TemplateError {
    let line = text.lines().position(|line| line.contains(&name)).map_or(1, |at| at + 1);
    let nearest = suggest::nearest(&name, known.all.iter().map(String::as_str)).map(str::to_owned);
    TemplateError::Unknown { part: of, line, name, nearest }
}

/// The names of values, those of objects within with dots before them.
fn names_of(values: &Map<String, Value>) -> Names {
    let mut names = Names::default();
    let mut open: Vec<(String, &Map<String, Value>)> = vec![(String::new(), values)];
    while let Some((before, object)) = open.pop() {
        for (name, value) in object {
            let name = format!("{before}{name}");
            match value {
                Value::Object(inner) => open.push((format!("{name}."), inner)),
                _ => drop(names.shapeless.insert(name.clone())),
            }
            names.all.insert(name);
        }
    }
    names
}

fn part(of: Part, text: &str, values: &Map<String, Value>) -> Result<String, TemplateError> {
    // A row of a realm need not be one that was checked.
    syntax::check(of, text)?;
    let env = environment();
    let template = env.template_from_named_str(of.as_str(), text).map_err(|it| failure(of, &it))?;
    let mut out = Bounded::default();
    let rendered = template.render_captured_to(minijinja::Value::from(Serde(values)), &mut out);
    match rendered {
        _ if out.is_full => Err(TemplateError::TooLong { part: of, most: LONGEST_OUTPUT }),
        Err(error) => Err(failure(of, &error)),
        Ok(_) => Ok(String::from_utf8_lossy(&out.bytes).into_owned()),
    }
}

fn failure(of: Part, error: &Error) -> TemplateError {
    let line = error.line().unwrap_or(1);
    let reason = match error.kind() {
        ErrorKind::OutOfFuel => format!("it takes more than {FUEL} steps"),
        ErrorKind::UndefinedError => "it names a value that is not given".to_owned(),
        kind => error.detail().map_or_else(|| kind.to_string(), str::to_owned),
    };
    TemplateError::Wrong { part: of, line, reason: reason.chars().take(300).collect() }
}

/// What templates may do: no files, no other templates, and no filter whose result can be much longer than what it is
/// given.
fn environment() -> Environment<'static> {
    let mut env = Environment::empty();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_fuel(Some(FUEL));
    env.set_recursion_limit(DEEPEST);
    if let Ok(syntax) =
        SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build()
    {
        env.set_syntax(syntax);
    }
    env.set_auto_escape_callback(|name| {
        if name == Part::Html.as_str() { AutoEscape::Html } else { AutoEscape::None }
    });
    env.add_filter("upper", filters::upper);
    env.add_filter("lower", filters::lower);
    env.add_filter("title", filters::title);
    env.add_filter("capitalize", filters::capitalize);
    env.add_filter("trim", filters::trim);
    env.add_filter("length", filters::length);
    env.add_filter("first", filters::first);
    env.add_filter("last", filters::last);
    env.add_filter("round", filters::round);
    env.add_filter("default", filters::default);
    env.add_filter("join", join);
    env.add_test("defined", minijinja::tests::is_defined);
    env.add_test("undefined", minijinja::tests::is_undefined);
    env.add_test("none", minijinja::tests::is_none);
    env.add_test("number", minijinja::tests::is_number);
    env.add_test("string", minijinja::tests::is_string);
    env
}

/// The members of a list as one text, up to a length.
fn join(values: &minijinja::Value, between: Option<&str>) -> Result<String, Error> {
    let mut text = String::new();
    for (at, value) in values.try_iter()?.enumerate() {
        if at > 0 {
            text.push_str(between.unwrap_or(", "));
        }
        text.push_str(&value.to_string());
        if text.len() > LONGEST_JOINED {
            let reason = format!("a list that is joined is longer than {LONGEST_JOINED} bytes");
            return Err(Error::new(ErrorKind::InvalidOperation, reason));
        }
    }
    Ok(text)
}

/// Takes so many bytes, and no more.
struct Bounded {
    bytes: Vec<u8>,
    most: usize,
    is_full: bool,
}

impl Default for Bounded {
    fn default() -> Self {
        Self { bytes: Vec::new(), most: LONGEST_OUTPUT, is_full: false }
    }
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.most {
            self.is_full = true;
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn checked(text: &str, sample: &Value) -> Result<Rendered, String> {
        let source = Source { subject: "x".to_owned(), text: text.to_owned(), html: None };
        check(&source, sample.as_object().unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_name_is_known_where_the_sample_has_it() {
        let sample = json!({ "data": { "order": 1, "items": [{ "name": "a" }], "meta": {} } });
        for good in [
            "{{ data.order }}",
            "{{ data.items[0].name }}",
            "{% for it in data.items %}{{ it.name }}{% endfor %}",
        ] {
            assert!(checked(good, &sample).is_ok(), "{good}: {:?}", checked(good, &sample));
        }
        for (bad, said) in [
            (
                "a\n{{ data.odrer }}",
                "line 2 of the text: there is no value data.odrer; did you mean data.order?",
            ),
            ("{{ data.meta.x }}", "there is no value data.meta.x"),
            ("{% if false %}{{ nothing }}{% endif %}", "there is no value nothing"),
            ("{{ data.order.x }}", "line 1 of the text: it names a value that is not given"),
            ("{% for it in data.items %}{{ it.nme }}{% endfor %}", "it names a value that is not given"),
        ] {
            let refused = checked(bad, &sample).unwrap_err();
            assert!(refused.contains(said), "{bad}: {refused}");
        }
    }

    #[test]
    fn what_is_rendered_has_a_bound() {
        let long = json!({ "data": { "text": "x".repeat(10_000), "list": vec![0; 1_000] } });
        let many = "{{ data.text }}".repeat(40);
        assert!(checked(&many, &long).unwrap_err().contains("longer than 262144 bytes"));
        let slow = "{% for a in data.list %}{% for b in data.list %}{% endfor %}{% endfor %}";
        assert!(checked(slow, &long).unwrap_err().contains("20000 steps"));
        let deep = "{% for a in [1] recursive %}{{ loop([1]) }}{% endfor %}";
        assert!(checked(deep, &long).is_err());
    }

    const VALUES: &str =
        r#"{ "data": { "n": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], "s": "ab<", "m": { "k": [[1]] } } }"#;

    #[test]
    fn no_template_makes_much_of_little() {
        let values: Value = serde_json::from_str(VALUES).unwrap();
        let with = |before: &str, inside: &str, after: &str| {
            let eight: Vec<String> =
                (1..9).map(|n| format!("{{% for x{n} in [x{0}, x{0}] %}}", n - 1)).collect();
            let eight = eight.concat();
            format!(
                "{{% for x0 in data.n %}}{before}{eight}{inside}{}{after}{{% endfor %}}",
                "{% endfor %}".repeat(8)
            )
        };
        let many = |of: &str| of.repeat(500);
        for hostile in [
            with("", "{{ x8 }}", ""),
            with("", "{{ x8|upper }}", ""),
            with("", "{{ x8|join }}", ""),
            with("{% if x0 == 1 %}", "{% if x8 == x8 %}.{% endif %}", "{% endif %}"),
            "{{ [[data, data], [data, data]]|upper }}".to_owned(),
            "{% for x in ((data, data), (data, data)) %}{{ x }}{% endfor %}".to_owned(),
            "{{ {'a': data} }}".to_owned(),
            "{% for x in data.n recursive %}{{ loop(data.n) }}{% endfor %}".to_owned(),
            "{% for x in data.n %}{{ loop.cycle(data, data) }}{% endfor %}".to_owned(),
            "{{ data.s * 1000000000 }}".to_owned(),
            "{{ data.s ~ data.s }}".to_owned(),
            "{{ data.n + data.n }}".to_owned(),
            "{{ 9 ** 999999999 }}".to_owned(),
            "{% for x in range(1000000000) %}.{% endfor %}".to_owned(),
            "{{ data.n|batch(1000000000, data) }}".to_owned(),
            "{{ data.n|slice(1000000000) }}".to_owned(),
            "{{ data.s|replace('', data.s) }}".to_owned(),
            "{{ data.s|indent(1000000000) }}".to_owned(),
            "{{ '%1000000000s'|format(data.s) }}".to_owned(),
            "{{ data.s.center(1000000000) }}".to_owned(),
            "{{ data|tojson(1000000000) }}".to_owned(),
            "{{ dict(a=data) }}".to_owned(),
            "{% set x = data %}{{ x }}".to_owned(),
            "{% block a %}{{ self.a() }}{% endblock %}".to_owned(),
            "{% macro a() %}{{ a() }}{% endmacro %}".to_owned(),
            format!("{{{{ data.s{} }}}}", many("|upper")),
            format!("{{{{ data.s{} }}}}", many(".s")),
            format!("{{{{ data.s{} }}}}", many("[0]")),
            format!("{{{{ {}data.s }}}}", many("not ")),
            format!("{{{{ {}1 }}}}", many("-")),
            format!("{{{{ {}1{} }}}}", many("("), many(")")),
            format!("{{{{ data.s{} }}}}", many(" if data.s else data.s")),
            format!("{{% if data.s %}}{}{{% endif %}}", many("{% elif data.s %}")),
            format!("{}{}", many("{% if data.s %}"), many("{% endif %}")),
        ] {
            let refused = checked(&hostile, &values);
            assert!(refused.is_err(), "{hostile:.200}: {refused:?}");
        }
    }

    #[test]
    fn values_have_a_bound() {
        let long = json!({ "data": { "text": "x".repeat(LONGEST_VALUES) } });
        assert!(checked("x", &long).unwrap_err().contains("65536 bytes"));
    }

    /// Texts of pieces that are templates more often than not.
    fn text() -> impl Strategy<Value = String> {
        let piece = proptest::sample::select(vec![
            "{% for x in data.n %}",
            "{% for x in data %}",
            "{% for y in x %}",
            "{% for x in [x, x] %}",
            "{% endfor %}",
            "{% if x == data %}",
            "{% if data.s in data %}",
            "{% else %}",
            "{% endif %}",
            "{{ x }}",
            "{{ data }}",
            "{{ data|upper }}",
            "{{ data|join(data.s) }}",
            "{{ data.n[::-1]|join }}",
            "{{ [data, data] }}",
            "{{ (x, x)|title }}",
            "{{ loop }}",
            "{{ loop.nextitem|default(data) }}",
            "{{ data.m|first|capitalize }}",
            "{{ data|default(a=data) }}",
            "ab",
            "{#",
            "#}",
        ]);
        proptest::collection::vec(piece, 1..40).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        #[test]
        fn what_is_rendered_is_never_long(text in text()) {
            let values: Value = serde_json::from_str(VALUES).unwrap();
            let html = Some(text.clone());
            let source = Source { subject: "x".to_owned(), text, html };
            if let Ok(said) = render(&source, values.as_object().unwrap()) {
                prop_assert!(said.text.len() <= LONGEST_OUTPUT);
                prop_assert!(said.html.unwrap_or_default().len() <= LONGEST_OUTPUT);
            }
        }
    }
}
