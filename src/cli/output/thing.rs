//! Writes a single thing.

use super::escape;
use super::list::{csv_line, heading, plain_table, shape, space, tab_separated, yaml};
use super::row::{Column, Thing};
use super::screen::{Format, OutputError, Screen};

const NAME_AND_VALUE: [Column; 2] = [Column::text("name"), Column::text("value")];

impl Screen {
    /// Writes a single thing.
    ///
    /// # Errors
    /// When standard output takes no more.
    pub fn thing<T: Thing>(&self, thing: &T) -> Result<(), OutputError> {
        let mut buffer = Vec::new();
        match self.format() {
            Format::Table if self.data_on_terminal() => {
                let mut table = plain_table(self);
                for (name, text) in thing.fields().into_iter().filter(|(_, text)| !text.is_empty()) {
                    let value = comfy_table::Cell::new(escape::cell(&text));
                    table.add_row(vec![heading(self, &name.replace('_', " ")), value]);
                }
                space(&mut table);
                if self.colour_on_stdout() {
                    table.enforce_styling();
                }
                for line in table.lines() {
                    buffer.extend_from_slice(line.trim_end().as_bytes());
                    buffer.push(b'\n');
                }
            }
            Format::Table => {
                for (name, text) in thing.fields() {
                    tab_separated(&mut buffer, &NAME_AND_VALUE, &[name.to_owned(), text]);
                }
            }
            Format::Json => {
                let text = serde_json::to_string_pretty(thing).map_err(|e| shape("json", &e))?;
                buffer.extend_from_slice(escape::json(&text).as_bytes());
                buffer.push(b'\n');
            }
            Format::Yaml => yaml(&mut buffer, thing)?,
            Format::Csv => {
                let (names, texts): (Vec<_>, Vec<_>) =
                    thing.fields().into_iter().map(|(name, text)| (name.to_owned(), text)).unzip();
                csv_line(&mut buffer, &names, false)?;
                csv_line(&mut buffer, &texts, self.data_on_terminal())?;
            }
            Format::Id => {
                buffer.extend_from_slice(escape::cell(&thing.id()).as_bytes());
                buffer.push(b'\n');
            }
        }
        self.raw(&buffer)
    }
}
