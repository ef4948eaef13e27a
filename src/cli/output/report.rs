//! Writes a report: on a terminal by place, with a mark for each finding and the fix under it, else a
//! row for each finding.

use serde::Serialize;

use super::super::hint;
use super::escape;
use super::row::{Column, Row};
use super::screen::{Format, OutputError, Screen};
use crate::kernel::text::counted;
use crate::kernel::{Finding, Hint, Report, Severity, Subject};

impl Screen {
    /// Writes a report, and tells how many findings of what there are.
    ///
    /// # Errors
    /// When standard output takes no more.
    pub fn report<E: Serialize>(&self, checked: &str, report: Report<E>) -> Result<(), OutputError> {
        let counts = counts(&report.findings);
        self.findings(report.findings)?;
        self.note(&format!("checked {checked}: {counts}"));
        Ok(())
    }

    /// Writes findings alone, with what to do as commands in every format.
    ///
    /// # Errors
    /// When standard output takes no more.
    pub fn findings<E: Serialize>(&self, mut findings: Vec<Finding<E>>) -> Result<(), OutputError> {
        for it in &mut findings {
            it.fix = it.fix.iter().map(|hint| Hint::from(self.rendered(hint))).collect();
        }
        if self.format() == Format::Table && self.data_on_terminal() {
            return self.table(by_place(&findings, self.colour_on_stdout()).as_bytes());
        }
        self.list(findings)
    }
}

impl<E: Serialize> Row for Finding<E> {
    const COLUMNS: &'static [Column] = &[
        Column::text("code"),
        Column::text("severity"),
        Column::text("tenant"),
        Column::text("place"),
        Column::text("object"),
        Column::text("detail"),
        Column::text("fix"),
    ];

    fn cells(&self) -> Vec<String> {
        let Subject { place, tenant, object, .. } = &self.subject;
        vec![
            self.code.to_string(),
            self.severity.as_str().to_owned(),
            tenant.clone().unwrap_or_default(),
            place.to_string(),
            object.clone(),
            self.detail.clone(),
            self.fix.iter().map(hint::sentence).collect::<Vec<_>>().join("; "),
        ]
    }

    fn id(&self) -> String {
        self.subject.tenant.clone().unwrap_or_else(|| self.code.to_string())
    }
}

/// How many findings of each severity there are; those of none are left out, but for faults.
fn counts<E>(findings: &[Finding<E>]) -> String {
    let of = |word: &str| findings.iter().filter(|it| it.severity.as_str() == word).count();
    let faults = counted(of("error"), "fault");
    let others = [
        format!("{} unchecked", of("unchecked")),
        counted(of("warning"), "warning"),
        counted(of("notice"), "notice"),
        format!("{} ok", of("ok")),
        format!("{} skipped", of("skipped")),
    ];
    let others = others.into_iter().filter(|count| !count.starts_with("0 "));
    [faults].into_iter().chain(others).collect::<Vec<_>>().join(", ")
}

/// What was skipped of one subject for one reason is one line.
fn alike<E>(a: &Finding<E>, b: &Finding<E>) -> bool {
    let skipped = |it: &Finding<E>| it.severity == Severity::Skipped;
    skipped(a) && skipped(b) && a.subject == b.subject && a.detail == b.detail
}

fn by_place<E>(findings: &[Finding<E>], colour: bool) -> String {
    // SGR codes, ECMA-48 section 8.3.117: 1 bold, 2 faint, 31 red, 32 green, 33 yellow, 36 cyan.
    let paint = |code: &str, text: &str| {
        if colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    };
    let mut lines = Vec::new();
    let mut last = None;
    for some in findings.chunk_by(alike) {
        let Some(Finding { code, severity, subject, detail, fix, .. }) = some.first() else { continue };
        let Subject { place, tenant, object, .. } = subject;
        if last != Some(place) {
            lines.extend(last.map(|_| String::new()));
            lines.push(paint("1", &escape::cell(&place.to_string())));
            last = Some(place);
        }
        let (mark, code_of_colour) = match severity {
            Severity::Ok => ("✓", "32"),
            Severity::Skipped => ("-", "2"),
            Severity::Notice => ("*", "36"),
            Severity::Warning => ("!", "33"),
            Severity::Unchecked => ("?", "33"),
            Severity::Error(_) => ("✗", "1;31"),
        };
        let code = if some.len() > 1 { counted(some.len(), "check") } else { code.to_string() };
        let tenant = tenant.as_ref().map(|slug| format!("tenant {slug}"));
        let object = Some(object.clone()).filter(|object| *object != place.to_string());
        let subject = [tenant, object].into_iter().flatten().collect::<Vec<_>>().join(", ");
        let parts = [subject.as_str(), detail.as_str()].into_iter().filter(|part| !part.is_empty());
        let words = parts.collect::<Vec<_>>().join(": ");
        lines.push(format!("  {} {code:<20} {}", paint(code_of_colour, mark), escape::cell(&words)));
        for hint in fix.iter().filter(|_| *severity != Severity::Skipped) {
            let hint = hint::sentence(hint);
            lines.push(format!("      {} {}", paint("36", "fix:"), escape::sentence(&hint)));
        }
    }
    lines.into_iter().map(|line| line + "\n").collect()
}
