//! Shows what long work tells: lines that move on a terminal, plain lines at intervals elsewhere.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

use super::escape;
use super::screen::Screen;
use crate::kernel::{Event, Progress};

/// How far plain lines are apart.
const INTERVAL: Duration = Duration::from_secs(5);
/// How often a moving line moves.
const TICK: Duration = Duration::from_millis(100);

/// Shows what long work tells. Nothing but notes is left on the screen when it is dropped.
#[derive(Debug)]
pub struct ScreenProgress {
    screen: Screen,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    total: u64,
    done: u64,
    failed: u64,
    began: Instant,
    told: Instant,
    total_line: Option<ProgressBar>,
    lines: HashMap<String, ProgressBar>,
}

impl Screen {
    /// Where the events of one piece of long work go.
    #[must_use]
    pub fn progress(&self) -> ScreenProgress {
        let now = Instant::now();
        let state = State {
            total: 0,
            done: 0,
            failed: 0,
            began: now,
            told: now,
            total_line: None,
            lines: HashMap::new(),
        };
        ScreenProgress { screen: self.clone(), state: Mutex::new(state) }
    }
}

impl Progress for ScreenProgress {
    fn event(&self, event: Event) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Note(sentence) => {
                drop(state);
                self.screen.note(&sentence);
            }
            _ if self.screen.console().silent() => {}
            event if self.screen.console().terminal() => self.draw(&mut state, event),
            event => {
                let line = state.plain(event, Instant::now());
                drop(state);
                if let Some(line) = line {
                    self.screen.note(&line);
                }
            }
        }
    }
}

impl ScreenProgress {
    fn draw(&self, state: &mut State, event: Event) {
        let bars = self.screen.console().bars();
        match event {
            Event::Total(total) => {
                let line = bars.add(ProgressBar::new(total));
                line.set_style(style("{bar:30} {pos}/{len}  {msg}  {elapsed}, {eta} left"));
                line.enable_steady_tick(TICK);
                state.total_line = Some(line);
            }
            Event::Step { subject, step } => {
                let subject = escape::cell(&subject).into_owned();
                let line = state.lines.entry(subject.clone()).or_insert_with(|| {
                    let line = ProgressBar::new_spinner();
                    let line = match &state.total_line {
                        Some(total) => bars.insert_before(total, line),
                        None => bars.add(line),
                    };
                    line.set_style(style("{spinner} {prefix}  {msg}"));
                    line.set_prefix(subject);
                    line.enable_steady_tick(TICK);
                    line
                });
                line.set_message(step);
            }
            Event::Done { subject, ok } => {
                if let Some(line) = state.lines.remove(&*escape::cell(&subject)) {
                    line.finish_and_clear();
                    bars.remove(&line);
                }
                state.failed += u64::from(!ok);
                if let Some(line) = &state.total_line {
                    line.inc(1);
                    if state.failed > 0 {
                        line.set_message(format!("{} failed", state.failed));
                    }
                }
            }
            Event::Note(_) => {}
        }
    }
}

impl State {
    /// A line to write now, if one is due.
    fn plain(&mut self, event: Event, now: Instant) -> Option<String> {
        let step = match event {
            Event::Total(total) => {
                self.total = total;
                None
            }
            Event::Step { subject, step } => Some(format!("{subject}: {step}")),
            Event::Done { ok, .. } => {
                self.done += 1;
                self.failed += u64::from(!ok);
                None
            }
            Event::Note(_) => None,
        };
        if now.duration_since(self.told) < INTERVAL {
            return None;
        }
        let line = if self.total > 1 { Some(self.summary(now)) } else { step }?;
        self.told = now;
        Some(line)
    }

    fn summary(&self, now: Instant) -> String {
        let failed = if self.failed > 0 { format!(", {} failed", self.failed) } else { String::new() };
        let left = self.total.saturating_sub(self.done);
        let done = u32::try_from(self.done).unwrap_or(u32::MAX);
        let each = now.duration_since(self.began).checked_div(done);
        let left = each.map_or_else(String::new, |each| {
            let rest = each.saturating_mul(u32::try_from(left).unwrap_or(u32::MAX));
            format!(", about {} left", HumanDuration(rest))
        });
        format!("{} of {} done{failed}{left}", self.done, self.total)
    }
}

impl Drop for ScreenProgress {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        let lines = state.lines.drain().map(|(_, line)| line).chain(state.total_line.take());
        for line in lines {
            line.finish_and_clear();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    // Only a template that is wrong in the source can fail, and then the line is merely plainer.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_lines_come_at_intervals_and_say_what_is_left() {
        let began = Instant::now();
        let mut state = State {
            total: 0,
            done: 0,
            failed: 0,
            began,
            told: began,
            total_line: None,
            lines: HashMap::new(),
        };
        let done = |ok| Event::Done { subject: "acme".into(), ok };
        assert_eq!(state.plain(Event::Total(10), began), None);
        assert_eq!(state.plain(done(true), began + Duration::from_secs(1)), None);
        assert_eq!(
            state.plain(done(false), began + Duration::from_secs(10)).as_deref(),
            Some("2 of 10 done, 1 failed, about 40 seconds left")
        );
        assert_eq!(state.plain(done(true), began + Duration::from_secs(11)), None);
    }
}
